package frontend

// This file owns what every request passes: the log and the metrics, the
// headers that keep browsers careful, the check of the Host header, the time
// limit and what a panic becomes.

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

// contentSecurityPolicy lets a page load and ask this server only, and lets no
// other page frame it. connect-src is for the refresh in rollcall.js.
const contentSecurityPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secure(c *gin.Context) {
	c.Header("Content-Security-Policy", contentSecurityPolicy)
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Referrer-Policy", "same-origin")
	c.Header("Cross-Origin-Opener-Policy", "same-origin")
	c.Header("Cross-Origin-Resource-Policy", "same-origin")
}

func registerDurations(r prometheus.Registerer) (*prometheus.HistogramVec, error) {
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rollcall_http_request_seconds", Help: "Time of HTTP requests.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 12), // to 12 s
	}, []string{"method", "route", "code"})
	err := r.Register(took)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) { // by another server of the same process
		if theirs, ok := already.ExistingCollector.(*prometheus.HistogramVec); ok {
			return theirs, nil
		}
	}
	return took, err
}

// observe measures and logs a request. Routes, not paths, and known methods are
// counted: clients can make up others without end.
func (s *Server) observe(c *gin.Context) {
	begin := time.Now()
	c.Next()
	route := c.FullPath()
	if route == "" {
		route = "none"
	}
	took, code := time.Since(begin), c.Writer.Status()
	s.took.WithLabelValues(httpapi.MethodLabel(c.Request.Method), route, strconv.Itoa(code)).Observe(took.Seconds())
	s.log.DebugContext(c, "request", "method", c.Request.Method, "path", c.Request.URL.Path,
		"code", code, "bytes", c.Writer.Size(), "took", took, "from", c.Request.RemoteAddr)
}

func (s *Server) recovered(c *gin.Context, what any) {
	s.log.ErrorContext(c, "panic", "path", c.Request.URL.Path, "panic", what, "stack", string(debug.Stack()))
	if c.Writer.Written() {
		c.Abort()
		return
	}
	s.problem(c, ourFault())
}

// guardHost refuses requests for hosts that are not this machine, where only
// this machine is served: a web page elsewhere could make its own name resolve
// to 127.0.0.1 and read the dashboard through its visitor (DNS rebinding).
func (s *Server) guardHost(c *gin.Context) {
	host, _, err := net.SplitHostPort(s.opts.Address)
	if err != nil || !isLoopback(host) || isLoopback(hostOf(c.Request)) {
		return
	}
	s.problem(c, foreignHost())
}

// hostOf returns the Host header without its port and brackets.
func hostOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	host := r.Host
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

// isLoopback accepts the name and the addresses that are always this machine.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func limitTime(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}
