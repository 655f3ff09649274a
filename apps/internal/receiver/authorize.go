package receiver

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/compreface"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

// identityKey is where authorize leaves the access.Identity of a request.
const identityKey = "identity"

// wireRoutes are the two routes of the original's clients, which had no keys.
var wireRoutes = []string{"POST /image/post", "POST /images/post"}

// authorize returns a middleware that lets a request pass if its key has the scopes
// that the document lists for its route. A route that the document does not have
// needs the scope admin.
func (s *Server) authorize() gin.HandlerFunc {
	documented, err := api.RequiredScopes()
	if err != nil {
		panic(err) // the embedded document is damaged: the build is broken
	}
	needed := byRoute(documented)
	for _, r := range compreface.Routes() {
		needed[r.Method+" "+r.Path] = []api.KeyScope{api.KeyScope(r.Scope)}
	}
	open := map[string]bool{}
	for _, route := range wireRoutes {
		open[route] = true
	}
	return func(c *gin.Context) {
		route := c.Request.Method + " " + c.FullPath()
		scopes, known := needed[route]
		if c.FullPath() == "" || known && scopes == nil {
			c.Next()
			return
		}
		need := []access.Scope{access.Admin}
		if known {
			need = mapped(scopes, func(scope api.KeyScope) access.Scope { return access.Scope(scope) })
		}
		if err := s.admit(c, need, open[route]); err != nil {
			s.fail(c, err)
			c.Abort()
			return
		}
		c.Next()
	}
}

// fail answers a request with an error in the shape of its contract.
func (s *Server) fail(c *gin.Context, err error) {
	if compreface.Owns(c.Request.URL.Path) {
		s.callers.Fail(c, err)
		return
	}
	httpapi.Error(c, s.log, err)
}

// keyOf returns the API key in the header of a request, or in its address if its route
// has it there.
func keyOf(c *gin.Context) string {
	if c.FullPath() == compreface.StaticPath {
		return c.Param(compreface.KeyParam)
	}
	return c.GetHeader("X-API-Key")
}

// keyed reports whether a request brings a key that will be checked. Where requests
// without a key are served, a foreign page could do as its visitor does; so it is not
// asked there.
func (s *Server) keyed(r *http.Request) bool {
	return !s.opts.IsOpen() && (r.Header.Get("Authorization") != "" || r.Header.Get("X-API-Key") != "")
}

// byRoute returns a map of the document's operations by the routes as Gin writes
// them: "GET /images/:id".
func byRoute[T any](documented map[string]T) map[string]T {
	routes := make(map[string]T, len(documented))
	for operation, v := range documented {
		routes[strings.NewReplacer("{", ":", "}", "").Replace(operation)] = v
	}
	return routes
}

// admit lets a request pass, or returns why not. wire is whether the route is one of
// wireRoutes.
func (s *Server) admit(c *gin.Context, need []access.Scope, wire bool) error {
	ctx := c.Request.Context()
	who, err := s.keys.Authenticate(ctx, credentials(c))
	if wire && errors.Is(err, access.ErrNoKey) {
		open, unknown := s.ingestIsOpen(ctx)
		switch {
		case unknown != nil:
			err = unknown
		case open:
			scopes := access.ScopesOf(need...)
			who, err = access.Identity{Key: access.Key{Scopes: scopes}, Scopes: scopes}, nil
		}
	}
	if err == nil {
		err = who.Check(need...)
	}
	if err != nil {
		return s.refusal(err)
	}
	httpapi.LimitBody(c, who.Key.Limits.MaxBody)
	c.Set(identityKey, who)
	c.Set(httpapi.KeyIDKey, who.Key.ID)
	c.Request = c.Request.WithContext(access.WithActor(ctx, who.Actor(httpapi.RequestID(c))))
	return nil
}

func credentials(c *gin.Context) access.Credentials {
	return access.Credentials{Authorization: c.GetHeader("Authorization"), APIKey: keyOf(c), User: c.GetHeader("Rollcall-User")}
}

// refusal returns the answer to a request that is not admitted, and counts it.
func (s *Server) refusal(err error) error {
	var scope *access.ScopeError
	var user *access.UserError
	var above *access.RateError
	why, problem := "", (*api.Error)(nil)
	switch {
	case errors.Is(err, access.ErrNoKey):
		why, problem = "no_key", api.Errorf(api.CodeUnauthorized, "%v", access.ErrNoKey)
	case errors.Is(err, access.ErrTwoKeys):
		why, problem = "two_keys", api.Errorf(api.CodeUnauthorized, "%v", access.ErrTwoKeys)
	case errors.Is(err, access.ErrUnknownKey):
		why, problem = "unknown_key", api.Errorf(api.CodeUnauthorized, "%v", access.ErrUnknownKey)
	case errors.Is(err, access.ErrExpiredKey):
		why, problem = "expired_key", api.Errorf(api.CodeKeyExpired, "%v", access.ErrExpiredKey)
	case errors.Is(err, access.ErrRevokedKey):
		why, problem = "revoked_key", api.Errorf(api.CodeKeyRevoked, "%v", access.ErrRevokedKey)
	case errors.As(err, &scope):
		why, problem = "scope", api.Errorf(api.CodeForbidden, "%v", scope)
	case errors.As(err, &user):
		why, problem = "user", api.Errorf(api.CodeForbidden, "%v", user)
	case errors.As(err, &above):
		why, problem = "rate", api.Errorf(api.CodeRateLimited, "%v", above)
		problem.RetryAfter = above.Retry
	default:
		return err // such as a database that cannot be reached
	}
	s.refused.WithLabelValues(why).Inc()
	return problem
}

// ingestIsOpen reports whether the two routes of the original answer without a key.
func (s *Server) ingestIsOpen(ctx context.Context) (bool, error) {
	switch s.opts.OpenIngest {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	s.ingest.Lock()
	defer s.ingest.Unlock()
	if s.ingest.known {
		return s.ingest.open, nil
	}
	open, err := s.store.KeepsOpenIngest(ctx)
	if err != nil {
		return false, err
	}
	s.ingest.open, s.ingest.known = open, true
	return open, nil
}

// caller returns who sent a request.
func caller(c *gin.Context) (access.Identity, error) {
	v, _ := c.Get(identityKey)
	who, ok := v.(access.Identity)
	if !ok {
		return access.Identity{}, faces.Errorf(faces.CodeInternal, "the request was not checked for a key")
	}
	return who, nil
}
