package client

import (
	"bytes"
	"context"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// ListSimilarFaces returns the faces of all other images that are near to a face,
// nearest first.
func (c *Client) ListSimilarFaces(ctx context.Context, face int64, which api.ListSimilarFacesParams) (api.FoundFaces, error) {
	return call[api.FoundFaces](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListSimilarFaces(ctx, face, &which)
	})
}

// SearchFaces returns the faces of all images that are near to the largest face in a
// picture, which is given by the bytes of its file. Nothing is stored.
func (c *Client) SearchFaces(ctx context.Context, picture []byte, which api.SearchFacesParams) (api.FoundFaces, error) {
	return call[api.FoundFaces](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.SearchFacesWithBody(ctx, &which, "application/octet-stream", bytes.NewReader(picture))
	})
}
