package client

import (
	"context"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// AssignFace says who a face is.
func (c *Client) AssignFace(ctx context.Context, face int64, who api.FaceAssignment) (api.CorrectedFace, error) {
	return call[api.CorrectedFace](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.AssignFace(ctx, face, who)
	})
}

// ExcludeFace says who a face is not.
func (c *Client) ExcludeFace(ctx context.Context, face, person int64) (api.CorrectedFace, error) {
	return call[api.CorrectedFace](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ExcludeFace(ctx, face, api.FaceExclusion{PersonID: person})
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
	return call[api.CorrectedFace](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.UndoCorrection(ctx, id)
	})
}
