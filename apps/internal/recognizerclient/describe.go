package recognizerclient

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// DescribeFace describes the face in a box of the picture at path, if the file is
// still the one in which the box was drawn. Errors are those of Recognize, and one
// with the code faces.CodeInvalid if the box is not inside the picture. If the
// recognizer is of an older release, the error also wraps faces.ErrNotOffered.
func (c *Client) DescribeFace(ctx context.Context, path string, box faces.Box, file faces.File) (faces.Described, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	res, err := c.recognizer.DescribeFace(ctx, &recognizerv1.DescribeFaceRequest{
		Picture:    &recognizerv1.DescribeFaceRequest_Path{Path: path},
		Box:        &recognizerv1.Box{X: uint32(box.X), Y: uint32(box.Y), Width: uint32(box.Width), Height: uint32(box.Height)},
		File:       FileMessage(file),
		Neighbours: limitMessage(firstLimit()), MaxDescriptorSize: faces.MaxDescriptorSize,
	})
	if err != nil {
		return faces.Described{File: fileOfError(err)}, describeError(err)
	}
	d := faces.Described{
		Model: model(res.GetModel()), Gallery: res.GetGalleryVersion(), File: FileFrom(res.GetFile()),
		ByLandmarks: res.GetByLandmarks(), Changed: res.GetChanged(),
	}
	if d.Changed {
		return d, nil
	}
	s, err := sighting(res.GetFace())
	if err != nil {
		return d, faces.Fault(faces.Internal, "the recognizer's answer cannot be read").WithCause(err)
	}
	if s.Box != box {
		return d, faces.Fault(faces.Internal, "the recognizer described another box")
	}
	d.Sighting = s
	return d, nil
}

// describeError is domainError, for a request that the recognizer may not know or
// refuse.
func describeError(err error) error {
	domain := domainError(err)
	switch {
	case status.Code(err) == codes.Unimplemented:
		return fmt.Errorf("%w: %w", faces.ErrNotOffered,
			faces.Fault(faces.RecognizerUnavailable, "the recognizer is of an older release, which describes no drawn faces; update it").WithCause(err))
	case status.Code(err) == codes.InvalidArgument && faces.ReasonOf(domain) == faces.Internal:
		return faces.Errorf(faces.CodeInvalid, "%s", status.Convert(err).Message())
	default:
		return domain
	}
}
