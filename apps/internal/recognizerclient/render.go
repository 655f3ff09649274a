package recognizerclient

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// Render returns the picture at path as a JPEG for people to look at. Errors are
// those of Recognize, and one with the code faces.CodeInvalid if how is wrong.
func (c *Client) Render(ctx context.Context, path string, how faces.Rendering) (faces.Rendered, error) {
	return c.render(ctx, &recognizerv1.RenderRequest{Picture: &recognizerv1.RenderRequest_Path{Path: path}}, how)
}

// RenderContent is Render for the bytes of a file. The answer has no File.
func (c *Client) RenderContent(ctx context.Context, content []byte, how faces.Rendering) (faces.Rendered, error) {
	return c.render(ctx, &recognizerv1.RenderRequest{Picture: &recognizerv1.RenderRequest_Content{Content: content}}, how)
}

// render sends a request that has its picture, completed by how.
func (c *Client) render(ctx context.Context, req *recognizerv1.RenderRequest, how faces.Rendering) (faces.Rendered, error) {
	if _, err := how.WithDefaults(); err != nil {
		return faces.Rendered{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	req.Margin, req.Size, req.Quality = float32(how.Margin), uint32(how.Size), uint32(how.Quality)
	for _, b := range how.Blur {
		req.Blur = append(req.Blur, &recognizerv1.Box{X: uint32(b.X), Y: uint32(b.Y), Width: uint32(b.Width), Height: uint32(b.Height)})
	}
	if b := how.Crop; b != (faces.Box{}) {
		req.Crop = &recognizerv1.Box{X: uint32(b.X), Y: uint32(b.Y), Width: uint32(b.Width), Height: uint32(b.Height)}
	}
	res, err := c.recognizer.Render(ctx, req)
	if err != nil {
		return faces.Rendered{File: fileOfError(err)}, renderError(err)
	}
	if int(res.GetBlurred()) < len(how.Blur) {
		return faces.Rendered{}, fmt.Errorf("%w: %w", faces.ErrNotOffered,
			faces.Fault(faces.RecognizerUnavailable, "the recognizer is of an older release, which blurs no faces; update it"))
	}
	return faces.Rendered{
		JPEG: res.GetJpeg(), Width: int(res.GetWidth()), Height: int(res.GetHeight()), File: FileFrom(res.GetFile()),
	}, nil
}

// renderError is domainError, for a request that the recognizer may refuse: a
// part outside of the picture, or a picture at all.
func renderError(err error) error {
	domain := domainError(err)
	if status.Code(err) == codes.Unimplemented {
		return fmt.Errorf("%w: %w", faces.ErrNotOffered, faces.Fault(faces.RecognizerUnavailable, "the recognizer is of an older release, which renders no pictures; update it").WithCause(err))
	}
	if status.Code(err) == codes.InvalidArgument && faces.ReasonOf(domain) == faces.Internal {
		return faces.Errorf(faces.CodeInvalid, "%s", status.Convert(err).Message())
	}
	return domain
}
