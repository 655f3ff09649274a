package store

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
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
	PersonID int64          // in any of the picture's faces
	Person   string         // exact name of such a person
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
	if !f.selects() || !utf8.ValidString(f.Query) || !utf8.ValidString(f.Model) || !utf8.ValidString(f.Person) {
		return nil, nil // no stored text is invalid
	}
	var ids []int64
	err := s.tx(ctx, func(tx *gorm.DB) error {
		found, err := f.find(tx, s.now())
		if err != nil {
			return err
		}
		ids = nil
		var failed, answered []imageRow
		for _, r := range found {
			ids = append(ids, r.ID)
			if faces.Status(r.Status) == faces.Failed {
				failed = append(failed, r)
			} else {
				answered = append(answered, r)
			}
		}
		if err := s.giveRound(tx, idsOf(failed), f.rounds()); err != nil {
			return err
		}
		for part := range chunks(idsOf(answered)) {
			if err := s.requestRescans(tx, part, false, &Rescans{}); err != nil {
				return err
			}
		}
		if err := s.addRetryEvents(tx, f, failed, answered); err != nil {
			return err
		}
		return s.auditIDs(tx, access.ImagesRetried, "image", ids...)
	})
	if err != nil {
		return nil, fmt.Errorf("retry images: %w", err)
	}
	return ids, nil
}

// addRetryEvents writes the events of a retry. Images with an answer keep it until
// their pictures have been processed again.
func (s *Store) addRetryEvents(tx *gorm.DB, f RetryFilter, failed, answered []imageRow) error {
	cause := faces.ByRequest
	if f.Due {
		cause = faces.ByRedeemer
	}
	now := s.now()
	rows := make([]eventRow, 0, len(failed)+len(answered))
	for _, r := range failed {
		rows = append(rows, eventRow{Type: string(faces.ImageRetried), Cause: string(cause), ImageID: r.ID, Reason: string(faces.Queued), CreatedAt: now})
	}
	for _, r := range answered {
		rows = append(rows, eventRow{Type: string(faces.ImageRetried), Cause: string(cause), ImageID: r.ID, Reason: string(r.image().Reason), CreatedAt: now})
	}
	return addEvents(tx, rows...)
}

// giveRound makes failed images queued again.
func (s *Store) giveRound(tx *gorm.DB, ids []int64, rounds any) error {
	for part := range chunks(ids) {
		err := tx.Model(&imageRow{}).Where("id IN ?", part).
			UpdateColumns(clearLease(map[string]any{
				"status": int(faces.Pending), "reason": string(faces.Queued), "detail": "",
				"attempts": 0, "rounds": rounds, "retry_at": nil, "published_at": nil, "updated_at": s.now(),
				"trace_context": nil, // an older program may have left it
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
	return f.Due || f.All || len(f.Reasons) > 0 || len(f.IDs) > 0 || f.Status != nil || f.PersonID != 0 || f.Person != "" || f.Model != "" || f.Query != ""
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
	w := who{f.PersonID, f.Person}
	people, err := []int64(nil), error(nil)
	if !w.any() {
		if people, err = w.people(tx); err != nil {
			return nil, err
		}
	}
	var found []imageRow
	for within := range f.parts() {
		p := page{after: f.After, oldest: true}
		if f.Limit > 0 {
			if p.limit = f.Limit - len(found); p.limit == 0 {
				break
			}
		}
		rows, err := f.findPart(tx, w, people, p, func(q *gorm.DB) *gorm.DB { return f.where(within(q), now) })
		if err != nil {
			return nil, err
		}
		found = append(found, rows...)
	}
	return found, nil
}

func (f RetryFilter) findPart(tx *gorm.DB, w who, people []int64, p page, where func(*gorm.DB) *gorm.DB) ([]imageRow, error) {
	if w.any() {
		return lockImageRows(p.of(where(tx.Model(&imageRow{})), "images.id"))
	}
	ids, err := showing(tx, people, p, where)
	if err != nil {
		return nil, err
	}
	var found []imageRow
	for part := range chunks(ids) {
		q := where(tx.Model(&imageRow{}).Where("images.id IN ?", part))
		rows, err := lockImageRows(page{oldest: true}.of(q, "images.id"))
		if err != nil {
			return nil, err
		}
		found = append(found, rows...)
	}
	return found, nil
}

func lockImageRows(q *gorm.DB) (rows []imageRow, err error) {
	err = q.Select("images.id", "images.status", "images.reason").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Find(&rows).Error
	return rows, err
}

func idsOf(rows []imageRow) []int64 {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	return ids
}

// parts yields the condition on the ids in parts, in ascending order, because
// databases limit the number of ids per statement.
func (f RetryFilter) parts() iter.Seq[func(*gorm.DB) *gorm.DB] {
	if len(f.IDs) == 0 {
		return slices.Values([]func(*gorm.DB) *gorm.DB{func(q *gorm.DB) *gorm.DB { return q }})
	}
	ids := slices.DeleteFunc(unique(f.IDs), func(id int64) bool { return id <= f.After })
	slices.Sort(ids)
	return func(yield func(func(*gorm.DB) *gorm.DB) bool) {
		for part := range chunks(ids) {
			if !yield(func(q *gorm.DB) *gorm.DB { return q.Where("images.id IN ?", part) }) {
				return
			}
		}
	}
}

// where adds the conditions other than ids, person and page.
func (f RetryFilter) where(q *gorm.DB, now time.Time) *gorm.DB {
	q = q.Where("(images.status IN ? OR (images.status = ? AND images.reason IN ?))", []int{int(faces.Processed), int(faces.Failed)},
		int(faces.Pending), faces.ReasonsWhere(faces.Reason.IsPendingAnswer))
	if f.Due {
		// A failure that another program wrote has no retry_at. It is due at once.
		q = q.Where("images.status = ? AND images.reason NOT IN ?", int(faces.Failed), faces.ReasonsWhere(faces.Reason.Permanent)).
			Where("(images.retry_at <= ? OR (images.retry_at IS NULL AND images.rounds = 0 AND images.reason NOT IN ?))", now, faces.ReasonsWhere(faces.Reason.Transient))
	}
	if f.All {
		q = q.Where("images.status = ?", int(faces.Failed))
	}
	if f.Status != nil {
		q = q.Where("images.status = ?", int(*f.Status))
	}
	if len(f.Reasons) > 0 {
		q = whereShown(q, f.Reasons...)
	}
	if f.Model != "" {
		q = q.Where("images.model = ?", f.Model)
	}
	if f.Query != "" {
		q = q.Where("INSTR(LOWER(images.path), LOWER(?)) > 0", f.Query)
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
	err := s.read(ctx, func(tx *gorm.DB) error {
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
