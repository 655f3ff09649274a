package frontend_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
)

// What pages load by themselves neither prolongs an idle session nor gets the page of
// sign-in instead of an image or JSON. Over plain http, browsers do not say what a request
// is for: each route has to be known as a page or as a part of one.
func TestRoutesArePagesOrParts(t *testing.T) {
	t.Parallel()
	open := map[string]bool{"/static/:name": true, "/sign-in": true, "/first-admin": true, "/invite": true}
	pages := map[string]bool{
		"/": true, "/images/:id": true, "/operations": true, "/upload": true, "/users": true, "/sessions": true,
		"/people": true, "/people/:id": true, "/people/:id/merge": true, "/people/:id/remove": true, "/people/:id/known/:picture/delete": true,
		"/people/:id/export": true, // a file that somebody asks for
		"/erasures/:id":      true, "/review": true, "/review/:question": true, "/unknown": true, "/unknown/:key": true,
	}
	parts := map[string]string{ // with the query that they need
		"/live": "", "/names": "?q=a", "/upload/answers": "?images=1", "/images/:id/thumbnail": "", "/images/:id/picture": "", "/faces/:id/crop": "",
		"/people/:id/known": "", "/people/:id/known/:picture": "", "/review/followed": "?person=1&images=1", "/review/held": "", "/review/known/:id": "", "/unknown/:key/maybe": "",
	}
	h := newHouse(t)
	h.user("ada", access.AdminRole)
	opts := frontend.Options{Log: slog.New(slog.DiscardHandler), Address: ":8081", CountsFor: -1, UnknownPeople: root}
	h.check(h.config.Apply(&opts, frontend.SignInDeps{Store: h.Store, API: h.api, Keyed: true, Log: opts.Log}))
	srv, err := frontend.New(h.Store, opts)
	h.check(err)
	ada := h.browser(h.open())
	ada.signIn("ada", goodPassword)
	ids := strings.NewReplacer(":id", "1", ":key", "1", ":picture", "1", ":question", "1")
	for _, r := range srv.Routes() {
		query, isPart := parts[r.Path]
		isPage := pages[r.Path] || strings.HasPrefix(r.Path, "/settings")
		if r.Method != http.MethodGet || open[r.Path] {
			continue
		}
		if isPart == isPage {
			t.Errorf("%s: say here whether it is a page, or a part that pages load; isPart in signin.go has to know it, too", r.Path)
			continue
		}
		target := ids.Replace(r.Path) + query
		want := http.StatusSeeOther
		if isPart {
			want = http.StatusUnauthorized
		}
		if got := do(t, srv.Handler(), request(t, http.MethodGet, target)).Code; got != want {
			t.Errorf("%s by nobody: got %d, want %d", target, got, want)
		}
		if r.Path == "/live" || r.Path == "/people/:id/export" {
			continue // one does not end, the other is a file
		}
		if p := ada.get(target); isPage && p.Code == http.StatusOK && !strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s is %s, and no page", target, p.Header.Get("Content-Type"))
		}
	}
}
