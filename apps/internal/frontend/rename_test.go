package frontend_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
)

// noQueue takes nothing: the rows are what the test is about.
type noQueue struct{}

func (noQueue) Publish(context.Context, []int64) bool { return false }

// A person's name is stored once. Whoever renames the person, if only by SQL,
// sees the new name wherever the old one was.
func TestRenamedPersonShowsEverywhere(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna", "Bela")
	both := a.answer(root+"/both.jpg", sight(10, "Anna", 0.1), sight(300, "Bela", 0.2), sight(500))
	unsure := a.answer(root+"/unsure.jpg", sight(10, "Anna", 0.3, "Bela", 0.31))
	second := a.answer(root+"/second.jpg", sight(10, "Anna", 0.4), sight(300, "Bela", 0.2))

	raw, err := sql.Open("sqlite", "file:"+a.file+"?_pragma=busy_timeout(10000)")
	a.check(err)
	t.Cleanup(func() { raw.Close() })
	// Release 0.1.0 kept names in detail.
	for _, q := range []string{
		"UPDATE images SET detail = 'Anna, Bela, 1 unknown' WHERE path LIKE '%both.jpg'",
		"UPDATE images SET detail = 'Anna or Bela?' WHERE path LIKE '%unsure.jpg'",
		"UPDATE person SET name = 'Annette' WHERE name = 'Anna'",
	} {
		_, err := raw.ExecContext(t.Context(), q)
		a.check(err)
	}

	reg := prometheus.NewRegistry()
	opts := receiver.Options{Address: "127.0.0.1:8000", UnknownPeople: root, MaxBody: 64 << 10, MaxPaths: 100}
	api := receiver.New(a.Store, noQueue{}, nil, opts, slog.New(slog.DiscardHandler), reg).Handler(reg, func(context.Context) error { return nil })
	ask := func(method, target, body string) string {
		t.Helper()
		req := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:8000"+target, strings.NewReader(body))
		rec := httptest.NewRecorder()
		api.ServeHTTP(rec, req)
		if rec.Code >= http.StatusMultipleChoices {
			t.Fatalf("%s %s: %d %s", method, target, rec.Code, rec.Body)
		}
		return rec.Body.String()
	}
	details := func(text string) map[int64]string {
		t.Helper()
		var body struct {
			Images []struct {
				ID     int64
				Detail string
			}
		}
		a.check(json.Unmarshal([]byte(text), &body))
		got := map[int64]string{}
		for _, img := range body.Images {
			got[img.ID] = img.Detail
		}
		return got
	}
	want := map[int64]string{both: "Annette, Bela, 1 unknown", unsure: "Annette or Bela?", second: "Annette, Bela"}
	if got := details(ask(http.MethodGet, "/api/v1/images", "")); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the API lists %v, want %v", got, want)
	}

	dashboard := serve(t, a)
	list := get(t, dashboard, "/")
	for id, who := range map[int64]string{both: "Annette with Bela, 1 unknown", unsure: "Annette or Bela?", second: "Bela with Annette"} {
		if got := list.words(fmt.Sprintf("#image-%d td.who", id)); got != who {
			t.Errorf("the dashboard lists image %d with %q, want %q", id, got, who)
		}
	}
	for _, shown := range []string{
		list.Text, ask(http.MethodGet, "/api/v1/images", ""),
		ask(http.MethodPost, "/images/post", `{"paths":[{"path":"both.jpg"},{"path":"unsure.jpg"}]}`),
	} {
		mustName(t, shown, "Annette", "Anna")
	}
	for id := range want {
		mustName(t, get(t, dashboard, fmt.Sprintf("/images/%d", id)).Text, "Annette", "Anna")
		mustName(t, ask(http.MethodGet, fmt.Sprintf("/api/v1/images/%d", id), ""), "Annette", "Anna")
	}
}

// mustName checks that a text has the new name, and the old one nowhere but in
// the name of the known picture, which is a file's.
func mustName(t *testing.T, text, name, old string) {
	t.Helper()
	if !strings.Contains(text, name) {
		t.Errorf("no %s in %s", name, text)
	}
	if strings.Contains(strings.ReplaceAll(text, old+".jpg", ""), old) {
		t.Errorf("%s is still in %s", old, text)
	}
}
