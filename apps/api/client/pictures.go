package client

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// GetPicture returns an image's picture as a JPEG.
func (c *Client) GetPicture(ctx context.Context, id int64, how api.GetPictureParams) ([]byte, error) {
	return call[[]byte](ctx, c, func(ctx context.Context) (*http.Response, error) { return c.raw.GetPicture(ctx, id, &how) })
}

// GetThumbnail returns an image's thumbnail as a JPEG.
func (c *Client) GetThumbnail(ctx context.Context, id int64, how api.GetThumbnailParams) ([]byte, error) {
	return call[[]byte](ctx, c, func(ctx context.Context) (*http.Response, error) { return c.raw.GetThumbnail(ctx, id, &how) })
}

// GetFaceCrop returns a picture of a face as a JPEG.
func (c *Client) GetFaceCrop(ctx context.Context, face int64, how api.GetFaceCropParams) ([]byte, error) {
	return call[[]byte](ctx, c, func(ctx context.Context) (*http.Response, error) { return c.raw.GetFaceCrop(ctx, face, &how) })
}

// Identify asks who is in a picture, which is given by the bytes of its file.
// Nothing is stored.
func (c *Client) Identify(ctx context.Context, picture []byte) (api.SeenPicture, error) {
	return call[api.SeenPicture](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.IdentifyWithBody(ctx, "application/octet-stream", bytes.NewReader(picture))
	})
}

// Compare asks whether two pictures show the same people. Nothing is stored.
func (c *Client) Compare(ctx context.Context, a, b []byte) (api.Comparison, error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for name, picture := range map[string][]byte{"a": a, "b": b} {
		part, err := w.CreateFormFile(name, name)
		if err == nil {
			_, err = part.Write(picture)
		}
		if err != nil {
			return api.Comparison{}, fmt.Errorf("write the form: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return api.Comparison{}, fmt.Errorf("write the form: %w", err)
	}
	return call[api.Comparison](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.CompareWithBody(ctx, w.FormDataContentType(), bytes.NewReader(form.Bytes()))
	})
}
