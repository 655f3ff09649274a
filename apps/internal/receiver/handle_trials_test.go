package receiver_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
)

// A re-match with another rule is a trial, which is checked as the settings are, and is
// never applied.
func TestTrials(t *testing.T) {
	t.Parallel()
	g := guard(t)
	key := g.key(access.Limits{}, access.Admin)
	job := read[api.Rematch](g.with(key, http.MethodPost, "/api/v1/rematches", `{"threshold":0.4}`).expect(http.StatusAccepted))
	if job.Cause != api.JobCauseCauseTrial || !job.Full || job.Apply || job.Threshold != 0.4 || job.Margin != 0 {
		t.Errorf("the trial is %+v", job)
	}
	for name, body := range map[string]string{
		"too small": `{"threshold":0.001}`, "too large": `{"threshold":2.1}`, "no margin": `{"margin":0}`, "a large margin": `{"margin":1.5}`,
		"applied at once": `{"threshold":0.4,"apply":true}`,
	} {
		t.Run(name, func(t *testing.T) {
			g.with(key, http.MethodPost, "/api/v1/rematches", body).refused(http.StatusBadRequest, "invalid_request")
		})
	}
	g.with(key, http.MethodPost, "/api/v1/rematches/1/apply", "").refused(http.StatusConflict, "conflict")
}

// Declared keys are listed as such, without their hashes.
func TestDeclaredKeysAreListed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	text := `{"keys":[{"name":"ci","id":"ci","sha256":"` + strings.Repeat("ab", 32) + `","scopes":["ingest"],"expires_at":"2099-01-01T00:00:00Z"}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := guard(t, func(o *receiver.Options) { o.KeysFile = file })
	key := g.key(access.Limits{}, access.Admin)
	list := read[api.KeyList](g.with(key, http.MethodGet, "/api/v1/keys", "").expect(http.StatusOK))
	if len(list.Keys) != 1 || len(list.Declared) != 1 {
		t.Fatalf("got %+v", list)
	}
	if d := list.Declared[0]; d.Name != "ci" || d.ExpiresAt == nil || len(d.Scopes) != 1 || d.Scopes[0] != api.ScopeIngest {
		t.Errorf("the declared key is %+v", d)
	}
}
