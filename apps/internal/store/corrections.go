package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

type correctionRow struct {
	ID             int64
	ImageID        int64
	X, Y           int
	Width, Height  int
	Descriptor     []byte // see splitDescriptor
	Model          string
	PersonID       int64
	Excludes       bool
	Candidates     string // JSON list of history.StoredCandidate
	CreatedAt      time.Time
	UndoneAt       *time.Time
	ChangedAt      time.Time
	Pending        bool // the image has not been matched again since
	DescriptorRest []byte
	// Kind is a faces.Kind. Programs that do not know it join the person, and so
	// leave out kinds without one: PersonID is 0 then.
	Kind string
	// DescribeAt is when the face of a drawing is to be described; nil if it is, or
	// cannot be until its image is processed again.
	DescribeAt *time.Time
	// GroupChangeID is the groupChangeRow that made the correction; 0 if it was made
	// of one face.
	GroupChangeID int64

	PersonName string `gorm:"->"` // joined
}

func (correctionRow) TableName() string { return "corrections" }

func (r correctionRow) correction() faces.Correction {
	c := faces.Correction{
		ID: r.ID, ImageID: r.ImageID, Box: faces.Box{X: r.X, Y: r.Y, Width: r.Width, Height: r.Height},
		Model: r.Model, Kind: faces.Kind(r.Kind),
		Person: faces.Person{ID: r.PersonID, Name: r.PersonName}, Not: r.Excludes, CreatedAt: r.CreatedAt,
	}
	if r.UndoneAt != nil {
		c.UndoneAt = *r.UndoneAt
	}
	return c
}

// Corrected is the result of making or undoing a correction.
type Corrected struct {
	Correction faces.Correction
	Image      faces.Image
	// FaceID is the id of the face; 0 if the image no longer has it.
	FaceID int64
	// Changed reports whether the image has another version now.
	Changed bool
}

// CorrectFace stores a statement about a face and updates the image's answer. A
// statement that an active correction already makes changes nothing and returns
// that correction. If the user has seen another version of the image, nothing
// changes and the error has CodeStale.
func (s *Store) CorrectFace(ctx context.Context, statement faces.Statement) (Corrected, error) {
	if statement.Kind == faces.AboutPerson && statement.PersonID == 0 {
		statement.Name = cleanName(statement.Name)
		if err := faces.CheckName(statement.Name); err != nil {
			return Corrected{}, err
		}
	}
	var done Corrected
	err := s.tx(ctx, func(tx *gorm.DB) error {
		done = Corrected{}
		person, _, err := s.findOrAddPerson(tx, statement)
		if err != nil {
			return err
		}
		face, err := s.lockFace(tx, statement.FaceID)
		if err != nil {
			return err
		}
		before, err := checkVersion(tx, face.ImageID, statement.Version)
		if err != nil {
			return err
		}
		if done.Correction, err = s.addCorrection(tx, face, person, statement); err != nil {
			return err
		}
		done.FaceID = face.ID
		return s.updateAnswer(tx, face.ImageID, before, &done)
	})
	if err != nil {
		return Corrected{}, fmt.Errorf("correct face %d: %w", statement.FaceID, err)
	}
	return done, nil
}

// checkVersion returns the version of a locked image. It returns an error with
// CodeStale if the user has seen another one.
func checkVersion(tx *gorm.DB, imageID int64, seen string) (string, error) {
	img, err := readImage(tx, imageID)
	if err == nil {
		err = img.CheckVersion(seen)
	}
	return img.Version, err
}

// findOrAddPerson returns the person of a statement, and whether it added the person
// because nobody had the name. A statement that is not about a person has none.
func (s *Store) findOrAddPerson(tx *gorm.DB, statement faces.Statement) (_ faces.Person, added bool, _ error) {
	if statement.Kind != faces.AboutPerson {
		return faces.Person{}, false, nil
	}
	id := statement.PersonID
	if id == 0 {
		if err := serialize(tx); err != nil {
			return faces.Person{}, false, err
		}
		p, added, err := personNamed(tx, statement.Name)
		if err != nil {
			return faces.Person{}, false, err
		}
		if added {
			return p, true, s.personAdded(tx, p.ID)
		}
		id = p.ID
	}
	// Locked, so that nobody merges or deletes the person before the statement is stored.
	row, err := lockPerson(tx, id, faces.AnyVersion)
	return faces.Person{ID: row.ID, Name: row.Name}, false, err
}

// lockFace locks the people near a face and its image, as every writer of faces must, and
// returns the face.
func (s *Store) lockFace(tx *gorm.DB, id int64) (faceRow, error) {
	missing := faces.Errorf(faces.CodeMissing, "there is no face %d; an image that is answered again has new ones", id)
	var imageIDs []int64
	if err := tx.Model(&faceRow{}).Where("id = ?", id).Pluck("image_id", &imageIDs).Error; err != nil {
		return faceRow{}, err
	}
	if len(imageIDs) == 0 {
		return faceRow{}, missing
	}
	if _, err := s.lockPeopleNear(tx, imageIDs); err != nil {
		return faceRow{}, err
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
	err := tx.Model(&imageRow{}).Where("id IN ?", ids).Order("id").
		Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Pluck("id", &locked).Error
	if err != nil {
		return err
	}
	return holdIDs(tx, "images", "attempts", locked...)
}

func (s *Store) addCorrection(tx *gorm.DB, f faceRow, p faces.Person, say faces.Statement) (faces.Correction, error) {
	corrections, err := correctionsOf(tx, []int64{f.ImageID}, false)
	if err != nil {
		return faces.Correction{}, err
	}
	ids, boxes, err := boxesOf(tx, f.ImageID)
	if err != nil {
		return faces.Correction{}, err
	}
	self := slices.Index(ids, f.ID)
	v := faces.Verdicts(boxes, corrections)[self]
	if v.Agrees(say.Kind, p.ID, say.Not) {
		at := faces.Places(boxes, corrections)
		for i, c := range slices.Backward(corrections) {
			if c.Kind == say.Kind && c.Person.ID == p.ID && c.Not == say.Not && at[i] == self {
				return c, nil
			}
		}
	}
	near, err := json.Marshal(f.answer().Candidates())
	if err != nil {
		return faces.Correction{}, err
	}
	now := s.now()
	descriptor, rest := splitDescriptor(slices.Concat(f.Descriptor, f.DescriptorRest))
	row := correctionRow{
		ImageID: f.ImageID, X: f.X, Y: f.Y, Width: f.Width, Height: f.Height, Descriptor: descriptor, DescriptorRest: rest, Model: f.Model,
		Kind: string(say.Kind), PersonID: p.ID, Excludes: say.Not, Candidates: string(near), CreatedAt: now, ChangedAt: now, Pending: true,
	}
	if err := tx.Omit("PersonName").Create(&row).Error; err != nil {
		return faces.Correction{}, err
	}
	if err := s.auditIDs(tx, access.FaceCorrected, "correction", row.ID); err != nil {
		return faces.Correction{}, err
	}
	row.PersonName = p.Name
	return row.correction(), nil
}

// UndoCorrection undoes a correction and updates the image's answer. Undoing an
// undone correction changes nothing. seen is the version of the image that the user
// has seen, or empty: see CorrectFace.
func (s *Store) UndoCorrection(ctx context.Context, id int64, seen string) (Corrected, error) {
	var done Corrected
	err := s.tx(ctx, func(tx *gorm.DB) error {
		done = Corrected{}
		row, err := correctionByID(tx, id)
		if err != nil {
			return err
		}
		if _, err := s.lockPeopleNear(tx, []int64{row.ImageID}); err != nil {
			return err
		}
		if err := lockImages(tx, []int64{row.ImageID}); err != nil {
			return err
		}
		before, err := checkVersion(tx, row.ImageID, seen)
		if err != nil {
			return err
		}
		now := s.now()
		undone := tx.Model(&correctionRow{}).Where("id = ? AND undone_at IS NULL", id).
			UpdateColumns(map[string]any{"undone_at": now, "changed_at": now, "pending": true})
		if undone.Error != nil {
			return undone.Error
		}
		if undone.RowsAffected > 0 {
			if err := s.auditIDs(tx, access.CorrectionUndone, "correction", id); err != nil {
				return err
			}
		}
		if row.Kind == string(faces.SaysDrawn) {
			if _, err := alignDrawn(tx, row.ImageID, now); err != nil {
				return err
			}
		}
		if err := s.updateAnswer(tx, row.ImageID, before, &done); err != nil {
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
	return oneRow[correctionRow](withPersonOfCorrection(tx).Where("corrections.id = ?", id), "correction", id)
}

// withPersonOfCorrection joins the people. It leaves out corrections whose person
// no longer exists.
func withPersonOfCorrection(tx *gorm.DB) *gorm.DB {
	return tx.Model(&correctionRow{}).Select("corrections.*, COALESCE(person.name, '') AS person_name").
		Joins("LEFT JOIN person ON person.id = corrections.person_id").
		Where("(person.id IS NOT NULL OR corrections.kind <> '')")
}

// Corrections returns the active corrections of the faces of images.
func (s *Store) Corrections(ctx context.Context, imageIDs []int64) ([]faces.Correction, error) {
	var list []faces.Correction
	err := s.read(ctx, func(tx *gorm.DB) error {
		list = nil
		for part := range chunks(imageIDs) {
			corrections, err := correctionsOf(tx, part, false)
			if err != nil {
				return err
			}
			list = append(list, corrections...)
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
