package store

// This file owns what the redeemer does to rows: another round for what failed
// because of a service, and the way back for what was forgotten.

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// RetryFilter selects failed images for another round.
type RetryFilter struct {
	// Due selects what failed because of a service and whose pause is over.
	Due bool
	// The others are a person's request, whatever the reason and the pause.
	Reasons []faces.Reason
	IDs     []int64
	All     bool
	// After and Limit page by id; no limit where it is 0.
	After int64
	Limit int
}

// RetryFailed gives failed images another round: it makes them wait for their
// turn, with a fresh budget of attempts, and returns their ids in order.
// Running twice at once is safe: each image gets one round, from the one that
// returns it. A filter that selects nothing retries nothing. (Where the
// connection is lost while the database commits, images may have got their
// round without being returned; NeverQueued returns them.)
func (s *Store) RetryFailed(ctx context.Context, f RetryFilter) ([]int64, error) {
	if !f.selects() {
		return nil, nil
	}
	var ids []int64
	err := s.tx(ctx, func(tx *gorm.DB) error {
		ids = nil
		now := s.now()
		q := f.where(tx.Model(&imageRow{}), now).Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
		if err := limit(q, f.Limit).Order("id").Pluck("id", &ids).Error; err != nil {
			return err
		}
		for part := range chunks(ids) {
			err := tx.Model(&imageRow{}).Where("id IN ?", part).
				UpdateColumns(free(map[string]any{
					"status": int(faces.Pending), "reason": string(faces.Queued), "detail": "",
					"attempts": 0, "rounds": f.rounds(), "retry_at": nil, "published_at": nil, "updated_at": now,
				})).Error
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("give failed images another round: %w", err)
	}
	return ids, nil
}

// selects is false for a filter that names nothing to retry.
func (f RetryFilter) selects() bool {
	return f.Due || f.All || len(f.Reasons) > 0 || len(f.IDs) > 0
}

// rounds counts automatic rounds only: a person's request starts over.
func (f RetryFilter) rounds() any {
	if f.Due {
		return gorm.Expr("rounds + 1")
	}
	return 0
}

func (f RetryFilter) where(q *gorm.DB, now time.Time) *gorm.DB {
	q = q.Where("status = ? AND id > ?", int(faces.Failed), f.After)
	if f.Due {
		// A failure that another program wrote has no date: due at once.
		q = q.Where("reason NOT IN ?", permanentReasons()).
			Where("(retry_at <= ? OR (retry_at IS NULL AND rounds = 0 AND reason NOT IN ?))", now, transientReasons())
	}
	if len(f.Reasons) > 0 {
		q = whereFailedFor(q, f.Reasons)
	}
	if len(f.IDs) > 0 {
		q = q.Where("id IN ?", f.IDs)
	}
	return q
}

// whereFailedFor selects, of failed images, those that show one of the reasons
// (see faces.ShownReason).
func whereFailedFor(q *gorm.DB, shown []faces.Reason) *gorm.DB {
	failures := append(permanentReasons(), transientReasons()...)
	stored := slices.DeleteFunc(slices.Clone(failures), func(r faces.Reason) bool { return !slices.Contains(shown, r) })
	if slices.Contains(shown, faces.ShownReason(faces.Failed, faces.NoReason)) {
		return q.Where("(reason IN ? OR reason NOT IN ?)", stored, failures)
	}
	return q.Where("reason IN ?", stored)
}

func permanentReasons() []faces.Reason {
	return reasonsWhere(faces.Reason.Permanent)
}

func transientReasons() []faces.Reason {
	return reasonsWhere(faces.Reason.Transient)
}

func reasonsWhere(keep func(faces.Reason) bool) []faces.Reason {
	var list []faces.Reason
	for _, r := range faces.Reasons() {
		if keep(r) {
			list = append(list, r)
		}
	}
	return list
}

// ReclaimExpired takes back images whose lease ran out and returns how many.
func (s *Store) ReclaimExpired(ctx context.Context) (int64, error) {
	return s.reclaim(ctx, func(q *gorm.DB, now time.Time) *gorm.DB {
		return q.Where("(lease_until IS NULL OR lease_until < ?)", now)
	})
}

// ReclaimAll takes back every lease and returns how many there were. It is for
// a program that has the database to itself and has not begun to work: whoever
// took them is dead.
func (s *Store) ReclaimAll(ctx context.Context) (int64, error) {
	return s.reclaim(ctx, func(q *gorm.DB, _ time.Time) *gorm.DB { return q })
}

func (s *Store) reclaim(ctx context.Context, which func(q *gorm.DB, now time.Time) *gorm.DB) (int64, error) {
	var n int64
	err := s.retry(ctx, func(tx *gorm.DB) error {
		now := s.now()
		res := which(tx.Model(&imageRow{}).Where("status = ?", int(faces.Processing)), now).
			UpdateColumns(free(map[string]any{
				"status": int(faces.Pending), "reason": string(faces.Queued),
				"published_at": nil, "updated_at": now,
			}))
		n = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return 0, fmt.Errorf("take back leases: %w", err)
	}
	return n, nil
}

// Queued returns ids, after one and in order, of images that wait for their
// turn and were never queued or last queued before a time.
func (s *Store) Queued(ctx context.Context, after int64, before time.Time, most int) ([]int64, error) {
	var ids []int64
	err := s.retry(ctx, func(tx *gorm.DB) error {
		ids = nil
		q := whereReason(tx.Model(&imageRow{}), faces.Queued).
			Where("id > ? AND updated_at <= ? AND (published_at IS NULL OR published_at <= ?)", after, before.UTC(), before.UTC())
		return limit(q, most).Order("id").Pluck("id", &ids).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list images that wait for their turn: %w", err)
	}
	return ids, nil
}

// NeverQueued returns ids, after one and in order, of images that wait for
// their turn and were not queued in this round. Those stored after a time and
// not touched since are not among them: the request that stored them is about
// to queue them.
func (s *Store) NeverQueued(ctx context.Context, after int64, stored time.Time, most int) ([]int64, error) {
	var ids []int64
	err := s.retry(ctx, func(tx *gorm.DB) error {
		ids = nil
		q := whereReason(tx.Model(&imageRow{}), faces.Queued).
			Where("published_at IS NULL AND id > ? AND (created_at <= ? OR updated_at > created_at)", after, stored.UTC())
		return limit(q, most).Order("id").Pluck("id", &ids).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list images that were never queued: %w", err)
	}
	return ids, nil
}
