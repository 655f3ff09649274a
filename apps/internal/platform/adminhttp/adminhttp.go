// Package adminhttp serves what operators and Kubernetes ask of a process, on
// a port of its own: /healthz (this process only), /readyz (its own state, the
// drain flag and what it cannot work without) and /metrics.
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

// Check is a condition of readiness.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

// Info adds facts to the answer of /readyz, such as the model set in use.
type Info func() map[string]any

const (
	checkTimeout = 2 * time.Second
	// cacheFor keeps a crowd of probes from becoming a load on the database.
	cacheFor = time.Second
)

// Options say what the handler reports.
type Options struct {
	Registry *prometheus.Registry
	// Ready is the process's own state (the drain flag): it is cheap and asked
	// every time, so that a drain shows at once.
	Ready func(ctx context.Context) error
	// Checks are what the process cannot work without.
	Checks []Check
	// Info adds facts to the answer of /readyz. It may be nil.
	Info Info
	// Now is the clock that the checks' cache goes by; nil: time.Now.
	Now func() time.Time
}

// Handler answers /healthz, /readyz and /metrics.
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

// readiness runs the checks, at most once per cacheFor.
type readiness struct {
	opts Options

	mu       sync.Mutex // guards the fields below
	at       time.Time
	problems map[string]string
}

// ServeHTTP answers 200 where all is well, else 503 with each problem.
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

// find returns what is wrong, by the name of the check.
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
	// The result is shared, so it must not depend on one prober's patience.
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
	_ = json.NewEncoder(w).Encode(body) // the client went away; nobody to tell
}
