// Package adminhttp serves the admin port of a process: /healthz (is the
// process alive), /readyz (can it serve: its own state and its dependencies)
// and /metrics (Prometheus).
package adminhttp

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
)

// Check is one condition of readiness. Run returns nil if it holds.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

// Info returns facts to add to the answer of /readyz, such as the model set in
// use.
type Info func() map[string]any

const (
	checkTimeout = 2 * time.Second
	// cacheFor limits how often probes, however many, reach the database.
	cacheFor = time.Second
)

// Options configures the handler. Registry is required.
type Options struct {
	Registry *prometheus.Registry
	// Ready returns the state of the process itself (the drain flag). It is
	// cheap and never cached, so that a drain shows at once. It may be nil.
	Ready func(ctx context.Context) error
	// Checks are the dependencies the process cannot work without.
	Checks []Check
	// Info adds facts to the answer of /readyz. It may be nil.
	Info Info
	// Now is the clock of the cache. nil means time.Now.
	Now func() time.Time
}

// Handler returns the handler of /healthz, /readyz and /metrics.
func Handler(opts Options) http.Handler {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"status": "ok"})
	})
	mux.Handle("GET /readyz", &readiness{opts: opts})
	metrics := prometheus.Gatherers{opts.Registry, process()}
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{Registry: opts.Registry}))
	return mux
}

// process gathers which build this is, and the memory, processor time and goroutines of
// the process. It has a registry of its own, so that programs need not register it.
func process() prometheus.Gatherer {
	build := version.Read()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rollcall_build_info", Help: "1, with the version of this program.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "go": build.Go},
	})
	info.Set(1)
	registry := prometheus.NewRegistry()
	registry.MustRegister(info, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	return registry
}

// readiness answers /readyz. It runs the checks at most once per cacheFor.
type readiness struct {
	opts Options

	mu      sync.Mutex // guards the fields below
	at      time.Time  // of the last run of the checks
	results []result   // of the last run; nil before the first
}

// result is what a check found. The tags are those of /readyz?verbose.
type result struct {
	Name    string    `json:"name"`
	State   string    `json:"state"` // ok or failed
	Problem string    `json:"problem,omitempty"`
	At      time.Time `json:"checked_at"`
	TookMS  int64     `json:"took_ms"`
}

// ServeHTTP answers 200 if all checks pass, else 503 with each problem. The query
// "verbose" adds each check, with its time.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	results := r.find(req.Context())
	problems := map[string]string{}
	for _, one := range results {
		if one.Problem != "" {
			problems[one.Name] = one.Problem
		}
	}
	code, body := http.StatusOK, map[string]any{"status": "ready"}
	if len(problems) > 0 {
		code, body = http.StatusServiceUnavailable, map[string]any{"status": "not ready", "problems": problems}
	}
	if req.URL.Query().Has("verbose") {
		body["checks"] = results
	}
	if r.opts.Info != nil {
		maps.Copy(body, r.opts.Info())
	}
	writeJSON(w, code, body)
}

// find returns the results of the process itself and of all checks.
func (r *readiness) find(ctx context.Context) []result {
	results := []result{}
	if r.opts.Ready != nil {
		own := r.run(ctx, Check{Name: "process", Run: r.opts.Ready})
		results = append(results, own)
		if own.Problem != "" {
			return results // what it depends on does not matter any more
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.results == nil || r.opts.Now().Sub(r.at) >= cacheFor {
		r.runAll(ctx)
	}
	return append(results, r.results...)
}

// runAll runs all checks. All probes share the results, so they must not depend on
// one probe's context.
func (r *readiness) runAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	r.results = []result{}
	for _, c := range r.opts.Checks {
		r.results = append(r.results, r.run(ctx, c))
	}
	r.at = r.opts.Now()
}

func (r *readiness) run(ctx context.Context, c Check) result {
	done := result{Name: c.Name, State: "ok", At: r.opts.Now().UTC()}
	if err := c.Run(ctx); err != nil {
		done.State, done.Problem = "failed", err.Error()
	}
	done.TookMS = r.opts.Now().Sub(done.At).Milliseconds()
	return done
}

func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // fails only if the client is gone
}
