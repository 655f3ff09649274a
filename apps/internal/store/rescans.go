package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

type rescanRow struct {
	ID                  int64
	State               history.RescanState
	Cause               history.Cause
	Model               string
	Whole               bool
	Detail              string
	Total               int64
	Done                int64
	Changed             int64
	Failed              int64
	PeopleFound         int64
	PeopleLost          int64
	FacesFound          int64
	FacesLost           int64
	CorrectionsUnplaced int64
	Seek                int64 // the image below which the job goes on
	CreatedAt           time.Time
	StartedAt           *time.Time
	FinishedAt          *time.Time
}

func (rescanRow) TableName() string { return "rescans" }

func (r rescanRow) rescan() history.Rescan {
	job := history.Rescan{
		ID: r.ID, State: r.State, Cause: r.Cause, Model: r.Model, Full: r.Whole, Detail: r.Detail,
		Total: r.Total, Done: r.Done, Changed: r.Changed, Failed: r.Failed,
		PeopleFound: r.PeopleFound, PeopleLost: r.PeopleLost, FacesFound: r.FacesFound, FacesLost: r.FacesLost,
		Unplaced: r.CorrectionsUnplaced, Created: r.CreatedAt,
	}
	if r.StartedAt != nil {
		job.Started = *r.StartedAt
	}
	if r.FinishedAt != nil {
		job.Finished = *r.FinishedAt
	}
	return job
}

// unfinished are the states of a job that has not ended.
var unfinished = []history.RescanState{history.RescanWaiting, history.RescanRunning, history.RescanPaused}

// oldPictures selects the images of a rescan with a model set: those that another
// set answered or whose file it could not read. With full, it also selects those
// of the same set.
func oldPictures(q *gorm.DB, model string, full bool) *gorm.DB {
	q = q.Where("(status = ? OR (status = ? AND reason IN ?) OR (status = ? AND reason IN ?))",
		int(faces.Processed), int(faces.Pending), faces.ReasonsWhere(faces.Reason.IsAnswer),
		int(faces.Failed), faces.ReasonsWhere(faces.Reason.IsContentFault))
	if !full {
		q = q.Where("model <> ?", model)
	}
	return q
}

// AgreeOnModel stores that all recognizers use a model set. If auto is set, it
// starts a rescan when the set changes to the newest one that was ever in use and
// there are answers of other sets. Unfinished rescans are superseded then. Going
// back to an older set starts no rescan. Returning to the newest one does, even if
// the programs in between did not store which set they used.
func (s *Store) AgreeOnModel(ctx context.Context, token int64, m faces.Model, auto bool) (job history.Rescan, started bool, err error) {
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		job, started = history.Rescan{}, false
		var agreed []string
		if err := tx.Table("rematch_state").Where("id = 1").Pluck("agreed_model", &agreed).Error; err != nil {
			return err
		}
		if len(agreed) == 0 {
			return nil
		}
		if agreed[0] == m.ID {
			if back, err := cameBack(tx, m.ID); err != nil || !back {
				return err
			}
		}
		if err := s.useModel(tx, m); err != nil {
			return err
		}
		if err := tx.Table("rematch_state").Where("id = 1").UpdateColumn("agreed_model", m.ID).Error; err != nil {
			return err
		}
		newest, err := isNewestModel(tx, m.ID)
		if err != nil || !newest || !auto {
			return err
		}
		var old []int64
		q := tx.Model(&imageRow{}).Where("model <> '' AND model <> ?", m.ID)
		if err := q.Limit(1).Pluck("id", &old).Error; err != nil || len(old) == 0 {
			return err
		}
		if err := supersede(tx, m.ID, s.now()); err != nil {
			return err
		}
		row := rescanRow{State: history.RescanWaiting, Cause: history.CauseModel, Model: m.ID, Seek: math.MaxInt64, CreatedAt: s.now()}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		job, started = row.rescan(), true
		return nil
	})
	return job, started, wrap(err, "agree on model set "+m.ID)
}

// isNewestModel reports whether no other model set was first used later.
func isNewestModel(tx *gorm.DB, id string) (bool, error) {
	var newest []string
	err := tx.Table("models").Where("first_used IS NOT NULL").Order("first_used DESC, id").Limit(1).Pluck("id", &newest).Error
	return len(newest) > 0 && newest[0] == id, err
}

// cameBack reports whether another set has answered since the last rescan with this
// set was created. That happens after a rollback to release 0.1.0, whose processors
// do not call AgreeOnModel. It returns false while a rescan that somebody requested
// or paused is unfinished.
func cameBack(tx *gorm.DB, id string) (bool, error) {
	var jobs []rescanRow
	err := tx.Where("model = ? OR state IN ?", id, unfinished).Order("id DESC").Limit(1).Find(&jobs).Error
	if err != nil || len(jobs) == 0 {
		return false, err
	}
	last := jobs[0]
	if slices.Contains(unfinished, last.State) && (last.Cause != history.CauseModel || last.State == history.RescanPaused) {
		return false, nil
	}
	var others int64
	err = tx.Model(&modelRow{}).Where("id <> ? AND last_used > ?", id, last.CreatedAt).Count(&others).Error
	return others > 0, err
}

func supersede(tx *gorm.DB, model string, now time.Time) error {
	var ids []int64
	if err := tx.Model(&rescanRow{}).Where("state IN ?", unfinished).Pluck("id", &ids).Error; err != nil {
		return err
	}
	for _, id := range ids {
		if err := endRescan(tx, id, history.RescanSuperseded, "the model set "+model+" came into use", now); err != nil {
			return err
		}
	}
	return nil
}

// endRescan ends a job. Images that it has not processed keep their answers.
func endRescan(tx *gorm.DB, id int64, state history.RescanState, detail string, now time.Time) error {
	err := tx.Where("rescan_id = ? AND state = ?", id, rescanWaits).Delete(&imageRescanRow{}).Error
	if err != nil {
		return err
	}
	return tx.Model(&rescanRow{}).Where("id = ?", id).
		UpdateColumns(map[string]any{"state": state, "detail": faces.Truncate(detail, faces.MaxDetailLength), "finished_at": now}).Error
}

// RequestRescan creates a rescan with a model set. An empty model means the set in
// use. If another rescan is unfinished, it returns an error with
// faces.CodeConflict.
func (s *Store) RequestRescan(ctx context.Context, model string, full bool) (history.Rescan, error) {
	row := rescanRow{State: history.RescanWaiting, Cause: history.CauseRequest, Model: model, Whole: full, Seek: math.MaxInt64, CreatedAt: s.now()}
	err := s.tx(ctx, func(tx *gorm.DB) error {
		if err := serialize(tx); err != nil {
			return err
		}
		var other []rescanRow
		if err := tx.Where("state IN ?", unfinished).Limit(1).Find(&other).Error; err != nil {
			return err
		}
		if len(other) > 0 {
			return faces.Errorf(faces.CodeConflict, "rescan %d is %s: let it end, or cancel it first", other[0].ID, other[0].State)
		}
		row.ID = 0
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		return s.auditIDs(tx, access.RescanAsked, "rescan", row.ID)
	})
	return row.rescan(), wrap(err, "request a rescan")
}

// NextRescan returns the oldest job with work for a processor. ok is false if there
// is none.
func (s *Store) NextRescan(ctx context.Context) (job history.Rescan, ok bool, err error) {
	var rows []rescanRow
	err = s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("state IN ?", []history.RescanState{history.RescanWaiting, history.RescanRunning}).Order("id").Limit(1).Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return history.Rescan{}, false, wrap(err, "find the next rescan")
	}
	return rows[0].rescan(), true, nil
}

// BeginRescan makes a job running with a model set. The first call counts the
// images to process.
func (s *Store) BeginRescan(ctx context.Context, token, id int64, model string) (history.Rescan, error) {
	var job history.Rescan
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		row, err := lockRescan(tx, id)
		if err != nil {
			return err
		}
		if row.State != history.RescanWaiting && row.State != history.RescanRunning {
			return faces.Errorf(faces.CodeConflict, "rescan %d is %s", id, row.State)
		}
		now := s.now()
		row.State, row.Model, row.Detail = history.RescanRunning, model, ""
		if row.StartedAt == nil {
			row.StartedAt = &now
			if err := oldPictures(tx.Model(&imageRow{}), model, row.Whole).Count(&row.Total).Error; err != nil {
				return err
			}
		}
		job = row.rescan()
		return tx.Model(&rescanRow{}).Where("id = ?", id).UpdateColumns(map[string]any{
			"state": row.State, "model": row.Model, "detail": "", "total": row.Total, "started_at": row.StartedAt,
		}).Error
	})
	return job, wrap(err, fmt.Sprintf("begin rescan %d", id))
}

// NoteRescan stores in a job's detail what it waits for.
func (s *Store) NoteRescan(ctx context.Context, token, id int64, detail string) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		return tx.Model(&rescanRow{}).Where("id = ? AND state IN ?", id, unfinished).UpdateColumn("detail", faces.Truncate(detail, faces.MaxDetailLength)).Error
	})
	return wrap(err, fmt.Sprintf("store what rescan %d waits for", id))
}

// TakeRescanImages takes the next images of a running job, newest first, at most
// limit, and makes them wait for a rescan. It returns none if the job has no more
// images, or if it is not running; state is the job's state.
func (s *Store) TakeRescanImages(ctx context.Context, token, id int64, limit int) (ids []int64, state history.RescanState, err error) {
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		ids = nil
		row, err := lockRescan(tx, id)
		if err != nil {
			return err
		}
		if state = row.State; state != history.RescanRunning {
			return nil
		}
		q := oldPictures(tx.Model(&imageRow{}), row.Model, row.Whole).Where("id < ?", row.Seek)
		if err := q.Order("id DESC").Limit(limit).Pluck("id", &ids).Error; err != nil || len(ids) == 0 {
			return err
		}
		if err := s.addJobRescans(tx, id, ids); err != nil {
			return err
		}
		return tx.Model(&rescanRow{}).Where("id = ?", id).UpdateColumn("seek", ids[len(ids)-1]).Error
	})
	return ids, state, wrap(err, fmt.Sprintf("take images for rescan %d", id))
}

// addJobRescans makes images wait for the rescan of a job. They count as published,
// because the job hands them to a processor itself.
func (s *Store) addJobRescans(tx *gorm.DB, job int64, ids []int64) error {
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
	for _, img := range images { // some may have been deleted meanwhile
		id := img.ID
		row, ok := existing[id]
		if !ok {
			add = append(add, imageRescanRow{ImageID: id, RescanID: job, State: rescanWaits, PublishedAt: &now, CreatedAt: now, UpdatedAt: now})
			continue
		}
		if row.State != rescanWaits {
			row = imageRescanRow{PublishedAt: &now}
		}
		err := tx.Model(&imageRescanRow{}).Where("image_id = ?", id).UpdateColumns(map[string]any{
			"state": rescanWaits, "rescan_id": job, "only_changed": false, "attempts": row.Attempts, "reason": "", "detail": "",
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

// RescanBacklog returns images that a job has taken and not finished, newest first:
// those of a program that was interrupted.
func (s *Store) RescanBacklog(ctx context.Context, id int64, limit int) ([]int64, error) {
	var ids []int64
	err := s.read(ctx, func(tx *gorm.DB) error {
		ids = nil
		return withLimit(tx.Model(&imageRescanRow{}).Where("state = ? AND rescan_id = ?", rescanWaits, id), limit).
			Order("image_id DESC").Pluck("image_id", &ids).Error
	})
	return ids, wrap(err, fmt.Sprintf("list the unfinished images of rescan %d", id))
}

// FinishRescan ends a running job whose images are all processed.
func (s *Store) FinishRescan(ctx context.Context, token, id int64) (history.Rescan, error) {
	var job history.Rescan
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		row, err := lockRescan(tx, id)
		if err != nil || row.State != history.RescanRunning {
			return err
		}
		now := s.now()
		row.State, row.Detail, row.FinishedAt = history.RescanFinished, row.summary(), &now
		job = row.rescan()
		return endRescan(tx, id, row.State, row.Detail, now)
	})
	return job, wrap(err, fmt.Sprintf("end rescan %d", id))
}

// summary returns the result of a job in one line.
func (r rescanRow) summary() string {
	return fmt.Sprintf("%d images looked at, %d changed: %d people found, %d lost, %d faces found, %d lost; %d failed and keep their answers",
		r.Done, r.Changed, r.PeopleFound, r.PeopleLost, r.FacesFound, r.FacesLost, r.Failed)
}

// ChangeRescanState pauses a job (RescanPaused), resumes it (RescanWaiting) or
// cancels it (RescanCancelled). Repeating a request changes nothing. If the job has
// ended otherwise, it returns an error with faces.CodeConflict.
func (s *Store) ChangeRescanState(ctx context.Context, id int64, to history.RescanState) (history.Rescan, error) {
	var job history.Rescan
	err := s.tx(ctx, func(tx *gorm.DB) error {
		row, err := lockRescan(tx, id)
		if err != nil {
			return err
		}
		resumed := to == history.RescanWaiting && row.State == history.RescanRunning
		if row.State == to || resumed {
			job = row.rescan()
			return nil
		}
		if !slices.Contains(unfinished, row.State) {
			return faces.Errorf(faces.CodeConflict, "rescan %d is %s already", id, row.State)
		}
		if err := s.auditIDs(tx, rescanAction(to), "rescan", id); err != nil {
			return err
		}
		now := s.now()
		row.State, row.Detail = to, ""
		if to == history.RescanCancelled {
			row.FinishedAt = &now
			row.Detail = "cancelled; " + row.summary()
			job = row.rescan()
			return endRescan(tx, id, to, row.Detail, now)
		}
		job = row.rescan()
		return tx.Model(&rescanRow{}).Where("id = ?", id).UpdateColumns(map[string]any{"state": to, "detail": ""}).Error
	})
	return job, wrap(err, fmt.Sprintf("change the state of rescan %d", id))
}

// rescanAction returns what somebody does who asks for a state.
func rescanAction(to history.RescanState) access.Action {
	switch to {
	case history.RescanPaused:
		return access.RescanPaused
	case history.RescanCancelled:
		return access.RescanCancelled
	default:
		return access.RescanResumed
	}
}

func lockRescan(tx *gorm.DB, id int64) (rescanRow, error) {
	row, err := rescanByID(tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), id)
	if err == nil {
		err = holdIDs(tx, "rescans", "done", id)
	}
	return row, err
}

func rescanByID(tx *gorm.DB, id int64) (rescanRow, error) {
	return oneRow[rescanRow](tx.Where("id = ?", id), "rescan", id)
}

// Rescan returns a job.
func (s *Store) Rescan(ctx context.Context, id int64) (history.Rescan, error) {
	var row rescanRow
	err := s.read(ctx, func(tx *gorm.DB) (err error) {
		row, err = rescanByID(tx, id)
		return err
	})
	return row.rescan(), wrap(err, fmt.Sprintf("read rescan %d", id))
}

// Rescans returns jobs with ids below before, newest first. A before of 0 means
// from the newest.
func (s *Store) Rescans(ctx context.Context, before int64, limit int) ([]history.Rescan, error) {
	list, err := newestJobs(ctx, s, before, limit, rescanRow.rescan)
	return list, wrap(err, "list rescans")
}

// NewWork reports whether any image is queued or being processed. Rescans do not
// count.
func (s *Store) NewWork(ctx context.Context) (bool, error) {
	var ids []int64
	err := s.read(ctx, func(tx *gorm.DB) error {
		ids = nil
		err := tx.Model(&imageRow{}).Where("status = ?", int(faces.Processing)).Limit(1).Pluck("id", &ids).Error
		if err != nil || len(ids) > 0 {
			return err
		}
		// A list of reasons can use the index on every database. A reason that
		// belongs to another status counts as queued.
		waits := append(faces.ReasonsWhere(func(r faces.Reason) bool { return r.Status() != faces.Pending }), faces.Queued, faces.NoReason)
		return tx.Model(&imageRow{}).Where("status = ? AND reason IN ?", int(faces.Pending), waits).Limit(1).Pluck("id", &ids).Error
	})
	return len(ids) > 0, wrap(err, "check for new work")
}

// personIDs encodes a list of people's ids for the table.
func personIDs(ids []int64) (string, error) {
	if len(ids) == 0 {
		return "[]", nil
	}
	text, err := json.Marshal(ids)
	return string(text), err
}
