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
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// ErrRematchLeaseLost says that another program re-matches now; nothing of
// what was asked for is written.
var ErrRematchLeaseLost = errors.New("another program has taken over re-matching")

// RematchBasis is what stored answers reflect: a model set with the numbers
// that count, and the known people.
type RematchBasis struct {
	Fingerprint string // of everything below and of all known pictures with their owners
	Gallery     string
	Model       string
	Threshold   float64
	Margin      float64
	Rule        string // names the rest of the rule: see faces.Model.RuleID
}

// RematchState is the basis of the stored answers.
type RematchState struct {
	RematchBasis
	// FaceMark is the last face, by id, of those that surely reflect the basis.
	// Newer ones were answered by the known people named in their row.
	FaceMark int64
	// Dirty is set while a job writes: were it cut off, some faces would reflect
	// another basis.
	Dirty bool
}

// KnownPicture is one that recognizers match against.
type KnownPicture struct {
	Name    string
	Content string // names the content
	Person  int64  // its owner; faces.NoPerson for nobody
}

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

// States of a re-match.
const (
	RematchRequested = "requested" // waits for a processor
	RematchRunning   = "running"   // faces are looked at
	RematchReady     = "ready"     // a preview: nothing has changed yet
	RematchApplying  = "applying"  // a preview is carried out
	RematchApplied   = "applied"
	RematchUndoing   = "undoing"
	RematchUndone    = "undone"
	RematchOutdated  = "outdated" // the known people changed before it was done
	RematchFailed    = "failed"   // the detail says why
)

// Causes of a re-match.
const (
	CauseRequest = "request"      // somebody asked for it
	CauseKnown   = "known_people" // they changed
	CauseModel   = "model"        // another model set, threshold or margin
)

// Scopes of a re-match: which faces it looks at.
const (
	ScopeFull    = "full"    // all, against all known pictures
	ScopeAdded   = "added"   // all, against the added pictures; the touched ones against all
	ScopeTouched = "touched" // those near a picture that is gone, against all
)

// Rematch is one job.
type Rematch struct {
	ID       int64
	State    string
	Cause    string
	Scope    string
	Apply    bool // at once, without a preview
	Whole    bool // looks at all faces, whatever changed
	Detail   string
	Gallery  string
	Model    string
	Added    int   // known pictures
	Removed  int   // known pictures
	Faces    int64 // looked at
	Images   int64 // whose answer changes, or changed
	Skipped  int64 // images that somebody else changed meanwhile
	Seek     int64 // face, or image where a preview is carried out or undone, up to which the job is done
	Created  time.Time
	Started  time.Time // zero before that
	Finished time.Time // zero before that

	Basis RematchBasis
}

type rematchRow struct {
	ID              int64
	State           string
	Cause           string
	Scope           string
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

func (r rematchRow) rematch() Rematch {
	job := Rematch{
		ID: r.ID, State: r.State, Cause: r.Cause, Scope: r.Scope, Apply: r.Apply, Whole: r.Whole, Detail: r.Detail,
		Gallery: r.Gallery, Model: r.Model, Added: r.PicturesAdded, Removed: r.PicturesRemoved,
		Faces: r.Faces, Images: r.Images, Skipped: r.Skipped, Seek: r.Seek, Created: r.CreatedAt,
		Basis: RematchBasis{Fingerprint: r.Fingerprint, Gallery: r.Gallery, Model: r.Model, Threshold: r.Threshold, Margin: r.Margin, Rule: r.Rule},
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
	State        string
	Visible      bool
	FromReason   string
	FromPerson   int64
	ToReason     string
	ToPerson     int64
	BeforeChange string
	AfterChange  string
}

func (rematchChangeRow) TableName() string { return "rematch_changes" }

// States of one image's change.
const (
	changePlanned = "planned"
	changeApplied = "applied"
	changeSkipped = "skipped"
	changeUndone  = "undone"
)

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
			return ErrRematchLeaseLost
		}
		return f(tx)
	})
}

// RematchState returns what the stored answers reflect. Its fingerprint is
// empty before the first time.
func (s *Store) RematchState(ctx context.Context) (RematchState, error) {
	var rows []rematchStateRow
	err := s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("id = 1").Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return RematchState{}, wrap(err, "read what the answers reflect")
	}
	r := rows[0]
	return RematchState{
		RematchBasis: RematchBasis{Fingerprint: r.Fingerprint, Gallery: r.Gallery, Model: r.Model, Threshold: r.Threshold, Margin: r.Margin, Rule: r.Rule},
		FaceMark:     r.FaceMark, Dirty: r.Dirty,
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
func (s *Store) ReflectedPictures(ctx context.Context) ([]KnownPicture, error) {
	var rows []rematchKnownRow
	err := s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Order("image_name").Find(&rows).Error
	})
	list := make([]KnownPicture, len(rows))
	for i, r := range rows {
		list[i] = KnownPicture{Name: r.ImageName, Content: r.ContentID, Person: r.PersonID}
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
func (s *Store) FacesPage(ctx context.Context, model string, after, upTo int64, most int) ([]StoredFace, error) {
	return s.faces(ctx, "model = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?", model, after, upTo, most)
}

// LateFaces returns faces of a model set after an id that known people of
// another version answered, in order.
func (s *Store) LateFaces(ctx context.Context, model, gallery string, after int64, most int) ([]StoredFace, error) {
	return s.faces(ctx, "model = ? AND id > ? AND gallery <> ? ORDER BY id LIMIT ?", model, after, gallery, most)
}

// FacesByID returns those of the faces that are there, in order.
func (s *Store) FacesByID(ctx context.Context, ids []int64) ([]StoredFace, error) {
	return s.faces(ctx, "id IN ? ORDER BY id", ids)
}

func (s *Store) faces(ctx context.Context, where string, args ...any) ([]StoredFace, error) {
	var list []StoredFace
	err := s.retry(ctx, func(tx *gorm.DB) (err error) {
		list, err = queryFaces(ctx, tx, where, args...)
		return err
	})
	return list, wrap(err, "read faces")
}

// TouchedFaces returns the ids, in order, of faces of a model set whose best or
// second picture is one of those given, each as a picture of one person.
func (s *Store) TouchedFaces(ctx context.Context, model string, pictures []KnownPicture) ([]int64, error) {
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
func (s *Store) RequestRematch(ctx context.Context, cause string, apply, whole bool) (Rematch, error) {
	row := rematchRow{State: RematchRequested, Cause: cause, Apply: apply, Whole: whole, CreatedAt: s.now()}
	err := s.retry(ctx, func(tx *gorm.DB) error { return tx.Create(&row).Error })
	return row.rematch(), wrap(err, "ask for a re-match")
}

// NextRematch returns the oldest job that a processor has to do something
// about; ok is false where there is none.
func (s *Store) NextRematch(ctx context.Context) (job Rematch, ok bool, err error) {
	var rows []rematchRow
	err = s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("state IN ?", []string{RematchRequested, RematchRunning, RematchApplying, RematchUndoing}).
			Order("id").Limit(1).Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return Rematch{}, false, wrap(err, "look for a re-match to do")
	}
	return rows[0].rematch(), true, nil
}

// BeginRematch notes what a job is about. Where it applies at once, the stored
// answers count as dirty until it is finished.
func (s *Store) BeginRematch(ctx context.Context, token int64, job Rematch) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		now := s.now()
		// Previews of other known people can no longer be applied.
		err := tx.Model(&rematchRow{}).Where("state = ? AND fingerprint <> ?", RematchReady, job.Basis.Fingerprint).
			UpdateColumns(map[string]any{"state": RematchOutdated, "detail": fmt.Sprintf("overtaken by re-match %d", job.ID)}).Error
		if err != nil {
			return err
		}
		if job.Apply {
			if err := tx.Model(&rematchStateRow{}).Where("id = 1").UpdateColumn("dirty", true).Error; err != nil {
				return err
			}
		}
		return tx.Model(&rematchRow{}).Where("id = ?", job.ID).UpdateColumns(map[string]any{
			"state": RematchRunning, "scope": job.Scope, "cause": job.Cause, "fingerprint": job.Basis.Fingerprint, "gallery": job.Basis.Gallery,
			"model": job.Basis.Model, "threshold": job.Basis.Threshold, "margin": job.Basis.Margin, "rule": job.Basis.Rule,
			"pictures_added": job.Added, "pictures_removed": job.Removed, "started_at": now,
		}).Error
	})
	return wrap(err, fmt.Sprintf("begin re-match %d", job.ID))
}

// Step is a part of a job's work, written whole or not at all.
type Step struct {
	Seek    int64 // everything up to it is done
	Faces   int64 // looked at
	Changes []Change
	// Caught are faces that now reflect the job's known people, although others
	// answered them.
	Caught []int64
}

// StepRematch writes a part of a job: the changes themselves where the job
// applies, else what it plans. It returns how many images change, in who is in
// them, and which were skipped because they had changed meanwhile.
func (s *Store) StepRematch(ctx context.Context, token int64, job Rematch, step Step) (visible int64, skipped []int64, err error) {
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		changes, state := step.Changes, changePlanned
		visible, skipped = 0, nil
		var err error
		if job.Apply {
			state = changeApplied
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
func noteChanges(tx *gorm.DB, job int64, state string, changes []Change) (visible int64, err error) {
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

func newChangeRow(job int64, state string, c Change) (rematchChangeRow, error) {
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
func (s *Store) SetAnswers(ctx context.Context, token int64, changes []Change, caught []int64, gallery string) (skipped []int64, err error) {
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
func (s *Store) EndRematch(ctx context.Context, token int64, job Rematch, state, detail string, known []KnownPicture, mark int64) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		if state == RematchApplied {
			if err := reflect(tx, job.Basis, known, mark); err != nil {
				return err
			}
		}
		return progress(tx, job.ID, map[string]any{"state": state, "detail": cut(detail, maxDetail), "finished_at": s.now()})
	})
	return wrap(err, fmt.Sprintf("end re-match %d", job.ID))
}

// Reflect notes what the stored answers reflect, without a job.
func (s *Store) Reflect(ctx context.Context, token int64, basis RematchBasis, known []KnownPicture, mark int64) error {
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

func reflect(tx *gorm.DB, b RematchBasis, known []KnownPicture, mark int64) error {
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
func (s *Store) ApplyPlanned(ctx context.Context, token int64, job Rematch, most int) (more bool, err error) {
	return s.stepChanges(ctx, token, job, most, changePlanned, changeApplied, func(c Change) Change { return c })
}

// UndoApplied takes back the next part of what a job changed, where it is
// still as the job left it, and reports whether there was one.
func (s *Store) UndoApplied(ctx context.Context, token int64, job Rematch, most int) (more bool, err error) {
	return s.stepChanges(ctx, token, job, most, changeApplied, changeUndone,
		func(c Change) Change { return Change{ImageID: c.ImageID, Before: c.After, After: c.Before} })
}

func (s *Store) stepChanges(ctx context.Context, token int64, job Rematch, most int, from, to string, turn func(Change) Change) (more bool, err error) {
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
		changes := make([]Change, len(rows))
		for i, r := range rows {
			c := Change{ImageID: r.ImageID}
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
		left := changeSkipped
		if from == changeApplied {
			left = changeApplied // it stays as somebody has made it since
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

func setChanges(tx *gorm.DB, job int64, ids []int64, state string) error {
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
func (s *Store) TurnRematch(ctx context.Context, id int64, to string) (Rematch, error) {
	from, word := RematchReady, "applied"
	if to == RematchUndoing {
		from, word = RematchApplied, "undone"
	}
	var job Rematch
	err := s.tx(ctx, func(tx *gorm.DB) error {
		row, err := rematchByID(tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), id)
		if err != nil {
			return err
		}
		switch {
		case row.State == to || to == RematchApplying && row.State == RematchApplied || to == RematchUndoing && row.State == RematchUndone:
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
func (s *Store) Rematch(ctx context.Context, id int64) (Rematch, error) {
	var row rematchRow
	err := s.retry(ctx, func(tx *gorm.DB) (err error) {
		row, err = rematchByID(tx, id)
		return err
	})
	return row.rematch(), wrap(err, fmt.Sprintf("read re-match %d", id))
}

// Rematches returns jobs, newest first, before an id where that is not 0.
func (s *Store) Rematches(ctx context.Context, before int64, most int) ([]Rematch, error) {
	var rows []rematchRow
	err := s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		if before > 0 {
			tx = tx.Where("id < ?", before)
		}
		return limit(tx, most).Order("id DESC").Find(&rows).Error
	})
	list := make([]Rematch, len(rows))
	for i, r := range rows {
		list[i] = r.rematch()
	}
	return list, wrap(err, "list re-matches")
}

// LatestRematchOf returns the newest job about a basis, by its fingerprint.
func (s *Store) LatestRematchOf(ctx context.Context, fingerprint string) (job Rematch, ok bool, err error) {
	var rows []rematchRow
	err = s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("fingerprint = ?", fingerprint).Order("id DESC").Limit(1).Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return Rematch{}, false, wrap(err, "look for a re-match")
	}
	return rows[0].rematch(), true, nil
}

// Verdict is what an image is, or becomes: a reason, and a person where there
// is one.
type Verdict struct {
	Reason faces.Reason
	Person *faces.Person
}

// String says it in a word or two.
func (v Verdict) String() string {
	if v.Person != nil {
		return v.Person.Name
	}
	return strings.TrimSuffix(string(v.Reason), "_person")
}

// Movement is how many images go from one outcome to another.
type Movement struct {
	From, To Verdict
	Images   int64
}

// RematchSummary returns what a job changes, the largest numbers first.
func (s *Store) RematchSummary(ctx context.Context, id int64, most int) ([]Movement, error) {
	var rows []struct {
		FromReason, ToReason         string
		FromPerson, ToPerson, Images int64
	}
	var names map[int64]string
	err := s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		err := limit(tx.Model(&rematchChangeRow{}).Select("from_reason, from_person, to_reason, to_person, COUNT(*) AS images").
			Where("rematch_id = ? AND visible = ? AND state <> ?", id, true, changeSkipped), most).
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
	list := make([]Movement, len(rows))
	for i, r := range rows {
		list[i] = Movement{From: verdict(r.FromReason, r.FromPerson, names), To: verdict(r.ToReason, r.ToPerson, names), Images: r.Images}
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

func verdict(reason string, person int64, names map[int64]string) Verdict {
	v := Verdict{Reason: faces.Reason(reason)}
	if person != faces.NoPerson {
		v.Person = &faces.Person{ID: person, Name: names[person]}
	}
	return v
}

// Summarize says in one line what a re-match changes:
// "12 images change: 9 unknown → Anna, 3 Anna → unknown".
func Summarize(images int64, list []Movement) string {
	switch images {
	case 0:
		return "no image changes"
	case 1:
		return "1 image changes: " + movements(1, list)
	default:
		return fmt.Sprintf("%d images change: %s", images, movements(images, list))
	}
}

// told is how many movements a line names.
const told = 5

func movements(images int64, list []Movement) string {
	var parts []string
	for i, m := range list {
		if i == told {
			parts = append(parts, fmt.Sprintf("%d others", images))
			break
		}
		parts = append(parts, fmt.Sprintf("%d %s → %s", m.Images, m.From, m.To))
		images -= m.Images
	}
	return strings.Join(parts, ", ")
}

// ImageChange is what a job makes of one image.
type ImageChange struct {
	ImageID  int64
	Path     string
	From, To Verdict
	State    string // planned, applied, skipped or undone
}

// RematchChanges returns a page of the images whose answer a job changes, by
// id, after one.
func (s *Store) RematchChanges(ctx context.Context, id, after int64, most int) ([]ImageChange, error) {
	var rows []struct {
		ImageID, FromPerson, ToPerson     int64
		FromReason, ToReason, State, Path string
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
	list := make([]ImageChange, len(rows))
	for i, r := range rows {
		list[i] = ImageChange{
			ImageID: r.ImageID, Path: r.Path, State: r.State,
			From: verdict(r.FromReason, r.FromPerson, names), To: verdict(r.ToReason, r.ToPerson, names),
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
