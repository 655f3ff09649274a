package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

type rematchRow struct {
	ID              int64
	State           history.State
	Cause           history.Cause
	Scope           history.Scope
	Apply           bool
	Whole           bool
	Detail          string
	Fingerprint     string
	Gallery         string
	Model           string
	Threshold       float64
	Margin          float64
	Rule            string
	PicturesAdded   int
	PicturesRemoved int
	Faces           int64
	Images          int64
	Skipped         int64
	Seek            int64
	CreatedAt       time.Time
	StartedAt       *time.Time
	FinishedAt      *time.Time
}

func (rematchRow) TableName() string { return "rematches" }

// trialPrefix begins the stored states of a trial that has not ended. Programs of schema 9
// know no trials: they take, apply or overtake a job by its plain state, and would run a
// trial as a re-match with the rule in use.
const trialPrefix = "trial_"

// storedState returns how the database says that a job is in a state.
func storedState(cause history.Cause, state history.State) history.State {
	if cause == history.CauseTrial && slices.Contains([]history.State{history.Requested, history.Running, history.Ready}, state) {
		return trialPrefix + state
	}
	return state
}

func (r rematchRow) rematch() history.Job {
	job := history.Job{
		ID: r.ID, State: history.State(strings.TrimPrefix(string(r.State), trialPrefix)), Cause: r.Cause, Scope: r.Scope, Apply: r.Apply, Full: r.Whole, Detail: r.Detail,
		Gallery: r.Gallery, Model: r.Model, Added: r.PicturesAdded, Removed: r.PicturesRemoved,
		Faces: r.Faces, Images: r.Images, Skipped: r.Skipped, Seek: r.Seek, Created: r.CreatedAt,
		Basis: history.Basis{Fingerprint: r.Fingerprint, Gallery: r.Gallery, Model: r.Model, Threshold: r.Threshold, Margin: r.Margin, Rule: r.Rule},
	}
	if r.StartedAt != nil {
		job.Started = *r.StartedAt
	}
	if r.FinishedAt != nil {
		job.Finished = *r.FinishedAt
	}
	return job
}

// RequestRematch creates a re-match, which a processor will run.
func (s *Store) RequestRematch(ctx context.Context, cause history.Cause, apply, full bool) (history.Job, error) {
	return s.addRematch(ctx, rematchRow{Cause: cause, Apply: apply, Whole: full})
}

// RequestTrial creates a re-match that says what another threshold or margin would
// change; 0 keeps the one in use. It is never applied: the rule is a setting.
func (s *Store) RequestTrial(ctx context.Context, threshold, margin float64) (history.Job, error) {
	return s.addRematch(ctx, rematchRow{Cause: history.CauseTrial, Whole: true, Threshold: threshold, Margin: margin})
}

func (s *Store) addRematch(ctx context.Context, row rematchRow) (history.Job, error) {
	row.State, row.CreatedAt = storedState(row.Cause, history.Requested), s.now()
	err := s.tx(ctx, func(tx *gorm.DB) error {
		row.ID = 0
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		return s.auditIDs(tx, access.RematchAsked, "rematch", row.ID)
	})
	return row.rematch(), wrap(err, "request a re-match")
}

// NextRematch returns the oldest job with work for a processor. ok is false if
// there is none.
func (s *Store) NextRematch(ctx context.Context) (job history.Job, ok bool, err error) {
	var rows []rematchRow
	err = s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("state IN ?", []history.State{
			history.Requested, history.Running, history.Applying, history.Undoing, trialPrefix + history.Requested, trialPrefix + history.Running,
		}).
			Order("id").Limit(1).Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return history.Job{}, false, wrap(err, "find the next re-match")
	}
	return rows[0].rematch(), true, nil
}

// BeginRematch stores the plan of a job and makes it running. If the job applies at
// once, the stored answers are dirty until it ends.
func (s *Store) BeginRematch(ctx context.Context, token int64, job history.Job) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		now := s.now()
		if job.Cause != history.CauseTrial { // which changes nothing
			if err := overtake(tx, job); err != nil {
				return err
			}
		}
		if job.Apply {
			if err := tx.Model(&rematchStateRow{}).Where("id = 1").UpdateColumn("dirty", true).Error; err != nil {
				return err
			}
		}
		return tx.Model(&rematchRow{}).Where("id = ?", job.ID).UpdateColumns(map[string]any{
			"state": storedState(job.Cause, history.Running), "scope": job.Scope, "cause": job.Cause, "fingerprint": job.Basis.Fingerprint, "gallery": job.Basis.Gallery,
			"model": job.Basis.Model, "threshold": job.Basis.Threshold, "margin": job.Basis.Margin, "rule": job.Basis.Rule,
			"pictures_added": job.Added, "pictures_removed": job.Removed, "started_at": now,
		}).Error
	})
	return wrap(err, fmt.Sprintf("begin re-match %d", job.ID))
}

// overtake ends the previews of other known people, which can no longer be applied.
func overtake(tx *gorm.DB, job history.Job) error {
	return tx.Model(&rematchRow{}).Where("state IN ? AND fingerprint <> ?", []history.State{history.Ready, trialPrefix + history.Ready}, job.Basis.Fingerprint).
		UpdateColumns(map[string]any{"state": history.Outdated, "detail": fmt.Sprintf("overtaken by re-match %d", job.ID)}).Error
}

func progress(tx *gorm.DB, id int64, columns map[string]any) error {
	return tx.Model(&rematchRow{}).Where("id = ?", id).UpdateColumns(columns).Error
}

// EndRematch ends a job in the given state. If that is applied, the stored answers
// reflect the job's basis and the known pictures from now on, for all faces up to
// mark.
func (s *Store) EndRematch(ctx context.Context, token int64, job history.Job, state history.State, detail string, known []faces.KnownPicture, mark int64) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		if state == history.Applied {
			if err := reflect(tx, job.Basis, known, mark); err != nil {
				return err
			}
		}
		return progress(tx, job.ID, map[string]any{"state": storedState(job.Cause, state), "detail": faces.Truncate(detail, faces.MaxDetailLength), "finished_at": s.now()})
	})
	return wrap(err, fmt.Sprintf("end re-match %d", job.ID))
}

// ChangeRematchState starts applying a preview (history.Applying) or undoing an
// applied job (history.Undoing). Repeating a request changes nothing. From any
// other state it returns an error with faces.CodeConflict.
func (s *Store) ChangeRematchState(ctx context.Context, id int64, to history.State) (history.Job, error) {
	from, word, action := history.Ready, "applied", access.RematchApplied
	if to == history.Undoing {
		from, word, action = history.Applied, "undone", access.RematchUndone
	}
	var job history.Job
	err := s.tx(ctx, func(tx *gorm.DB) error {
		row, err := rematchByID(tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), id)
		if err != nil {
			return err
		}
		switch {
		case row.State == to || to == history.Applying && row.State == history.Applied || to == history.Undoing && row.State == history.Undone:
			job = row.rematch() // requested twice
			return nil
		case row.Cause == history.CauseTrial:
			return faces.Errorf(faces.CodeConflict, "re-match %d tries another rule and cannot be %s: set ROLLCALL_THRESHOLD and ROLLCALL_MARGIN of the processors instead; they re-match all faces when they start", id, word)
		case row.State != from:
			return faces.Errorf(faces.CodeConflict, "re-match %d is %s and cannot be %s: only one that is %s can", id, row.State, word, from)
		}
		row.State, row.Seek, row.Skipped = to, 0, 0
		job = row.rematch()
		if err := progress(tx, id, map[string]any{"state": to, "seek": 0, "skipped": 0, "finished_at": nil}); err != nil {
			return err
		}
		return s.auditIDs(tx, action, "rematch", id)
	})
	return job, wrap(err, fmt.Sprintf("change the state of re-match %d", id))
}

func rematchByID(tx *gorm.DB, id int64) (rematchRow, error) {
	return oneRow[rematchRow](tx.Where("id = ?", id), "re-match", id)
}

// Rematch returns a job.
func (s *Store) Rematch(ctx context.Context, id int64) (history.Job, error) {
	var row rematchRow
	err := s.read(ctx, func(tx *gorm.DB) (err error) {
		row, err = rematchByID(tx, id)
		return err
	})
	return row.rematch(), wrap(err, fmt.Sprintf("read re-match %d", id))
}

// Rematches returns jobs with ids below before, newest first. A before of 0 means
// from the newest.
func (s *Store) Rematches(ctx context.Context, before int64, limit int) ([]history.Job, error) {
	list, err := newestJobs(ctx, s, before, limit, rematchRow.rematch)
	return list, wrap(err, "list re-matches")
}

// LatestRematchOf returns the newest job about a basis, by its fingerprint. Trials do not
// count: answers follow the rule when it becomes the deployment's.
func (s *Store) LatestRematchOf(ctx context.Context, fingerprint string) (job history.Job, ok bool, err error) {
	var rows []rematchRow
	err = s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("fingerprint = ? AND cause <> ?", fingerprint, history.CauseTrial).Order("id DESC").Limit(1).Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return history.Job{}, false, wrap(err, "find the latest re-match")
	}
	return rows[0].rematch(), true, nil
}
