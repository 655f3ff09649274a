package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// retentionRow is the row of retention. See the migration.
type retentionRow struct {
	ID         int64
	Rules      string
	StartedAt  *time.Time
	FinishedAt *time.Time
	Images     int64
	Files      int64
	Complete   bool
}

func (retentionRow) TableName() string { return "retention" }

// Retention returns the stored rules, and what the last run did.
func (s *Store) Retention(ctx context.Context) (rules faces.Retention, last faces.RetentionRun, err error) {
	var row retentionRow
	err = s.read(ctx, func(tx *gorm.DB) (err error) {
		row, err = oneRow[retentionRow](tx.Where("id = 1"), "row of retention", 1)
		return err
	})
	if err == nil {
		err = json.Unmarshal([]byte(row.Rules), &rules)
	}
	last = faces.RetentionRun{Images: row.Images, Files: row.Files, Complete: row.Complete}
	if row.StartedAt != nil {
		last.Started = row.StartedAt.UTC()
	}
	if row.FinishedAt != nil {
		last.Finished = row.FinishedAt.UTC()
	}
	return rules, last, wrap(err, "read the rules of retention")
}

// SetRetention stores rules in place of those before.
func (s *Store) SetRetention(ctx context.Context, rules faces.Retention) error {
	if err := rules.Check(); err != nil {
		return err
	}
	if rules == nil {
		rules = faces.Retention{}
	}
	text, err := json.Marshal(rules)
	if err != nil {
		return err
	}
	err = s.tx(ctx, func(tx *gorm.DB) error {
		if err := tx.Model(&retentionRow{}).Where("id = 1").UpdateColumn("rules", string(text)).Error; err != nil {
			return err
		}
		return s.auditIDs(tx, access.RetentionSet, "retention", 1)
	})
	return wrap(err, "store the rules of retention")
}

// NoteRetention stores what a run has done so far.
func (s *Store) NoteRetention(ctx context.Context, run faces.RetentionRun) error {
	columns := map[string]any{
		"started_at": micro(run.Started), "finished_at": nil, "images": run.Images, "files": run.Files, "complete": run.Complete,
	}
	if !run.Finished.IsZero() {
		columns["finished_at"] = micro(run.Finished)
	}
	err := s.retry(ctx, func(tx *gorm.DB) error {
		return tx.Model(&retentionRow{}).Where("id = 1").UpdateColumns(columns).Error
	})
	return wrap(err, "store what the run of retention has done")
}

// Expired is an image that rules say to delete now.
type Expired struct {
	ID        int64
	Path      string
	CreatedAt time.Time
}

// ExpiredImages returns images that the rules say to delete now, by id, with ids above
// after. Images that wait, are processed, will be retried or are processed again are
// never among them.
func (s *Store) ExpiredImages(ctx context.Context, rules faces.Retention, after int64, limit int) (list []Expired, err error) {
	err = s.retry(ctx, func(tx *gorm.DB) error { // not read: a replica could be behind
		list = nil
		now, err := s.retentionNow(tx)
		if err != nil {
			return err
		}
		for rule, reasons := range rules.ByReason() {
			_, to, err := Filter{CreatedBefore: now.Add(-rule.Age())}.span(tx)
			if err != nil {
				return err
			}
			q := whereExpired(tx, now, rule, reasons).Where("images.id > ?", after)
			if to > 0 {
				q = q.Where("images.id < ?", to)
			}
			var rows []imageRow
			if err := withLimit(q.Select("images.id", "images.path", "images.created_at"), limit).Order("images.id").Find(&rows).Error; err != nil {
				return err
			}
			for _, r := range rows {
				list = append(list, Expired{ID: r.ID, Path: r.Path, CreatedAt: r.CreatedAt.UTC()})
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b Expired) int { return int(a.ID - b.ID) })
	if limit > 0 && len(list) > limit {
		list = list[:limit] // the rules are about different images, so the rest comes next
	}
	return list, wrap(err, "look for images that are kept no longer")
}

// retentionNow returns the time by which ages count: the earlier one of the database's
// and of this program's, so that a wrong clock deletes nothing too early.
func (s *Store) retentionNow(tx *gorm.DB) (time.Time, error) {
	now := s.now()
	if !s.isMySQL() {
		return now, nil
	}
	var there time.Time
	if err := tx.Raw("SELECT UTC_TIMESTAMP(6)").Scan(&there).Error; err != nil {
		return now, err
	}
	if there = there.UTC(); there.Before(now) {
		return there, nil
	}
	return now, nil
}

// whereExpired selects the images of some reasons that a rule says to delete.
func whereExpired(tx *gorm.DB, now time.Time, rule faces.RetentionRule, reasons []faces.Reason) *gorm.DB {
	before := now.Add(-rule.Age())
	q := whereShown(tx.Model(&imageRow{}), append(reasons, noReason)...).
		Where("images.created_at < ?", before).
		// A time in the future is no time of a file.
		Where("(images.file_modified < ? OR images.file_modified > ?)", before.UnixNano(), now.UnixNano()).
		Where("images.retry_at IS NULL AND images.lease_token = 0").
		Where("NOT EXISTS (SELECT 1 FROM image_rescans WHERE image_rescans.image_id = images.id AND image_rescans.state = ?)", rescanWaits)
	if !rule.Corrected {
		q = q.Where("NOT EXISTS (SELECT 1 FROM corrections WHERE corrections.image_id = images.id AND corrections.undone_at IS NULL)")
	}
	return q
}

// noReason is the reason of no image, for lists of reasons that could be empty.
const noReason faces.Reason = "-"

// DeleteExpired deletes those of the images that the rules still say to delete, in one
// transaction, and returns them.
func (s *Store) DeleteExpired(ctx context.Context, rules faces.Retention, ids []int64) (deleted []Expired, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		deleted = nil
		var rows []imageRow
		err := tx.Select("id", "path", "dedup", "created_at").Where("id IN ?", ids).Order("id").
			Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Find(&rows).Error
		if err != nil {
			return err
		}
		still, err := s.stillExpired(tx, rules, ids)
		if err != nil {
			return err
		}
		rows = slices.DeleteFunc(rows, func(r imageRow) bool { return !still[r.ID] })
		if len(rows) == 0 {
			return nil
		}
		for _, r := range rows {
			deleted = append(deleted, Expired{ID: r.ID, Path: r.Path, CreatedAt: r.CreatedAt.UTC()})
		}
		return s.deleteRows(tx, rows)
	})
	return deleted, wrap(err, fmt.Sprintf("delete %d image(s) that are kept no longer", len(ids)))
}

// stillExpired returns which of some locked images the rules say to delete.
func (s *Store) stillExpired(tx *gorm.DB, rules faces.Retention, ids []int64) (map[int64]bool, error) {
	now, err := s.retentionNow(tx)
	if err != nil {
		return nil, err
	}
	still := map[int64]bool{}
	for rule, reasons := range rules.ByReason() {
		var found []int64
		if err := whereExpired(tx, now, rule, reasons).Where("images.id IN ?", ids).Pluck("images.id", &found).Error; err != nil {
			return nil, err
		}
		for _, id := range found {
			still[id] = true
		}
	}
	return still, nil
}
