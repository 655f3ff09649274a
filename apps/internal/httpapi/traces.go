package httpapi

import "github.com/gin-gonic/gin"

// traceRequests begins a span for each request. Its name has the route, not the path,
// which can name somebody. Probes and paths without a route have no span.
func traceRequests(opts Options) gin.HandlerFunc {
	return func(c *gin.Context) {
		route := c.FullPath()
		switch route {
		case "", "/healthz", "/readyz":
			c.Next()
			return
		}
		ctx, end := opts.Trace(c.Request, methodLabel(c.Request.Method), route)
		defer func() { end(c.Writer.Status()) }() // also of a request whose connection is cut
		c.Request = c.Request.WithContext(ctx)
		c.Next()
	}
}
