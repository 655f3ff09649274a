package client

import (
	"context"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// CreateWebhook adds a webhook. The answer has its secret, this once. It is never
// repeated by WithRetry: the second request would find the webhook of the first.
func (c *Client) CreateWebhook(ctx context.Context, want api.WebhookRequest) (api.CreatedWebhook, error) {
	return once[api.CreatedWebhook](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.raw.CreateWebhook(ctx, want)
	})
}

// ListWebhooks returns all webhooks.
func (c *Client) ListWebhooks(ctx context.Context) ([]api.Webhook, error) {
	list, err := call[api.WebhookList](ctx, c, func(ctx context.Context) (*http.Response, error) { return c.raw.ListWebhooks(ctx) })
	return list.Webhooks, err
}

// GetWebhook returns a webhook without its secret.
func (c *Client) GetWebhook(ctx context.Context, id int64) (api.Webhook, error) {
	return call[api.Webhook](ctx, c, func(ctx context.Context) (*http.Response, error) { return c.raw.GetWebhook(ctx, id) })
}

// ChangeWebhook changes, pauses or resumes a webhook.
func (c *Client) ChangeWebhook(ctx context.Context, id int64, change api.WebhookChange) (api.Webhook, error) {
	return call[api.Webhook](ctx, c, func(ctx context.Context) (*http.Response, error) { return c.raw.ChangeWebhook(ctx, id, change) })
}

// DeleteWebhook deletes a webhook and its log.
func (c *Client) DeleteWebhook(ctx context.Context, id int64) error {
	_, err := call[struct{}](ctx, c, func(ctx context.Context) (*http.Response, error) { return c.raw.DeleteWebhook(ctx, id) })
	return err
}

// TestWebhook sends a test message, and returns how it went.
func (c *Client) TestWebhook(ctx context.Context, id int64) (api.Delivery, error) {
	return once[api.Delivery](ctx, func(ctx context.Context) (*http.Response, error) { return c.raw.TestWebhook(ctx, id) })
}

// RotateWebhook gives a webhook a new secret, which the answer has, this once.
func (c *Client) RotateWebhook(ctx context.Context, id int64) (api.CreatedWebhook, error) {
	return once[api.CreatedWebhook](ctx, func(ctx context.Context) (*http.Response, error) { return c.raw.RotateWebhook(ctx, id) })
}

// ReplayWebhook makes a webhook go on after an event.
func (c *Client) ReplayWebhook(ctx context.Context, id, after int64) (api.Webhook, error) {
	return call[api.Webhook](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ReplayWebhook(ctx, id, api.WebhookReplay{After: after})
	})
}

// ListDeliveries returns a page of attempts to deliver, newest first.
func (c *Client) ListDeliveries(ctx context.Context, id int64, page api.ListDeliveriesParams) (api.DeliveryList, error) {
	return call[api.DeliveryList](ctx, c, func(ctx context.Context) (*http.Response, error) { return c.raw.ListDeliveries(ctx, id, &page) })
}
