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

// imageRescanRow is the rescan of one answered image: it waits, or it failed. The
// image's own row does not change meanwhile. Nearly all images have no such row.
type imageRescanRow struct {
	ImageID     int64 `gorm:"primaryKey"`
	RescanID    int64 // the job; 0 if somebody requested this image alone
	State       string
	OnlyChanged bool // skip the image if its file has not changed
	Again       bool // requested once more while a processor was working on it
	Attempts    int
	LeaseOwner  string
	LeaseToken  int64 // 0 if not leased
	LeaseUntil  *time.Time
	PublishedAt *time.Time
	Reason      string // why it failed
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

// Rescans lists the images that wait for a rescan after a request.
type Rescans struct {
	Waiting []int64 // all of them, in ascending order
	Publish []int64 // those that the caller must publish to the queue
}

// RequestRescans requests a rescan of images that have an answer or a permanent
// failure. Their answers stand until the new ones are stored. With onlyChanged, an
// image is rescanned only if its file has changed. Images that are queued, or that
// failed because of a service, are skipped: they are processed anyway.
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
		return Rescans{}, fmt.Errorf("request rescans of %d image(s): %w", len(ids), err)
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

// lockStatuses locks images and returns them ordered by id. It reads only the
// columns that a rescan needs.
func lockStatuses(tx *gorm.DB, ids []int64) ([]faces.Image, error) {
	var rows []imageRow
	err := tx.Select("id", "path", "status", "reason", "person", "detail", "model", "file_size", "file_modified", "file_sha256").
		Where("id IN ?", ids).Order("id").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Find(&rows).Error
	if err != nil {
		return nil, err
	}
	images := make([]faces.Image, len(rows))
	for i, r := range rows {
		images[i] = r.image()
	}
	return images, holdIDs(tx, "images", "attempts", idsOf(rows)...)
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

// waitingRescans returns ids larger than after of images that wait for a rescan
// and meet the condition, in ascending order.
func waitingRescans(tx *gorm.DB, after int64, limit int, condition string, args ...any) ([]int64, error) {
	var ids []int64
	q := tx.Model(&imageRescanRow{}).Where("state = ? AND image_id > ?", rescanWaits, after).Where(condition, args...)
	err := withLimit(q, limit).Order("image_id").Pluck("image_id", &ids).Error
	return ids, err
}

// mergeIDs merges two ordered lists into one of at most limit ids. 0 means no
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

// rescanOf returns the rescan of an image. A failure that is older than the
// image's current answer does not count.
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
