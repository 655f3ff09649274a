package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
)

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// call sends a request, repeats it as WithRetry says, and reads its answer.
func call[T any](ctx context.Context, c *Client, send sender) (answer T, err error) {
	err = c.repeat(ctx, func() (final bool, err error) {
		answer, err = once[T](ctx, send)
		return false, err
	})
	return answer, err
}

// repeat calls try as WithRetry says, until it succeeds or its error is final.
func (c *Client) repeat(ctx context.Context, try func() (final bool, err error)) error {
	begin := time.Now()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		final, err := try()
		wait := pause/2 + rand.N(pause)
		var problem *api.Error
		if errors.As(err, &problem) {
			wait = max(wait, problem.RetryAfter)
		}
		if final || !isTemporary(ctx, err) || time.Since(begin)+wait > c.retry {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isTemporary reports whether the same request may succeed later.
func isTemporary(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil {
		return false
	}
	var problem *api.Error
	if errors.As(err, &problem) {
		switch problem.Status {
		case http.StatusConflict:
			return problem.Code == api.CodeIdempotencyKeyInUse
		case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
			return true
		default:
			return false
		}
	}
	return true // no whole answer arrived
}

// readError makes an *api.Error of an answer. One that is not Rollcall's, such
// as a proxy's page, has no code, and the start of its text as the message.
func readError(res *http.Response) error {
	const maxBody, maxMessage = 64 << 10, 200
	text, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return err
	}
	var body api.ErrorResponse
	if err := json.Unmarshal(text, &body); err != nil || body.Error.Code == "" {
		body.Error.Message = strings.ToValidUTF8(string(text[:min(len(text), maxMessage)]), "")
	}
	problem := &api.Error{
		Code: body.Error.Code, Message: body.Error.Message, Refusals: body.Error.Refusals,
		Status: res.StatusCode, RequestID: body.RequestID,
	}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		problem.RetryAfter = time.Duration(seconds) * time.Second
	}
	return problem
}
