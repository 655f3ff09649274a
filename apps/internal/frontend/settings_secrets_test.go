package frontend_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/webhooks"
)

// unreadable puts a receiver before a house that does what it is told and, while the answer
// is true, cannot read a path.
func unreadable(t *testing.T, h *house, path string) *atomic.Bool {
	t.Helper()
	sealer, err := webhooks.OwnSealer(filepath.Join(t.TempDir(), "key"))
	h.check(err)
	key, text, err := access.NewKey("dashboard", access.ScopesOf(access.Admin, access.Act), access.Limits{}, time.Now(), time.Time{})
	h.check(err)
	_, err = h.AddKey(t.Context(), key)
	h.check(err)
	reg := prometheus.NewRegistry()
	rest := receiver.New(h.Store, nowhere{}, nil, receiver.Options{
		Address: ":8000", UnknownPeople: root, MaxBody: 64 << 10, MaxPaths: 100, OpenAPI: "false",
		Webhooks: webhooks.Options{Sealer: sealer, GiveUp: time.Hour, Target: webhooks.Target{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, HTTP: true}},
	}, slog.New(slog.DiscardHandler), reg)
	t.Cleanup(rest.Close)
	handler, away := rest.Handler(reg, nil), &atomic.Bool{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() && r.Method == http.MethodGet && (r.URL.Path == path || strings.HasPrefix(r.URL.Path, path+"/")) {
			http.Error(w, "away", http.StatusNotFound) // which clients do not ask again
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	h.api = client.New(web.URL, client.WithKey(text))
	return away
}

// A key and a signing secret are shown this once: also when the list around them cannot be
// read any more.
func TestSecretIsShownWithoutTheRest(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		unread string
		page   string // whose form makes a secret
		form   []string
	}{
		"a key without the list":              {"/api/v1/keys", "/settings/keys", []string{"do", "make", "name", "door", "preset", "read", "expires", "30"}},
		"a key without the dashboard's own":   {"/api/v1/key", "/settings/keys", []string{"do", "make", "name", "door", "preset", "read", "expires", "30"}},
		"a new webhook":                       {"/api/v1/webhooks", "/settings/webhooks", []string{"name", "door 2", "url", "http://127.0.0.1:1/hook"}},
		"a new secret":                        {"/api/v1/webhooks", "/settings/webhooks/1", []string{"do", "rotate"}},
		"a new secret without its deliveries": {"/api/v1/webhooks/1/deliveries", "/settings/webhooks/1", []string{"do", "rotate"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.user("ada", access.AdminRole)
			away := unreadable(t, h, tc.unread)
			_, err := h.api.CreateWebhook(t.Context(), api.WebhookRequest{Name: "door", URL: "http://127.0.0.1:1/hook"})
			h.check(err)
			b := h.browser(h.open())
			b.signIn("ada", goodPassword)
			away.Store(true)
			if p := b.get(tc.page); p.Code == http.StatusOK && tc.page != "/settings/webhooks" {
				t.Errorf("the page itself can be read: %s", p.words("main"))
			}
			p := b.send(tc.page, tc.form...)
			if text := p.Find("#secret").AttrOr("value", ""); p.Code != http.StatusOK || text == "" || p.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("got %d with the secret %q: %s", p.Code, text, p.words("main"))
			}
			if got := p.words("main"); !strings.Contains(got, "door") || !strings.Contains(got, "cannot be read now") {
				t.Errorf("the page says %q", got)
			}
		})
	}
}
