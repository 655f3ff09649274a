package client

import (
	"context"
	"net/http"
	"strconv"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// AnyImage changes an image's faces whatever they are now.
const AnyImage = ""

// AssignFace says who a face is.
func (c *Client) AssignFace(ctx context.Context, face int64, who api.FaceAssignment) (api.CorrectedFace, error) {
	return c.AssignFaceIf(ctx, face, who, AnyImage)
}

// AssignFaceIf says who a face is, if its image still has the version. Otherwise the
// error is an *api.Error with CodeStale.
func (c *Client) AssignFaceIf(ctx context.Context, face int64, who api.FaceAssignment, version string) (api.CorrectedFace, error) {
	return act[api.CorrectedFace](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.AssignFace(ctx, face, &api.AssignFaceParams{IfMatch: seen(version)}, who)
	})
}

// ExcludeFace says who a face is not.
func (c *Client) ExcludeFace(ctx context.Context, face, person int64) (api.CorrectedFace, error) {
	return c.ExcludeFaceIf(ctx, face, person, AnyImage)
}

// ExcludeFaceIf says who a face is not, if its image still has the version.
func (c *Client) ExcludeFaceIf(ctx context.Context, face, person int64, version string) (api.CorrectedFace, error) {
	return act[api.CorrectedFace](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ExcludeFace(ctx, face, &api.ExcludeFaceParams{IfMatch: seen(version)}, api.FaceExclusion{PersonID: person})
	})
}

// IgnoreFace says that nobody wants to see a face again, if its image still has the
// version.
func (c *Client) IgnoreFace(ctx context.Context, face int64, version string) (api.CorrectedFace, error) {
	return act[api.CorrectedFace](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.IgnoreFace(ctx, face, &api.IgnoreFaceParams{IfMatch: *seen(version)})
	})
}

// DismissFace says that a face is none, if its image still has the version.
func (c *Client) DismissFace(ctx context.Context, face int64, version string) (api.CorrectedFace, error) {
	return act[api.CorrectedFace](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.DismissFace(ctx, face, &api.DismissFaceParams{IfMatch: *seen(version)})
	})
}

// DrawFace says that an image has a face that was not found, if the image still has
// the version.
func (c *Client) DrawFace(ctx context.Context, image int64, face api.DrawnFace, version string) (api.CorrectedFace, error) {
	return act[api.CorrectedFace](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.DrawFace(ctx, image, &api.DrawFaceParams{IfMatch: *seen(version)}, face)
	})
}

// FaceCorrections returns all corrections of a face, oldest first.
func (c *Client) FaceCorrections(ctx context.Context, face int64) ([]api.Correction, error) {
	answer, err := call[api.CorrectionList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListFaceCorrections(ctx, face)
	})
	return answer.Corrections, err
}

// UndoCorrection undoes a correction.
func (c *Client) UndoCorrection(ctx context.Context, id int64) (api.CorrectedFace, error) {
	return c.UndoCorrectionIf(ctx, id, AnyImage)
}

// UndoCorrectionIf undoes a correction, if its image still has the version.
func (c *Client) UndoCorrectionIf(ctx context.Context, id int64, version string) (api.CorrectedFace, error) {
	return act[api.CorrectedFace](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.UndoCorrection(ctx, id, &api.UndoCorrectionParams{IfMatch: seen(version)})
	})
}

// seen is the header If-Match for a version of an image.
func seen(version string) *string {
	tag := "*"
	if version != AnyImage {
		tag = strconv.Quote(version)
	}
	return &tag
}
