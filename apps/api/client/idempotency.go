package client

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/api"
)

type idempotencyKey struct{}

// WithIdempotencyKey returns a context for one request that changes something: sent
// again with the same key, the request does nothing twice and gets its first answer.
// Without it, WithRetry makes a key for each request that needs one; so a key of your
// own is for what must be safe to send again after a restart of your program.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, idempotencyKey{}, key)
}

func sendIdempotencyKey(ctx context.Context, req *http.Request) error {
	if key, ok := ctx.Value(idempotencyKey{}).(string); ok && req.Method != http.MethodGet {
		req.Header.Set(api.IdempotencyKey, key)
	}
	return nil
}

// act is call for a request that must not be carried out twice.
func act[T any](ctx context.Context, c *Client, send sender) (T, error) {
	if _, given := ctx.Value(idempotencyKey{}).(string); !given && c.retry > 0 {
		ctx = WithIdempotencyKey(ctx, rand.Text())
	}
	return call[T](ctx, c, send)
}
