package client

import (
	"context"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// CreateRematch asks for a re-match.
func (c *Client) CreateRematch(ctx context.Context, want api.RematchRequest) (api.Rematch, error) {
	return act[api.Rematch](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.CreateRematch(ctx, want)
	})
}

// ListRematches returns a page of re-matches, newest first.
func (c *Client) ListRematches(ctx context.Context, page api.ListRematchesParams) (api.RematchList, error) {
	return call[api.RematchList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListRematches(ctx, &page)
	})
}

// GetRematch returns a re-match with a page of the changes that it makes.
func (c *Client) GetRematch(ctx context.Context, id int64, page api.GetRematchParams) (api.RematchDetail, error) {
	return call[api.RematchDetail](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.GetRematch(ctx, id, &page)
	})
}

// ApplyRematch applies a preview.
func (c *Client) ApplyRematch(ctx context.Context, id int64) (api.Rematch, error) {
	return act[api.Rematch](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ApplyRematch(ctx, id)
	})
}

// UndoRematch undoes what a re-match changed.
func (c *Client) UndoRematch(ctx context.Context, id int64) (api.Rematch, error) {
	return act[api.Rematch](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.UndoRematch(ctx, id)
	})
}

// CreateRescan asks for a rescan.
func (c *Client) CreateRescan(ctx context.Context, want api.RescanRequest) (api.Rescan, error) {
	return act[api.Rescan](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.CreateRescan(ctx, want)
	})
}

// ListRescans returns a page of rescans, newest first.
func (c *Client) ListRescans(ctx context.Context, page api.ListRescansParams) (api.RescanList, error) {
	return call[api.RescanList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListRescans(ctx, &page)
	})
}

// GetRescan returns a rescan with a page of its results.
func (c *Client) GetRescan(ctx context.Context, id int64, page api.GetRescanParams) (api.RescanDetail, error) {
	return call[api.RescanDetail](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.GetRescan(ctx, id, &page)
	})
}

// PauseRescan pauses a rescan.
func (c *Client) PauseRescan(ctx context.Context, id int64) (api.Rescan, error) {
	return act[api.Rescan](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.PauseRescan(ctx, id)
	})
}

// ResumeRescan resumes a rescan where it was paused.
func (c *Client) ResumeRescan(ctx context.Context, id int64) (api.Rescan, error) {
	return act[api.Rescan](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ResumeRescan(ctx, id)
	})
}

// CancelRescan cancels a rescan. Answers that it has replaced already stay.
func (c *Client) CancelRescan(ctx context.Context, id int64) (api.Rescan, error) {
	return act[api.Rescan](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.CancelRescan(ctx, id)
	})
}

// Readiness returns whether the receiver can serve requests, and with which
// model set. If it cannot, the error has the code api.CodeUnavailable.
func (c *Client) Readiness(ctx context.Context) (api.Readiness, error) {
	return call[api.Readiness](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.GetReadiness(ctx)
	})
}
