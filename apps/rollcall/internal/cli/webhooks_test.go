package cli_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/webhooks"
)

func TestWebhooks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	status := http.StatusOK
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(target.Close)
	o := newOffice(t, func(opts *receiver.Options) {
		sealer, err := webhooks.OwnSealer(filepath.Join(dir, "key"))
		if err != nil {
			t.Fatal(err)
		}
		opts.Webhooks = webhooks.Options{Sealer: sealer, Target: webhooks.Target{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, HTTP: true}}
	})
	secret := filepath.Join(dir, "secret")
	o.run("webhooks", "add", "badges", target.URL).expect(1, "--out")
	o.run("webhooks", "add", "badges", "https://10.0.0.1", "--out", secret).expect(1, "not a public one")
	o.run("webhooks", "add", "badges", target.URL, "--types", "image.answered", "--out", secret).expect(0, "The secret of webhook 1 is in")
	text, err := os.ReadFile(secret)
	if err != nil || !strings.HasPrefix(string(text), "whsec_") {
		t.Errorf("the secret is %q, %v", text, err)
	}
	o.run("webhooks", "add", "badges", target.URL, "--out", secret+"2").expect(1, "another webhook named")
	o.run("webhooks", "list").expect(0, "ID  STATE", "active", "image.answered", "badges", target.URL)
	o.run("webhooks", "test", "1").expect(0, "webhook.test status 200", "taken")
	status = http.StatusTeapot
	o.run("webhooks", "test", "1").expect(1, "failed: the target answers 418")
	o.run("webhooks", "deliveries", "1").expect(0, "status 200", "status 418")
	o.run("webhooks", "pause", "1").expect(0, "Webhook 1 is paused")
	o.run("webhooks", "resume", "1").expect(0, "Webhook 1 is active; it goes on after event 0")
	o.run("webhooks", "replay", "1").expect(1, "--after")
	o.run("webhooks", "replay", "1", "--after", "9").expect(1, "no event 9")
	o.run("webhooks", "replay", "1", "--after", "0").expect(0, "after event 0")
	o.run("webhooks", "rotate", "1", "--out", secret).expect(1, "file exists")
	o.run("webhooks", "rotate", "1", "--out", secret+"3").expect(0, "The secret of webhook 1")
	o.run("webhooks", "delete", "1").expect(1, "--yes")
	o.run("webhooks", "delete", "1", "--yes").expect(0)
	o.run("webhooks", "delete", "1", "--yes").expect(1, "no webhook 1")
	o.run("webhooks", "test", "x").expect(1, "not the id of a webhook")
}
