package client

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// GetConsent returns the consent of a person.
func (c *Client) GetConsent(ctx context.Context, person int64) (api.Consent, error) {
	return call[api.Consent](ctx, c, func(ctx context.Context) (*http.Response, error) { return c.raw.GetConsent(ctx, person) })
}

// SetConsent records the consent of a person in place of the one before.
func (c *Client) SetConsent(ctx context.Context, person int64, consent api.NewConsent) (api.Consent, error) {
	return call[api.Consent](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.SetConsent(ctx, person, consent)
	})
}

// WithdrawConsent ends the consent of a person now.
func (c *Client) WithdrawConsent(ctx context.Context, person int64) (api.Consent, error) {
	return act[api.Consent](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.WithdrawConsent(ctx, person)
	})
}

// ListConsents returns a page of consents, by the id of the person.
func (c *Client) ListConsents(ctx context.Context, params api.ListConsentsParams) (api.ConsentList, error) {
	return call[api.ConsentList](ctx, c, func(ctx context.Context) (*http.Response, error) { return c.raw.ListConsents(ctx, &params) })
}

// GetRetention returns the rules that say how long images are kept, and what the last
// run did.
func (c *Client) GetRetention(ctx context.Context) (api.Retention, error) {
	return call[api.Retention](ctx, c, func(ctx context.Context) (*http.Response, error) { return c.raw.GetRetention(ctx) })
}

// TryRetention says what rules would delete now. It stores nothing.
func (c *Client) TryRetention(ctx context.Context, rules []api.RetentionRule) (api.RetentionPlan, error) {
	dry := true
	return call[api.RetentionPlan](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.SetRetention(ctx, &api.SetRetentionParams{DryRun: &dry}, api.RetentionRules{Rules: rules})
	})
}

// SetRetention stores rules in place of those before, and says what they delete.
func (c *Client) SetRetention(ctx context.Context, rules []api.RetentionRule) (api.RetentionPlan, error) {
	return call[api.RetentionPlan](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.SetRetention(ctx, &api.SetRetentionParams{}, api.RetentionRules{Rules: rules})
	})
}

// ExportPerson writes everything about a person, as a zip archive, to w. After an error
// w may have a part of an archive, which no program opens as a whole one. A request that
// has begun to answer is not repeated.
func (c *Client) ExportPerson(ctx context.Context, person int64, params api.ExportPersonParams, w io.Writer) error {
	return c.repeat(ctx, func() (began bool, err error) { return c.exportOnce(ctx, person, params, w) })
}

func (c *Client) exportOnce(ctx context.Context, person int64, params api.ExportPersonParams, w io.Writer) (began bool, err error) {
	res, err := c.raw.ExportPerson(ctx, person, &params)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return false, fmt.Errorf("%s %s: %w", res.Request.Method, res.Request.URL.Path, readError(res))
	}
	if _, err := io.Copy(w, res.Body); err != nil {
		return true, fmt.Errorf("the export of person %d broke off, so it is not whole: %w", person, err)
	}
	return true, nil
}
