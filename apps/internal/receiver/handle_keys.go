package receiver

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// createKey makes a key and answers with its text, this once.
func (s *Server) createKey(c *gin.Context) error {
	var body api.KeyRequest
	if err := httpapi.ReadStrictJSON(c, &body); err != nil { // a slip in a limit's name would lift the limit
		return err
	}
	scopes, err := access.ParseScopes(mapped(body.Scopes, func(s api.KeyScope) string { return string(s) }))
	if err != nil {
		return err
	}
	var expires time.Time
	if body.ExpiresAt != nil {
		expires = *body.ExpiresAt
	}
	var limits access.Limits
	if l := body.Limits; l != nil {
		limits = access.Limits{Rate: l.RequestsPerSecond, Burst: l.Burst, MaxBody: l.MaxBody}
	}
	made, text, err := access.NewKey(body.Name, scopes, limits, time.Now(), expires)
	if err != nil {
		return err
	}
	k, err := s.store.AddKey(c.Request.Context(), made)
	if err != nil {
		return err
	}
	s.keys.Forget()
	s.log.Info("API key made", "key", k.ID, "scopes", k.Scopes.String(), "request_id", httpapi.RequestID(c))
	c.Header("Location", s.opts.BasePath+"/api/v1/keys/"+k.ID)
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusCreated, api.CreatedKey{Key: wireKey(k), Text: text})
	return nil
}

// listKeys answers with a page of keys, newest first.
func (s *Server) listKeys(c *gin.Context) error {
	after, limit, err := httpapi.ReadPage(c, "a page")
	if err != nil {
		return err
	}
	list, err := s.store.Keys(c.Request.Context(), after, limit+1)
	if err != nil {
		return err
	}
	declared, err := s.keys.Declared(c.Request.Context())
	if err != nil {
		return err
	}
	list, next := httpapi.CutPage(list, limit, func(k access.Key) int64 { return k.Number })
	c.JSON(http.StatusOK, api.KeyList{Keys: mapped(list, wireKey), Declared: mapped(declared, wireDeclaredKey), Next: next})
	return nil
}

// keyID returns the id of a key in the path of a request.
func keyID(c *gin.Context) (string, error) {
	if id, _, whole := access.ParseKey(c.Param("id")); whole {
		return "", api.Errorf(api.CodeInvalidRequest, "this is a whole key; its id is %s. Proxies may have logged it, so revoke it", id)
	}
	return c.Param("id"), nil
}

// getKey answers with a key.
func (s *Server) getKey(c *gin.Context) error {
	id, err := keyID(c)
	if err != nil {
		return err
	}
	k, err := s.store.Key(c.Request.Context(), id)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, wireKey(k))
	return nil
}

// revokeKey revokes a key for ever.
func (s *Server) revokeKey(c *gin.Context) error {
	id, err := keyID(c)
	if err != nil {
		return err
	}
	k, err := s.store.RevokeKey(c.Request.Context(), id)
	if err != nil {
		return err
	}
	s.keys.Forget()
	s.log.Info("API key revoked", "key", k.ID, "request_id", httpapi.RequestID(c))
	c.JSON(http.StatusOK, wireKey(k))
	return nil
}

// getCaller answers with the key that sends the request.
func (s *Server) getCaller(c *gin.Context) error {
	who, err := caller(c)
	if err != nil {
		return err
	}
	w := api.Caller{ID: who.Key.ID, Name: who.Key.Name, Scopes: wireScopes(who.Scopes)}
	if who.User != nil {
		user := wireUser(*who.User)
		w.User = &user
	}
	c.JSON(http.StatusOK, w)
	return nil
}

// setUser adds a user, or changes the role of one.
func (s *Server) setUser(c *gin.Context) error {
	var body api.UserRequest
	if err := httpapi.ReadJSON(c, &body); err != nil {
		return err
	}
	role, err := access.ParseRole(string(body.Role))
	if err != nil {
		return err
	}
	u, err := s.store.SetUser(c.Request.Context(), c.Param("name"), role)
	if err != nil {
		return err
	}
	s.keys.Forget()
	s.log.Info("user set", "user", u.ID, "role", u.Role, "request_id", httpapi.RequestID(c))
	c.JSON(http.StatusOK, wireUser(u))
	return nil
}

// getUser answers with a user.
func (s *Server) getUser(c *gin.Context) error {
	u, err := s.store.User(c.Request.Context(), c.Param("name"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, wireUser(u))
	return nil
}

// listUsers answers with a page of users, newest first.
func (s *Server) listUsers(c *gin.Context) error {
	after, limit, err := httpapi.ReadPage(c, "a user")
	if err != nil {
		return err
	}
	list, err := s.store.Users(c.Request.Context(), after, limit+1)
	if err != nil {
		return err
	}
	list, next := httpapi.CutPage(list, limit, func(u access.User) int64 { return u.ID })
	c.JSON(http.StatusOK, api.UserList{Users: mapped(list, wireUser), Next: next})
	return nil
}

// deleteUser deletes a user and answers with what the user was.
func (s *Server) deleteUser(c *gin.Context) error {
	u, err := s.store.DeleteUser(c.Request.Context(), c.Param("name"))
	if err != nil {
		return err
	}
	s.keys.Forget()
	s.log.Info("user deleted", "user", u.ID, "request_id", httpapi.RequestID(c))
	c.JSON(http.StatusOK, wireUser(u))
	return nil
}

// listAudit answers with a page of the audit log, newest first.
func (s *Server) listAudit(c *gin.Context) error {
	after, limit, err := httpapi.ReadPage(c, "an entry")
	if err != nil {
		return err
	}
	f := store.AuditFilter{Target: c.Query("target"), TargetID: c.Query("target_id"), Before: after, Limit: limit + 1}
	if f.TargetID != "" && f.Target == "" {
		return api.Errorf(api.CodeInvalidRequest, `"target_id" needs "target": say what it is the id of, such as person`)
	}
	if f.Since, err = readTime(c, "since"); err != nil {
		return err
	}
	if f.Until, err = readTime(c, "until"); err != nil {
		return err
	}
	list, err := s.store.AuditOf(c.Request.Context(), f)
	if err != nil {
		return err
	}
	list, next := httpapi.CutPage(list, limit, func(e access.Entry) int64 { return e.ID })
	c.JSON(http.StatusOK, api.AuditList{Entries: mapped(list, wireEntry), Next: next})
	return nil
}
