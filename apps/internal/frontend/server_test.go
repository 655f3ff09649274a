package frontend_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// fake is a store with the answers that a real one does not give on demand.
type fake struct {
	frontend.Store // nil: what no test of a fake needs
	list           func(ctx context.Context) ([]faces.Image, error)
	image          func(ctx context.Context) (faces.Image, error)
	span           func(ctx context.Context) error // of EventRange
	ping           error
}

var _ frontend.Store = fake{}

func (f fake) PageOfImages(ctx context.Context, _ store.Filter) (store.ImagePage, error) {
	if f.list == nil {
		return store.ImagePage{}, nil
	}
	list, err := f.list(ctx)
	return store.ImagePage{Images: list}, err
}
func (f fake) ImageCorrections(context.Context, int64) ([]store.PlacedCorrection, error) {
	return nil, nil
}
func (f fake) FindKnownPicture(context.Context, int64, string) (faces.Enrolled, bool, error) {
	return faces.Enrolled{}, false, nil
}
func (f fake) Events(context.Context, int64, []faces.EventType, int) (store.EventPage, error) {
	return store.EventPage{}, nil
}
func (f fake) EventRange(ctx context.Context) (faces.EventRange, error) {
	if f.span == nil {
		return faces.EventRange{}, nil
	}
	return faces.EventRange{}, f.span(ctx)
}
func (f fake) CountImages(context.Context) ([]store.Count, error) { return nil, nil }
func (f fake) LatestTotals(context.Context, time.Time) ([]store.Count, error) {
	return nil, nil
}
func (f fake) Image(ctx context.Context, _ int64) (faces.Image, error) {
	return f.image(ctx)
}
func (f fake) SomeImages(context.Context, []int64) ([]faces.Image, error) { return nil, nil }
func (f fake) ModelInUse(context.Context) (faces.Model, bool, error) {
	return faces.Model{}, false, nil
}
func (f fake) Models(context.Context) (map[string]faces.Model, error) { return nil, nil }
func (f fake) Ping(context.Context) error                             { return f.ping }

// Every link of every page leads to a page, over a real connection, also below a base
// path.
func TestWalkAllLinks(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "/rollcall", "/team/faces"} {
		t.Run("base path "+base, func(t *testing.T) {
			t.Parallel()
			a := outcomes(t)
			a.check(a.UseModel(t.Context(), model))
			server := httptest.NewServer(serve(t, a, func(o *frontend.Options) { o.BasePath = base }))
			defer server.Close()
			seen := walk(t, server, base)
			for _, target := range []string{"/images/1", "/images/9", "/?reason=timeout", "/?person=Anna"} {
				if !seen[base+target] {
					t.Errorf("no link leads to %s", base+target)
				}
			}
			if len(seen) < 20 {
				t.Errorf("got %d pages and files only: %v", len(seen), seen)
			}
		})
	}
}

// walk follows all links below a base path and returns their targets.
func walk(t *testing.T, server *httptest.Server, base string) (seen map[string]bool) {
	t.Helper()
	seen = map[string]bool{}
	todo := []string{base + "/"}
	for len(todo) > 0 {
		target := todo[0]
		todo = todo[1:]
		if seen[target] {
			continue
		}
		seen[target] = true
		page := fetch(t, server, target)
		if page.Code != http.StatusOK {
			t.Errorf("GET %s: got code %d", target, page.Code)
		}
		for _, attr := range []string{"href", "src", "action"} {
			for _, n := range page.Find("[" + attr + "]").EachIter() {
				link := n.AttrOr(attr, "")
				if strings.HasPrefix(link, "#") {
					continue
				}
				if !strings.HasPrefix(link, base+"/") {
					t.Errorf("%s links to %q, which is not below %s", target, link, base)
				}
				todo = append(todo, resolve(t, target, link))
			}
		}
	}
	return seen
}

// A proxy may pass the base path on or remove it. The problem page has it, too.
func TestBasePath(t *testing.T) {
	t.Parallel()
	h := serve(t, outcomes(t), func(o *frontend.Options) { o.BasePath = "/rollcall" })
	for target, want := range map[string]int{
		"/rollcall": 200, "/rollcall/": 200, "/rollcall?reason=timeout": 200, "/": 200, "/images/1": 200, "/rollcall/images/1": 200,
		"/rollcall/images/4711": 404, "/rollcallx": 404, "/rollcall/rollcall/": 301, "/other/images/1": 404,
	} {
		page := get(t, h, target)
		if page.Code != want {
			t.Errorf("%s: got code %d, want %d", target, page.Code, want)
		}
		if brand := page.Find("a.brand").AttrOr("href", ""); want != 301 && brand != "/rollcall/" {
			t.Errorf("%s: the way home is %q", target, brand)
		}
	}
}

// An address with a slash at its end leads to the one without, and nowhere else.
func TestTrailingSlash(t *testing.T) {
	t.Parallel()
	for base, targets := range map[string]map[string]string{
		"": {
			"/images/1/": "/images/1", "/images/1//": "/images/1", "/images/1/?a=b": "/images/1?a=b", "/nothing/": "/nothing",
			"//evil.example/": "/evil.example", `/%5cevil.example/`: `/%5Cevil.example`, "/..//evil.example/": "/evil.example",
		},
		"/rollcall": {
			"/rollcall/images/1/": "/rollcall/images/1", "/images/1/": "/rollcall/images/1", "/rollcall//evil.example/": "/rollcall/evil.example",
		},
	} {
		h := serve(t, outcomes(t), func(o *frontend.Options) { o.BasePath = base })
		for target, want := range targets {
			req := request(t, http.MethodGet, "/")
			u, err := url.Parse("http://frontend" + target)
			if err != nil {
				t.Fatal(err)
			}
			req.URL = u
			page := do(t, h, req)
			if got := page.Header.Get("Location"); page.Code != http.StatusMovedPermanently || got != want {
				t.Errorf("%s: got %d to %q, want %q", target, page.Code, got, want)
			}
		}
	}
}

func fetch(t *testing.T, server *httptest.Server, target string) answered {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	rec := httptest.NewRecorder()
	rec.Code = res.StatusCode
	if _, err := io.Copy(rec, res.Body); err != nil {
		t.Fatal(err)
	}
	return do(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes()) //nolint:errcheck // to memory
	}), req)
}

func resolve(t *testing.T, page, link string) string {
	t.Helper()
	base, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	u, err := base.Parse(link)
	if err != nil || u.IsAbs() {
		t.Fatalf("%s links to %q, which is elsewhere or no address: %v", page, link, err)
	}
	return u.RequestURI()
}

func TestCodes(t *testing.T) {
	t.Parallel()
	h := serve(t, outcomes(t))
	for name, tc := range map[string]struct {
		method, target string
		code           int
		says           string
	}{
		"head":           {http.MethodHead, "/", 200, ""},
		"image":          {http.MethodGet, "/images/1", 200, "Anna is in this picture."},
		"no such image":  {http.MethodGet, "/images/4711", 404, "Image 4711 not found"},
		"not an id":      {http.MethodGet, "/images/first", 404, "Page not found"},
		"negative id":    {http.MethodGet, "/images/-1", 404, "Page not found"},
		"huge id":        {http.MethodGet, "/images/99999999999999999999", 404, "Page not found"},
		"no such page":   {http.MethodGet, "/nowhere", 404, "Page not found"},
		"no such file":   {http.MethodGet, "/static/layout.html", 404, "Page not found"},
		"out of folder":  {http.MethodGet, "/static/..%2ftemplates%2flayout.html", 404, "Page not found"},
		"posting":        {http.MethodPost, "/", 405, "This page takes no such request"},
		"deleting":       {http.MethodDelete, "/images/1", 405, "This page takes no such request"},
		"trailing slash": {http.MethodGet, "/images/1/", 301, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := do(t, h, request(t, tc.method, tc.target))
			if got := page.words("h1"); page.Code != tc.code || !strings.Contains(got, tc.says) {
				t.Errorf("got %d %q, want %d %q", page.Code, got, tc.code, tc.says)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	h := serve(t, outcomes(t))
	for _, target := range []string{"/", "/images/1", "/images/999", "/nothing", "/?status=x", "/static/tokens.css"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			header := get(t, h, target).Header
			for name, want := range map[string]string{
				"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " +
					"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
				"X-Content-Type-Options": "nosniff",
				"Referrer-Policy":        "same-origin",
			} {
				if got := header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if !strings.HasPrefix(target, "/static") && header.Get("Cache-Control") != "no-store" {
				t.Errorf("a page with names may be kept: %q", header.Get("Cache-Control"))
			}
		})
	}
}

func TestStaticFiles(t *testing.T) {
	t.Parallel()
	h := serve(t, outcomes(t))
	page := get(t, h, "/")
	for selector, want := range map[string]string{
		"link[rel=stylesheet]": "text/css; charset=utf-8",
		"link[rel=icon]":       "image/svg+xml",
		"script":               "text/javascript; charset=utf-8",
	} {
		link := page.Find(selector).AttrOr("href", page.Find(selector).AttrOr("src", ""))
		file := get(t, h, link)
		if got := file.Header.Get("Content-Type"); file.Code != http.StatusOK || got != want {
			t.Errorf("%s: got %d %q, want %q", link, file.Code, got, want)
		}
		if got := file.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: got Cache-Control %q", link, got)
		}
		path, _, _ := strings.Cut(link, "?")
		if got := get(t, h, path+"?v=other").Header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s of another version may be kept: %q", path, got)
		}
		req := request(t, http.MethodGet, path)
		req.Header.Set("If-None-Match", file.Header.Get("ETag"))
		if got := do(t, h, req); got.Code != http.StatusNotModified || got.Text != "" {
			t.Errorf("%s again: got code %d with %d bytes", path, got.Code, len(got.Text))
		}
	}
}

func TestHostGuard(t *testing.T) {
	t.Parallel()
	const ok, refused = http.StatusOK, http.StatusForbidden
	for name, tc := range map[string]struct {
		address, host string
		code          int
	}{
		"localhost":           {"127.0.0.1:8081", "localhost:8081", ok},
		"other port":          {"127.0.0.1:0", "LOCALHOST:4000", ok},
		"no port":             {"127.0.0.1:8081", "127.0.0.1", ok},
		"IPv6":                {"[::1]:8081", "[::1]:8081", ok},
		"IPv6, no port":       {"[::1]:8081", "[::1]", ok},
		"foreign":             {"127.0.0.1:8081", "evil.example:8081", refused},
		"foreign, by name":    {"localhost:8081", "evil.example", refused},
		"looks alike":         {"127.0.0.1:8081", "127.0.0.1.evil.example", refused},
		"localhost.evil":      {"127.0.0.1:8081", "localhost.evil.example", refused},
		"empty":               {"127.0.0.1:8081", "", refused},
		"public, foreign":     {":8081", "rollcall.example", refused},
		"all, foreign":        {"0.0.0.0:8081", "rollcall.example", refused},
		"public, a Service":   {":8081", "frontend.rollcall.svc", ok},
		"public, an address":  {":8081", "192.0.2.7:8081", ok},
		"address is not told": {"", "rollcall.example", refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := serve(t, newAlbum(t), func(o *frontend.Options) { o.Address = tc.address })
			for _, target := range []string{"/", "/static/tokens.css"} {
				req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
				req.Host = tc.host
				req.Header.Set("X-Forwarded-Host", "localhost")
				if got := do(t, h, req).Code; got != tc.code {
					t.Errorf("GET %s: got code %d, want %d", target, got, tc.code)
				}
			}
		})
	}
}

// A page of another site must not read the dashboard through a visitor's browser.
func TestForeignOrigin(t *testing.T) {
	t.Parallel()
	h := serve(t, newAlbum(t), func(o *frontend.Options) { o.Address, o.AllowedHosts = ":8081", []string{"rollcall.example"} })
	for origin, want := range map[string]int{
		"": http.StatusOK, "http://rollcall.example": http.StatusOK, "http://evil.example": http.StatusForbidden, "null": http.StatusForbidden,
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		req.Host = "rollcall.example"
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		if page := do(t, h, req); page.Code != want {
			t.Errorf("%q: got code %d %q, want %d", origin, page.Code, page.words("h1"), want)
		}
	}
}

func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	closed := newAlbum(t)
	closed.check(closed.Close())
	bare, err := store.OpenSQLite(t.TempDir() + "/never-migrated.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bare.Close() })
	for name, s := range map[string]frontend.Store{"closed": closed, "not migrated": bare} {
		for _, target := range []string{"/", "/images/1"} {
			t.Run(name+" "+target, func(t *testing.T) {
				t.Parallel()
				var log bytes.Buffer
				page := get(t, serve(t, s, logTo(&log)), target)
				if got := page.words("h1"); page.Code != 503 || got != "The database cannot be reached" {
					t.Errorf("got %d %q", page.Code, got)
				}
				if got := page.Find("meta[http-equiv=refresh]").AttrOr("content", ""); got != "5" {
					t.Errorf("the page looks again after %q s, want 5", got)
				}
				if got := page.Header.Get("Retry-After"); got != "5" {
					t.Errorf("got Retry-After %q, want 5", got)
				}
				if strings.Contains(page.Text, "sql") || !strings.Contains(log.String(), "level=ERROR") {
					t.Errorf("the cause belongs to the log, not to the page; the log says: %s", &log)
				}
			})
		}
	}
}

func logTo(w io.Writer) func(*frontend.Options) {
	return func(o *frontend.Options) { o.Log = slog.New(slog.NewTextHandler(w, nil)) }
}

func TestErrorsOfOurs(t *testing.T) {
	t.Parallel()
	for name, list := range map[string]func(context.Context) ([]faces.Image, error){
		"error": func(context.Context) ([]faces.Image, error) { return nil, errors.New("SELECT secret") },
		"panic": func(context.Context) ([]faces.Image, error) { panic("SELECT secret") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			page := get(t, serve(t, fake{list: list}, logTo(&log)), "/")
			if got := page.words("h1"); page.Code != 500 || got != "Something went wrong" {
				t.Errorf("got %d %q", page.Code, got)
			}
			if strings.Contains(page.Text, "secret") || !strings.Contains(log.String(), "SELECT secret") {
				t.Errorf("the cause belongs to the log, not to the page; the log says: %s", &log)
			}
		})
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	away := faces.Errorf(faces.CodeUnavailable, "away")
	page := get(t, serve(t, fake{list: func(context.Context) ([]faces.Image, error) { return nil, away }}), "/")
	if page.Code != http.StatusServiceUnavailable {
		t.Errorf("got code %d, want 503", page.Code)
	}
}

func TestRequestsTimeOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := fake{list: func(ctx context.Context) ([]faces.Image, error) {
			<-ctx.Done() // ten seconds on the fake clock
			return nil, ctx.Err()
		}}
		if got := get(t, serve(t, slow), "/").Code; got != http.StatusServiceUnavailable {
			t.Errorf("got code %d, want 503", got)
		}
	})
}

// A database that hangs does not hold the pages that want to listen: they share a lock.
func TestListenersTimeOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := fake{span: func(ctx context.Context) error {
			<-ctx.Done() // ten seconds on the fake clock
			return ctx.Err()
		}}
		if got := get(t, serve(t, slow), "/live").Code; got != http.StatusServiceUnavailable {
			t.Errorf("got code %d, want 503", got)
		}
	})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	h := serve(t, outcomes(t), func(o *frontend.Options) { o.Registry = registry })
	for _, target := range []string{"/", "/?q=x", "/images/1", "/images/2", "/images/999", "/a", "/b"} {
		get(t, h, target)
	}
	for _, method := range []string{"MADE", "UP"} {
		h.ServeHTTP(httptest.NewRecorder(), request(t, method, "/"))
	}
	got := map[string]uint64{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	const metric = "rollcall_http_request_seconds"
	for _, f := range families {
		if f.GetName() != metric {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			got[labels["method"]+" "+labels["route"]+" "+labels["code"]] = m.GetHistogram().GetSampleCount()
		}
	}
	want := map[string]uint64{"GET / 200": 2, "GET /images/:id 200": 2, "GET /images/:id 404": 1, "GET none 404": 2, "other none 405": 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if problems, err := testutil.GatherAndLint(registry, metric); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

func TestFootSaysTheVersion(t *testing.T) {
	t.Parallel()
	h := serve(t, outcomes(t))
	for _, target := range []string{"/", "/images/1", "/nowhere"} {
		foot := strings.TrimSpace(get(t, h, target).Find("footer").Text())
		if want := "Rollcall " + version.Read().Version; foot != want {
			t.Errorf("%s: foot %q, want %q", target, foot, want)
		}
	}
}

// A client that goes away is not an error.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	h := serve(t, fake{list: func(ctx context.Context) ([]faces.Image, error) {
		cancel()
		<-ctx.Done()
		return nil, &net.OpError{Op: "read", Err: ctx.Err()}
	}}, logTo(&log))
	do(t, h, request(t, http.MethodGet, "/").WithContext(ctx))
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
}
