package receiver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
	apiclient "github.com/rollcall-faces/rollcall/apps/api/client"
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

// TestWebhookThatIsDeletedDuringItsTest notes nothing about a webhook that has gone.
func TestWebhookThatIsDeletedDuringItsTest(t *testing.T) {
	t.Parallel()
	opts := options()
	sealer, err := webhooks.OwnSealer(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	opts.Webhooks.Sealer = sealer
	opts.Webhooks.Target = webhooks.Target{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, HTTP: true}
	st := newStore(t)
	b := newBenchWith(t, st, opts)
	c := apiclient.New(b.url)
	var made api.CreatedWebhook
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if err := c.DeleteWebhook(context.WithoutCancel(t.Context()), made.ID); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(target.Close)
	made = must(c.CreateWebhook(t.Context(), api.WebhookRequest{Name: "a", URL: target.URL}))
	b.post(fmt.Sprintf("/api/v1/webhooks/%d/test", made.ID), "").refused(http.StatusNotFound, "not_found")
	log, err := st.Deliveries(t.Context(), made.ID, 0, 10)
	if err != nil || len(log) != 0 {
		t.Errorf("the log of a webhook that is gone has %d lines, %v", len(log), err)
	}
}
