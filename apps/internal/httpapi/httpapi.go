// Package httpapi is what Rollcall's HTTP servers share: the middleware, the format
// of errors, and the parsing of bodies, ids and pages.
//
//	e := httpapi.New(httpapi.Options{Log: log, Registry: registry})
//	e.GET("/things/:id", httpapi.Handle(log, func(c *gin.Context) error { … }))
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin" // the project's HTTP framework by contract
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// Options configures an engine.
type Options struct {
	Log      *slog.Logger
	Registry prometheus.Registerer
	// Loopback refuses requests whose Host is not this machine: a web page
	// could make its own name resolve to 127.0.0.1 and read the answers through
	// its visitor's browser (DNS rebinding).
	Loopback bool
	// Headers are sent with every answer.
	Headers map[string]string
	// AllowedHosts are more values of the header Host to answer; "*" is any. See
	// isOwnHost for those that are always answered.
	AllowedHosts []string
	// Keyed reports whether a request has credentials that a foreign web page cannot
	// know and that the server will check. Such a request may name any Host and come
	// from any page. nil: none has.
	Keyed func(*http.Request) bool
	// MaxBody limits a request's body, in bytes after unpacking. 0 is no limit.
	MaxBody int64
	// MinBodyRate is the least rate at which a body must arrive, in bytes per
	// second, once it has taken longer than BodyGrace. 0 is none.
	MinBodyRate int64
	// BodyGrace is how long a body may take at any rate. 0 is 10 seconds.
	BodyGrace time.Duration
	// Bodies limits the memory of all bodies. nil is no limit.
	Bodies *Budget
	// Timeout limits the time of a request. 0 is no limit.
	Timeout time.Duration
	// Trace begins a trace for a request to a route. It returns the context of the
	// request, and what to call with the status of the answer. nil: there are none.
	Trace func(r *http.Request, verb, route string) (ctx context.Context, end func(status int))
	// Fail answers a request that the middleware refuses, or whose handler
	// panicked. The default is Error, which answers JSON.
	Fail func(c *gin.Context, err error)
}

// New returns a Gin engine with all middleware and no routes.
func New(opts Options) *gin.Engine {
	if opts.Fail == nil {
		opts.Fail = func(c *gin.Context, err error) { Error(c, opts.Log, err) }
	}
	gin.SetMode(gin.ReleaseMode) // else Gin prints every route to stdout
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash, e.RedirectFixedPath = false, false
	_ = e.SetTrustedProxies(nil) // fails on bad addresses only, and there is none
	noMethod := func(c *gin.Context) {
		c.Header("Allow", strings.Join(methodsOf(e.Routes(), c.Request.URL.Path), ", ")) // Gin's has too many
		opts.Fail(c, api.Errorf(api.CodeMethodNotAllowed, "%s does not take %s; the header Allow lists what it takes", c.Request.URL.Path, c.Request.Method))
	}
	e.Use(identify(opts.Headers))
	if opts.Trace != nil {
		e.Use(traceRequests(opts))
	}
	e.Use(observe(opts), recoverer(opts), limit(opts), guard(opts), exact(e, noMethod))
	e.NoRoute(func(c *gin.Context) {
		opts.Fail(c, api.Errorf(api.CodeNotFound, "there is nothing at %s; GET /openapi.json lists the routes", c.Request.URL.Path))
	})
	e.NoMethod(noMethod)
	return e
}

// Handle returns a Gin handler that calls h and answers with its error, if any.
func Handle(log *slog.Logger, h func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			Error(c, log, err)
		}
	}
}

// methodLabel returns a request's method for metrics. Unknown methods share one
// label, so that clients cannot create time series.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "other"
	}
}
