package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// RescanTask has what a processor needs to rescan an image.
type RescanTask struct {
	JobID int64
	// Model is the only model set whose answer is accepted. Empty means any.
	Model string
	// Known is the file that was recognized before. If it is not zero and the file
	// has not changed, the old answer stands.
	Known faces.File
}

// claimRescans leases the settled images that wait for a rescan.
func (s *Store) claimRescans(ctx context.Context, owner string, token int64, lease time.Duration, c *Claim) error {
	settled := c.Settled
	var found []claimedRescan
	err := s.retry(ctx, func(tx *gorm.DB) error {
		found = nil
		for part := range chunks(settled) {
			list, err := claimRescanPart(tx, part, owner, token, s.now(), lease)
			if err != nil {
				return err
			}
			found = append(found, list...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	at := make(map[int64]claimedRescan, len(found))
	for _, r := range found {
		at[r.Row.ImageID] = r
	}
	c.Settled = nil
	for _, id := range settled {
		r, ok := at[id]
		switch {
		case !ok:
			c.Settled = append(c.Settled, id)
		case r.Row.LeaseToken == token:
			c.Claimed = append(c.Claimed, r.claimed())
		case r.Row.LeaseUntil != nil:
			c.Busy[id] = *r.Row.LeaseUntil
		default:
			c.Busy[id] = time.Time{} // released between the two statements
		}
	}
	return nil
}

// claimedRescan is a row of image_rescans with what a processor needs.
type claimedRescan struct {
	Row          imageRescanRow `gorm:"embedded"`
	Path         string
	Model        *string // of the job
	FileSize     int64
	FileModified int64
	FileSHA256   string `gorm:"column:file_sha256"`
}

func (r claimedRescan) claimed() Claimed {
	task := RescanTask{JobID: r.Row.RescanID}
	if r.Model != nil {
		task.Model = *r.Model
	}
	if r.Row.OnlyChanged {
		task.Known = faces.File{Size: r.FileSize, Modified: r.FileModified, SHA256: r.FileSHA256}
	}
	return Claimed{
		Lease: Lease{ImageID: r.Row.ImageID, Token: r.Row.LeaseToken, Rescan: true}, Path: r.Path, Attempts: r.Row.Attempts, Rescan: &task,
	}
}

func claimRescanPart(tx *gorm.DB, ids []int64, owner string, token int64, now time.Time, lease time.Duration) ([]claimedRescan, error) {
	free, err := waitingOf(tx, ids)
	if err != nil || len(free) == 0 {
		return nil, err
	}
	err = tx.Model(&imageRescanRow{}).
		Where("image_id IN ? AND state = ? AND (lease_until IS NULL OR lease_until < ?)", free, rescanWaits, now).
		UpdateColumns(map[string]any{
			"lease_owner": owner, "lease_token": token, "lease_until": now.Add(lease), "again": false,
			"attempts": gorm.Expr("attempts + 1"), "updated_at": now,
		}).Error
	if err != nil {
		return nil, err
	}
	var rows []claimedRescan
	err = tx.Table("image_rescans").
		Select("image_rescans.*, images.path, images.file_size, images.file_modified, images.file_sha256, rescans.model").
		Joins("JOIN images ON images.id = image_rescans.image_id").
		Joins("LEFT JOIN rescans ON rescans.id = image_rescans.rescan_id").
		Where("image_rescans.image_id IN ? AND image_rescans.state = ?", free, rescanWaits).Find(&rows).Error
	return rows, err
}

// waitingOf returns the settled images that wait for a rescan. It drops the rescan
// of an image that has failed since because of a service, because its next round
// processes it anyway. It reads without a lock, because most settled ids have no
// rescan.
func waitingOf(tx *gorm.DB, ids []int64) ([]int64, error) {
	var rows []imageRow
	err := tx.Model(&imageRow{}).Select("images.id", "images.status", "images.reason").
		Joins("JOIN image_rescans ON image_rescans.image_id = images.id AND image_rescans.state = ?", rescanWaits).
		Where("images.id IN ?", ids).Find(&rows).Error
	var free, over []int64
	for _, r := range rows {
		if r.image().Reason.IsOutcome() {
			free = append(free, r.ID)
		} else if r.image().Reason.Transient() {
			over = append(over, r.ID)
		}
	}
	if err != nil || len(over) == 0 {
		return free, err
	}
	return free, tx.Where("image_id IN ? AND lease_token = 0", over).Delete(&imageRescanRow{}).Error
}

// splitLeases separates the leases of images from those of rescans.
func splitLeases(leases []Lease) (images, rescans []Lease) {
	for _, l := range leases {
		if l.Rescan {
			rescans = append(rescans, l)
		} else {
			images = append(images, l)
		}
	}
	return images, rescans
}

func splitResults(results []Result) (images, rescans []Result) {
	for _, r := range results {
		if r.Rescan {
			rescans = append(rescans, r)
		} else {
			images = append(images, r)
		}
	}
	return images, rescans
}

// eachHeldRescan is eachHeld for the leases of rescans.
func eachHeldRescan(tx *gorm.DB, leases []Lease, f func(q *gorm.DB, token int64, ids []int64) error) error {
	ids := map[int64][]int64{}
	for _, l := range leases {
		ids[l.Token] = append(ids[l.Token], l.ImageID)
	}
	for _, token := range slices.Sorted(maps.Keys(ids)) {
		for part := range chunks(ids[token]) {
			if err := f(heldRescans(tx, token, part), token, part); err != nil {
				return err
			}
		}
	}
	return nil
}

func heldRescans(tx *gorm.DB, token int64, ids []int64) *gorm.DB {
	return tx.Model(&imageRescanRow{}).Where("image_id IN ? AND lease_token = ? AND state = ?", ids, token, rescanWaits)
}

func renewRescans(tx *gorm.DB, leases []Lease, until time.Time) (held []Lease, err error) {
	err = eachHeldRescan(tx, leases, func(q *gorm.DB, token int64, ids []int64) error {
		if err := q.UpdateColumn("lease_until", until).Error; err != nil {
			return err
		}
		var still []int64
		err := heldRescans(tx, token, ids).Order("image_id").Pluck("image_id", &still).Error
		for _, id := range still {
			held = append(held, Lease{ImageID: id, Token: token, Rescan: true})
		}
		return err
	})
	return held, err
}

func releaseRescans(tx *gorm.DB, leases []Lease, attempts clause.Expr, now time.Time) error {
	return eachHeldRescan(tx, leases, func(q *gorm.DB, _ int64, _ []int64) error {
		return q.UpdateColumns(clearLease(map[string]any{"attempts": attempts, "updated_at": now})).Error
	})
}
