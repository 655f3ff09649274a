package receiver_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/webhooks"
)

// TestDeclaredWebhookByAPI deletes a declared webhook: only once its file has let it go.
func TestDeclaredWebhookByAPI(t *testing.T) {
	t.Parallel()
	opts := options()
	_, secret := webhooks.NewSecret()
	opts.Webhooks.File = filepath.Join(t.TempDir(), "webhooks.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(opts.Webhooks.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"webhooks":[{"name":"hr","url":"https://example.com/","secret":"` + secret + `"}]}`)
	st := newStore(t)
	b := newBenchWith(t, st, opts)
	w, err := st.DeclareWebhook(t.Context(), faces.Webhook{Name: "hr", URL: "https://example.com/"})
	if err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/api/v1/webhooks/%d", w.ID)
	b.do(http.MethodDelete, path, "").refused(http.StatusConflict, "conflict")
	b.get(path).expect(http.StatusOK)
	write(`{"webhooks":[]}`)
	wait.Until(t, "the file is read again", func() bool { return b.do(http.MethodDelete, path, "").code == http.StatusNoContent })
	b.get(path).refused(http.StatusNotFound, "not_found")
	b.do(http.MethodDelete, path, "").refused(http.StatusNotFound, "not_found")
}
