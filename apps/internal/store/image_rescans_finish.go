package store

import (
	"errors"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// finishRescans writes the results of rescans. A new answer replaces the old one;
// after a failure the old answer stays.
func (s *Store) finishRescans(tx *gorm.DB, results []Result, now time.Time) (stale []int64, err error) {
	slices.SortFunc(results, func(a, b Result) int { return int(a.ImageID - b.ImageID) })
	report := rescanReport{}
	for part := range chunks(results) {
		late, err := s.finishRescanPart(tx, part, now, report)
		if err != nil {
			return nil, err
		}
		stale = append(stale, late...)
	}
	return stale, report.write(tx)
}

func (s *Store) finishRescanPart(tx *gorm.DB, results []Result, now time.Time, report rescanReport) (stale []int64, err error) {
	ids := make([]int64, len(results))
	for i, r := range results {
		ids[i] = r.ImageID
	}
	images, err := lockStatuses(tx, ids)
	if err != nil {
		return nil, err
	}
	rows, err := imageRescans(tx, ids)
	if err != nil {
		return nil, err
	}
	before := make(map[int64]faces.Image, len(images))
	for _, img := range images {
		before[img.ID] = img
	}
	end := rescanEnd{now: now}
	for _, r := range results {
		row, img := rows[r.ImageID], before[r.ImageID]
		if row.LeaseToken != r.Token || row.State != rescanWaits { // the lease was lost, or the rescan was cancelled
			stale = append(stale, r.ImageID)
			continue
		}
		if !img.Reason.IsOutcome() { // the image was queued again meanwhile, so it is processed anyway
			stale = append(stale, r.ImageID)
			end.done = append(end.done, r.ImageID)
			continue
		}
		end.add(row, img, r)
	}
	if err := report.add(tx, end, before); err != nil {
		return nil, err
	}
	if err := s.writeResults(tx, end.replaced, faces.ByRescan, now); err != nil {
		return nil, err
	}
	return stale, end.write(tx)
}

// rescanEnd collects what to write for a batch of rescans.
type rescanEnd struct {
	now      time.Time
	replaced []Result         // new outcomes
	kept     []Result         // failures that leave the old answer
	job      map[int64]int64  // image → its rescan job
	touched  []Result         // unchanged content with another modification time
	again    []int64          // images that must be rescanned once more
	done     []int64          // images whose rescan is complete
	failed   []imageRescanRow // rescans that failed
}

func (e *rescanEnd) add(row imageRescanRow, img faces.Image, r Result) {
	if e.job == nil {
		e.job = map[int64]int64{}
	}
	if row.RescanID != 0 {
		e.job[r.ImageID] = row.RescanID
	}
	kept := false
	switch {
	case r.Unchanged && !row.OnlyChanged: // somebody requested an unconditional rescan meanwhile
		row.Again = true
		delete(e.job, r.ImageID)
	case !r.Unchanged && !r.Reason.IsAnswer() && r.Reason == img.Reason && r.File == img.File:
		// The same fault of the same file: there is nothing new to write.
	case r.Unchanged:
		if !r.File.IsZero() && r.File != img.File {
			e.touched = append(e.touched, r)
		}
	case replaces(row, img, r):
		e.replaced = append(e.replaced, r)
	default:
		kept = true
		e.kept = append(e.kept, r)
	}
	switch {
	case row.Again:
		e.again = append(e.again, r.ImageID)
	case kept:
		row.Reason, row.Detail = string(r.Reason), faces.Truncate(r.Detail, faces.MaxDetailLength)
		e.failed = append(e.failed, row)
	default:
		e.done = append(e.done, r.ImageID)
	}
}

// replaces reports whether a new outcome replaces the old one. A new answer always
// does. A failure replaces an answer only if the file's content is at fault,
// because a missing file may come back, and only if somebody requested this image:
// in a job, this release may just not support a format that another one read.
func replaces(row imageRescanRow, img faces.Image, r Result) bool {
	switch {
	case r.Reason.IsAnswer():
		return true
	case img.Reason.IsAnswer():
		return row.RescanID == 0 && r.Reason.IsContentFault()
	default:
		return r.Reason.Permanent()
	}
}

func (e *rescanEnd) write(tx *gorm.DB) error {
	var errs []error
	for _, r := range e.touched {
		errs = append(errs, tx.Model(&imageRow{}).Where("id = ?", r.ImageID).UpdateColumns(map[string]any{
			"file_size": r.File.Size, "file_modified": r.File.Modified, "file_sha256": r.File.SHA256,
		}).Error)
	}
	for _, row := range e.failed {
		errs = append(errs, tx.Model(&imageRescanRow{}).Where("image_id = ?", row.ImageID).UpdateColumns(clearLease(map[string]any{
			"state": rescanFailed, "reason": row.Reason, "detail": row.Detail, "updated_at": e.now,
		})).Error)
	}
	for part := range chunks(e.again) {
		errs = append(errs, tx.Model(&imageRescanRow{}).Where("image_id IN ?", part).UpdateColumns(clearLease(map[string]any{
			"again": false, "attempts": 0, "published_at": nil, "updated_at": e.now,
		})).Error)
	}
	for part := range chunks(e.done) {
		errs = append(errs, tx.Where("image_id IN ?", part).Delete(&imageRescanRow{}).Error)
	}
	return errors.Join(errs...)
}
