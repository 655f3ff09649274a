package cli_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
)

// evil has sequences that change a terminal's title and colours, the same as single
// characters and as bytes, a line of its own, and characters that turn the text.
const evil = "\x1b]0;owned\x07\x1b[2J\u009b31m\r\nroot# \u202egpj.\u2066\u2028\x7f\x00"

// poisoned serves what another server does, with evil in all texts but times.
func poisoned(t *testing.T, url string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ask := req.Clone(req.Context())
		ask.RequestURI, ask.URL.Scheme, ask.URL.Host = "", "http", strings.TrimPrefix(url, "http://")
		ask.Host = ask.URL.Host
		res, err := http.DefaultClient.Do(ask)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Error(err)
		}
		var value any
		if json.Unmarshal(text, &value) == nil {
			if text, err = json.Marshal(poison(value)); err != nil {
				t.Error(err)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(res.StatusCode)
		_, _ = w.Write(text) // the client may have gone
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func poison(value any) any {
	switch v := value.(type) {
	case string:
		if _, err := time.Parse(time.RFC3339, v); err == nil {
			return v
		}
		return v + evil
	case []any:
		for i := range v {
			v[i] = poison(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = poison(v[name])
		}
	}
	return value
}

// A server, or a name that somebody gave a person, cannot send commands to the
// terminal of who runs rollcall, or show another text than is there.
func TestHostileServer(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	dir := folder(t, map[string]string{"a.jpg": "one", "bad.jpg": "no picture", "team/Ada\x1b[31m/1.jpg": "small"})
	o.run("people", "add", "Ada\u202egpj.\u2066").expect(cli.ExitOK)
	o.run("people", "add", "Bob").expect(cli.ExitOK)
	o.run("post", "a.jpg").expect(cli.ExitOK)
	o.env["ROLLCALL_SERVER"] = poisoned(t, o.url)
	for _, args := range [][]string{
		{"people", "list"},
		{"people", "info", "2"},
		{"people", "info", "nobody" + evil},
		{"people", "rename", "2", "Bob\u202e"},
		{"people", "merge", "1", "2", "--yes"},
		{"people", "undo-merge", "1"},
		{"people", "delete", "2", "--yes"},
		{"known", "list", "1"},
		{"known", "add", "1", dir + "/a.jpg", dir + "/bad.jpg"},
		{"enrol", dir + "/team"},
		{"post", "a.jpg", "../" + evil},
		{"images"},
		{"images", "1"},
		{"images", "99"},
		{"identify", dir + "/a.jpg", dir + "/bad.jpg"},
		{"retry", "1"},
		{"review"},
		{"keys", "create", "k", "--scopes", "read", "--out", dir + "/k"},
		{"keys", "list"},
		{"keys", "revoke", "nobody"},
	} {
		for _, format := range []string{"text", "json"} {
			for _, draws := range []bool{false, true} {
				s := cli.Streams{In: strings.NewReader("n\nn\nn\nq\n"), Asks: true, Draws: draws}
				got := run(t.Context(), t, o.env, s, append(args, "--output", format, "--retry-for", "0s")...)
				checkPrintable(t, args, got.out, "")
				checkPrintable(t, args, got.errors, "\r")
				if format == "json" && got.out != "" && !bytes.ContainsAny([]byte(got.out), "{[") {
					t.Errorf("%q: no JSON: %s", args, got.out)
				}
			}
		}
	}
}

// checkPrintable checks a text for what terminals obey. may has what the program itself
// draws with, beside the sequence that deletes a line.
func checkPrintable(t *testing.T, args []string, text, may string) {
	t.Helper()
	if may != "" {
		text = strings.ReplaceAll(text, "\x1b[K", "")
	}
	for _, r := range text {
		if r == '\n' || r == '\t' || strings.ContainsRune(may, r) {
			continue
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' {
			t.Errorf("%q prints %q: %q", args, r, text)
			return
		}
	}
	if strings.Contains(text, "\nroot# ") {
		t.Errorf("%q prints a line of the server's: %q", args, text)
	}
}
