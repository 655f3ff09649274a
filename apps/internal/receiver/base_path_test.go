package receiver_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	apiclient "github.com/rollcall-faces/rollcall/apps/api/client"
)

// Below a base path everything works as without it, and what leads back to the server
// has it. Probes and programs inside the cluster need not know it.
func TestBasePath(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.BasePath = "/rollcall"
	server := httptest.NewServer(handler(newStore(t), nowhere{}, opts))
	t.Cleanup(server.Close)
	bare := &client{t: t, http: server.Client(), url: server.URL}

	img, err := apiclient.New(server.URL+"/rollcall").PostImage(t.Context(), "a.jpg")
	if err != nil || img.Path != "/unknown_people/a.jpg" {
		t.Errorf("post with the Go client: %+v, %v", img, err)
	}
	for _, base := range []string{"/rollcall", ""} {
		for path, want := range map[string]int{
			"/api/v1/images/1": http.StatusOK, "/api/v1/images/1/": http.StatusOK, "/api/v1/images?limit=1": http.StatusOK,
			"/api/v1/images?colour=red": http.StatusBadRequest, "/healthz": http.StatusOK, "/readyz": http.StatusOK, "/nothing": http.StatusNotFound,
		} {
			if code := status(t, bare, base+path); code != want {
				t.Errorf("%s: got code %d, want %d", base+path, code, want)
			}
		}
	}
	for _, elsewhere := range []string{"/rollcallx/healthz", "/other/healthz", "/rollcall/rollcall/healthz", "/rollcall"} {
		if code := status(t, bare, elsewhere); code != http.StatusNotFound {
			t.Errorf("%s: got code %d, want 404", elsewhere, code)
		}
	}

	res := send(t, bare, http.MethodPost, "/rollcall/api/v1/rematches")
	if got := res.header.Get("Location"); res.code != http.StatusAccepted || got != "/rollcall/api/v1/rematches/1" {
		t.Errorf("a re-match: got %d and the location %q", res.code, got)
	}
	var document struct {
		Servers []struct{ URL string }
		Paths   map[string]any
	}
	if err := json.Unmarshal(send(t, bare, http.MethodGet, "/rollcall/openapi.json").body, &document); err != nil {
		t.Fatal(err)
	}
	if page := send(t, bare, http.MethodGet, "/rollcall/docs").body; !bytes.Contains(page, []byte("<code>/rollcall/api/v1/images/{id}</code>")) {
		t.Error("the reference shows routes without the base path")
	}
	if len(document.Servers) != 1 || document.Servers[0].URL != "/rollcall" || len(document.Paths) == 0 {
		t.Errorf("the document names the servers %+v, and has %d paths", document.Servers, len(document.Paths))
	}
}

func status(t *testing.T, c *client, path string) int {
	t.Helper()
	return send(t, c, http.MethodGet, path).code
}

// send sends a request without comparing it with the document, which has no base path.
func send(t *testing.T, c *client, method, path string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{t: t, code: res.StatusCode, header: res.Header, body: text}
}
