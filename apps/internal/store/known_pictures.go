package store

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

func (r knownImageRow) enrolled() faces.Enrolled {
	e := faces.Enrolled{
		KnownImage: faces.KnownImage{ID: r.ID, Name: r.ImageName, PersonID: r.PersonID},
		Source:     faces.EnrolSource(r.Source), FaceID: r.FaceID, SHA256: r.SHA256,
	}
	if r.AddedAt != nil {
		e.AddedAt = *r.AddedAt
	}
	if r.PublicID != nil {
		e.PublicID = *r.PublicID
	}
	return e
}

// KnownPictures returns the known images of a person with ids above after, by id.
func (s *Store) KnownPictures(ctx context.Context, person, after int64, limit int) ([]faces.Enrolled, error) {
	var rows []knownImageRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		if _, err := profileOf(tx, person); err != nil {
			return err
		}
		q := tx.Where("person_id = ? AND id > ? AND image_name IS NOT NULL", person, after)
		return withLimit(q, limit).Order("id").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list the known pictures of person %d: %w", person, err)
	}
	list := make([]faces.Enrolled, len(rows))
	for i, r := range rows {
		list[i] = r.enrolled()
	}
	return list, nil
}

// KnownPictureOf returns the known image of a person with the name of a file, with a
// public id: it gives it one if it has none. ok is false if the person has none.
func (s *Store) KnownPictureOf(ctx context.Context, person int64, name string) (e faces.Enrolled, ok bool, err error) {
	row, ok, err := s.knownImageOf(ctx, person, name)
	if err != nil || !ok {
		return e, false, err
	}
	if row.PublicID == nil {
		err = s.tx(ctx, func(tx *gorm.DB) error { return givePublicID(tx, &row) })
	}
	return row.enrolled(), err == nil, wrap(err, "give a known picture a public id")
}

// FindKnownPicture returns the known image of a person with the name of a file, and
// writes nothing. ok is false if the person has none.
func (s *Store) FindKnownPicture(ctx context.Context, person int64, name string) (e faces.Enrolled, ok bool, err error) {
	row, ok, err := s.knownImageOf(ctx, person, name)
	return row.enrolled(), ok, err
}

func (s *Store) knownImageOf(ctx context.Context, person int64, name string) (row knownImageRow, ok bool, err error) {
	var rows []knownImageRow
	err = s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("person_id = ? AND image_name = ?", person, name).Order("id").Limit(1).Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return row, false, wrap(err, "look up a known picture")
	}
	return rows[0], true, nil
}

// AddKnownPicture lists a picture for a person. The same picture for the same
// person is listed once: added is false if it was already. A picture of somebody
// else is an error with CodeConflict.
func (s *Store) AddKnownPicture(ctx context.Context, e faces.Enrolled) (done faces.Enrolled, added bool, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		done, added, err = s.addKnownPicture(tx, e)
		if err != nil || !added {
			return err
		}
		return s.auditIDs(tx, access.KnownPictureAdded, "known_picture", done.ID)
	})
	return done, added, wrap(err, fmt.Sprintf("add a known picture of person %d", e.PersonID))
}

func (s *Store) addKnownPicture(tx *gorm.DB, e faces.Enrolled) (faces.Enrolled, bool, error) {
	if err := serialize(tx); err != nil { // or two people could get one picture
		return e, false, err
	}
	if _, err := lockPerson(tx, e.PersonID, faces.AnyVersion); err != nil {
		return e, false, err
	}
	var rows []knownImageRow
	if err := tx.Where("image_name = ?", e.Name).Order("id").Find(&rows).Error; err != nil {
		return e, false, err
	}
	now := s.now()
	row := knownImageRow{
		ImageName: e.Name, PersonID: e.PersonID, Source: string(e.Source), FaceID: e.FaceID, SHA256: e.SHA256, AddedAt: &now,
		PublicID: newPublicID(),
	}
	for _, r := range rows {
		switch {
		case r.Source == string(faces.SourceRemoved):
			row.ID = r.ID
		case r.PersonID == e.PersonID:
			err := givePublicID(tx, &r)
			return r.enrolled(), false, err
		default:
			return e, false, faces.Errorf(faces.CodeConflict, "this picture is a known picture of person %d; delete it there first", r.PersonID)
		}
	}
	if err := tx.Save(&row).Error; err != nil { // inserts a row without an id
		return e, false, err
	}
	return row.enrolled(), true, touchPerson(tx, e.PersonID, nil)
}

// DeleteKnownPicture takes a known image away from a person. The caller deletes
// the file if Rollcall wrote it. Of another file the row stays, as nobody's:
// otherwise standalone would enrol the file again, because it is in a person's
// folder.
func (s *Store) DeleteKnownPicture(ctx context.Context, person, id int64) (gone faces.Enrolled, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := lockPerson(tx, person, faces.AnyVersion); err != nil {
			return err
		}
		row, err := oneRow[knownImageRow](tx.Where("id = ? AND person_id = ?", id, person), "known picture", id)
		if err != nil {
			return err
		}
		gone = row.enrolled()
		if err := removeKnownImage(tx, gone); err != nil {
			return err
		}
		if err := s.auditIDs(tx, access.KnownPictureDeleted, "known_picture", id); err != nil {
			return err
		}
		return touchPerson(tx, person, nil)
	})
	return gone, wrap(err, fmt.Sprintf("delete known picture %d of person %d", id, person))
}

func removeKnownImage(tx *gorm.DB, e faces.Enrolled) error {
	if e.Source.Written() {
		return tx.Delete(&knownImageRow{ID: e.ID}).Error
	}
	return tx.Model(&knownImageRow{}).Where("id = ?", e.ID).
		UpdateColumns(map[string]any{"person_id": 0, "source": faces.SourceRemoved}).Error
}

// ListedPictures returns which of these known images, by name, have a row.
func (s *Store) ListedPictures(ctx context.Context, names []string) (map[string]bool, error) {
	listed := map[string]bool{}
	err := s.read(ctx, func(tx *gorm.DB) error {
		for part := range chunks(unique(names)) {
			var found []string
			if err := tx.Model(&knownImageRow{}).Where("image_name IN ?", part).Pluck("image_name", &found).Error; err != nil {
				return err
			}
			for _, name := range found {
				listed[name] = true
			}
		}
		return nil
	})
	return listed, wrap(err, "look up known pictures")
}

// Removed is what DeletePerson removed, and what it left.
type Removed struct {
	Person   faces.Person
	Pictures []faces.Enrolled // known images; the caller deletes the files that Rollcall wrote
	Images   int              // that showed the person
}

// DeletePerson removes a person with their known images and the corrections that
// name them. No answer names them from then on. Images that showed them stay. All
// of it, or nothing.
func (s *Store) DeletePerson(ctx context.Context, id, version int64) (gone Removed, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		gone = Removed{}
		row, err := lockPerson(tx, id, version)
		if err != nil {
			return err
		}
		gone.Person = faces.Person{ID: row.ID, Name: row.Name}
		var known []knownImageRow
		if err := tx.Where("person_id = ? AND image_name IS NOT NULL", id).Order("id").Find(&known).Error; err != nil {
			return err
		}
		for _, k := range known {
			gone.Pictures = append(gone.Pictures, k.enrolled())
		}
		if gone.Images, err = countShowing(tx, id); err != nil {
			return err
		}
		shown, err := deletePerson(tx, row)
		if err != nil {
			return err
		}
		if err := addPersonEvent(tx, faces.PersonDeleted, id, 0, s.now()); err != nil {
			return err
		}
		if err := addChangedNow(tx, shown, faces.ByPersonDelete, s.now()); err != nil {
			return err
		}
		return s.auditIDs(tx, access.PersonDeleted, "person", id)
	})
	return gone, wrap(err, fmt.Sprintf("delete person %d", id))
}

// deletePerson deletes a person, and returns the images that showed them.
func deletePerson(tx *gorm.DB, row personRow) (shown []int64, err error) {
	if shown, err = forgetAnswers(tx, row.ID); err != nil {
		return nil, err
	}
	for _, of := range []any{&knownImageRow{}, &correctionRow{}} {
		if err := tx.Where("person_id = ?", row.ID).Delete(of).Error; err != nil {
			return nil, err
		}
	}
	if err := forgetConsents(tx, row.ID); err != nil {
		return nil, err
	}
	if err := forgetFolders(tx, row.ID); err != nil {
		return nil, err
	}
	// A merge with a person who is gone cannot be undone.
	if err := tx.Where("person_id = ? OR merged_id = ?", row.ID, row.ID).Delete(&mergeRow{}).Error; err != nil {
		return nil, err
	}
	if err := keepFolder(tx, row.Name, 0); err != nil {
		return nil, err
	}
	return shown, tx.Delete(&personRow{ID: row.ID}).Error
}

// forgetFolders makes the folders of a person, and of all who were merged into them,
// nobody's.
func forgetFolders(tx *gorm.DB, person int64) error {
	gone, err := goneWith(tx, person)
	if err != nil {
		return err
	}
	return tx.Model(&personFolderRow{}).Where("person_id IN ?", gone).UpdateColumn("person_id", 0).Error
}

// goneWith returns a person and all who were merged into them.
func goneWith(tx *gorm.DB, person int64) ([]int64, error) {
	into, err := standingMerges(tx)
	if err != nil {
		return nil, err
	}
	gone := []int64{person}
	for merged := range into {
		if follow(into, merged) == person {
			gone = append(gone, merged)
		}
	}
	return gone, nil
}

// forgetAnswers removes a person from all answers, and returns the images that showed
// them. Faces that were theirs are of nobody known until the next re-match looks for the
// next nearest person.
func forgetAnswers(tx *gorm.DB, person int64) (shown []int64, err error) {
	var second []int64
	if err := tx.Model(&faceRow{}).Where("second_person_id = ?", person).Distinct().Pluck("image_id", &second).Error; err != nil {
		return nil, err
	}
	err = tx.Model(&faceRow{}).Where("second_person_id = ?", person).UpdateColumns(map[string]any{
		"second_person_id": faces.NoPerson, "second_distance": 0, "second_image": "", "second_parts": "",
	}).Error
	if err != nil {
		return nil, err
	}
	shown, err = eachShowing(tx, person, func(part []int64) error { return forgetBest(tx, part, person) })
	if err != nil {
		return nil, err
	}
	return shown, refreshCertainty(tx, unique(slices.Concat(shown, second)))
}

// forgetBest removes a person from the faces of locked images that are theirs.
func forgetBest(tx *gorm.DB, images []int64, person int64) error {
	err := tx.Model(&faceRow{}).Where("image_id IN ? AND best_person_id = ?", images, person).UpdateColumns(map[string]any{
		"reason":         gorm.Expr("CASE WHEN reason IN ? THEN ? ELSE reason END", []faces.Reason{faces.Identified, faces.Uncertain}, faces.UnknownPerson),
		"best_person_id": faces.NoPerson, "best_distance": 0, "matched_image": "", "best_parts": "", "corrected": 0,
	}).Error
	if err != nil {
		return err
	}
	if err := refreshPersonOfImages(tx, "images.id IN ?", images); err != nil {
		return err
	}
	err = tx.Model(&imageRow{}).Where("id IN ? AND person = ? AND status = ?", images, faces.NoPerson, int(faces.Processed)).
		UpdateColumns(map[string]any{"status": int(faces.Pending), "reason": faces.UnknownPerson}).Error
	if err != nil {
		return err
	}
	return tx.Model(&imageRow{}).Where("id IN ? AND reason = ? AND NOT EXISTS (SELECT 1 FROM faces WHERE faces.image_id = images.id "+
		"AND faces.best_person_id <> ? AND faces.reason <> ?)", images, faces.Uncertain, faces.NoPerson, faces.UnknownPerson).
		UpdateColumn("reason", faces.UnknownPerson).Error
}
