package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// imageRescanRow says that an image with an answer is waiting for another look,
// or that the look failed. The image's own row does not change meanwhile. Nearly
// all images have no such row.
type imageRescanRow struct {
	ImageID     int64 `gorm:"primaryKey"`
	RescanID    int64 // the job; 0 where somebody asked for this image alone
	State       string
	OnlyChanged bool // nothing to do where the file is the one that was looked at
	Again       bool // somebody asked once more while a processor was at work
	Attempts    int
	LeaseOwner  string
	LeaseToken  int64 // 0: nobody's
	LeaseUntil  *time.Time
	PublishedAt *time.Time
	Reason      string // of a failure
	Detail      string
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

func (imageRescanRow) TableName() string { return "image_rescans" }

func (r imageRescanRow) rescan() faces.Rescan {
	return faces.Rescan{State: faces.RescanState(r.State), Reason: faces.Reason(r.Reason), Detail: r.Detail, Since: r.UpdatedAt}
}

const (
	rescanWaits  = string(faces.RescanWaiting)
	rescanFailed = string(faces.RescanFailed)
)

// Rescans are the images that a request wants looked at again.
type Rescans struct {
	Waiting []int64 // all of them, in order
	Publish []int64 // those that have to be queued
}

// RequestRescans asks for another look at images that have an answer, or that
// failed for good: their answers stand until the new ones are there. With
// onlyChanged, a file that is still the one that was looked at is left alone.
// Images that wait for their turn, and those that a service's failure keeps
// from an answer, are passed over: they are looked at anyway.
func (s *Store) RequestRescans(ctx context.Context, ids []int64, onlyChanged bool) (Rescans, error) {
	var done Rescans
	ids = unique(ids)
	slices.Sort(ids)
	err := s.tx(ctx, func(tx *gorm.DB) error {
		done = Rescans{}
		for part := range chunks(ids) {
			if err := s.requestRescans(tx, part, onlyChanged, &done); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Rescans{}, fmt.Errorf("ask to look at %d image(s) again: %w", len(ids), err)
	}
	return done, nil
}

func (s *Store) requestRescans(tx *gorm.DB, ids []int64, onlyChanged bool, done *Rescans) error {
	images, err := lockStatuses(tx, ids)
	if err != nil {
		return err
	}
	existing, err := imageRescans(tx, ids)
	if err != nil {
		return err
	}
	now := s.now()
	var add []imageRescanRow
	for _, img := range images {
		// The file may have been read before it changed.
		atWork := img.Status == faces.Processing && onlyChanged
		if !img.Reason.IsOutcome() && !atWork {
			continue
		}
		done.Waiting = append(done.Waiting, img.ID)
		row, ok := existing[img.ID]
		switch {
		case !ok:
			add = append(add, imageRescanRow{ImageID: img.ID, State: rescanWaits, OnlyChanged: onlyChanged, CreatedAt: now, UpdatedAt: now})
			done.Publish = append(done.Publish, img.ID)
			continue
		case row.State != rescanWaits:
			row = imageRescanRow{ImageID: img.ID, OnlyChanged: onlyChanged}
			done.Publish = append(done.Publish, img.ID)
		case row.PublishedAt == nil || row.RescanID != 0:
			row.PublishedAt = nil
			done.Publish = append(done.Publish, img.ID)
		}
		err := tx.Model(&imageRescanRow{}).Where("image_id = ?", img.ID).UpdateColumns(map[string]any{
			"state": rescanWaits, "rescan_id": row.RescanID, "only_changed": row.OnlyChanged && onlyChanged,
			"again": row.LeaseToken != 0, "attempts": row.Attempts, "reason": "", "detail": "",
			"published_at": row.PublishedAt, "updated_at": now,
		}).Error
		if err != nil {
			return err
		}
	}
	if len(add) == 0 {
		return nil
	}
	return tx.Create(&add).Error
}

// lockStatuses locks images and returns them, in order, with what their rows
// say of status, file and people.
func lockStatuses(tx *gorm.DB, ids []int64) ([]faces.Image, error) {
	var rows []imageRow
	err := tx.Select("id", "path", "status", "reason", "person", "detail", "model", "file_size", "file_modified", "file_sha256").
		Where("id IN ?", ids).Order("id").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Find(&rows).Error
	images := make([]faces.Image, len(rows))
	for i, r := range rows {
		images[i] = r.image()
	}
	return images, err
}

func imageRescans(tx *gorm.DB, ids []int64) (map[int64]imageRescanRow, error) {
	var rows []imageRescanRow
	if err := tx.Where("image_id IN ?", ids).Find(&rows).Error; err != nil {
		return nil, err
	}
	byID := make(map[int64]imageRescanRow, len(rows))
	for _, r := range rows {
		byID[r.ImageID] = r
	}
	return byID, nil
}

// waitingRescans returns the images, after one and in order, that wait for
// another look as the condition says.
func waitingRescans(tx *gorm.DB, after int64, limit int, condition string, args ...any) ([]int64, error) {
	var ids []int64
	q := tx.Model(&imageRescanRow{}).Where("state = ? AND image_id > ?", rescanWaits, after).Where(condition, args...)
	err := withLimit(q, limit).Order("image_id").Pluck("image_id", &ids).Error
	return ids, err
}

// mergeIDs joins two ordered lists to one of at most a number of ids; 0 is no
// limit.
func mergeIDs(a, b []int64, limit int) []int64 {
	if len(b) == 0 {
		return a
	}
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	all = slices.Compact(all)
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	return all
}

// rescanOf returns what is known of looking at an image again.
func rescanOf(tx *gorm.DB, img faces.Image) (faces.Rescan, error) {
	var rows []imageRescanRow
	if err := tx.Where("image_id = ?", img.ID).Limit(1).Find(&rows).Error; err != nil {
		return faces.Rescan{}, err
	}
	if len(rows) == 0 || rows[0].State == rescanFailed && rows[0].UpdatedAt.Before(img.UpdatedAt) {
		return faces.Rescan{}, nil
	}
	return rows[0].rescan(), nil
}
