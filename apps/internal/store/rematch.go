package store

// This file owns what re-matching keeps: who may do it, the known people that
// the stored answers reflect, the jobs and what each of them changed.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

type rematchStateRow struct {
	ID          int64
	Fingerprint string
	Gallery     string
	Model       string
	Threshold   float64
	Margin      float64
	Rule        string
	FaceMark    int64
	Dirty       bool
	LeaseOwner  string
	LeaseToken  int64
	LeaseUntil  *time.Time
}

func (rematchStateRow) TableName() string { return "rematch_state" }

type rematchKnownRow struct {
	ImageName string
	ContentID string
	PersonID  int64
}

func (rematchKnownRow) TableName() string { return "rematch_known" }

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

func (r rematchRow) rematch() history.Job {
	job := history.Job{
		ID: r.ID, State: r.State, Cause: r.Cause, Scope: r.Scope, Apply: r.Apply, Whole: r.Whole, Detail: r.Detail,
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

// LeaseRematch takes or renews the right to re-match, which one program has at
// a time. token is 0, or the one that a former call returned. ok is false
// while another program has it.
func (s *Store) LeaseRematch(ctx context.Context, owner string, token int64, lease time.Duration) (newToken int64, ok bool, err error) {
	if newToken = token; newToken == 0 {
		newToken = rand.Int64N(1<<62) + 1
	}
	err = s.retry(ctx, func(tx *gorm.DB) error {
		now := s.now()
		res := tx.Model(&rematchStateRow{}).
			Where("id = 1 AND (lease_token = ? OR lease_until IS NULL OR lease_until < ?)", newToken, now).
			UpdateColumns(map[string]any{"lease_owner": owner, "lease_token": newToken, "lease_until": now.Add(lease)})
		ok = res.RowsAffected > 0
		return res.Error
	})
	if err != nil {
		return 0, false, fmt.Errorf("lease re-matching: %w", err)
	}
	return newToken, ok, nil
}

// FreeRematch ends the lease, so that another program need not wait for its
// end.
func (s *Store) FreeRematch(ctx context.Context, token int64) error {
	err := s.retry(ctx, func(tx *gorm.DB) error {
		return tx.Model(&rematchStateRow{}).Where("id = 1 AND lease_token = ?", token).
			UpdateColumns(map[string]any{"lease_owner": "", "lease_token": 0, "lease_until": nil}).Error
	})
	if err != nil {
		return fmt.Errorf("end the lease of re-matching: %w", err)
	}
	return nil
}

// rematchTx is tx for whoever holds the lease: it cannot be taken over before
// the transaction ends.
func (s *Store) rematchTx(ctx context.Context, token int64, f func(tx *gorm.DB) error) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		var tokens []int64
		err := tx.Model(&rematchStateRow{}).Where("id = 1").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
			Pluck("lease_token", &tokens).Error
		if err != nil {
			return err
		}
		if len(tokens) == 0 || tokens[0] != token {
			return history.ErrLeaseLost
		}
		return f(tx)
	})
}

// Reflected returns what the stored answers reflect. Its fingerprint is
// empty before the first time.
func (s *Store) Reflected(ctx context.Context) (history.Reflected, error) {
	var rows []rematchStateRow
	err := s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("id = 1").Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return history.Reflected{}, wrap(err, "read what the answers reflect")
	}
	r := rows[0]
	return history.Reflected{
		Basis:    history.Basis{Fingerprint: r.Fingerprint, Gallery: r.Gallery, Model: r.Model, Threshold: r.Threshold, Margin: r.Margin, Rule: r.Rule},
		FaceMark: r.FaceMark, Dirty: r.Dirty,
	}, nil
}

func wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// ReflectedPictures returns the known pictures that the stored answers
// reflect, by name.
func (s *Store) ReflectedPictures(ctx context.Context) ([]history.KnownPicture, error) {
	var rows []rematchKnownRow
	err := s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Order("image_name").Find(&rows).Error
	})
	list := make([]history.KnownPicture, len(rows))
	for i, r := range rows {
		list[i] = history.KnownPicture{Name: r.ImageName, Content: r.ContentID, Person: r.PersonID}
	}
	return list, wrap(err, "read the known pictures that the answers reflect")
}

// AllOwners returns the person of every known image that has one, by image
// name. An image that is listed for several people belongs to the one listed
// first.
func (s *Store) AllOwners(ctx context.Context) (map[string]faces.Person, error) {
	var owners map[string]faces.Person
	err := s.retry(ctx, func(tx *gorm.DB) error {
		owners = map[string]faces.Person{}
		rows, err := tx.Raw("SELECT person_images.image_name, person.id, person.name FROM person_images " +
			"JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IS NOT NULL " +
			"ORDER BY person_images.id DESC").Rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var image string
			var p faces.Person
			if err := rows.Scan(&image, &p.ID, &p.Name); err != nil {
				return err
			}
			owners[image] = p
		}
		return rows.Err()
	})
	return owners, wrap(err, "read the people of all known images")
}

// SettledFace returns the largest id of faces that are older than a time: all
// with a smaller id can be seen, where no transaction lasts that long.
func (s *Store) SettledFace(ctx context.Context, before time.Time) (int64, error) {
	var ids []int64
	err := s.retry(ctx, func(tx *gorm.DB) error {
		ids = nil
		return tx.Model(&faceRow{}).Where("created_at < ?", before.UTC()).Order("id DESC").Limit(1).Pluck("id", &ids).Error
	})
	if err != nil || len(ids) == 0 {
		return 0, wrap(err, "find the newest settled face")
	}
	return ids[0], nil
}

// FacesPage returns faces of a model set with ids after one and up to
// another, in order.
func (s *Store) FacesPage(ctx context.Context, model string, after, upTo int64, most int) ([]history.StoredFace, error) {
	return s.faces(ctx, "model = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?", model, after, upTo, most)
}

// LateFaces returns faces of a model set after an id that known people of
// another version answered, in order.
func (s *Store) LateFaces(ctx context.Context, model, gallery string, after int64, most int) ([]history.StoredFace, error) {
	return s.faces(ctx, "model = ? AND id > ? AND gallery <> ? ORDER BY id LIMIT ?", model, after, gallery, most)
}

// FacesByID returns those of the faces that are there, in order.
func (s *Store) FacesByID(ctx context.Context, ids []int64) ([]history.StoredFace, error) {
	return s.faces(ctx, "id IN ? ORDER BY id", ids)
}

func (s *Store) faces(ctx context.Context, where string, args ...any) ([]history.StoredFace, error) {
	var list []history.StoredFace
	err := s.retry(ctx, func(tx *gorm.DB) (err error) {
		list, err = queryFaces(ctx, tx, where, args...)
		return err
	})
	return list, wrap(err, "read faces")
}

// TouchedFaces returns the ids, in order, of faces of a model set whose best or
// second picture is one of those given, each as a picture of one person.
func (s *Store) TouchedFaces(ctx context.Context, model string, pictures []history.KnownPicture) ([]int64, error) {
	names := map[int64][]string{}
	for _, p := range pictures {
		names[p.Person] = append(names[p.Person], p.Name)
	}
	var ids []int64
	err := s.retry(ctx, func(tx *gorm.DB) error {
		ids = nil
		for person, all := range names {
			for part := range chunks(all) {
				for _, by := range []string{"best_person_id = ? AND matched_image IN ?", "second_person_id = ? AND second_image IN ?"} {
					var found []int64
					if err := tx.Model(&faceRow{}).Where(by, person, part).Where("model = ?", model).Pluck("id", &found).Error; err != nil {
						return err
					}
					ids = append(ids, found...)
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find the faces near %d known picture(s): %w", len(pictures), err)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// OtherModels returns how many faces are of another model set: they cannot be
// matched by this one. Counting reads all faces, which takes seconds where there
// are a million; so it is done only where another set was ever used.
func (s *Store) OtherModels(ctx context.Context, model string) (int64, error) {
	var n int64
	err := s.retry(ctx, func(tx *gorm.DB) error {
		n = 0
		var others int64
		if err := tx.Model(&modelRow{}).Where("id <> ?", model).Count(&others).Error; err != nil || others == 0 {
			return err
		}
		return tx.Model(&faceRow{}).Where("model <> ?", model).Count(&n).Error
	})
	return n, wrap(err, "count the faces of other model sets")
}

// RequestRematch asks a processor to re-match.
func (s *Store) RequestRematch(ctx context.Context, cause history.Cause, apply, whole bool) (history.Job, error) {
	row := rematchRow{State: history.Requested, Cause: cause, Apply: apply, Whole: whole, CreatedAt: s.now()}
	err := s.retry(ctx, func(tx *gorm.DB) error { return tx.Create(&row).Error })
	return row.rematch(), wrap(err, "ask for a re-match")
}

// NextRematch returns the oldest job that a processor has to do something
// about; ok is false where there is none.
func (s *Store) NextRematch(ctx context.Context) (job history.Job, ok bool, err error) {
	var rows []rematchRow
	err = s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("state IN ?", []history.State{history.Requested, history.Running, history.Applying, history.Undoing}).
			Order("id").Limit(1).Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return history.Job{}, false, wrap(err, "look for a re-match to do")
	}
	return rows[0].rematch(), true, nil
}

// BeginRematch notes what a job is about. Where it applies at once, the stored
// answers count as dirty until it is finished.
func (s *Store) BeginRematch(ctx context.Context, token int64, job history.Job) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		now := s.now()
		// Previews of other known people can no longer be applied.
		err := tx.Model(&rematchRow{}).Where("state = ? AND fingerprint <> ?", history.Ready, job.Basis.Fingerprint).
			UpdateColumns(map[string]any{"state": history.Outdated, "detail": fmt.Sprintf("overtaken by re-match %d", job.ID)}).Error
		if err != nil {
			return err
		}
		if job.Apply {
			if err := tx.Model(&rematchStateRow{}).Where("id = 1").UpdateColumn("dirty", true).Error; err != nil {
				return err
			}
		}
		return tx.Model(&rematchRow{}).Where("id = ?", job.ID).UpdateColumns(map[string]any{
			"state": history.Running, "scope": job.Scope, "cause": job.Cause, "fingerprint": job.Basis.Fingerprint, "gallery": job.Basis.Gallery,
			"model": job.Basis.Model, "threshold": job.Basis.Threshold, "margin": job.Basis.Margin, "rule": job.Basis.Rule,
			"pictures_added": job.Added, "pictures_removed": job.Removed, "started_at": now,
		}).Error
	})
	return wrap(err, fmt.Sprintf("begin re-match %d", job.ID))
}

// StepRematch writes a part of a job: the changes themselves where the job
// applies, else what it plans. It returns how many images change, in who is in
// them, and which were skipped because they had changed meanwhile.
func (s *Store) StepRematch(ctx context.Context, token int64, job history.Job, step history.Step) (visible int64, skipped []int64, err error) {
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		changes, state := step.Changes, history.ChangePlanned
		visible, skipped = 0, nil
		var err error
		if job.Apply {
			state = history.ChangeApplied
			if changes, skipped, err = compareAndSet(ctx, tx, changes, s.now(), s.isMySQL()); err != nil {
				return err
			}
			if err := setGallery(tx, step.Caught, job.Basis.Gallery); err != nil {
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
	return visible, skipped, wrap(err, fmt.Sprintf("write a part of re-match %d", job.ID))
}

func progress(tx *gorm.DB, id int64, columns map[string]any) error {
	return tx.Model(&rematchRow{}).Where("id = ?", id).UpdateColumns(columns).Error
}

func setGallery(tx *gorm.DB, ids []int64, gallery string) error {
	for part := range chunks(ids) {
		if err := tx.Model(&faceRow{}).Where("id IN ?", part).UpdateColumn("gallery", gallery).Error; err != nil {
			return err
		}
	}
	return nil
}

// noteChanges keeps what a job changes, so that it can be shown, applied and
// undone, and returns how many images it adds to those that change. An image
// that the job came to before keeps what it was at first.
func noteChanges(tx *gorm.DB, job int64, state history.ChangeState, changes []history.Change) (visible int64, err error) {
	for part := range chunks(changes) {
		ids := make([]int64, len(part))
		for i, c := range part {
			ids[i] = c.ImageID
		}
		var before []rematchChangeRow
		if err := tx.Where("rematch_id = ? AND image_id IN ?", job, ids).Find(&before).Error; err != nil {
			return 0, err
		}
		rows := make([]rematchChangeRow, 0, len(part))
		for _, c := range part {
			if i := slices.IndexFunc(before, func(r rematchChangeRow) bool { return r.ImageID == c.ImageID }); i >= 0 {
				if err := json.Unmarshal([]byte(before[i].BeforeChange), &c.Before); err != nil {
					return 0, err
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
		if err := tx.Create(&rows).Error; err != nil {
			return 0, err
		}
	}
	return visible, nil
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

// SetAnswers writes decisions that are no job's: of images that were answered
// by other known people than the state's, or corrected. It returns the images
// that were skipped because they had changed meanwhile.
func (s *Store) SetAnswers(ctx context.Context, token int64, changes []history.Change, caught []int64, gallery string) (skipped []int64, err error) {
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		var err error
		if _, skipped, err = compareAndSet(ctx, tx, changes, s.now(), s.isMySQL()); err != nil {
			return err
		}
		return setGallery(tx, caught, gallery)
	})
	return skipped, wrap(err, fmt.Sprintf("change the answers of %d image(s)", len(changes)))
}

// EndRematch ends a job in a state. Where its changes were applied, known are
// the pictures that the stored answers reflect from now on, and mark the last
// face that surely does.
func (s *Store) EndRematch(ctx context.Context, token int64, job history.Job, state history.State, detail string, known []history.KnownPicture, mark int64) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		if state == history.Applied {
			if err := reflect(tx, job.Basis, known, mark); err != nil {
				return err
			}
		}
		return progress(tx, job.ID, map[string]any{"state": state, "detail": cut(detail, maxDetail), "finished_at": s.now()})
	})
	return wrap(err, fmt.Sprintf("end re-match %d", job.ID))
}

// Reflect notes what the stored answers reflect, without a job.
func (s *Store) Reflect(ctx context.Context, token int64, basis history.Basis, known []history.KnownPicture, mark int64) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error { return reflect(tx, basis, known, mark) })
	return wrap(err, "note what the answers reflect")
}

// AdvanceFaceMark notes that all faces up to one reflect the state's basis.
func (s *Store) AdvanceFaceMark(ctx context.Context, token, mark int64) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		return tx.Model(&rematchStateRow{}).Where("id = 1 AND face_mark < ?", mark).UpdateColumn("face_mark", mark).Error
	})
	return wrap(err, "note which faces reflect the known people")
}

func reflect(tx *gorm.DB, b history.Basis, known []history.KnownPicture, mark int64) error {
	err := tx.Model(&rematchStateRow{}).Where("id = 1").UpdateColumns(map[string]any{
		"fingerprint": b.Fingerprint, "gallery": b.Gallery, "model": b.Model, "threshold": b.Threshold, "margin": b.Margin, "rule": b.Rule,
		"face_mark": mark, "dirty": false,
	}).Error
	if err != nil {
		return err
	}
	var rows []rematchKnownRow
	if err := tx.Find(&rows).Error; err != nil {
		return err
	}
	there := make(map[string]rematchKnownRow, len(rows))
	for _, r := range rows {
		there[r.ImageName] = r
	}
	var gone []string
	var add []rematchKnownRow
	for _, p := range known {
		row := rematchKnownRow{ImageName: p.Name, ContentID: p.Content, PersonID: p.Person}
		old, ok := there[p.Name]
		delete(there, p.Name)
		if ok && old == row {
			continue
		}
		if ok {
			gone = append(gone, p.Name)
		}
		add = append(add, row)
	}
	gone = append(gone, sortedKeys(there)...)
	for part := range chunks(gone) {
		if err := tx.Where("image_name IN ?", part).Delete(&rematchKnownRow{}).Error; err != nil {
			return err
		}
	}
	for part := range chunks(add) {
		if err := tx.Create(&part).Error; err != nil {
			return err
		}
	}
	return nil
}

// ApplyPlanned carries out the next part of a preview, by image id, and
// reports whether there was one.
func (s *Store) ApplyPlanned(ctx context.Context, token int64, job history.Job, most int) (more bool, err error) {
	return s.stepChanges(ctx, token, job, most, history.ChangePlanned, history.ChangeApplied, func(c history.Change) history.Change { return c })
}

// UndoApplied takes back the next part of what a job changed, where it is
// still as the job left it, and reports whether there was one.
func (s *Store) UndoApplied(ctx context.Context, token int64, job history.Job, most int) (more bool, err error) {
	return s.stepChanges(ctx, token, job, most, history.ChangeApplied, history.ChangeUndone,
		func(c history.Change) history.Change {
			return history.Change{ImageID: c.ImageID, Before: c.After, After: c.Before}
		})
}

func (s *Store) stepChanges(ctx context.Context, token int64, job history.Job, most int, from, to history.ChangeState, turn func(history.Change) history.Change) (more bool, err error) {
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		var rows []rematchChangeRow
		err := tx.Where("rematch_id = ? AND state = ? AND image_id > ?", job.ID, from, job.Seek).
			Order("image_id").Limit(most).Find(&rows).Error
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
			changes[i] = turn(c)
		}
		done, skipped, err := compareAndSet(ctx, tx, changes, s.now(), s.isMySQL())
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
			left = history.ChangeApplied // it stays as somebody has made it since
		}
		if err := setChanges(tx, job.ID, skipped, left); err != nil {
			return err
		}
		return progress(tx, job.ID, map[string]any{
			"seek": rows[len(rows)-1].ImageID, "skipped": gorm.Expr("skipped + ?", len(skipped)),
		})
	})
	return more, wrap(err, fmt.Sprintf("write a part of re-match %d", job.ID))
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

// BeginApply marks the stored answers as dirty before a preview is carried out.
func (s *Store) BeginApply(ctx context.Context, token int64) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		return tx.Model(&rematchStateRow{}).Where("id = 1").UpdateColumn("dirty", true).Error
	})
	return wrap(err, "begin to apply")
}

// TurnRematch moves a job from one of the states that a person may turn to
// another: a preview to applying, an applied job to undoing.
func (s *Store) TurnRematch(ctx context.Context, id int64, to history.State) (history.Job, error) {
	from, word := history.Ready, "applied"
	if to == history.Undoing {
		from, word = history.Applied, "undone"
	}
	var job history.Job
	err := s.tx(ctx, func(tx *gorm.DB) error {
		row, err := rematchByID(tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), id)
		if err != nil {
			return err
		}
		switch {
		case row.State == to || to == history.Applying && row.State == history.Applied || to == history.Undoing && row.State == history.Undone:
			job = row.rematch() // asked for twice
			return nil
		case row.State != from:
			return faces.Errorf(faces.CodeConflict, "re-match %d is %s and cannot be %s: only one that is %s can", id, row.State, word, from)
		}
		row.State, row.Seek, row.Skipped = to, 0, 0
		job = row.rematch()
		return progress(tx, id, map[string]any{"state": to, "seek": 0, "skipped": 0, "finished_at": nil})
	})
	return job, wrap(err, fmt.Sprintf("turn re-match %d", id))
}

func rematchByID(tx *gorm.DB, id int64) (rematchRow, error) {
	var rows []rematchRow
	if err := tx.Where("id = ?", id).Find(&rows).Error; err != nil {
		return rematchRow{}, err
	}
	if len(rows) == 0 {
		return rematchRow{}, faces.Errorf(faces.CodeMissing, "there is no re-match %d", id)
	}
	return rows[0], nil
}

// Rematch returns a job.
func (s *Store) Rematch(ctx context.Context, id int64) (history.Job, error) {
	var row rematchRow
	err := s.retry(ctx, func(tx *gorm.DB) (err error) {
		row, err = rematchByID(tx, id)
		return err
	})
	return row.rematch(), wrap(err, fmt.Sprintf("read re-match %d", id))
}

// Rematches returns jobs, newest first, before an id where that is not 0.
func (s *Store) Rematches(ctx context.Context, before int64, most int) ([]history.Job, error) {
	var rows []rematchRow
	err := s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		if before > 0 {
			tx = tx.Where("id < ?", before)
		}
		return limit(tx, most).Order("id DESC").Find(&rows).Error
	})
	list := make([]history.Job, len(rows))
	for i, r := range rows {
		list[i] = r.rematch()
	}
	return list, wrap(err, "list re-matches")
}

// LatestRematchOf returns the newest job about a basis, by its fingerprint.
func (s *Store) LatestRematchOf(ctx context.Context, fingerprint string) (job history.Job, ok bool, err error) {
	var rows []rematchRow
	err = s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("fingerprint = ?", fingerprint).Order("id DESC").Limit(1).Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return history.Job{}, false, wrap(err, "look for a re-match")
	}
	return rows[0].rematch(), true, nil
}

// RematchSummary returns what a job changes, the largest numbers first.
func (s *Store) RematchSummary(ctx context.Context, id int64, most int) ([]history.Movement, error) {
	var rows []struct {
		FromReason, ToReason         faces.Reason
		FromPerson, ToPerson, Images int64
	}
	var names map[int64]string
	err := s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		err := limit(tx.Model(&rematchChangeRow{}).Select("from_reason, from_person, to_reason, to_person, COUNT(*) AS images").
			Where("rematch_id = ? AND visible = ? AND state <> ?", id, true, history.ChangeSkipped), most).
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
	return list, wrap(err, fmt.Sprintf("sum up re-match %d", id))
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

// RematchChanges returns a page of the images whose answer a job changes, by
// id, after one.
func (s *Store) RematchChanges(ctx context.Context, id, after int64, most int) ([]history.ImageChange, error) {
	var rows []struct {
		ImageID, FromPerson, ToPerson int64
		FromReason, ToReason          faces.Reason
		State                         history.ChangeState
		Path                          string
	}
	var names map[int64]string
	err := s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		err := limit(tx.Model(&rematchChangeRow{}).
			Select("rematch_changes.image_id, rematch_changes.from_person, rematch_changes.to_person, rematch_changes.from_reason, "+
				"rematch_changes.to_reason, rematch_changes.state, images.path").
			Joins("JOIN images ON images.id = rematch_changes.image_id").
			Where("rematch_changes.rematch_id = ? AND rematch_changes.visible = ? AND rematch_changes.image_id > ?", id, true, after), most).
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

// ForgetRematches drops a part of what old jobs changed, of all but the newest,
// and reports whether there is more: those cannot be undone any more.
func (s *Store) ForgetRematches(ctx context.Context, token int64, keep int) (more bool, err error) {
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		more = false
		var old []int64
		err := tx.Model(&rematchRow{}).Order("id DESC").Offset(keep).Limit(chunk).Pluck("id", &old).Error
		if err != nil || len(old) == 0 {
			return err
		}
		var images []int64 // of the newest of them first: a small part of a large table at a time
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
	return more, wrap(err, "forget old re-matches")
}
