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

// GetKnownPicture returns a known picture as a JPEG.
func (c *Client) GetKnownPicture(ctx context.Context, person, picture int64, how api.GetKnownPictureParams) ([]byte, error) {
	return call[[]byte](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.GetKnownPicture(ctx, person, picture, &how)
	})
}

// The Open methods return the answer itself, for programs that hand it on: 200 with
// the JPEG, or 304 if the picture is the one of how's IfNoneMatch. The caller closes
// its body. They do not repeat a request.

// OpenPicture opens an image's picture.
func (c *Client) OpenPicture(ctx context.Context, id int64, how api.GetPictureParams) (*http.Response, error) {
	return open(c.raw.GetPicture(ctx, id, &how))
}

// OpenThumbnail opens an image's thumbnail.
func (c *Client) OpenThumbnail(ctx context.Context, id int64, how api.GetThumbnailParams) (*http.Response, error) {
	return open(c.raw.GetThumbnail(ctx, id, &how))
}

// OpenFaceCrop opens a picture of a face.
func (c *Client) OpenFaceCrop(ctx context.Context, face int64, how api.GetFaceCropParams) (*http.Response, error) {
	return open(c.raw.GetFaceCrop(ctx, face, &how))
}

// OpenKnownPicture opens a known picture.
func (c *Client) OpenKnownPicture(ctx context.Context, person, picture int64, how api.GetKnownPictureParams) (*http.Response, error) {
	return open(c.raw.GetKnownPicture(ctx, person, picture, &how))
}

// open makes an error of an answer that is neither a picture nor 304.
func open(res *http.Response, err error) (*http.Response, error) {
	if err != nil || res.StatusCode == http.StatusOK || res.StatusCode == http.StatusNotModified {
		return res, err
	}
	defer res.Body.Close()
	return nil, fmt.Errorf("%s %s: %w", res.Request.Method, res.Request.URL.Path, readError(res))
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
