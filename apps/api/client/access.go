package client

import (
	"context"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/internal/rawclient"
)

// WithKey makes the Client send an API key with each request. An empty one is not sent,
// for a receiver that answers without.
func WithKey(key string) Option {
	return func(c *Client) {
		if key == "" {
			return
		}
		c.raw.RequestEditors = append(c.raw.RequestEditors, func(_ context.Context, req *http.Request) error {
			req.Header.Set("Authorization", "Bearer "+key)
			return nil
		})
	}
}

// ActingFor returns a Client that sends its requests on behalf of a user. Its key
// needs the scope api.ScopeAct.
func (c *Client) ActingFor(user string) *Client {
	other := *c
	other.raw.RequestEditors = append([]rawclient.RequestEditorFn{func(_ context.Context, req *http.Request) error {
		req.Header.Set("Rollcall-User", user)
		return nil
	}}, c.raw.RequestEditors...)
	return &other
}

// CreateKey makes an API key. The answer has its text, this once. If it was lost,
// the repeat is an *api.Error with CodeAnswerNotKept: the key is there, and is to be
// revoked.
func (c *Client) CreateKey(ctx context.Context, want api.KeyRequest) (api.CreatedKey, error) {
	return act[api.CreatedKey](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.CreateKey(ctx, want)
	})
}

// ListKeys returns a page of API keys, newest first.
func (c *Client) ListKeys(ctx context.Context, page api.ListKeysParams) (api.KeyList, error) {
	return call[api.KeyList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListKeys(ctx, &page)
	})
}

// GetKey returns an API key without its text.
func (c *Client) GetKey(ctx context.Context, id string) (api.Key, error) {
	return call[api.Key](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.GetKey(ctx, id)
	})
}

// RevokeKey revokes an API key for ever.
func (c *Client) RevokeKey(ctx context.Context, id string) (api.Key, error) {
	return call[api.Key](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.RevokeKey(ctx, id)
	})
}

// Caller returns the API key of this Client, its user and its scopes.
func (c *Client) Caller(ctx context.Context) (api.Caller, error) {
	return call[api.Caller](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.GetCaller(ctx)
	})
}

// SetUser adds a user, or changes the role of one.
func (c *Client) SetUser(ctx context.Context, name string, role api.Role) (api.User, error) {
	return call[api.User](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.SetUser(ctx, name, api.UserRequest{Role: role})
	})
}

// GetUser returns a user.
func (c *Client) GetUser(ctx context.Context, name string) (api.User, error) {
	return call[api.User](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.GetUser(ctx, name)
	})
}

// ListUsers returns a page of users, newest first.
func (c *Client) ListUsers(ctx context.Context, page api.ListUsersParams) (api.UserList, error) {
	return call[api.UserList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListUsers(ctx, &page)
	})
}

// DeleteUser deletes a user and returns what the user was.
func (c *Client) DeleteUser(ctx context.Context, name string) (api.User, error) {
	return act[api.User](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.DeleteUser(ctx, name)
	})
}

// ListAudit returns a page of the audit log, newest first.
func (c *Client) ListAudit(ctx context.Context, page api.ListAuditParams) (api.AuditList, error) {
	return call[api.AuditList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListAudit(ctx, &page)
	})
}
