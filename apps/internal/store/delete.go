package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
)

// DeleteImage deletes an image with everything that is stored about it, and returns its
// path. A processor that holds its lease finds that it holds it no more, and a message
// with its id needs no work. If older rows have the same path, the oldest of them is
// the one that the path finds from now on.
func (s *Store) DeleteImage(ctx context.Context, id int64) (path string, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		row, err := oneRow[imageRow](tx.Select("id", "path", "dedup").Where("id = ?", id).
			Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), "image", id)
		if err != nil {
			return err
		}
		path = row.Path
		for _, of := range []any{&faceRow{}, &correctionRow{}, &imageRescanRow{}} {
			if err := tx.Where("image_id = ?", id).Delete(of).Error; err != nil {
				return err
			}
		}
		if err := forgetInJobs(tx, id); err != nil {
			return err
		}
		if err := tx.Where("id = ?", id).Delete(&imageRow{}).Error; err != nil {
			return err
		}
		if err := s.auditIDs(tx, access.ImageDeleted, "image", id); err != nil {
			return err
		}
		return promoteDuplicate(tx, row)
	})
	return path, wrap(err, fmt.Sprintf("delete image %d", id))
}

// forgetInJobs deletes what jobs have noted about an image. Their tables are ordered by
// job, so it names the jobs. The counters of a job say what it did, and stay.
func forgetInJobs(tx *gorm.DB, image int64) error {
	for _, of := range []struct {
		jobs, notes any
		column      string
	}{{&rematchRow{}, &rematchChangeRow{}, "rematch_id"}, {&rescanRow{}, &rescanResultRow{}, "rescan_id"}} {
		var jobs []int64
		if err := tx.Model(of.jobs).Order("id").Pluck("id", &jobs).Error; err != nil {
			return err
		}
		for part := range chunks(jobs) {
			if err := tx.Where(of.column+" IN ? AND image_id = ?", part, image).Delete(of.notes).Error; err != nil {
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
