package frontend

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

// securityHeaders make browsers careful with a page. It can load from and ask
// this server only, and no other page can frame it. connect-src is for the
// refresh in rollcall.js.
func securityHeaders() map[string]string {
	return map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " +
			"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"Referrer-Policy":              "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
	}
}

// refused shows the page of a request that the middleware refused, or whose
// handler panicked.
func (s *Server) refused(c *gin.Context, err error) {
	body := httpapi.Body(err)
	switch body.Code {
	case api.CodeNotFound:
		if s.withoutSlash(c) {
			return
		}
		s.problem(c, pageMissing())
	case api.CodeMethodNotAllowed:
		s.problem(c, methodNotAllowed())
	case api.CodeForbidden:
		s.problem(c, requestRefused(body.Message))
	default:
		s.problem(c, ourFault())
	}
}

// withoutSlash redirects an address with a slash at its end to the one without it:
// people type addresses.
func (s *Server) withoutSlash(c *gin.Context) bool {
	r := c.Request
	typed := strings.TrimRight(r.URL.Path, "/")
	if typed == r.URL.Path || typed == "" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	// Cleaned and escaped, the path cannot lead to another host.
	to := url.URL{Path: s.link(path.Clean(typed)), RawQuery: r.URL.RawQuery}
	c.Redirect(http.StatusMovedPermanently, to.String())
	c.Abort()
	return true
}
