package adminhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/adminhttp"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
)

// get returns the status code and the JSON answer of a path.
func get(t *testing.T, h http.Handler, path string) (int, map[string]any) {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	var body map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v in %q", path, err, rec.Body)
	}
	return rec.Code, body
}

func expect(t *testing.T, h http.Handler, path string, code int, want map[string]any) {
	t.Helper()
	gotCode, got := get(t, h, path)
	if gotCode != code {
		t.Errorf("%s: code %d, want %d", path, gotCode, code)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

var (
	ready = map[string]any{"status": "ready"}
	alive = map[string]any{"status": "ok"}
)

func notReady(problems map[string]any) map[string]any {
	return map[string]any{"status": "not ready", "problems": problems}
}

func check(name string, err error) adminhttp.Check {
	return adminhttp.Check{Name: name, Run: func(context.Context) error { return err }}
}

func TestHealthIsThisProcessOnly(t *testing.T) {
	t.Parallel()
	h := adminhttp.Handler(adminhttp.Options{
		Registry: prometheus.NewRegistry(),
		Ready:    func(context.Context) error { return errors.New("shutting down") },
		Checks:   []adminhttp.Check{check("database", errors.New("gone"))},
	})
	expect(t, h, "/healthz", http.StatusOK, alive)
}

func TestReady(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		opts adminhttp.Options
		code int
		want map[string]any
	}{
		{"nothing to check", adminhttp.Options{}, http.StatusOK, ready},
		{"all well", adminhttp.Options{Checks: []adminhttp.Check{check("a", nil), check("b", nil)}}, http.StatusOK, ready},
		{
			"each problem by name",
			adminhttp.Options{Checks: []adminhttp.Check{check("a", errors.New("x")), check("b", nil), check("c", errors.New("y"))}},
			http.StatusServiceUnavailable, notReady(map[string]any{"a": "x", "c": "y"}),
		},
		{
			"facts", adminhttp.Options{Info: func() map[string]any { return map[string]any{"model": "m1"} }},
			http.StatusOK, map[string]any{"status": "ready", "model": "m1"},
		},
		{
			"facts beside problems",
			adminhttp.Options{
				Info:   func() map[string]any { return map[string]any{"model": "m1"} },
				Checks: []adminhttp.Check{check("a", errors.New("x"))},
			},
			http.StatusServiceUnavailable,
			map[string]any{"status": "not ready", "model": "m1", "problems": map[string]any{"a": "x"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.opts.Registry = prometheus.NewRegistry()
			expect(t, adminhttp.Handler(c.opts), "/readyz", c.code, c.want)
		})
	}
}

// Many probes cause one check per second, and a drain still shows at once.
func TestReadyCache(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	var draining, broken error
	checks := 0
	h := adminhttp.Handler(adminhttp.Options{
		Registry: prometheus.NewRegistry(), Now: func() time.Time { return now },
		Ready:  func(context.Context) error { return draining },
		Checks: []adminhttp.Check{{Name: "database", Run: func(context.Context) error { checks++; return broken }}},
	})
	for range 5 {
		expect(t, h, "/readyz", http.StatusOK, ready)
	}
	if checks != 1 {
		t.Errorf("%d checks, want 1", checks)
	}
	broken = errors.New("gone")
	now = now.Add(999 * time.Millisecond)
	expect(t, h, "/readyz", http.StatusOK, ready)
	now = now.Add(time.Millisecond)
	expect(t, h, "/readyz", http.StatusServiceUnavailable, notReady(map[string]any{"database": "gone"}))
	broken = nil
	now = now.Add(999 * time.Millisecond)
	expect(t, h, "/readyz", http.StatusServiceUnavailable, notReady(map[string]any{"database": "gone"}))
	now = now.Add(time.Millisecond)
	expect(t, h, "/readyz", http.StatusOK, ready)

	draining = errors.New("shutting down")
	expect(t, h, "/readyz", http.StatusServiceUnavailable, notReady(map[string]any{"process": "shutting down"}))
	if checks != 3 {
		t.Errorf("%d checks, want 3", checks)
	}
}

// ?verbose shows each check with its state and time; a plain probe stays short.
func TestReadyVerbose(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	var draining error
	h := adminhttp.Handler(adminhttp.Options{
		Registry: prometheus.NewRegistry(), Now: func() time.Time { return now },
		Ready: func(context.Context) error { return draining },
		Checks: []adminhttp.Check{
			{Name: "database", Run: func(context.Context) error { now = now.Add(70 * time.Millisecond); return nil }},
			check("queue", errors.New("gone")),
		},
	})
	one := func(name, state, at string, took float64) map[string]any {
		return map[string]any{"name": name, "state": state, "checked_at": at, "took_ms": took}
	}
	failed := one("queue", "failed", "2026-05-04T12:00:00.07Z", 0)
	failed["problem"] = "gone"
	want := notReady(map[string]any{"queue": "gone"})
	want["checks"] = []any{one("process", "ok", "2026-05-04T12:00:00Z", 0), one("database", "ok", "2026-05-04T12:00:00Z", 70), failed}
	expect(t, h, "/readyz?verbose", http.StatusServiceUnavailable, want)

	draining = errors.New("shutting down")
	own := one("process", "failed", "2026-05-04T12:00:00.07Z", 0)
	own["problem"] = "shutting down"
	want = notReady(map[string]any{"process": "shutting down"})
	want["checks"] = []any{own}
	expect(t, h, "/readyz?verbose", http.StatusServiceUnavailable, want)
}

// A probe that is cancelled does not fail the following probes.
func TestReadyDoesNotDependOnOneProber(t *testing.T) {
	t.Parallel()
	h := adminhttp.Handler(adminhttp.Options{
		Registry: prometheus.NewRegistry(),
		Checks: []adminhttp.Check{{Name: "database", Run: func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("a check may take for ever")
			}
			return ctx.Err()
		}}},
	})
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil))
	expect(t, h, "/readyz", http.StatusOK, ready)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	count := prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_test_total", Help: "A test's."})
	reg.MustRegister(count)
	count.Inc()
	rec := httptest.NewRecorder()
	adminhttp.Handler(adminhttp.Options{Registry: reg}).ServeHTTP(rec,
		httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "\nrollcall_test_total 1\n") {
		t.Errorf("code %d, body:\n%s", rec.Code, rec.Body)
	}
	build := version.Read()
	if want := fmt.Sprintf("\nrollcall_build_info{go=%q,revision=%q,version=%q} 1\n", build.Go, build.Revision, build.Version); !strings.Contains(rec.Body.String(), want) {
		t.Errorf("there is no %s in:\n%s", want, rec.Body)
	}
}

func TestOtherRequests(t *testing.T) {
	t.Parallel()
	h := adminhttp.Handler(adminhttp.Options{Registry: prometheus.NewRegistry()})
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodHead, "/healthz", http.StatusOK},
		{http.MethodPost, "/readyz", http.StatusMethodNotAllowed},
		{http.MethodGet, "/nothing", http.StatusNotFound},
	} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil))
		if rec.Code != c.want {
			t.Errorf("%s %s: got %d, want %d", c.method, c.path, rec.Code, c.want)
		}
	}
}
