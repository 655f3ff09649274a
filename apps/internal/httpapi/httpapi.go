// Package httpapi is what Rollcall's HTTP servers have in common: one shape of
// errors, request ids, limits, logs, metrics, and the guard against requests
// that a foreign web page makes a browser send.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin" // the project's HTTP framework by contract
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Codes that only HTTP has.
const (
	CodeBodyTooLarge     faces.Code = "body_too_large"
	CodeMethodNotAllowed faces.Code = "method_not_allowed"
	CodeForbidden        faces.Code = "forbidden"
	CodePathTooLong      faces.Code = "path_too_long"
)

// statuses maps codes to HTTP. A code that is missing is the server's fault.
var statuses = map[faces.Code]int{
	faces.CodeInvalid:                  http.StatusBadRequest,
	faces.CodeMissing:                  http.StatusNotFound,
	faces.CodeConflict:                 http.StatusConflict,
	faces.CodeUnavailable:              http.StatusServiceUnavailable,
	faces.CodeOf(faces.PathNotAllowed): http.StatusUnprocessableEntity,
	CodePathTooLong:                    http.StatusUnprocessableEntity,
	CodeBodyTooLarge:                   http.StatusRequestEntityTooLarge,
	CodeMethodNotAllowed:               http.StatusMethodNotAllowed,
	CodeForbidden:                      http.StatusForbidden,
}

// retryAfter tells a client of an unavailable service when to come back.
const retryAfter = 2 * time.Second

// ErrorBody is what a client reads of an error.
type ErrorBody struct {
	Code    faces.Code `json:"code"`
	Message string     `json:"message"`
}

// Body returns what a client may read of err.
func Body(err error) ErrorBody {
	return ErrorBody{Code: faces.ErrorCode(err), Message: faces.ErrorMessage(err)}
}

// Error answers a request with an error and ends its handling. The cause goes
// to the log: once, here.
func Error(c *gin.Context, log *slog.Logger, err error) {
	body := Body(err)
	code, known := statuses[body.Code]
	if !known {
		code = http.StatusInternalServerError
	}
	switch {
	case errors.Is(err, context.Canceled) && c.Request.Context().Err() != nil:
		log.Debug("request given up by its client", "request_id", RequestID(c))
	case code >= http.StatusInternalServerError:
		log.Error("request failed", "request_id", RequestID(c), "why", err)
	}
	if code == http.StatusServiceUnavailable {
		c.Header("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	}
	c.AbortWithStatusJSON(code, gin.H{"error": body, "request_id": RequestID(c)})
}

const requestIDKey = "request_id"

// RequestID returns the id of a request.
func RequestID(c *gin.Context) string { return c.GetString(requestIDKey) }

// Options say how an Engine behaves.
type Options struct {
	Log      *slog.Logger
	Registry prometheus.Registerer
	// Loopback refuses requests whose Host is not this machine: a web page
	// whose name was pointed here (DNS rebinding) could read the answers.
	Loopback bool
}

// New returns a Gin engine with the common middleware and no routes.
func New(opts Options) *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash, e.RedirectFixedPath = false, false
	_ = e.SetTrustedProxies(nil) // fails on bad addresses only, and there is none
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rollcall_http_request_seconds", Help: "Time of HTTP requests.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 12),
	}, []string{"method", "route", "code"})
	opts.Registry.MustRegister(seconds)
	e.Use(identify, observe(opts.Log, seconds), survive(opts.Log), guard(opts))
	e.NoRoute(func(c *gin.Context) {
		Error(c, opts.Log, faces.Errorf(faces.CodeMissing, "there is nothing at %s", c.Request.URL.Path))
	})
	e.NoMethod(func(c *gin.Context) {
		Error(c, opts.Log, faces.Errorf(CodeMethodNotAllowed, "%s is not allowed at %s", c.Request.Method, c.Request.URL.Path))
	})
	return e
}

// identify gives each request an id: the client's own where it is harmless.
func identify(c *gin.Context) {
	id := c.GetHeader("X-Request-ID")
	if !isHarmless(id) {
		id = uuid.NewString()
	}
	c.Set(requestIDKey, id)
	c.Header("X-Request-ID", id)
	c.Header("X-Content-Type-Options", "nosniff")
	c.Next()
}

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

func observe(log *slog.Logger, seconds *prometheus.HistogramVec) gin.HandlerFunc {
	return func(c *gin.Context) {
		begin := time.Now()
		c.Next()
		took := time.Since(begin)
		route := c.FullPath()
		if route == "" {
			route = "none"
		}
		seconds.WithLabelValues(MethodLabel(c.Request.Method), route, strconv.Itoa(c.Writer.Status())).Observe(took.Seconds())
		log.Debug("request", "method", c.Request.Method, "route", route, "code", c.Writer.Status(),
			"took", took, "request_id", RequestID(c))
	}
}

// MethodLabel returns a request's method as metrics count it: a client that
// makes up methods must not fill them.
func MethodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "other"
	}
}

func survive(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			if p := recover(); p != nil {
				log.Error("panic in a request", "request_id", RequestID(c), "panic", p, "stack", string(debug.Stack()))
				Error(c, log, faces.Errorf(faces.CodeInternal, "internal error"))
			}
		}()
		c.Next()
	}
}

// guard refuses what a foreign web page can make a browser send. Until there
// are API keys this is what stands between such a page and the pictures.
func guard(opts Options) gin.HandlerFunc {
	return func(c *gin.Context) {
		if opts.Loopback && !isLoopbackHost(c.Request.Host) {
			Error(c, opts.Log, faces.Errorf(CodeForbidden, "this server answers requests to localhost only"))
			return
		}
		if origin := c.GetHeader("Origin"); origin != "" && !sameHost(origin, c.Request.Host) {
			Error(c, opts.Log, faces.Errorf(CodeForbidden, "requests from web pages of %s are refused", strconv.Quote(origin)))
			return
		}
		c.Next()
	}
}

func isLoopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

// IsLoopback reports whether a server that listens on address is reached from
// this machine only.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && host != "" && isLoopbackHost(host)
}
