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
	metrics := prometheus.Gatherers{opts.Registry, buildInfo()}
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{Registry: opts.Registry}))
	return mux
}

// buildInfo gathers the metric that says which build this is. It has a registry of
// its own, so that programs need not register it.
func buildInfo() prometheus.Gatherer {
	build := version.Read()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rollcall_build_info", Help: "1, with the version of this program.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "go": build.Go},
	})
	info.Set(1)
	registry := prometheus.NewRegistry()
	registry.MustRegister(info) // fails for a wrong name only
	return registry
}

// readiness answers /readyz. It runs the checks at most once per cacheFor.
type readiness struct {
	opts Options

	mu       sync.Mutex        // guards the fields below
	at       time.Time         // of the last run of the checks
	problems map[string]string // by the name of the check
}

// ServeHTTP answers 200 if all checks pass, else 503 with each problem.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	problems := r.find(req.Context())
	code, body := http.StatusOK, map[string]any{"status": "ready"}
	if len(problems) > 0 {
		code, body = http.StatusServiceUnavailable, map[string]any{"status": "not ready", "problems": problems}
	}
	if r.opts.Info != nil {
		maps.Copy(body, r.opts.Info())
	}
	writeJSON(w, code, body)
}

// find returns the problems, by the name of the check.
func (r *readiness) find(ctx context.Context) map[string]string {
	if r.opts.Ready != nil {
		if err := r.opts.Ready(ctx); err != nil {
			return map[string]string{"process": err.Error()}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.problems != nil && r.opts.Now().Sub(r.at) < cacheFor {
		return r.problems
	}
	// All probes share the result, so it must not depend on one probe's
	// context.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	r.problems = map[string]string{}
	for _, c := range r.opts.Checks {
		if err := c.Run(ctx); err != nil {
			r.problems[c.Name] = err.Error()
		}
	}
	r.at = r.opts.Now()
	return r.problems
}

func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // fails only if the client is gone
}
