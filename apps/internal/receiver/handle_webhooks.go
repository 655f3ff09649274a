package receiver

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/events"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/webhooks"
)

// WebhookStore is the part of the database that has webhooks.
type WebhookStore interface {
	webhooks.Store
	AddWebhook(ctx context.Context, w faces.Webhook) (faces.Webhook, error)
	Webhook(ctx context.Context, id int64) (faces.Webhook, error)
	ChangeWebhook(ctx context.Context, id int64, action access.Action, change func(*faces.Webhook, faces.EventRange) error) (faces.Webhook, error)
	DeleteWebhook(ctx context.Context, id int64) error
	Deliveries(ctx context.Context, webhook, before int64, limit int) ([]faces.Delivery, error)
}

// bothSecrets is how long the old secret signs beside a new one.
const bothSecrets = 24 * time.Hour

func readWebhooks(r *config.Reader) webhooks.Options {
	opts := webhooks.Options{
		Target: webhooks.Target{
			Allow: readPrefixes(r, "ROLLCALL_WEBHOOK_ALLOW", "addresses that are not public and that webhooks may reach, such as 10.96.0.0/12, separated by commas; if unset, none"),
			HTTP:  r.OneOf("ROLLCALL_WEBHOOK_HTTP", "false", "let webhooks use addresses without TLS: true or false", "true", "false") == "true",
		},
		GiveUp: r.Duration("ROLLCALL_WEBHOOK_GIVE_UP", 24*time.Hour, time.Minute, 365*24*time.Hour, "how long the target of a webhook may fail until the webhook is dead"),
	}
	const file = "ROLLCALL_WEBHOOKS_FILE"
	if opts.File = r.String(file, "", "JSON file that declares webhooks, such as a mounted Secret; read again when it changes"); opts.File != "" {
		if err := webhooks.CheckFile(opts.File, opts.Target); err != nil {
			r.Fail(file, "%v", err)
		}
	}
	const key = "ROLLCALL_WEBHOOK_KEY_FILE"
	if name := r.String(key, "", "file with 32 random bytes in base64, which encrypt the secrets of webhooks; if unset, webhooks cannot be added by the API"); name != "" {
		sealer, err := webhooks.ReadSealer(name)
		if err != nil {
			r.Fail(key, "%v", err)
		}
		opts.Sealer = sealer
	}
	return opts
}

func readPrefixes(r *config.Reader, name, help string) []netip.Prefix {
	var list []netip.Prefix
	for text := range strings.SplitSeq(r.String(name, "", help), ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if ip, errIP := netip.ParseAddr(text); errIP == nil {
			p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil {
			r.Fail(name, "%q is neither an address nor a range such as 10.96.0.0/12", text)
			continue
		}
		list = append(list, p.Masked())
	}
	return list
}

func (s *Server) openWebhooks(reg prometheus.Registerer) {
	s.hooks = webhooks.New(s.store, s.opts.Webhooks, s.log, reg)
}

// Webhooks returns the part of a program that sends events to webhooks.
func (s *Server) Webhooks() lifecycle.Part { return s.hooks.Part() }

// createWebhook adds a webhook and answers with its secret, this once.
func (s *Server) createWebhook(c *gin.Context) error {
	var body api.WebhookRequest
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return err
	}
	if s.opts.Webhooks.Sealer == nil {
		return faces.Errorf(faces.CodeConflict, "webhooks cannot be added, because ROLLCALL_WEBHOOK_KEY_FILE is not set: it encrypts their secrets. Set it, or declare webhooks in ROLLCALL_WEBHOOKS_FILE")
	}
	w := faces.Webhook{Name: strings.TrimSpace(body.Name), URL: body.URL, Types: mapped(body.Types, func(t api.EventType) faces.EventType { return faces.EventType(t) })}
	if err := s.checkWebhook(w); err != nil {
		return err
	}
	secret, text := webhooks.NewSecret()
	w.Sealed = s.opts.Webhooks.Sealer.Seal(secret)
	w, err := s.store.AddWebhook(c.Request.Context(), w)
	if err != nil {
		return err
	}
	s.log.Info("webhook added", "webhook", w.ID, "request_id", httpapi.RequestID(c))
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusCreated, api.CreatedWebhook{Webhook: wireWebhook(w), Secret: text})
	return nil
}

func (s *Server) checkWebhook(w faces.Webhook) error {
	if err := webhooks.Check(w); err != nil {
		return err
	}
	return s.opts.Webhooks.Target.CheckURL(w.URL)
}

func (s *Server) listWebhooks(c *gin.Context) error {
	list, err := s.store.Webhooks(c.Request.Context())
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, api.WebhookList{Webhooks: mapped(list, wireWebhook)})
	return nil
}

func (s *Server) getWebhook(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a webhook")
	if err != nil {
		return err
	}
	w, err := s.store.Webhook(c.Request.Context(), id)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, wireWebhook(w))
	return nil
}

// changeWebhookBy answers with a webhook after a change.
func (s *Server) changeWebhookBy(c *gin.Context, action access.Action, change func(*faces.Webhook, faces.EventRange) error) error {
	id, err := httpapi.PathID(c, "a webhook")
	if err != nil {
		return err
	}
	w, err := s.store.ChangeWebhook(c.Request.Context(), id, action, change)
	if err != nil {
		return goneOr(err)
	}
	c.JSON(http.StatusOK, wireWebhook(w))
	return nil
}

func (s *Server) changeWebhook(c *gin.Context) error {
	var body api.WebhookChange
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return err
	}
	return s.changeWebhookBy(c, access.WebhookChanged, func(w *faces.Webhook, _ faces.EventRange) error {
		if w.Declared && (body.Name != nil || body.URL != nil || body.Types != nil) {
			return faces.Errorf(faces.CodeConflict, "webhook %d is declared in a file; change it there", w.ID)
		}
		if body.Name != nil {
			w.Name = strings.TrimSpace(*body.Name)
		}
		if body.URL != nil {
			w.URL = *body.URL
		}
		if body.Types != nil {
			w.Types = mapped(*body.Types, func(t api.EventType) faces.EventType { return faces.EventType(t) })
		}
		if body.State != nil {
			if err := setState(w, *body.State); err != nil {
				return err
			}
		}
		return s.checkWebhook(*w)
	})
}

func setState(w *faces.Webhook, state api.WebhookState) error {
	switch state {
	case api.WebhookPaused:
		w.State = faces.WebhookPaused
	case api.WebhookActive:
		resume(w)
	default:
		return api.Errorf(api.CodeInvalidRequest, `"state" must be %s or %s`, api.WebhookActive, api.WebhookPaused)
	}
	return nil
}

// resume makes a webhook deliver at once.
func resume(w *faces.Webhook) {
	w.State, w.Failures, w.FailingSince, w.NextAttempt = faces.WebhookActive, 0, time.Time{}, time.Time{}
}

func (s *Server) deleteWebhook(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a webhook")
	if err != nil {
		return err
	}
	w, err := s.store.Webhook(c.Request.Context(), id)
	if err != nil {
		return err
	}
	isDeclared, err := s.hooks.Declares(w)
	if err != nil {
		return err
	}
	if isDeclared {
		return faces.Errorf(faces.CodeConflict, "webhook %d is declared in the file of ROLLCALL_WEBHOOKS_FILE as %q; remove it there first, and then delete it", id, w.Name)
	}
	if err := s.store.DeleteWebhook(c.Request.Context(), id); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
	return nil
}

// rotateWebhook gives a webhook another secret.
func (s *Server) rotateWebhook(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a webhook")
	if err != nil {
		return err
	}
	secret, text := webhooks.NewSecret()
	w, err := s.store.ChangeWebhook(c.Request.Context(), id, access.WebhookRotated, func(w *faces.Webhook, _ faces.EventRange) error {
		switch {
		case w.Declared:
			return faces.Errorf(faces.CodeConflict, "webhook %d is declared in a file; change its secret there, and give the old one as previous_secret", w.ID)
		case s.opts.Webhooks.Sealer == nil:
			return faces.Errorf(faces.CodeConflict, "the secret cannot be changed without ROLLCALL_WEBHOOK_KEY_FILE")
		}
		w.OldSealed, w.OldUntil = w.Sealed, time.Now().Add(bothSecrets)
		w.Sealed = s.opts.Webhooks.Sealer.Seal(secret)
		return nil
	})
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, api.CreatedWebhook{Webhook: wireWebhook(w), Secret: text})
	return nil
}

// replayWebhook makes a webhook go on after another event.
func (s *Server) replayWebhook(c *gin.Context) error {
	var body struct { // a missing id would send everything
		After *int64 `json:"after"`
	}
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return err
	}
	if body.After == nil || *body.After < 0 {
		return api.Errorf(api.CodeInvalidRequest, `"after" must be the id of an event`)
	}
	return s.changeWebhookBy(c, access.WebhookReplayed, func(w *faces.Webhook, has faces.EventRange) error {
		if !has.Has(*body.After) {
			return &events.GoneError{Seen: *body.After, Has: has}
		}
		resume(w)
		w.Delivered = *body.After
		return nil
	})
}

// testWebhook sends a test message and answers how it went.
func (s *Server) testWebhook(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a webhook")
	if err != nil {
		return err
	}
	w, err := s.store.Webhook(c.Request.Context(), id)
	if err != nil {
		return err
	}
	d, err := s.hooks.Test(c.Request.Context(), w)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, wireDelivery(d))
	return nil
}

func (s *Server) listDeliveries(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a webhook")
	if err != nil {
		return err
	}
	after, limit, err := httpapi.ReadPage(c, "a delivery")
	if err != nil {
		return err
	}
	if _, err := s.store.Webhook(c.Request.Context(), id); err != nil {
		return err
	}
	list, err := s.store.Deliveries(c.Request.Context(), id, after, limit+1)
	if err != nil {
		return err
	}
	list, next := httpapi.CutPage(list, limit, func(d faces.Delivery) int64 { return d.ID })
	c.JSON(http.StatusOK, api.DeliveryList{Deliveries: mapped(list, wireDelivery), Next: next})
	return nil
}

func wireWebhook(w faces.Webhook) api.Webhook {
	return api.Webhook{
		ID: w.ID, Name: w.Name, URL: w.URL, Types: mapped(w.Types, func(t faces.EventType) api.EventType { return api.EventType(t) }),
		State: api.WebhookState(w.State), Declared: w.Declared, Delivered: w.Delivered, Failures: w.Failures,
		FailingSince: timeOrNull(w.FailingSince), NextAttempt: timeOrNull(w.NextAttempt), CreatedAt: w.CreatedAt.UTC(),
	}
}

func wireDelivery(d faces.Delivery) api.Delivery {
	return api.Delivery{
		ID: d.ID, EventID: d.EventID, Message: d.Message, Type: d.Type, OK: d.OK, Status: d.Status, Problem: d.Problem,
		Seconds: d.Took.Seconds(), CreatedAt: d.CreatedAt.UTC(),
	}
}
