package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

type rematchChangeRow struct {
	RematchID    int64
	ImageID      int64
	State        history.ChangeState
	Visible      bool
	FromReason   faces.Reason
	FromPerson   int64
	ToReason     faces.Reason
	ToPerson     int64
	BeforeChange string
	AfterChange  string
}

func (rematchChangeRow) TableName() string { return "rematch_changes" }

// StepRematch writes one step of a job. If the job applies at once, it changes the
// answers; otherwise it only stores the planned changes. It returns the number of
// images with a visible change, and the ids of images that it skipped because they
// had changed meanwhile.
func (s *Store) StepRematch(ctx context.Context, token int64, job history.Job, step history.Step) (visible int64, skipped []int64, err error) {
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		changes, state := step.Changes, history.ChangePlanned
		visible, skipped = 0, nil
		var err error
		if job.Apply {
			state = history.ChangeApplied
			if err = s.checkConsents(tx, changes); err != nil {
				return err
			}
			if changes, skipped, err = s.compareAndSet(tx, changes, s.now()); err != nil {
				return err
			}
			if err := setGallery(tx, step.CaughtUp, job.Basis.Gallery); err != nil {
				return err
			}
		}
		if visible, err = noteChanges(tx, job.ID, state, changes); err != nil {
			return err
		}
		return progress(tx, job.ID, map[string]any{
			"seek": step.Seek, "faces": gorm.Expr("faces + ?", step.Faces),
			"images": gorm.Expr("images + ?", visible), "skipped": gorm.Expr("skipped + ?", len(skipped)),
		})
	})
	return visible, skipped, wrap(err, fmt.Sprintf("write a step of re-match %d", job.ID))
}

// noteChanges stores the changes of a job, to show, apply and undo them. It returns
// by how much the number of visibly changed images grows. If the job has changed an
// image before, the change keeps the first Before.
func noteChanges(tx *gorm.DB, job int64, state history.ChangeState, changes []history.Change) (visible int64, err error) {
	for part := range chunks(changes) {
		added, err := noteChunk(tx, job, state, part)
		if err != nil {
			return 0, err
		}
		visible += added
	}
	return visible, nil
}

func noteChunk(tx *gorm.DB, job int64, state history.ChangeState, changes []history.Change) (visible int64, err error) {
	ids := make([]int64, len(changes))
	for i, c := range changes {
		ids[i] = c.ImageID
	}
	var before []rematchChangeRow
	if err := tx.Where("rematch_id = ? AND image_id IN ?", job, ids).Find(&before).Error; err != nil {
		return 0, err
	}
	rows := make([]rematchChangeRow, 0, len(changes))
	for _, c := range changes {
		if i := slices.IndexFunc(before, func(r rematchChangeRow) bool { return r.ImageID == c.ImageID }); i >= 0 {
			if err := json.Unmarshal([]byte(before[i].BeforeChange), &c.Before); err != nil {
				return 0, fmt.Errorf("decode the change of image %d: %w", c.ImageID, err)
			}
			if before[i].Visible {
				visible--
			}
		}
		row, err := newChangeRow(job, state, c)
		if err != nil {
			return 0, err
		}
		if row.Visible {
			visible++
		}
		rows = append(rows, row)
	}
	if len(before) > 0 {
		if err := tx.Where("rematch_id = ? AND image_id IN ?", job, ids).Delete(&rematchChangeRow{}).Error; err != nil {
			return 0, err
		}
	}
	return visible, tx.Create(&rows).Error
}

func newChangeRow(job int64, state history.ChangeState, c history.Change) (rematchChangeRow, error) {
	before, err := json.Marshal(c.Before)
	if err != nil {
		return rematchChangeRow{}, err
	}
	after, err := json.Marshal(c.After)
	return rematchChangeRow{
		RematchID: job, ImageID: c.ImageID, State: state, Visible: c.Visible(),
		FromReason: c.Before.Reason, FromPerson: c.Before.Person, ToReason: c.After.Reason, ToPerson: c.After.Person,
		BeforeChange: string(before), AfterChange: string(after),
	}, err
}

// ApplyPlanned applies the next changes of a preview, at most limit. more is false
// if there were none.
func (s *Store) ApplyPlanned(ctx context.Context, token int64, job history.Job, limit int) (more bool, err error) {
	return s.stepChanges(ctx, token, job, limit, history.ChangePlanned, history.ChangeApplied, func(c history.Change) history.Change { return c })
}

// UndoApplied reverts the next changes of a job, at most limit. It skips images
// that somebody else has changed since. more is false if there were no changes
// left.
func (s *Store) UndoApplied(ctx context.Context, token int64, job history.Job, limit int) (more bool, err error) {
	return s.stepChanges(ctx, token, job, limit, history.ChangeApplied, history.ChangeUndone,
		func(c history.Change) history.Change {
			return history.Change{ImageID: c.ImageID, Before: c.After, After: c.Before}
		})
}

func (s *Store) stepChanges(ctx context.Context, token int64, job history.Job, limit int, from, to history.ChangeState, transform func(history.Change) history.Change) (more bool, err error) {
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		var rows []rematchChangeRow
		err := tx.Where("rematch_id = ? AND state = ? AND image_id > ?", job.ID, from, job.Seek).
			Order("image_id").Limit(limit).Find(&rows).Error
		if err != nil {
			return err
		}
		if more = len(rows) > 0; !more {
			return nil
		}
		changes := make([]history.Change, len(rows))
		for i, r := range rows {
			c := history.Change{ImageID: r.ImageID}
			if err := errors.Join(json.Unmarshal([]byte(r.BeforeChange), &c.Before), json.Unmarshal([]byte(r.AfterChange), &c.After)); err != nil {
				return fmt.Errorf("read the change of image %d: %w", r.ImageID, err)
			}
			changes[i] = transform(c)
		}
		done, skipped, err := s.setStanding(tx, changes)
		if err != nil {
			return err
		}
		ids := make([]int64, len(done))
		for i, c := range done {
			ids[i] = c.ImageID
		}
		if err := setChanges(tx, job.ID, ids, to); err != nil {
			return err
		}
		left := history.ChangeSkipped
		if from == history.ChangeApplied {
			left = history.ChangeApplied // the image keeps its newer answer
		}
		if err := setChanges(tx, job.ID, skipped, left); err != nil {
			return err
		}
		return progress(tx, job.ID, map[string]any{
			"seek": rows[len(rows)-1].ImageID, "skipped": gorm.Expr("skipped + ?", len(skipped)),
		})
	})
	return more, wrap(err, fmt.Sprintf("write a step of re-match %d", job.ID))
}

// setStanding is compareAndSet for stored changes. Those that would name somebody whose
// consent has ended since are skipped, too.
func (s *Store) setStanding(tx *gorm.DB, changes []history.Change) (done []history.Change, skipped []int64, err error) {
	standing, err := s.standing(tx, changes)
	if err != nil {
		return nil, nil, err
	}
	if done, skipped, err = s.compareAndSet(tx, standing, s.now()); err != nil {
		return nil, nil, err
	}
	for _, c := range changes {
		if !slices.ContainsFunc(standing, func(other history.Change) bool { return other.ImageID == c.ImageID }) {
			skipped = append(skipped, c.ImageID)
		}
	}
	return done, skipped, nil
}

func setChanges(tx *gorm.DB, job int64, ids []int64, state history.ChangeState) error {
	for part := range chunks(ids) {
		err := tx.Model(&rematchChangeRow{}).Where("rematch_id = ? AND image_id IN ?", job, part).UpdateColumn("state", state).Error
		if err != nil {
			return err
		}
	}
	return nil
}

// RematchSummary returns the movements of a job, the largest first.
func (s *Store) RematchSummary(ctx context.Context, id int64, limit int) ([]history.Movement, error) {
	var rows []struct {
		FromReason, ToReason         faces.Reason
		FromPerson, ToPerson, Images int64
	}
	var names map[int64]string
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		err := withLimit(tx.Model(&rematchChangeRow{}).Select("from_reason, from_person, to_reason, to_person, COUNT(*) AS images").
			Where("rematch_id = ? AND visible = ? AND state <> ?", id, true, history.ChangeSkipped), limit).
			Group("from_reason, from_person, to_reason, to_person").
			Order("images DESC, from_reason, from_person, to_reason, to_person").Find(&rows).Error
		if err != nil {
			return err
		}
		var people []int64
		for _, r := range rows {
			people = append(people, r.FromPerson, r.ToPerson)
		}
		names, err = personNames(tx, people)
		return err
	})
	list := make([]history.Movement, len(rows))
	for i, r := range rows {
		list[i] = history.Movement{From: outcome(r.FromReason, r.FromPerson, names), To: outcome(r.ToReason, r.ToPerson, names), Images: r.Images}
	}
	return list, wrap(err, fmt.Sprintf("summarize re-match %d", id))
}

func personNames(tx *gorm.DB, ids []int64) (map[int64]string, error) {
	names := map[int64]string{}
	for part := range chunks(unique(ids)) {
		var rows []personRow
		if err := tx.Where("id IN ?", part).Find(&rows).Error; err != nil {
			return nil, err
		}
		for _, r := range rows {
			names[r.ID] = r.Name
		}
	}
	return names, nil
}

func outcome(reason faces.Reason, person int64, names map[int64]string) history.Outcome {
	o := history.Outcome{Reason: reason}
	if person != faces.NoPerson {
		o.Person = &faces.Person{ID: person, Name: names[person]}
	}
	return o
}

// RematchChanges returns a page of a job's visible changes: image ids larger than
// after, in ascending order.
func (s *Store) RematchChanges(ctx context.Context, id, after int64, limit int) ([]history.ImageChange, error) {
	var rows []struct {
		ImageID, FromPerson, ToPerson int64
		FromReason, ToReason          faces.Reason
		State                         history.ChangeState
		Path                          string
	}
	var names map[int64]string
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		err := withLimit(tx.Model(&rematchChangeRow{}).
			Select("rematch_changes.image_id, rematch_changes.from_person, rematch_changes.to_person, rematch_changes.from_reason, "+
				"rematch_changes.to_reason, rematch_changes.state, images.path").
			Joins("JOIN images ON images.id = rematch_changes.image_id").
			Where("rematch_changes.rematch_id = ? AND rematch_changes.visible = ? AND rematch_changes.image_id > ?", id, true, after), limit).
			Order("rematch_changes.image_id").Find(&rows).Error
		if err != nil {
			return err
		}
		var people []int64
		for _, r := range rows {
			people = append(people, r.FromPerson, r.ToPerson)
		}
		names, err = personNames(tx, people)
		return err
	})
	list := make([]history.ImageChange, len(rows))
	for i, r := range rows {
		list[i] = history.ImageChange{
			ImageID: r.ImageID, Path: r.Path, State: r.State,
			From: outcome(r.FromReason, r.FromPerson, names), To: outcome(r.ToReason, r.ToPerson, names),
		}
	}
	return list, wrap(err, fmt.Sprintf("list the changes of re-match %d", id))
}

// ForgetRematches deletes a batch of the changes of old jobs, which can no longer
// be undone then. It keeps the newest jobs. more reports whether to call it again.
func (s *Store) ForgetRematches(ctx context.Context, token int64, keep int) (more bool, err error) {
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		more = false
		var old []int64
		err := tx.Model(&rematchRow{}).Order("id DESC").Offset(keep).Limit(chunk).Pluck("id", &old).Error
		if err != nil || len(old) == 0 {
			return err
		}
		var images []int64 // start with the newest; delete little of a large table at a time
		err = tx.Model(&rematchChangeRow{}).Where("rematch_id = ?", old[0]).Limit(10*chunk).Pluck("image_id", &images).Error
		if err != nil {
			return err
		}
		for part := range chunks(images) {
			if err := tx.Where("rematch_id = ? AND image_id IN ?", old[0], part).Delete(&rematchChangeRow{}).Error; err != nil {
				return err
			}
		}
		if len(images) == 0 {
			err = tx.Where("id = ?", old[0]).Delete(&rematchRow{}).Error
		}
		more = true
		return err
	})
	return more, wrap(err, "delete old re-matches")
}
