package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/e2e/internal/client"
)

// single is /image/post as every receiver has it.
func single(t *testing.T) http.HandlerFunc {
	id := 0
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Path string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		id++
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(map[string]any{"id": id, "path": body.Path, "status": "pending"})
	}
}

func TestPost(t *testing.T) {
	t.Parallel()
	answer := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	tests := []struct {
		name  string
		bulk  http.HandlerFunc // /images/post; nil where the receiver has none
		paths []string
		want  []string // paths of the images accepted, in order
		code  int      // of the error; 0: none
	}{
		{"a receiver of today",
			answer(202, `{"images":[{"id":1,"path":"a"},{"id":2,"path":"b"}]}`), []string{"a", "b"}, []string{"a", "b"}, 0},
		{"an old one without the route", nil, []string{"a", "b", "c"}, []string{"a", "b", "c"}, 0},
		{"an old one that knows the route by another method", answer(405, ""), []string{"a"}, []string{"a"}, 0},
		{"one that is out of order is not old", answer(503, `{"error":{"code":"unavailable"}}`), []string{"a"}, nil, 503},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			mux.HandleFunc("/image/post", single(t))
			if tt.bulk != nil {
				mux.HandleFunc("/images/post", tt.bulk)
			}
			server := httptest.NewServer(mux)
			defer server.Close()

			images, err := client.New(server.URL+"/", server.Client()).Post(t.Context(), tt.paths...)
			var status *client.StatusError
			if errors.As(err, &status) != (tt.code != 0) || tt.code != 0 && status.Status != tt.code {
				t.Fatalf("error %v, want code %d", err, tt.code)
			}
			var got []string
			for _, img := range images {
				if img.ID == 0 {
					t.Errorf("%s has no id", img.Path)
				}
				got = append(got, img.Path)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
