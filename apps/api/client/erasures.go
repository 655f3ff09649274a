package client

import (
	"context"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// PlanErasure returns what erasing a person who still has the version would remove.
func (c *Client) PlanErasure(ctx context.Context, person, version int64, images api.ErasureImages) (api.ErasurePlan, error) {
	dry := true
	return call[api.ErasurePlan](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ErasePerson(ctx, person, &api.ErasePersonParams{IfMatch: ifMatch(version)}, api.EraseRequest{Images: &images, DryRun: &dry})
	})
}

// ErasePerson erases a person who still has the version. A repeated call returns the
// erasure that is under way.
func (c *Client) ErasePerson(ctx context.Context, person, version int64, images api.ErasureImages) (api.StartedErasure, error) {
	return call[api.StartedErasure](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ErasePerson(ctx, person, &api.ErasePersonParams{IfMatch: ifMatch(version)}, api.EraseRequest{Images: &images})
	})
}

// GetErasure returns an erasure, which is its receipt when it is verified.
func (c *Client) GetErasure(ctx context.Context, id string) (api.Erasure, error) {
	return call[api.Erasure](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.GetErasure(ctx, id)
	})
}

// ListErasures returns a page of erasures, newest first.
func (c *Client) ListErasures(ctx context.Context, params api.ListErasuresParams) (api.ErasureList, error) {
	return call[api.ErasureList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListErasures(ctx, &params)
	})
}

// ErasureLedger returns what is needed to carry out all erasures again.
func (c *Client) ErasureLedger(ctx context.Context) (api.ErasureLedger, error) {
	return call[api.ErasureLedger](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.GetErasureLedger(ctx)
	})
}

// ReplayErasures carries out the erasures of a ledger that the database does not know.
func (c *Client) ReplayErasures(ctx context.Context, ledger api.ErasureLedger) (api.ReplayedErasures, error) {
	return call[api.ReplayedErasures](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ReplayErasureLedger(ctx, ledger)
	})
}
