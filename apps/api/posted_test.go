package api_test

import (
	"encoding/json"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
)

func TestPostedEntry(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		entry api.PostedEntry
		want  string
	}{
		"accepted": {
			api.PostedEntry{PostedImage: api.PostedImage{Image: api.Image{ID: 4, Path: "/p/a.jpg", Status: api.StatusPending, Reason: api.ReasonQueued}, Queued: true}},
			`{"id":4,"path":"/p/a.jpg","status":"pending","reason":"queued","person":null,"attempts":0,` +
				`"created_at":"0001-01-01T00:00:00Z","updated_at":"0001-01-01T00:00:00Z","queued":true}`,
		},
		"refused": {
			api.Refused("../a.jpg", api.ErrorBody{Code: api.CodePathNotAllowed, Message: "no"}),
			`{"path":"../a.jpg","error":{"code":"path_not_allowed","message":"no"}}`,
		},
	} {
		got, err := json.Marshal(tt.entry)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
}
