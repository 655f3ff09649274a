package httpapi

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// guard refuses requests that a foreign web page can make a browser send. Where no
// API key is needed, nothing else protects the pictures from such pages. A page
// can send requests to this server's address, and, by DNS rebinding, under its own
// name as the Host.
func guard(opts Options) gin.HandlerFunc {
	self, _ := os.Hostname() // empty: no host is ours by name
	return func(c *gin.Context) {
		if opts.Keyed != nil && opts.Keyed(c.Request) {
			c.Next()
			return
		}
		if problem := checkOrigin(c.Request, opts, self); problem != nil {
			opts.Fail(c, problem)
			c.Abort()
			return
		}
		c.Next()
	}
}

func checkOrigin(r *http.Request, opts Options, self string) error {
	host := hostName(r.Host)
	listed := slices.ContainsFunc(opts.AllowedHosts, func(allowed string) bool {
		return allowed == "*" || strings.EqualFold(allowed, host) || strings.EqualFold(allowed, r.Host)
	})
	switch {
	case listed:
	case opts.Loopback && !isLoopbackHost(r.Host):
		return api.Errorf(api.CodeForbidden, "this server serves this machine only; use localhost or 127.0.0.1 in its address, or name %s in ROLLCALL_ALLOWED_HOSTS",
			strconv.Quote(Shorten(host)))
	case !opts.Loopback && !isOwnHost(host, self):
		return api.Errorf(api.CodeForbidden, "this server does not answer for the host %s; if that is its name, add it to ROLLCALL_ALLOWED_HOSTS",
			strconv.Quote(Shorten(host)))
	}
	if origin := r.Header.Get("Origin"); origin != "" && !sameHost(origin, r.Host) {
		return api.Errorf(api.CodeForbidden, "requests from web pages of %s are refused; send them from this server's own pages or from a program",
			strconv.Quote(Shorten(origin)))
	}
	// A link from another page may open one of ours; anything else from another
	// site is refused. Browsers send these headers, programs do not.
	navigates := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Method == http.MethodGet
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" && !navigates {
		return api.Errorf(api.CodeForbidden, "requests from web pages of other sites are refused; send them from this server's own pages or from a program")
	}
	return nil
}

// isOwnHost reports whether a host cannot be the name of a foreign web page: an
// address, a name without a dot such as a Service, a name inside a cluster or a
// local network, or this machine's own.
func isOwnHost(host, self string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if net.ParseIP(host) != nil || !strings.Contains(host, ".") || strings.EqualFold(host, self) {
		return true
	}
	return slices.ContainsFunc([]string{".svc", ".svc.cluster.local", ".local", ".localhost", ".internal"}, func(suffix string) bool {
		return strings.HasSuffix(host, suffix)
	})
}

// hostName returns a host without its port and brackets.
func hostName(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return strings.Trim(hostport, "[]")
}

func isLoopbackHost(hostport string) bool { return config.IsLoopbackHost(hostName(hostport)) }

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}
