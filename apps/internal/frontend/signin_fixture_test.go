package frontend_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/argon2"

	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/webhooks"
)

const goodPassword = "correct horse battery"

// house is a database, a receiver that asks for keys, and dashboards that ask for sign-in.
type house struct {
	*album
	api      *client.Client // with the dashboard's key
	receiver *httptest.Server
	config   frontend.SignInConfig
	log      *syncBuffer
	change   func(*frontend.Options)
	speaks   func(text string) string // makes a message of an English one; nil is English
}

// syncBuffer is a log that can be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// nowhere is a queue that takes nothing.
type nowhere struct{}

func (nowhere) Publish(context.Context, []int64) bool { return false }

func newHouse(t *testing.T, others ...string) *house {
	t.Helper()
	h := &house{album: newAlbum(t, append([]string{"Anna"}, others...)...), log: &syncBuffer{}, config: frontend.SignInConfig{Open: "false"}}
	h.setClock(time.Now()) // that of the sessions' tokens, too
	key, text, err := access.NewKey("dashboard", access.ScopesOf(access.Admin, access.Act), access.Limits{}, time.Now(), time.Time{})
	h.check(err)
	_, err = h.AddKey(t.Context(), key)
	h.check(err)
	sealer, err := webhooks.OwnSealer(filepath.Join(t.TempDir(), "key"))
	h.check(err)
	reg := prometheus.NewRegistry()
	rest := receiver.New(h.Store, nowhere{}, nil, receiver.Options{Address: ":8000", UnknownPeople: root, MaxBody: 64 << 10, MaxPaths: 100, OpenAPI: "false", Webhooks: webhooks.Options{Sealer: sealer}},
		slog.New(slog.DiscardHandler), reg)
	t.Cleanup(rest.Close)
	h.receiver = httptest.NewServer(rest.Handler(reg, func(context.Context) error { return nil }))
	t.Cleanup(h.receiver.Close)
	h.api = client.New(h.receiver.URL, client.WithKey(text))
	h.answer(root+"/party.jpg", sight(10, "Anna", 0.3))
	return h
}

// pass moves the clock of the database and of the dashboards.
func (h *house) pass(d time.Duration) { h.setClock(h.now.Load().Add(d)) }

// site is an address that serves one dashboard after another.
type site struct {
	*httptest.Server
	now  atomic.Pointer[http.Handler]
	stop func() // the part of the dashboard
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*s.now.Load()).ServeHTTP(w, r) }

// open starts one more dashboard.
func (h *house) open() *site {
	h.t.Helper()
	s := &site{}
	h.serveOn(s)
	s.Server = httptest.NewTLSServer(s)
	h.t.Cleanup(s.Close)
	return s
}

// serveOn makes a site serve a new dashboard.
func (h *house) serveOn(s *site) {
	h.t.Helper()
	if s.stop != nil {
		s.stop()
	}
	opts := frontend.Options{
		Log: slog.New(slog.NewTextHandler(h.log, nil)), Address: ":8081", CountsFor: -1, UnknownPeople: root, Now: func() time.Time { return *h.now.Load() },
	}
	if h.change != nil {
		h.change(&opts)
	}
	h.check(h.config.Apply(&opts, frontend.SignInDeps{Store: h.Store, API: h.api, Keyed: true, Log: opts.Log}))
	speaks := h.speaks
	if speaks == nil {
		speaks = func(text string) string { return text }
	}
	srv, err := frontend.NewSpeaking(h.Store, opts, speaks)
	h.check(err)
	handler := srv.Handler()
	s.now.Store(&handler)
	part := srv.SignInPart()
	h.check(part.Start(h.t.Context(), func(error) {}))
	s.stop = sync.OnceFunc(func() { h.check(part.Stop(context.Background())) })
	h.t.Cleanup(s.stop)
}

// user adds a user with a password.
func (h *house) user(name string, role access.Role) access.User {
	h.t.Helper()
	u, err := h.SetUser(h.t.Context(), name, role)
	h.check(err)
	h.check(h.SetPassword(h.t.Context(), u.ID, cheapHash(goodPassword)))
	return u
}

// cheapHash returns a hash as an older version could have stored it: with fewer rounds.
func cheapHash(password string) string {
	salt := []byte("0123456789abcdef")
	b64 := base64.RawStdEncoding.EncodeToString
	return "$argon2id$v=19$m=64,t=1,p=1$" + b64(salt) + "$" + b64(argon2.IDKey([]byte(password), salt, 1, 64, 1, 32))
}

// tab is somebody's browser. It keeps cookies and sends what browsers send.
type tab struct {
	t    *testing.T
	http *http.Client
	base string
}

func (h *house) browser(s *site) *tab {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	h.check(err)
	return &tab{t: h.t, base: s.URL, http: &http.Client{
		Jar: jar, Transport: s.Client().Transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is an answer to a browser.
type webPage struct {
	answered
	To      string // of a redirect
	Cookies []*http.Cookie
}

func (b *tab) do(method, target string, form url.Values, headers ...string) webPage {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	if !strings.HasPrefix(target, "http") {
		target = b.base + target
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, target, body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", b.base)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	return webPage{answered: answered{Document: doc, Code: res.StatusCode, Header: res.Header, Text: string(text)}, To: res.Header.Get("Location"), Cookies: res.Cookies()}
}

func (b *tab) get(target string, headers ...string) webPage {
	b.t.Helper()
	return b.do(http.MethodGet, target, nil, headers...)
}

// open gets a page and follows redirects inside the dashboard.
func (b *tab) open(target string) webPage {
	b.t.Helper()
	for range 5 {
		p := b.get(target)
		if p.To == "" {
			return p
		}
		target = p.To
	}
	b.t.Fatalf("too many redirects, the last to %s", target)
	return webPage{}
}

// send sends a form with pairs of names and values.
func (b *tab) send(target string, pairs ...string) webPage {
	b.t.Helper()
	return b.do(http.MethodPost, target, values(pairs...))
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func (b *tab) signIn(name, password string) webPage {
	b.t.Helper()
	return b.send("/sign-in", "name", name, "password", password, "next", "/")
}

// isIn fails the test unless the browser's user is this one; "" is nobody.
func (b *tab) isIn(name string) {
	b.t.Helper()
	p := b.get("/")
	got := strings.Fields(p.words("nav.me bdi"))
	switch {
	case name == "" && (p.Code != http.StatusSeeOther || !strings.HasSuffix(p.To, "/sign-in")):
		b.t.Errorf("GET / by nobody: got %d to %q", p.Code, p.To)
	case name != "" && (p.Code != http.StatusOK || len(got) != 1 || got[0] != name):
		b.t.Errorf("GET / by %s: got %d as %v", name, p.Code, got)
	}
}

// cookie returns the cookie of the session in the browser.
func (b *tab) cookie(name string) *http.Cookie {
	b.t.Helper()
	u, err := url.Parse(b.base)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, k := range b.http.Jar.Cookies(u) {
		if k.Name == name {
			return k
		}
	}
	return nil
}

func (b *tab) setCookie(name, value string) {
	b.t.Helper()
	u, err := url.Parse(b.base)
	if err != nil {
		b.t.Fatal(err)
	}
	b.http.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
}

var loggedCode = regexp.MustCompile(`one_time_code=([A-Z2-7-]+)`)

// firstCode waits for the code of the first admin in the log.
func (h *house) firstCode() string {
	h.t.Helper()
	var code string
	wait.Until(h.t, "the code of the first admin in the log", func() bool {
		m := loggedCode.FindAllStringSubmatch(h.log.String(), -1)
		if len(m) > 0 {
			code = m[len(m)-1][1]
		}
		return code != ""
	})
	return code
}

// actions returns the audit log's actions, oldest first, each with who did it.
func (h *house) actions() (list []string) {
	h.t.Helper()
	entries, err := h.Audit(h.t.Context(), 0, 100)
	h.check(err)
	for _, e := range entries {
		list = append([]string{fmt.Sprintf("%s by %d", e.Action, e.UserID)}, list...)
	}
	return list
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func openRaw(h *house) *sql.DB {
	h.t.Helper()
	raw, err := sql.Open("sqlite", "file:"+h.file+"?_pragma=busy_timeout(10000)")
	h.check(err)
	return raw
}
