// Package client calls Rollcall's REST API.
//
//	c := client.New("http://receiver:8000", client.WithRetry(time.Minute))
//	img, err := c.PostImage(ctx, "unknown0001.jpg")
//	…
//	detail, err := c.GetImage(ctx, img.ID)
//
// An answer that is an error is an *api.Error, to be found with errors.As.
package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api/internal/rawclient"
)

// maxAnswer guards the client's memory, in bytes.
const maxAnswer = 256 << 20

// Client calls one receiver, or one Service of receivers. It is safe for
// concurrent use.
type Client struct {
	raw   rawclient.Client
	retry time.Duration
}

// Option changes a Client.
type Option func(*Client)

// WithHTTPClient makes the Client send its requests through h, which can have a
// timeout, a proxy or certificates of its own.
func WithHTTPClient(h *http.Client) Option {
	return func(c *Client) { c.raw.Client = h }
}

// WithRetry makes the Client repeat a request that failed because a service was
// not available, with growing pauses, for at most limit. Requests that would do
// something twice have an idempotency key, so that they do not.
func WithRetry(limit time.Duration) Option {
	return func(c *Client) { c.retry = limit }
}

// New returns a Client of the receiver at an address such as
// http://receiver:8000. Without options it does not retry and has no timeout:
// the contexts of the calls limit their time.
func New(server string, opts ...Option) *Client {
	// The generated code resolves paths against an address with a slash at its end.
	address := strings.TrimSuffix(server, "/") + "/"
	c := &Client{raw: rawclient.Client{Server: address, Client: http.DefaultClient}}
	c.raw.RequestEditors = []rawclient.RequestEditorFn{sendIdempotencyKey}
	for _, o := range opts {
		o(c)
	}
	return c
}

// sender sends one request.
type sender func(ctx context.Context) (*http.Response, error)

// once sends a request and reads its answer: JSON, or the bytes themselves.
func once[T any](ctx context.Context, send sender) (T, error) {
	var answer T
	res, err := send(ctx)
	if err != nil {
		return answer, err
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusMultipleChoices {
		err = readError(res)
	} else if res.StatusCode == http.StatusNoContent {
		return answer, nil
	} else if err = readAnswer(res.Body, &answer); err != nil {
		err = fmt.Errorf("read the answer: %w", err)
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", res.Request.Method, res.Request.URL.Path, err)
	}
	return answer, err
}

func readAnswer(body io.Reader, answer any) (err error) {
	body = io.LimitReader(body, maxAnswer)
	if data, ok := answer.(*[]byte); ok {
		*data, err = io.ReadAll(body)
		return err
	}
	return json.NewDecoder(body).Decode(answer)
}
