package httpapi

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// Lenient is a handler that answers HEAD wherever its engine answers GET, and takes
// a path with a slash at its end for the path without it. It does not redirect,
// because clients resend a redirected POST as a GET.
type Lenient struct{ *gin.Engine }

// ServeHTTP implements http.Handler.
func (l Lenient) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, slash := strings.CutSuffix(r.URL.Path, "/")
	slash = slash && path != ""
	if slash || r.Method == http.MethodHead {
		r = r.Clone(r.Context())
	}
	if slash {
		r.URL.Path, r.URL.RawPath = path, strings.TrimSuffix(r.URL.RawPath, "/")
	}
	if r.Method == http.MethodHead {
		r.Method = http.MethodGet // net/http leaves out the body: it knows the method
	}
	l.Engine.ServeHTTP(w, r)
}

// methodsOf returns the methods that a path takes. If several routes fit, those with
// the fewest parameters count, as in the OpenAPI document: /images/retry is no image.
func methodsOf(routes gin.RoutesInfo, path string) (methods []string) {
	fewest := -1
	for _, r := range routes {
		n, ok := fits(r.Path, path)
		switch {
		case !ok || fewest >= 0 && n > fewest:
			continue
		case n != fewest:
			fewest, methods = n, nil
		}
		methods = append(methods, r.Method)
	}
	return methods
}

// fits reports whether a path is one of a route, and how many of its parts are
// parameters.
func fits(route, path string) (parameters int, ok bool) {
	want, got := strings.Split(route, "/"), strings.Split(path, "/")
	for i, part := range want {
		switch {
		case i >= len(got):
			return 0, false
		case strings.HasPrefix(part, "*"):
			return parameters + 1, true
		case strings.HasPrefix(part, ":") && got[i] != "":
			parameters++
		case part != got[i]:
			return 0, false
		}
	}
	return parameters, len(want) == len(got)
}

// Below returns a handler that serves h below a base path, and also without it, for
// proxies that remove the path, for probes, and for programs inside the cluster.
func Below(base string, h http.Handler) http.Handler {
	if base == "" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, base)
		if ok && (rest == "" || rest[0] == '/') {
			inner, address := *r, *r.URL
			address.Path, address.RawPath = cmp.Or(rest, "/"), ""
			if raw, ok := strings.CutPrefix(r.URL.RawPath, base); ok {
				address.RawPath = raw
			}
			inner.URL = &address
			r = &inner
		}
		h.ServeHTTP(w, r)
	})
}

// KnownQuery returns a middleware that refuses query parameters that a route does
// not have: a filter with a typing mistake would select too much. known has the
// parameters of each route, by method and path as Gin writes it: "GET /images/:id".
func KnownQuery(known map[string][]string, fail func(*gin.Context, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := checkQuery(c.Request.URL.RawQuery, known[c.Request.Method+" "+c.FullPath()]); err != nil {
			fail(c, err)
			c.Abort()
			return
		}
		c.Next()
	}
}

func checkQuery(raw string, known []string) error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return api.Errorf(api.CodeInvalidRequest, "the query string is malformed: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if slices.Contains(known, name) {
			continue
		}
		if len(known) == 0 {
			return api.Errorf(api.CodeInvalidRequest, "there is no query parameter %s; this route has none", strconv.Quote(Shorten(name)))
		}
		return api.Errorf(api.CodeInvalidRequest, "there is no query parameter %s; this route has %s", strconv.Quote(Shorten(name)), strings.Join(known, ", "))
	}
	return nil
}

// exact returns a middleware for requests that Gin takes for those of a thing with an
// id, while the path is that of another route, such as GET /images/delete.
func exact(e *gin.Engine, noMethod gin.HandlerFunc) gin.HandlerFunc {
	fixed := sync.OnceValue(func() map[string]bool { // all routes are there when the first request is
		paths := map[string]bool{}
		for _, r := range e.Routes() {
			paths[r.Path] = !strings.ContainsAny(r.Path, ":*")
		}
		return paths
	})
	return func(c *gin.Context) {
		if strings.Contains(c.FullPath(), ":") && fixed()[c.Request.URL.Path] {
			noMethod(c)
			c.Abort()
		}
	}
}
