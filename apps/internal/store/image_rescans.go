package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// imageRescanRow says that an image with an answer is looked at again, or that
// it could not be. The image's own row does not change meanwhile. There is no
// row for nearly all images.
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

// RescanTask is what a processor has to know to look at an image again.
type RescanTask struct {
	JobID int64
	// Model is the set whose answers the job wants; empty where any will do.
	Model string
	// Known is the file that was looked at before: where it is not zero and the
	// file is still that one, the old answer stands.
	Known faces.File
}

// Rescans are the images that a request has looked at again.
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
	there, err := imageRescans(tx, ids)
	if err != nil {
		return err
	}
	now := s.now()
	var add []imageRescanRow
	for _, img := range images {
		// The file may have been read before it changed.
		atWork := img.Status == faces.Processing && onlyChanged
		if !hasOutcome(img.Reason) && !atWork {
			continue
		}
		done.Waiting = append(done.Waiting, img.ID)
		row, ok := there[img.ID]
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

// claimRescans leases those of the settled images that wait for another look.
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
			c.Busy[id] = time.Time{} // came free between the two statements
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

// waitingOf returns those of the settled images that wait for another look. One
// that a service's failure has kept from an answer since is looked at when it
// gets another round, and waits no more. Most settled ids are no rescans:
// reading takes no lock.
func waitingOf(tx *gorm.DB, ids []int64) ([]int64, error) {
	var rows []imageRow
	err := tx.Model(&imageRow{}).Select("images.id", "images.status", "images.reason").
		Joins("JOIN image_rescans ON image_rescans.image_id = images.id AND image_rescans.state = ?", rescanWaits).
		Where("images.id IN ?", ids).Find(&rows).Error
	var free, over []int64
	for _, r := range rows {
		if hasOutcome(r.image().Reason) {
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

// hasOutcome reports whether the reason is one that looking at the picture gave,
// an answer or its own fault.
func hasOutcome(r faces.Reason) bool { return r.HasAnswer() || r.Permanent() }

// bySort parts the leases of images from those of rescans.
func bySort(leases []Lease) (images, rescans []Lease) {
	for _, l := range leases {
		if l.Rescan {
			rescans = append(rescans, l)
		} else {
			images = append(images, l)
		}
	}
	return images, rescans
}

func resultsBySort(results []Result) (images, rescans []Result) {
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
		return q.UpdateColumns(free(map[string]any{"attempts": attempts, "updated_at": now})).Error
	})
}

// finishRescans writes what looking again came to: a new answer replaces the
// old one, and what failed leaves it standing.
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
		if row.LeaseToken != r.Token || row.State != rescanWaits { // somebody else has it, or it was called off
			stale = append(stale, r.ImageID)
			continue
		}
		if !hasOutcome(img.Reason) { // its answer was taken back meanwhile: it is looked at anyway
			stale = append(stale, r.ImageID)
			end.done = append(end.done, r.ImageID)
			continue
		}
		end.add(row, img, r)
	}
	if err := report.add(tx, end, before); err != nil {
		return nil, err
	}
	if err := s.writeResults(tx, end.replaced, now); err != nil {
		return nil, err
	}
	return stale, end.write(tx)
}

// rescanEnd gathers what becomes of a batch of rescans.
type rescanEnd struct {
	now      time.Time
	replaced []Result         // new outcomes
	kept     []Result         // failures beside which the old answer stands
	job      map[int64]int64  // image → the job that it was looked at for
	touched  []Result         // unchanged files with another time
	again    []int64          // images that have to be looked at once more
	done     []int64          // images whose rescan has ended
	failed   []imageRescanRow // rescans that have ended without an answer
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
	case r.Unchanged && !row.OnlyChanged: // somebody has asked for more meanwhile
		row.Again = true
		delete(e.job, r.ImageID)
	case !r.Unchanged && !r.Reason.HasAnswer() && r.Reason == img.Reason && r.File == img.File:
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
		row.Reason, row.Detail = string(r.Reason), cut(r.Detail, maxDetail)
		e.failed = append(e.failed, row)
	default:
		e.done = append(e.done, r.ImageID)
	}
}

// replaces reports whether an outcome takes the place of what an image has. A
// new answer always does. A failure leaves an answer standing where it says
// nothing of the file's content (the file may be away for a while) and where
// nobody asked for this image: another release may just not read it.
func replaces(row imageRescanRow, img faces.Image, r Result) bool {
	switch {
	case r.Reason.HasAnswer():
		return true
	case img.Reason.HasAnswer():
		return row.RescanID == 0 && r.Reason.OfContent()
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
		errs = append(errs, tx.Model(&imageRescanRow{}).Where("image_id = ?", row.ImageID).UpdateColumns(free(map[string]any{
			"state": rescanFailed, "reason": row.Reason, "detail": row.Detail, "updated_at": e.now,
		})).Error)
	}
	for part := range chunks(e.again) {
		errs = append(errs, tx.Model(&imageRescanRow{}).Where("image_id IN ?", part).UpdateColumns(free(map[string]any{
			"again": false, "attempts": 0, "published_at": nil, "updated_at": e.now,
		})).Error)
	}
	for part := range chunks(e.done) {
		errs = append(errs, tx.Where("image_id IN ?", part).Delete(&imageRescanRow{}).Error)
	}
	return errors.Join(errs...)
}

// waitingRescans returns the images, after one and in order, that wait for
// another look as the condition says.
func waitingRescans(tx *gorm.DB, after int64, most int, condition string, args ...any) ([]int64, error) {
	var ids []int64
	q := tx.Model(&imageRescanRow{}).Where("state = ? AND image_id > ?", rescanWaits, after).Where(condition, args...)
	err := limit(q, most).Order("image_id").Pluck("image_id", &ids).Error
	return ids, err
}

// mergeIDs joins two ordered lists to one of at most a number of ids; 0 is no
// limit.
func mergeIDs(a, b []int64, most int) []int64 {
	if len(b) == 0 {
		return a
	}
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	all = slices.Compact(all)
	if most > 0 && len(all) > most {
		all = all[:most]
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
