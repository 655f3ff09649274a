package store

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// RetryFilter selects images for another round. An image must match all fields that
// are set. Images that are queued or being processed never match.
type RetryFilter struct {
	// Due selects images that failed because of a service and whose pause is over.
	Due bool
	// The other fields are for requests of people. They ignore the pause.
	All      bool // every failed image
	IDs      []int64
	Status   *faces.Status
	Reasons  []faces.Reason // as shown, see faces.ShownReason
	PersonID int64          // identified in any of the picture's faces
	Model    string         // the model set that answered
	Query    string         // part of the path, as in Filter
	// After and Limit page by id. A Limit of 0 means no limit.
	After int64
	Limit int
}

// Retry gives images another round and returns their ids in ascending order. A
// failed image is queued again with all its attempts. An image with an answer is
// rescanned while its answer stands (see RequestRescans). An empty filter retries
// nothing. Two calls at once are safe: only one of them returns a failed image. (If
// the connection is lost during the commit, images may have a new round without
// being returned. NeverQueued returns them.)
func (s *Store) Retry(ctx context.Context, f RetryFilter) ([]int64, error) {
	if !f.selects() || !utf8.ValidString(f.Query) || !utf8.ValidString(f.Model) {
		return nil, nil // no stored text is invalid
	}
	var ids []int64
	err := s.tx(ctx, func(tx *gorm.DB) error {
		found, err := f.find(tx, s.now())
		if err != nil {
			return err
		}
		ids = nil
		var failed, answered []int64
		for _, r := range found {
			ids = append(ids, r.ID)
			if faces.Status(r.Status) == faces.Failed {
				failed = append(failed, r.ID)
			} else {
				answered = append(answered, r.ID)
			}
		}
		if err := s.giveRound(tx, failed, f.rounds()); err != nil {
			return err
		}
		for part := range chunks(answered) {
			if err := s.requestRescans(tx, part, false, &Rescans{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("retry images: %w", err)
	}
	return ids, nil
}

// giveRound makes failed images queued again.
func (s *Store) giveRound(tx *gorm.DB, ids []int64, rounds any) error {
	for part := range chunks(ids) {
		err := tx.Model(&imageRow{}).Where("id IN ?", part).
			UpdateColumns(clearLease(map[string]any{
				"status": int(faces.Pending), "reason": string(faces.Queued), "detail": "",
				"attempts": 0, "rounds": rounds, "retry_at": nil, "published_at": nil, "updated_at": s.now(),
			})).Error
		if err != nil {
			return err
		}
		if err := tx.Where("image_id IN ?", part).Delete(&imageRescanRow{}).Error; err != nil {
			return err
		}
	}
	return nil
}

// selects reports whether the filter names anything to retry.
func (f RetryFilter) selects() bool {
	return f.Due || f.All || len(f.Reasons) > 0 || len(f.IDs) > 0 || f.Status != nil || f.PersonID != 0 || f.Model != "" || f.Query != ""
}

// rounds returns the new value of the column. Only automatic rounds count; a
// person's request starts over.
func (f RetryFilter) rounds() any {
	if f.Due {
		return gorm.Expr("rounds + 1")
	}
	return 0
}

// find locks and returns the images that the filter selects.
func (f RetryFilter) find(tx *gorm.DB, now time.Time) ([]imageRow, error) {
	read := func(q *gorm.DB, limit int) (rows []imageRow, err error) {
		err = withLimit(f.where(q, now).Select("id", "status").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), limit).
			Order("id").Find(&rows).Error
		return rows, err
	}
	if len(f.IDs) == 0 {
		return read(tx.Model(&imageRow{}), f.Limit)
	}
	var found []imageRow
	ids := unique(f.IDs)
	slices.Sort(ids)
	for part := range chunks(ids) { // databases limit the number of ids per statement
		limit := 0
		if f.Limit > 0 {
			if limit = f.Limit - len(found); limit == 0 {
				break
			}
		}
		rows, err := read(tx.Model(&imageRow{}).Where("id IN ?", part), limit)
		if err != nil {
			return nil, err
		}
		found = append(found, rows...)
	}
	return found, nil
}

func (f RetryFilter) where(q *gorm.DB, now time.Time) *gorm.DB {
	q = q.Where("id > ?", f.After)
	q = q.Where("(status IN ? OR (status = ? AND reason IN ?))", []int{int(faces.Processed), int(faces.Failed)},
		int(faces.Pending), faces.ReasonsWhere(faces.Reason.IsPendingAnswer))
	if f.Due {
		// A failure that another program wrote has no retry_at. It is due at once.
		q = q.Where("status = ? AND reason NOT IN ?", int(faces.Failed), faces.ReasonsWhere(faces.Reason.Permanent)).
			Where("(retry_at <= ? OR (retry_at IS NULL AND rounds = 0 AND reason NOT IN ?))", now, faces.ReasonsWhere(faces.Reason.Transient))
	}
	if f.All {
		q = q.Where("status = ?", int(faces.Failed))
	}
	if f.Status != nil {
		q = q.Where("status = ?", int(*f.Status))
	}
	if len(f.Reasons) > 0 {
		q = whereShown(q, f.Reasons...)
	}
	if f.PersonID != 0 {
		q = q.Where("EXISTS (SELECT 1 FROM faces WHERE faces.image_id = images.id AND faces.best_person_id = ? AND faces.reason = ?)",
			f.PersonID, string(faces.Identified))
	}
	if f.Model != "" {
		q = q.Where("model = ?", f.Model)
	}
	if f.Query != "" {
		q = q.Where("INSTR(LOWER(path), LOWER(?)) > 0", f.Query)
	}
	return q
}

// ReclaimExpired makes images with expired leases queued again and returns their
// number.
func (s *Store) ReclaimExpired(ctx context.Context) (int64, error) {
	return s.reclaim(ctx, func(q *gorm.DB, now time.Time) *gorm.DB {
		return q.Where("(lease_until IS NULL OR lease_until < ?)", now)
	})
}

// ReclaimAll ends every lease, makes the images queued again, and returns their
// number. Only a program that has the database to itself may call it, before it
// starts to process: the holders of the leases must be dead.
func (s *Store) ReclaimAll(ctx context.Context) (int64, error) {
	return s.reclaim(ctx, func(q *gorm.DB, _ time.Time) *gorm.DB { return q })
}

func (s *Store) reclaim(ctx context.Context, which func(q *gorm.DB, now time.Time) *gorm.DB) (int64, error) {
	var n int64
	err := s.retry(ctx, func(tx *gorm.DB) error {
		now := s.now()
		res := which(tx.Model(&imageRow{}).Where("status = ?", int(faces.Processing)), now).
			UpdateColumns(clearLease(map[string]any{
				"status": int(faces.Pending), "reason": string(faces.Queued),
				"published_at": nil, "updated_at": now,
			}))
		n = res.RowsAffected
		if res.Error != nil {
			return res.Error
		}
		// The runner of a rescan job hands out the job's images itself.
		res = which(tx.Model(&imageRescanRow{}).Where("state = ? AND lease_token <> 0", rescanWaits), now).
			UpdateColumns(clearLease(map[string]any{
				"published_at": gorm.Expr("CASE WHEN rescan_id = 0 THEN NULL ELSE published_at END"), "updated_at": now,
			}))
		n += res.RowsAffected
		return res.Error
	})
	if err != nil {
		return 0, fmt.Errorf("reclaim leases: %w", err)
	}
	return n, nil
}

// Queued returns ids larger than after, in ascending order, of images that wait for
// processing or a rescan and were not published to the queue since before.
func (s *Store) Queued(ctx context.Context, after int64, before time.Time, limit int) ([]int64, error) {
	var ids []int64
	err := s.retry(ctx, func(tx *gorm.DB) error {
		ids = nil
		q := whereShown(tx.Model(&imageRow{}), faces.Queued).
			Where("id > ? AND updated_at <= ? AND (published_at IS NULL OR published_at <= ?)", after, before.UTC(), before.UTC())
		if err := withLimit(q, limit).Order("id").Pluck("id", &ids).Error; err != nil {
			return err
		}
		again, err := waitingRescans(tx, after, limit, "rescan_id = 0 AND updated_at <= ? AND (published_at IS NULL OR published_at <= ?) "+
			"AND (lease_until IS NULL OR lease_until < ?)", before.UTC(), before.UTC(), s.now())
		ids = mergeIDs(ids, again, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list queued images: %w", err)
	}
	return ids, nil
}

// NeverQueued returns ids larger than after, in ascending order, of images that
// wait for processing or a rescan and were not published to the queue in this
// round. It leaves out images that were stored after the given time and have not
// changed since, because the request that stored them is about to publish them.
func (s *Store) NeverQueued(ctx context.Context, after int64, stored time.Time, limit int) ([]int64, error) {
	return s.unpublished(ctx, after, "(created_at <= ? OR updated_at > created_at)", stored, limit)
}
