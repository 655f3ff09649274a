package receiver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// strictStore is a database that takes only what may be stored.
type strictStore struct {
	fakeStore
	t *testing.T
}

func (s strictStore) AddUploads(_ context.Context, paths, _ []string) ([]faces.Image, error) {
	images := make([]faces.Image, len(paths))
	for i, p := range paths {
		if !strings.HasPrefix(p, root+"/") || p != path.Clean(p) || strings.ContainsRune(p, 0) ||
			!utf8.ValidString(p) || utf8.RuneCountInString(p) > faces.MaxPathLength {
			s.t.Errorf("the path %q is stored", p)
		}
		images[i] = faces.Image{ID: int64(i + 1), Path: p, Reason: faces.Queued}
	}
	return images, nil
}

// postTo posts a body. A panic shows as 500, which nothing that is sent may be
// answered with.
func postTo(t *testing.T, route, body string) *httptest.ResponseRecorder {
	t.Helper()
	h := handler(strictStore{t: t, fakeStore: fakeStore{answer: func() error { return nil }}}, nowhere{}, options())
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, route, strings.NewReader(body))
	req.Host = "localhost"
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	a := answer{t: t, code: rec.Code, header: rec.Header(), body: rec.Body.Bytes()}
	if input, ok := find(t, req, a); ok {
		checkAnswer(t, input, a)
	}
	var answer struct {
		Error     *struct{ Code, Message string }
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%d with no JSON: %q", rec.Code, rec.Body)
	}
	switch rec.Code {
	case http.StatusAccepted:
		if answer.Error != nil {
			t.Errorf("202 with an error: %s", rec.Body)
		}
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		if answer.Error == nil || answer.Error.Code == "" || answer.Error.Message == "" || answer.RequestID == "" {
			t.Errorf("%d without an error: %s", rec.Code, rec.Body)
		}
	default:
		t.Errorf("%d: %s", rec.Code, rec.Body)
	}
	return rec
}

func FuzzPostImage(f *testing.F) {
	for _, seed := range []string{
		`{"path":"a.jpg"}`, `{"path":"/unknown_people/a.jpg"}`, `{"path":"..\/..\/etc\/passwd"}`, `{"path":"a\u0000"}`,
		`{"paths":[{"path":"a.jpg"},{"path":".."},{},null]}`, `{"paths":["a"]}`, `{"path":7}`, `null`, `[]`, `"`, "", "{\"path\":\"\xff\"}",
		`{"path":"a","path":"/etc"}`, `{"PATH":"a"}`, `{"path":"\ud800"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		postTo(t, "/image/post", body)
		postTo(t, "/images/post", body)
	})
}

func FuzzCleanPath(f *testing.F) {
	for _, seed := range []string{
		"a.jpg", "/unknown_people/a.jpg", "..", "../a", "a/../..", "/unknown_people/../etc", "/unknown_people2/a", "//unknown_people//a",
		"/unknown_people", "/", ".", " ", "\x00", "a\x00/../..", "..\\..", "%2e%2e/%2e%2e", "\u202e", "/unknown_people/..\u2024/",
		strings.Repeat("../", 300), strings.Repeat("a", 751),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		rec := postTo(t, "/image/post", body("path", sent))
		if rec.Code != http.StatusAccepted {
			return
		}
		var first struct{ Path string }
		if err := json.Unmarshal(rec.Body.Bytes(), &first); err != nil {
			t.Fatal(err)
		}
		// What is stored is a path that means itself.
		rec = postTo(t, "/image/post", body("path", first.Path))
		var second struct{ Path string }
		if err := json.Unmarshal(rec.Body.Bytes(), &second); err != nil {
			t.Fatal(err)
		}
		if rec.Code != http.StatusAccepted || first.Path != second.Path {
			t.Errorf("%q is stored as %q, which is stored as %q (%d)", sent, first.Path, second.Path, rec.Code)
		}
	})
}
