package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

type webhookRow struct {
	ID           int64
	Name         string
	URL          string `gorm:"column:url"`
	Types        string // separated by commas
	State        string
	Declared     bool
	Secret       string
	OldSecret    string
	OldUntil     *time.Time
	Delivered    int64
	FailingSince *time.Time
	Failures     int
	NextAttempt  *time.Time
	LeaseToken   int64
	LeaseUntil   *time.Time
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

func (webhookRow) TableName() string { return "webhooks" }

func (r webhookRow) webhook() faces.Webhook {
	w := faces.Webhook{
		ID: r.ID, Name: r.Name, URL: r.URL, State: faces.WebhookState(r.State), Declared: r.Declared,
		Sealed: r.Secret, OldSealed: r.OldSecret, OldUntil: timeOrZero(r.OldUntil), Delivered: r.Delivered,
		FailingSince: timeOrZero(r.FailingSince), Failures: r.Failures, NextAttempt: timeOrZero(r.NextAttempt),
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	if r.Types != "" {
		for t := range strings.SplitSeq(r.Types, ",") {
			w.Types = append(w.Types, faces.EventType(t))
		}
	}
	return w
}

func joinTypes(types []faces.EventType) string {
	texts := make([]string, len(types))
	for i, t := range types {
		texts[i] = string(t)
	}
	return strings.Join(texts, ",")
}

// AddWebhook adds a webhook, which gets the events from now on. A name that another
// one has is an error with CodeConflict.
func (s *Store) AddWebhook(ctx context.Context, w faces.Webhook) (faces.Webhook, error) {
	var row webhookRow
	err := s.tx(ctx, func(tx *gorm.DB) error {
		if err := serialize(tx); err != nil {
			return err
		}
		err := checkWebhookName(tx, w.Name, 0)
		if err != nil {
			return err
		}
		if row, err = s.addWebhook(tx, w); err != nil {
			return err
		}
		return s.auditIDs(tx, access.WebhookAdded, "webhook", row.ID)
	})
	return row.webhook(), wrap(err, "add a webhook")
}

// checkWebhookName returns an error if a webhook other than self has a name. The caller
// has called serialize.
func checkWebhookName(tx *gorm.DB, name string, self int64) error {
	var same int64
	if err := tx.Model(&webhookRow{}).Where("name = ? AND id <> ?", name, self).Count(&same).Error; err != nil {
		return err
	}
	if same > 0 {
		return faces.Errorf(faces.CodeConflict, "there is another webhook named %q", name)
	}
	return nil
}

func (s *Store) addWebhook(tx *gorm.DB, w faces.Webhook) (webhookRow, error) {
	state, err := readEventState(tx)
	if err != nil {
		return webhookRow{}, err
	}
	row := webhookRow{
		Name: w.Name, URL: w.URL, Types: joinTypes(w.Types), State: string(faces.WebhookActive), Declared: w.Declared, Secret: w.Sealed,
		Delivered: state.LastSeq, CreatedAt: s.now(), UpdatedAt: s.now(),
	}
	err = tx.Create(&row).Error
	return row, err
}

// DeclareWebhook makes the row of a webhook that a file declares: it adds it, or gives
// it the file's address and types. A webhook of this name that somebody added by the
// API is an error with CodeConflict.
func (s *Store) DeclareWebhook(ctx context.Context, w faces.Webhook) (faces.Webhook, error) {
	var row webhookRow
	err := s.tx(ctx, func(tx *gorm.DB) error {
		if err := serialize(tx); err != nil {
			return err
		}
		var rows []webhookRow
		if err := tx.Where("name = ?", w.Name).Find(&rows).Error; err != nil {
			return err
		}
		if len(rows) == 0 {
			w.Declared = true
			var err error
			row, err = s.addWebhook(tx, w)
			return err
		}
		if row = rows[0]; !row.Declared {
			return faces.Errorf(faces.CodeConflict, "webhook %d has the name %q already; delete it, or choose another name", row.ID, row.Name)
		}
		if types := joinTypes(w.Types); row.URL != w.URL || row.Types != types {
			row.URL, row.Types, row.UpdatedAt = w.URL, types, s.now()
			return tx.Model(&webhookRow{}).Where("id = ?", row.ID).
				UpdateColumns(map[string]any{"url": w.URL, "types": types, "updated_at": row.UpdatedAt}).Error
		}
		return nil
	})
	return row.webhook(), wrap(err, "declare a webhook")
}

// Webhooks returns all webhooks by id.
func (s *Store) Webhooks(ctx context.Context) ([]faces.Webhook, error) {
	var rows []webhookRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Order("id").Find(&rows).Error
	})
	list := make([]faces.Webhook, len(rows))
	for i, r := range rows {
		list[i] = r.webhook()
	}
	return list, wrap(err, "list webhooks")
}

// Webhook returns one webhook, or an error with CodeMissing.
func (s *Store) Webhook(ctx context.Context, id int64) (faces.Webhook, error) {
	var row webhookRow
	err := s.read(ctx, func(tx *gorm.DB) (err error) {
		row, err = oneRow[webhookRow](tx.Where("id = ?", id), "webhook", id)
		return err
	})
	return row.webhook(), wrap(err, fmt.Sprintf("read webhook %d", id))
}

// ChangeWebhook changes a webhook by change, which may fail. What it does to the
// progress of deliveries ends the lease of whoever delivers.
func (s *Store) ChangeWebhook(ctx context.Context, id int64, action access.Action, change func(*faces.Webhook, faces.EventRange) error) (faces.Webhook, error) {
	var w faces.Webhook
	err := s.tx(ctx, func(tx *gorm.DB) error {
		if err := serialize(tx); err != nil {
			return err
		}
		row, err := oneRow[webhookRow](tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("id = ?", id), "webhook", id)
		if err != nil {
			return err
		}
		state, err := readEventState(tx)
		if err != nil {
			return err
		}
		w = row.webhook()
		if err := change(&w, state.eventRange()); err != nil {
			return err
		}
		if err := checkWebhookName(tx, w.Name, id); err != nil {
			return err
		}
		w.UpdatedAt = s.now()
		err = tx.Model(&webhookRow{}).Where("id = ?", id).UpdateColumns(map[string]any{
			"name": w.Name, "url": w.URL, "types": joinTypes(w.Types), "state": string(w.State),
			"secret": w.Sealed, "old_secret": w.OldSealed, "old_until": timeOrNull(w.OldUntil), "delivered": w.Delivered,
			"failing_since": timeOrNull(w.FailingSince), "failures": w.Failures, "next_attempt": timeOrNull(w.NextAttempt),
			"lease_token": 0, "lease_until": nil, "updated_at": w.UpdatedAt,
		}).Error
		if err != nil {
			return err
		}
		return s.auditIDs(tx, action, "webhook", id)
	})
	return w, wrap(err, fmt.Sprintf("change webhook %d", id))
}

// DeleteWebhook deletes a webhook with its log of deliveries.
func (s *Store) DeleteWebhook(ctx context.Context, id int64) error {
	err := s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := oneRow[webhookRow](tx.Where("id = ?", id), "webhook", id); err != nil {
			return err
		}
		err := errors.Join(
			tx.Where("id = ?", id).Delete(&webhookRow{}).Error,
			tx.Where("webhook_id = ?", id).Delete(&deliveryRow{}).Error,
		)
		if err != nil {
			return err
		}
		return s.auditIDs(tx, access.WebhookDeleted, "webhook", id)
	})
	return wrap(err, fmt.Sprintf("delete webhook %d", id))
}

// ClaimWebhook leases one of the webhooks that have something to deliver now. ok is
// false if none has.
func (s *Store) ClaimWebhook(ctx context.Context, among []int64, lease time.Duration) (w faces.Webhook, l faces.WebhookLease, ok bool, err error) {
	err = s.retry(ctx, func(tx *gorm.DB) error {
		ok = false
		now := s.now()
		free := func(q *gorm.DB) *gorm.DB {
			return q.Where("state = ? AND delivered <> (SELECT last_seq FROM event_state WHERE id = 1)", string(faces.WebhookActive)).
				Where("(next_attempt IS NULL OR next_attempt <= ?) AND (lease_until IS NULL OR lease_until < ?)", now, now)
		}
		var ids []int64
		if err := free(tx.Model(&webhookRow{})).Where("id IN ?", among).Order("updated_at, id").Pluck("id", &ids).Error; err != nil {
			return err
		}
		for _, id := range ids {
			l = faces.WebhookLease{WebhookID: id, Token: rand.Int64N(1<<62) + 1, Until: now.Add(lease)}
			done := free(tx.Model(&webhookRow{}).Where("id = ?", id)).UpdateColumns(map[string]any{
				"lease_token": l.Token, "lease_until": l.Until, "updated_at": now,
			})
			if done.Error != nil {
				return done.Error
			}
			if done.RowsAffected == 0 {
				continue
			}
			row, err := oneRow[webhookRow](tx.Where("id = ?", id), "webhook", id)
			w, ok = row.webhook(), err == nil
			return err
		}
		return nil
	})
	return w, l, ok, wrap(err, "lease a webhook")
}

// EndWebhookLease stores the progress of a lease, and ends it. held is false if the
// lease was lost: then nothing is stored.
func (s *Store) EndWebhookLease(ctx context.Context, l faces.WebhookLease, p faces.WebhookProgress) (held bool, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		done := tx.Model(&webhookRow{}).Where("id = ? AND lease_token = ?", l.WebhookID, l.Token).UpdateColumns(map[string]any{
			"delivered": p.Delivered, "state": string(p.State), "failing_since": timeOrNull(p.FailingSince), "failures": p.Failures,
			"next_attempt": timeOrNull(p.NextAttempt), "lease_token": 0, "lease_until": nil,
		})
		if held = done.RowsAffected > 0; done.Error != nil || !held {
			return done.Error
		}
		rows := make([]deliveryRow, len(p.Deliveries))
		for i, d := range p.Deliveries {
			rows[i] = newDeliveryRow(d)
		}
		for part := range chunks(rows) {
			if err := tx.Create(&part).Error; err != nil {
				return err
			}
		}
		return nil
	})
	return held, wrap(err, fmt.Sprintf("store the deliveries of webhook %d", l.WebhookID))
}

type deliveryRow struct {
	ID        int64
	WebhookID int64
	EventID   int64
	Message   string
	Type      string
	OK        bool `gorm:"column:ok"`
	Status    int
	Problem   string
	TookMS    int64 `gorm:"column:took_ms"`
	CreatedAt time.Time
}

func (deliveryRow) TableName() string { return "webhook_deliveries" }

// maxProblem is the length of the column problem.
const maxProblem = 255

func newDeliveryRow(d faces.Delivery) deliveryRow {
	return deliveryRow{
		WebhookID: d.WebhookID, EventID: d.EventID, Message: d.Message, Type: d.Type, OK: d.OK, Status: d.Status,
		Problem: faces.Truncate(d.Problem, maxProblem), TookMS: d.Took.Milliseconds(), CreatedAt: d.CreatedAt.UTC().Truncate(time.Microsecond),
	}
}

// AddDelivery notes a delivery outside of a lease: a test. If its webhook was deleted
// meanwhile, nothing is noted, and the error has CodeMissing.
func (s *Store) AddDelivery(ctx context.Context, d faces.Delivery) error {
	err := s.tx(ctx, func(tx *gorm.DB) error {
		locked := tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
		if _, err := oneRow[webhookRow](locked.Where("id = ?", d.WebhookID), "webhook", d.WebhookID); err != nil {
			return err
		}
		if err := holdIDs(tx, "webhooks", "failures", d.WebhookID); err != nil {
			return err
		}
		row := newDeliveryRow(d)
		return tx.Create(&row).Error
	})
	return wrap(err, "note a delivery")
}

// Deliveries returns deliveries of a webhook with ids below before, newest first. A
// before of 0 means from the newest.
func (s *Store) Deliveries(ctx context.Context, webhook, before int64, limit int) ([]faces.Delivery, error) {
	var rows []deliveryRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		q := tx.Where("webhook_id = ?", webhook)
		if before > 0 {
			q = q.Where("id < ?", before)
		}
		return q.Order("id DESC").Limit(limit).Find(&rows).Error
	})
	list := make([]faces.Delivery, len(rows))
	for i, r := range rows {
		list[i] = faces.Delivery{
			ID: r.ID, WebhookID: r.WebhookID, EventID: r.EventID, Message: r.Message, Type: r.Type, OK: r.OK, Status: r.Status,
			Problem: r.Problem, Took: time.Duration(r.TookMS) * time.Millisecond, CreatedAt: r.CreatedAt,
		}
	}
	return list, wrap(err, "list deliveries")
}

// SweepDeliveries deletes all but the newest deliveries of each webhook.
func (s *Store) SweepDeliveries(ctx context.Context, keep int) error {
	err := s.retry(ctx, func(tx *gorm.DB) error {
		var webhooks []int64
		if err := tx.Model(&webhookRow{}).Order("id").Pluck("id", &webhooks).Error; err != nil {
			return err
		}
		for _, w := range webhooks {
			var oldest []int64
			err := tx.Model(&deliveryRow{}).Where("webhook_id = ?", w).Order("id DESC").Offset(keep).Limit(1).Pluck("id", &oldest).Error
			if err != nil || len(oldest) == 0 {
				if err != nil {
					return err
				}
				continue
			}
			for more := true; more; { // little of a large table at a time
				var ids []int64
				if err := tx.Model(&deliveryRow{}).Where("webhook_id = ? AND id <= ?", w, oldest[0]).Limit(chunk).Pluck("id", &ids).Error; err != nil {
					return err
				}
				if more = len(ids) > 0; !more {
					break
				}
				if err := tx.Where("id IN ?", ids).Delete(&deliveryRow{}).Error; err != nil {
					return err
				}
			}
		}
		return nil
	})
	return wrap(err, "delete old deliveries")
}
