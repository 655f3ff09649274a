package frontend

import (
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
		s.problem(c, pageMissing())
	case api.CodeMethodNotAllowed:
		s.problem(c, methodNotAllowed())
	case api.CodeForbidden:
		s.problem(c, requestRefused(body.Message))
	default:
		s.problem(c, ourFault())
	}
}
