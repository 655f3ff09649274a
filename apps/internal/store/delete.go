package store

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Selected is an image that is to be deleted, as it was when it was selected.
type Selected struct {
	ID   int64
	Path string

	status  int
	reason  string
	updated time.Time
	any     bool // delete it whatever it is now
}

func newSelected(r imageRow, whatever bool) Selected {
	return Selected{ID: r.ID, Path: r.Path, status: r.Status, reason: r.Reason, updated: r.UpdatedAt, any: whatever}
}

// is reports whether a row still is what was selected.
func (d Selected) is(r imageRow) bool {
	return d.any || d.status == r.Status && d.reason == r.Reason && d.updated.Equal(r.UpdatedAt)
}

// SelectImages returns the images of a filter's page, to delete them. next is After of
// the next page, or 0.
func (s *Store) SelectImages(ctx context.Context, f Filter) (list []Selected, next int64, err error) {
	if !utf8.ValidString(f.Query) || !utf8.ValidString(f.Person) {
		return nil, 0, nil // as in PageOfImages
	}
	whatever := f.Status == nil && f.Reason == "" && who{f.PersonID, f.Person}.any()
	err = s.retry(ctx, func(tx *gorm.DB) error { // not read: a replica could be behind
		rows, after, err := f.find(tx)
		list, next = mappedRows(rows, whatever), after
		return err
	})
	return list, next, wrap(err, "select images")
}

// SelectByID is SelectImages for ids. Those that no image has are left out.
func (s *Store) SelectByID(ctx context.Context, ids []int64) (list []Selected, err error) {
	err = s.retry(ctx, func(tx *gorm.DB) error {
		list = nil
		for part := range chunks(ids) {
			var rows []imageRow
			if err := tx.Select("id", "path").Where("id IN ?", part).Order("id").Find(&rows).Error; err != nil {
				return err
			}
			list = append(list, mappedRows(rows, true)...)
		}
		return nil
	})
	return list, wrap(err, "select images")
}

func mappedRows(rows []imageRow, whatever bool) []Selected {
	list := make([]Selected, len(rows))
	for i, r := range rows {
		list[i] = newSelected(r, whatever)
	}
	return list
}

// DeleteImage deletes an image with everything that is stored about it, and returns its
// path. A processor that holds its lease finds that it holds it no more, and a message
// with its id needs no work. If older rows have the same path, the oldest of them is
// the one that the path finds from now on.
func (s *Store) DeleteImage(ctx context.Context, id int64) (path string, err error) {
	deleted, err := s.DeleteImages(ctx, []Selected{{ID: id, any: true}})
	if err == nil && len(deleted) == 0 {
		err = faces.Errorf(faces.CodeMissing, "there is no image %d", id)
	}
	if err != nil {
		return "", fmt.Errorf("delete image %d: %w", id, err)
	}
	return deleted[0].Path, nil
}

// DeleteImages is DeleteImage for some images, in one transaction. It returns those that
// it deleted: an image that has changed since it was selected stays, because it may not
// be what was meant any more.
func (s *Store) DeleteImages(ctx context.Context, list []Selected) (deleted []Selected, err error) {
	selected := map[int64]Selected{}
	var ids []int64
	for _, d := range list {
		selected[d.ID] = d
		ids = append(ids, d.ID)
	}
	var tried []Selected // of a try whose commit may have happened
	err = s.tx(ctx, func(tx *gorm.DB) error {
		var rows []imageRow
		err := tx.Select("id", "path", "dedup", "status", "reason", "updated_at").Where("id IN ?", ids).Order("id").
			Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Find(&rows).Error
		if err != nil {
			return err
		}
		deleted = nil
		if gone(tried, rows) {
			deleted = slices.Clone(tried)
		}
		rows = slices.DeleteFunc(rows, func(r imageRow) bool { return !selected[r.ID].is(r) })
		deleted = append(deleted, mappedRows(rows, true)...)
		if len(rows) > 0 {
			if err := s.deleteRows(tx, rows); err != nil {
				return err
			}
		}
		tried = deleted
		return nil
	})
	return deleted, wrap(err, fmt.Sprintf("delete %d image(s)", len(list)))
}

// gone reports whether none of the images that a try deleted has a row: its commit
// happened, and only the answer was lost.
func gone(deleted []Selected, rows []imageRow) bool {
	return !slices.ContainsFunc(deleted, func(d Selected) bool {
		return slices.ContainsFunc(rows, func(r imageRow) bool { return r.ID == d.ID })
	})
}

// deleteRows deletes locked rows of images with everything about them.
func (s *Store) deleteRows(tx *gorm.DB, rows []imageRow) error {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	if err := forgetGroupsOf(tx, ids); err != nil {
		return err
	}
	for _, of := range []any{&faceRow{}, &correctionRow{}, &imageRescanRow{}} {
		if err := tx.Where("image_id IN ?", ids).Delete(of).Error; err != nil {
			return err
		}
	}
	if err := forgetInJobs(tx, ids); err != nil {
		return err
	}
	if err := tx.Where("id IN ?", ids).Delete(&imageRow{}).Error; err != nil {
		return err
	}
	if err := s.auditIDs(tx, access.ImageDeleted, "image", ids...); err != nil {
		return err
	}
	if err := addImageEvents(tx, faces.ImageDeleted, faces.NoCause, faces.NoReason, ids, s.now()); err != nil {
		return err
	}
	for _, r := range rows {
		if err := promoteDuplicate(tx, r); err != nil {
			return err
		}
	}
	return nil
}

// forgetInJobs deletes what jobs have noted about images. Their tables are ordered by
// job, so it names the jobs. The counters of a job say what it did, and stay.
func forgetInJobs(tx *gorm.DB, images []int64) error {
	for _, of := range []struct {
		jobs, notes any
		column      string
	}{{&rematchRow{}, &rematchChangeRow{}, "rematch_id"}, {&rescanRow{}, &rescanResultRow{}, "rescan_id"}} {
		var jobs []int64
		if err := tx.Model(of.jobs).Order("id").Pluck("id", &jobs).Error; err != nil {
			return err
		}
		for part := range chunks(jobs) {
			if err := tx.Where(of.column+" IN ? AND image_id IN ?", part, images).Delete(of.notes).Error; err != nil {
				return err
			}
		}
	}
	return nil
}

// promoteDuplicate makes the oldest duplicate of a deleted image the one that its path
// finds.
func promoteDuplicate(tx *gorm.DB, deleted imageRow) error {
	if deleted.Dedup != 0 {
		return nil
	}
	var ids []int64
	if err := tx.Model(&imageRow{}).Where("path = ?", deleted.Path).Order("id").Pluck("id", &ids).Error; err != nil || len(ids) == 0 {
		return err
	}
	first := tx.Model(&imageRow{}).Where("id = ?", ids[0])
	if err := first.UpdateColumns(map[string]any{"dedup": 0, "duplicate_of": 0}).Error; err != nil {
		return err
	}
	return tx.Model(&imageRow{}).Where("id IN ?", ids[1:]).UpdateColumn("duplicate_of", ids[0]).Error
}

// HasPath reports whether an image has a path.
func (s *Store) HasPath(ctx context.Context, path string) (bool, error) {
	var ids []int64
	err := s.retry(ctx, func(tx *gorm.DB) error { // not read: a replica could be behind
		ids = nil
		return tx.Model(&imageRow{}).Where("path = ?", path).Limit(1).Pluck("id", &ids).Error
	})
	return len(ids) > 0, wrap(err, "look for an image by its path")
}
