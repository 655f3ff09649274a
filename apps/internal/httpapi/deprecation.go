package httpapi

import (
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// Deprecated returns a middleware that tells clients what goes away, and when: the
// headers Deprecation (RFC 9745), Sunset (RFC 8594) and a Link to the page docs, which
// says what to use instead. known has what is deprecated, by method and path as Gin
// writes it: "GET /images/:id".
func Deprecated(known map[string][]api.Deprecation, docs string) gin.HandlerFunc {
	return func(c *gin.Context) {
		var first api.Deprecation // the one that is gone first
		for _, d := range known[c.Request.Method+" "+c.FullPath()] {
			if d.Parameter != "" && !c.Request.URL.Query().Has(d.Parameter) {
				continue
			}
			if first.Sunset.IsZero() || d.Sunset.Before(first.Sunset) {
				first = d
			}
		}
		if !first.Sunset.IsZero() {
			c.Header("Deprecation", fmt.Sprintf("@%d", first.Since.Unix()))
			c.Header("Sunset", first.Sunset.UTC().Format(http.TimeFormat))
			c.Writer.Header().Add("Link", fmt.Sprintf(`<%s#%s>; rel="deprecation"; type="text/html"`, docs, first.Operation))
		}
		c.Next()
	}
}
