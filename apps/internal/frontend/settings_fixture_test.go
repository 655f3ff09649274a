package frontend_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/browser"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/webhooks"
)

// office is a dashboard with users, before a receiver that asks for keys and delivers to
// webhooks of this machine.
type office struct {
	*openSite
	receiver string         // its address
	admin    *client.Client // of the receiver, with the dashboard's key
	target   *hookTarget
}

// hookTarget is somebody's program at the address of a webhook.
type hookTarget struct {
	*httptest.Server
	status atomic.Int32 // of its answers
}

// slow is the status of a target that never answers.
const slow = 0

func newHookTarget(t *testing.T) *hookTarget {
	t.Helper()
	h := &hookTarget{}
	h.status.Store(http.StatusOK)
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if h.status.Load() == slow {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(int(h.status.Load()))
	}))
	t.Cleanup(h.Close)
	return h
}

// newOffice starts an office with the users ada, an admin, and vera, a viewer.
func newOffice(t *testing.T, change ...func(*receiver.Options)) *office {
	t.Helper()
	o := &office{target: newHookTarget(t)}
	o.openSite = newSite(t, func(s *openSite, opts *frontend.Options) {
		o.openSite = s
		s.StartRematching()
		opts.API = o.startReceiver(change)
		o.admin = opts.API
		deps := frontend.SignInDeps{Store: s.Store, API: opts.API, Log: quietLog()}
		if err := (frontend.SignInConfig{Open: "false"}).Apply(opts, deps); err != nil {
			t.Fatal(err)
		}
		for name, role := range map[string]access.Role{"ada": access.AdminRole, "vera": access.Viewer} {
			u, err := s.Store.SetUser(t.Context(), name, role)
			if err == nil {
				err = s.Store.SetPassword(t.Context(), u.ID, cheapHash(goodPassword))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}, func(h http.Handler) http.Handler { return h })
	return o
}

// startReceiver starts the receiver and returns a client with the dashboard's key.
func (o *office) startReceiver(change []func(*receiver.Options)) *client.Client {
	o.t.Helper()
	sealer, err := webhooks.OwnSealer(filepath.Join(o.t.TempDir(), "key"))
	if err != nil {
		o.t.Fatal(err)
	}
	key, text, err := access.NewKey("dashboard", access.ScopesOf(access.Admin, access.Act), access.Limits{Rate: new(float64)}, time.Now(), time.Time{})
	if err == nil {
		_, err = o.Store.AddKey(o.t.Context(), key)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	opts := receiver.Options{
		Address: ":8000", UnknownPeople: o.Unknown, MaxBody: 64 << 10, MaxPaths: 100, OpenAPI: "false",
		Webhooks: webhooks.Options{
			Sealer: sealer, GiveUp: time.Hour, Poll: 20 * time.Millisecond, Pause: 20 * time.Millisecond,
			Target: webhooks.Target{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, HTTP: true},
		},
	}
	for _, f := range change {
		f(&opts)
	}
	reg := prometheus.NewRegistry()
	rest := receiver.New(o.Store, nowhere{}, nil, opts, slog.New(slog.DiscardHandler), reg)
	hooks := rest.Webhooks()
	if err := hooks.Start(o.t.Context(), func(error) {}); err != nil {
		o.t.Fatal(err)
	}
	web := httptest.NewServer(rest.Handler(reg, func(context.Context) error { return nil }))
	o.t.Cleanup(func() {
		if err := hooks.Stop(context.Background()); err != nil {
			o.t.Error(err)
		}
		web.Close()
		rest.Close()
	})
	o.receiver = web.URL
	return client.New(web.URL, client.WithKey(text))
}

// signIn opens the dashboard as a user.
func (o *office) signIn(b *browser.Browser, name string, screen browser.Screen) *browser.Page {
	o.t.Helper()
	p := b.Open(o.url+"/sign-in", screen)
	p.Type("#name", name)
	p.Type("#password", goodPassword)
	p.Press(browser.Enter)
	p.WaitFor(`document.querySelector("nav.me bdi") !== null`)
	return p
}

// consent records a consent of Ada that ends after some days.
func (o *office) consent(days int) {
	o.t.Helper()
	now := time.Now()
	c := faces.Consent{Person: 1, Basis: faces.BasisConsent, From: now.Add(-time.Hour), Until: now.AddDate(0, 0, days)}
	if _, _, err := o.Store.SetConsent(o.t.Context(), c); err != nil {
		o.t.Fatal(err)
	}
}
