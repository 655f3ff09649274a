package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api"
)

const requestIDKey = "request_id"

// KeyIDKey is where a server notes the id of a request's API key, for the log.
const KeyIDKey = "key_id"

// StreamKey is where a handler notes that its answer goes on for ever, so that its time
// says nothing about the server.
const StreamKey = "stream"

// RequestID returns the id of a request.
func RequestID(c *gin.Context) string { return c.GetString(requestIDKey) }

// identify gives each request an id, the client's own if it is harmless, and
// sets the headers of its answer.
func identify(headers map[string]string) gin.HandlerFunc {
	return func(c *gin.Context) {
		id := c.GetHeader("X-Request-ID")
		if !isHarmless(id) {
			id = uuid.NewString()
		}
		c.Set(requestIDKey, id)
		c.Header("X-Request-ID", id)
		c.Header("X-Content-Type-Options", "nosniff")
		for name, value := range headers {
			c.Header(name, value)
		}
		c.Next()
	}
}

// isHarmless reports whether an id can be logged and sent back as it is.
func isHarmless(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, r := range id {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r) {
			return false
		}
	}
	return true
}

// apiKey finds API keys in paths, where they do not belong.
var apiKey = regexp.MustCompile(`(rollcall_[a-z0-9-]+_)[A-Za-z0-9_-]+`)

// loggedPath is a path without API keys. They are only looked for if it is logged.
type loggedPath string

// LogValue implements slog.LogValuer.
func (p loggedPath) LogValue() slog.Value {
	return slog.StringValue(apiKey.ReplaceAllString(string(p), "${1}…"))
}

// observe measures and logs each request. The metric has the route, not the path,
// because the number of paths is unlimited.
func observe(opts Options) gin.HandlerFunc {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rollcall_http_request_seconds", Help: "Time of HTTP requests.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 12), // to 12 s
	}, []string{"method", "route", "code"})
	opts.Registry.MustRegister(seconds)
	return func(c *gin.Context) {
		begin := time.Now()
		defer func() { // also counts a request whose connection is cut
			took := time.Since(begin)
			route := c.FullPath()
			if route == "" {
				route = "none"
			}
			if !c.GetBool(StreamKey) {
				seconds.WithLabelValues(methodLabel(c.Request.Method), route, strconv.Itoa(c.Writer.Status())).Observe(took.Seconds())
			}
			opts.Log.DebugContext(c.Request.Context(), "request", "method", c.Request.Method, "route", route, "path", loggedPath(c.Request.URL.Path), "code", c.Writer.Status(),
				"bytes", c.Writer.Size(), "took", took, "from", c.Request.RemoteAddr, "key", c.GetString(KeyIDKey), "request_id", RequestID(c))
		}()
		c.Next()
	}
}

// recoverer answers a request whose handler panicked. If the answer has started
// already, it closes the connection instead, so that the client notices that the
// answer is incomplete.
func recoverer(opts Options) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
				panic(p)
			}
			opts.Log.ErrorContext(c.Request.Context(), "panic in a request", "request_id", RequestID(c), "panic", p, "stack", string(debug.Stack()))
			if c.Writer.Written() {
				panic(http.ErrAbortHandler)
			}
			opts.Fail(c, api.Errorf(api.CodeInternal, "a handler panicked: %v", p))
			c.Abort()
		}()
		c.Next()
	}
}

// limit limits the body and the time of each request.
func limit(opts Options) gin.HandlerFunc {
	bodies := newBodies(opts)
	return func(c *gin.Context) {
		defer bodies.wrap(c)()
		if opts.Timeout > 0 {
			ctx, cancel := context.WithTimeoutCause(c.Request.Context(), opts.Timeout, fmt.Errorf("the request took longer than %s", opts.Timeout))
			defer cancel()
			c.Request = c.Request.WithContext(ctx)
		}
		c.Next()
	}
}
