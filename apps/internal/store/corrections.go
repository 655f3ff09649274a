package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// maxName is the width of person.name, in characters.
const maxName = 255

type correctionRow struct {
	ID             int64
	ImageID        int64
	X, Y           int
	Width, Height  int
	Descriptor     []byte // see splitDescriptor
	Model          string
	PersonID       int64
	Excludes       bool
	Candidates     string // JSON: who was near the face when it was corrected
	CreatedAt      time.Time
	UndoneAt       *time.Time
	ChangedAt      time.Time
	Pending        bool // a recognizer has not been asked yet who comes next
	DescriptorRest []byte

	PersonName string `gorm:"->"` // joined
}

func (correctionRow) TableName() string { return "corrections" }

func (r correctionRow) correction() faces.Correction {
	c := faces.Correction{
		ID: r.ID, ImageID: r.ImageID, Box: faces.Box{X: r.X, Y: r.Y, Width: r.Width, Height: r.Height},
		Model:  r.Model,
		Person: faces.Person{ID: r.PersonID, Name: r.PersonName}, Not: r.Excludes, CreatedAt: r.CreatedAt,
	}
	if r.UndoneAt != nil {
		c.UndoneAt = *r.UndoneAt
	}
	return c
}

// storedCandidate is a person who was near a face.
type storedCandidate struct {
	Person   int64   `json:"person"`
	Distance float64 `json:"distance"`
	Image    string  `json:"image"`
	Parts    string  `json:"parts,omitempty"` // see partsText
}

// Saying is what somebody says of a face.
type Saying struct {
	FaceID int64
	// PersonID or, where it is 0, Name: of nobody yet makes a new person.
	PersonID int64
	Name     string
	Not      bool // the face is not this person
}

// Corrected is a face after a correction, or after one was undone.
type Corrected struct {
	Correction faces.Correction
	Image      faces.Image
	// FaceID is the face's, 0 where the image has no such face any more.
	FaceID int64
}

// CorrectFace stores what somebody says of a face. Saying again what counts
// already changes nothing and returns the correction that says so.
func (s *Store) CorrectFace(ctx context.Context, say Saying) (Corrected, error) {
	if err := checkName(say); err != nil {
		return Corrected{}, err
	}
	var done Corrected
	err := s.tx(ctx, func(tx *gorm.DB) error {
		done = Corrected{}
		person, err := sayingsPerson(tx, say)
		if err != nil {
			return err
		}
		face, err := lockFace(tx, say.FaceID)
		if err != nil {
			return err
		}
		if done.Correction, err = s.addCorrection(tx, face, person, say.Not); err != nil {
			return err
		}
		done.FaceID = face.ID
		return s.reanswer(tx, face.ImageID, &done.Image)
	})
	if err != nil {
		return Corrected{}, fmt.Errorf("correct face %d: %w", say.FaceID, err)
	}
	return done, nil
}

func checkName(say Saying) error {
	switch {
	case say.PersonID != 0:
		return nil
	case strings.TrimSpace(say.Name) == "":
		return faces.Errorf(faces.CodeInvalid, "a person needs a name")
	case !utf8.ValidString(say.Name):
		return faces.Errorf(faces.CodeInvalid, "the name is not valid UTF-8")
	case utf8.RuneCountInString(say.Name) > maxName:
		return faces.Errorf(faces.CodeInvalid, "a name has at most %d characters", maxName)
	}
	return nil
}

// sayingsPerson finds the person, or adds the one that nobody is yet.
func sayingsPerson(tx *gorm.DB, say Saying) (faces.Person, error) {
	var rows []personRow
	if say.PersonID != 0 {
		if err := tx.Where("id = ?", say.PersonID).Find(&rows).Error; err != nil {
			return faces.Person{}, err
		}
		if len(rows) == 0 {
			return faces.Person{}, faces.Errorf(faces.CodeMissing, "there is no person %d", say.PersonID)
		}
		return faces.Person{ID: rows[0].ID, Name: rows[0].Name}, nil
	}
	if err := oneAtATime(tx); err != nil {
		return faces.Person{}, err
	}
	if err := tx.Where("name = ?", say.Name).Order("id").Limit(1).Find(&rows).Error; err != nil {
		return faces.Person{}, err
	}
	if len(rows) == 0 {
		row := personRow{Name: say.Name}
		if err := tx.Create(&row).Error; err != nil {
			return faces.Person{}, err
		}
		rows = append(rows, row)
	}
	return faces.Person{ID: rows[0].ID, Name: rows[0].Name}, nil
}

// lockFace locks the face's image, which every program that writes faces does
// first, and returns the face.
func lockFace(tx *gorm.DB, id int64) (faceRow, error) {
	missing := faces.Errorf(faces.CodeMissing, "there is no face %d; an image that is answered again has new ones", id)
	var imageIDs []int64
	if err := tx.Model(&faceRow{}).Where("id = ?", id).Pluck("image_id", &imageIDs).Error; err != nil {
		return faceRow{}, err
	}
	if len(imageIDs) == 0 {
		return faceRow{}, missing
	}
	if err := lockImages(tx, imageIDs); err != nil {
		return faceRow{}, err
	}
	var rows []faceRow
	if err := tx.Omit("BestName", "SecondName").Where("id = ?", id).Find(&rows).Error; err != nil {
		return faceRow{}, err
	}
	if len(rows) == 0 {
		return faceRow{}, missing
	}
	return rows[0], nil
}

func lockImages(tx *gorm.DB, ids []int64) error {
	var locked []int64
	return tx.Model(&imageRow{}).Where("id IN ?", ids).Order("id").
		Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Pluck("id", &locked).Error
}

func (s *Store) addCorrection(tx *gorm.DB, f faceRow, p faces.Person, not bool) (faces.Correction, error) {
	said, err := correctionsOf(tx, []int64{f.ImageID}, false)
	if err != nil {
		return faces.Correction{}, err
	}
	ids, boxes, err := boxesOf(tx, f.ImageID)
	if err != nil {
		return faces.Correction{}, err
	}
	self := slices.Index(ids, f.ID)
	v := faces.Verdicts(boxes, said)[self]
	if not && v.Excludes(p.ID) || !not && v.Person != nil && v.Person.ID == p.ID {
		at := faces.Places(boxes, said)
		for i, c := range slices.Backward(said) {
			if c.Person.ID == p.ID && c.Not == not && at[i] == self {
				return c, nil
			}
		}
	}
	near, err := json.Marshal(f.candidates())
	if err != nil {
		return faces.Correction{}, err
	}
	now := s.now()
	descriptor, rest := splitDescriptor(slices.Concat(f.Descriptor, f.DescriptorRest))
	row := correctionRow{
		ImageID: f.ImageID, X: f.X, Y: f.Y, Width: f.Width, Height: f.Height, Descriptor: descriptor, DescriptorRest: rest, Model: f.Model,
		PersonID: p.ID, Excludes: not, Candidates: string(near), CreatedAt: now, ChangedAt: now, Pending: true,
	}
	if err := tx.Omit("PersonName").Create(&row).Error; err != nil {
		return faces.Correction{}, err
	}
	row.PersonName = p.Name
	return row.correction(), nil
}

// candidates returns who is known to be near a face.
func (r faceRow) candidates() []storedCandidate {
	var list []storedCandidate
	if r.BestPersonID != faces.NoPerson && r.MatchedImage != "" {
		list = append(list, storedCandidate{r.BestPersonID, r.BestDistance, r.MatchedImage, r.BestParts})
	}
	if r.SecondPersonID != faces.NoPerson && r.SecondPersonID != r.BestPersonID { // else see AnswerOf
		list = append(list, storedCandidate{r.SecondPersonID, r.SecondDistance, r.SecondImage, r.SecondParts})
	}
	return list
}

// UndoCorrection takes back what somebody said. Undoing twice is as good as
// once.
func (s *Store) UndoCorrection(ctx context.Context, id int64) (Corrected, error) {
	var done Corrected
	err := s.tx(ctx, func(tx *gorm.DB) error {
		done = Corrected{}
		row, err := correctionByID(tx, id)
		if err != nil {
			return err
		}
		if err := lockImages(tx, []int64{row.ImageID}); err != nil {
			return err
		}
		now := s.now()
		err = tx.Model(&correctionRow{}).Where("id = ? AND undone_at IS NULL", id).
			UpdateColumns(map[string]any{"undone_at": now, "changed_at": now, "pending": true}).Error
		if err != nil {
			return err
		}
		if err := s.reanswer(tx, row.ImageID, &done.Image); err != nil {
			return err
		}
		if row, err = correctionByID(tx, id); err != nil {
			return err
		}
		done.Correction = row.correction()
		placed, err := placeCorrections(tx, row.ImageID)
		for _, c := range placed {
			if c.ID == id {
				done.FaceID = c.FaceID
			}
		}
		return err
	})
	if err != nil {
		return Corrected{}, fmt.Errorf("undo correction %d: %w", id, err)
	}
	return done, nil
}

func correctionByID(tx *gorm.DB, id int64) (correctionRow, error) {
	var rows []correctionRow
	if err := withPersonOfCorrection(tx).Where("corrections.id = ?", id).Find(&rows).Error; err != nil {
		return correctionRow{}, err
	}
	if len(rows) == 0 {
		return correctionRow{}, faces.Errorf(faces.CodeMissing, "there is no correction %d", id)
	}
	return rows[0], nil
}

// withPersonOfCorrection passes over corrections that name a person who is
// gone.
func withPersonOfCorrection(tx *gorm.DB) *gorm.DB {
	return tx.Model(&correctionRow{}).Select("corrections.*, person.name AS person_name").
		Joins("JOIN person ON person.id = corrections.person_id")
}

// Corrections returns what was said of the faces of images, and still counts.
func (s *Store) Corrections(ctx context.Context, imageIDs []int64) ([]faces.Correction, error) {
	var list []faces.Correction
	err := s.retry(ctx, func(tx *gorm.DB) error {
		list = nil
		for part := range chunks(imageIDs) {
			said, err := correctionsOf(tx, part, false)
			if err != nil {
				return err
			}
			list = append(list, said...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the corrections of %d image(s): %w", len(imageIDs), err)
	}
	return list, nil
}

func correctionsOf(tx *gorm.DB, imageIDs []int64, undone bool) ([]faces.Correction, error) {
	q := withPersonOfCorrection(tx).Where("corrections.image_id IN ?", imageIDs)
	if !undone {
		q = q.Where("corrections.undone_at IS NULL")
	}
	var rows []correctionRow
	if err := q.Order("corrections.id").Find(&rows).Error; err != nil {
		return nil, err
	}
	list := make([]faces.Correction, len(rows))
	for i, r := range rows {
		list[i] = r.correction()
	}
	return list, nil
}

// reanswer decides the faces of a locked image anew, from the people that are
// known to be near, and writes what changed. An image that is at work keeps
// its row: whoever has it reads the corrections, or the re-matcher does.
func (s *Store) reanswer(tx *gorm.DB, imageID int64, into *faces.Image) error {
	img, err := lockedImage(tx, imageID)
	if err != nil {
		return err
	}
	if isAnswer(img) {
		if err := s.writeDecisions(tx, img); err != nil {
			return err
		}
		if img, err = lockedImage(tx, imageID); err != nil {
			return err
		}
	}
	*into = img
	return nil
}

func lockedImage(tx *gorm.DB, id int64) (faces.Image, error) {
	var rows []imageRow
	if err := withPerson(tx).Where("images.id = ?", id).Limit(1).Find(&rows).Error; err != nil {
		return faces.Image{}, err
	}
	if len(rows) == 0 {
		return faces.Image{}, faces.Errorf(faces.CodeMissing, "there is no image %d", id)
	}
	img := rows[0].image()
	var err error
	img.Faces, err = facesOf(tx, id)
	return img, err
}

// isAnswer reports whether the image's outcome came from its faces.
func isAnswer(img faces.Image) bool {
	switch img.Reason {
	case faces.Identified, faces.Uncertain, faces.UnknownPerson:
		return true
	default:
		return false
	}
}

// writeDecisions decides the faces of an image anew from the people who are
// known to be near. Of a face that nobody spoke of only a recognizer knows
// more: the re-matcher asks it.
func (s *Store) writeDecisions(tx *gorm.DB, img faces.Image) error {
	models, err := modelsByID(tx)
	if err != nil {
		return err
	}
	near, err := rememberedCandidates(tx, img)
	if err != nil {
		return err
	}
	said, err := correctionsOf(tx, []int64{img.ID}, false)
	if err != nil {
		return err
	}
	boxes := boxesIn(img.Faces)
	before := imageAnswerOf(img)
	var model faces.Model
	for i, v := range faces.Verdicts(boxes, said) {
		f := &img.Faces[i]
		model = models[f.Model]
		model.ID = f.Model
		again := f.Judge(faces.Nearby{Candidates: near[i]}, model, v)
		switch {
		case f.Corrected || !v.IsZero():
			*f = again
		case f.Reason == faces.Uncertain && again.Reason == faces.Identified:
			*f = again // another face may have had the name before
		}
	}
	faces.NameOnce(img.Faces)
	img.Reason, img.Person, img.Detail = faces.Conclude(img.Faces, model)
	img.Detail = faces.WithWarning(img.Detail, img.Warning)
	return writeAnswers(tx, []history.Change{{ImageID: img.ID, Before: before, After: imageAnswerOf(img)}}, s.now(), s.isMySQL())
}

func boxesIn(list []faces.Face) []faces.Box {
	boxes := make([]faces.Box, len(list))
	for i, f := range list {
		boxes[i] = f.Box
	}
	return boxes
}

// rememberedCandidates returns for each face who is near it: by its own row,
// and by what was remembered with the corrections of it, as far as the known
// picture is still that person's.
func rememberedCandidates(tx *gorm.DB, img faces.Image) ([][]faces.Candidate, error) {
	var rows []correctionRow
	if err := tx.Omit("PersonName").Where("image_id = ?", img.ID).Find(&rows).Error; err != nil {
		return nil, err
	}
	near := make([][]faces.Candidate, len(img.Faces))
	for i, f := range img.Faces {
		for _, c := range []*faces.Candidate{f.Best, f.Second} {
			if c != nil {
				near[i] = append(near[i], *c)
			}
		}
	}
	made := make([]faces.Correction, len(rows))
	for i, r := range rows {
		made[i] = r.correction()
	}
	at := faces.Places(boxesIn(img.Faces), made)
	for n, r := range rows {
		i := at[n]
		if i < 0 || img.Faces[i].Model != r.Model {
			continue
		}
		var list []storedCandidate
		if err := json.Unmarshal([]byte(r.Candidates), &list); err != nil {
			return nil, fmt.Errorf("read correction %d: %w", r.ID, err)
		}
		for _, c := range list {
			var owners []personRow
			err := tx.Model(&personRow{}).Joins("JOIN person_images ON person_images.person_id = person.id").
				Where("person.id = ? AND person_images.image_name = ?", c.Person, c.Image).Limit(1).Find(&owners).Error
			if err != nil {
				return nil, err
			}
			for _, p := range owners {
				near[i] = append(near[i], faces.Candidate{Person: faces.Person{ID: p.ID, Name: p.Name}, Distance: c.Distance, Image: c.Image, Parts: history.ParseParts(c.Parts)})
			}
		}
	}
	return near, nil
}

// modelsByID returns the model sets that answered, with the threshold and the
// margin that counted last.
func modelsByID(tx *gorm.DB) (map[string]faces.Model, error) {
	var rows []modelRow
	if err := tx.Find(&rows).Error; err != nil {
		return nil, err
	}
	models := map[string]faces.Model{}
	for _, r := range rows {
		models[r.ID] = r.model()
	}
	var states []rematchStateRow
	if err := tx.Where("id = 1 AND model <> ''").Find(&states).Error; err != nil {
		return nil, err
	}
	for _, r := range states { // the deployment's own numbers
		models[r.Model] = models[r.Model].WithRule(r.Threshold, r.Margin)
	}
	return models, nil
}

// PendingCorrections returns the oldest of them.
func (s *Store) PendingCorrections(ctx context.Context, most int) ([]history.PendingCorrection, error) {
	var rows []history.PendingCorrection
	err := s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		return limit(tx.Model(&correctionRow{}).Select("id, image_id, changed_at").Where("pending = ?", true), most).
			Order("id").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list corrections to look after: %w", err)
	}
	return rows, nil
}

// SettleCorrections notes that recognizers were asked; what changed meanwhile
// stays pending.
func (s *Store) SettleCorrections(ctx context.Context, list []history.PendingCorrection) error {
	err := s.retry(ctx, func(tx *gorm.DB) error {
		for _, c := range list {
			err := tx.Model(&correctionRow{}).Where("id = ? AND changed_at = ?", c.ID, c.ChangedAt).
				UpdateColumn("pending", false).Error
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note %d correction(s) as looked after: %w", len(list), err)
	}
	return nil
}

// CorrectedImages returns the ids of images of which something was said that
// still counts.
func (s *Store) CorrectedImages(ctx context.Context) ([]int64, error) {
	var ids []int64
	err := s.retry(ctx, func(tx *gorm.DB) error {
		ids = nil
		return tx.Model(&correctionRow{}).Distinct("image_id").Where("undone_at IS NULL").Pluck("image_id", &ids).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list corrected images: %w", err)
	}
	return ids, nil
}
