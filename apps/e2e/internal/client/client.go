// Package client posts picture paths to a receiver, of this version or of an
// older one that only takes one path at a time.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// Client talks to one receiver, or to one Service of receivers. It is safe for
// concurrent use.
type Client struct {
	base string
	http *http.Client
}

// New returns a client of the receiver at base, an address such as
// http://receiver:8000.
func New(base string, h *http.Client) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), http: h}
}

// Image is what a receiver says of a path. An ID of 0 means that it was refused.
type Image struct {
	ID     int64  `json:"id"`
	Path   string `json:"path"`
	Status string `json:"status"`
	Reason string `json:"reason"`
	Error  *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// StatusError is an answer that is not the one hoped for.
type StatusError struct {
	Route  string
	Status int
	Body   string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: %d %s: %.200s", e.Route, e.Status, http.StatusText(e.Status), e.Body)
}

// Post posts paths in one request, and returns what became of each, in the same
// order. Where the receiver is too old to know /images/post, each path goes to
// /image/post on its own: while an update is rolled out, both kinds answer.
func (c *Client) Post(ctx context.Context, paths ...string) ([]Image, error) {
	type entry struct {
		Path string `json:"path"`
	}
	var body struct {
		Paths []entry `json:"paths"`
	}
	for _, p := range paths {
		body.Paths = append(body.Paths, entry{p})
	}
	var answer struct {
		Images []Image `json:"images"`
	}
	err := c.post(ctx, "/images/post", body, &answer)
	if unknownRoute(err) {
		return c.postEach(ctx, paths)
	}
	if err != nil {
		return nil, err
	}
	if len(answer.Images) != len(paths) {
		return nil, fmt.Errorf("/images/post: %d entries for %d paths", len(answer.Images), len(paths))
	}
	return answer.Images, nil
}

func (c *Client) postEach(ctx context.Context, paths []string) ([]Image, error) {
	images := make([]Image, 0, len(paths))
	for _, p := range paths {
		img, err := c.PostOne(ctx, p)
		if err != nil {
			return images, err
		}
		images = append(images, img)
	}
	return images, nil
}

// PostOne posts one path to /image/post, which every receiver knows.
func (c *Client) PostOne(ctx context.Context, path string) (Image, error) {
	var img Image
	err := c.post(ctx, "/image/post", map[string]string{"path": path}, &img)
	return img, err
}

// Get reads JSON into answer.
func (c *Client) Get(ctx context.Context, route string, answer any) error {
	return c.do(ctx, http.MethodGet, route, nil, http.StatusOK, answer)
}

func (c *Client) post(ctx context.Context, route string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, route, text, http.StatusAccepted, answer)
}

func (c *Client) do(ctx context.Context, method, route string, body []byte, want int, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+route, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("%s: read the answer: %w", route, err)
	case res.StatusCode != want:
		return &StatusError{Route: route, Status: res.StatusCode, Body: string(text)}
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s: read the answer: %w", route, err)
	}
	return nil
}

// unknownRoute reports whether a receiver does not have a route at all.
func unknownRoute(err error) bool {
	var status *StatusError
	return errors.As(err, &status) &&
		(status.Status == http.StatusNotFound || status.Status == http.StatusMethodNotAllowed)
}
