package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// GroupChangeUndone is what undoing a change of a group changed.
type GroupChangeUndone struct {
	ID     int64
	Says   GroupSays
	Key    int64
	Faces  int
	Images []int64 // they have another version now
	// Pictures are known images that the change had made. They are gone; the caller
	// deletes their files.
	Pictures []faces.Enrolled
	// Empty is a person that the change had made and of whom nothing is left but the
	// name; nil if there is none.
	Empty *faces.Person
}

// UndoGroupChange undoes all that somebody said about a group in one statement: all of
// it or nothing. Undoing it twice is an error with CodeConflict.
func (s *Store) UndoGroupChange(ctx context.Context, id int64) (done GroupChangeUndone, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		done, err = s.undoGroupChange(tx, id)
		return err
	})
	return done, wrap(err, fmt.Sprintf("undo group change %d", id))
}

func (s *Store) undoGroupChange(tx *gorm.DB, id int64) (done GroupChangeUndone, err error) {
	row, err := oneRow[groupChangeRow](tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("id = ?", id), "group change", id)
	if err != nil {
		return done, err
	}
	if row.UndoneAt != nil {
		return done, faces.Errorf(faces.CodeConflict, "group change %d was undone before", id)
	}
	done = GroupChangeUndone{ID: id, Says: GroupSays(row.Says), Key: row.GroupKey, Faces: row.Faces}
	now := s.now()
	if done.Pictures, err = s.removeEnrolled(tx, row); err != nil {
		return done, err
	}
	if done.Images, err = s.undoCorrectionsOf(tx, row, now); err != nil {
		return done, err
	}
	if done.Says == GroupApart {
		if err := undoSplit(tx, row, now); err != nil {
			return done, err
		}
	}
	if done.Empty, err = emptyPerson(tx, row); err != nil {
		return done, err
	}
	if err := tx.Model(&groupChangeRow{}).Where("id = ?", id).UpdateColumn("undone_at", now).Error; err != nil {
		return done, err
	}
	return done, s.auditIDs(tx, access.GroupChangeUndone, "group_change", id)
}

// undoCorrectionsOf undoes the corrections of a change that are still active, and
// returns their images.
func (s *Store) undoCorrectionsOf(tx *gorm.DB, row groupChangeRow, now time.Time) ([]int64, error) {
	var images []int64
	err := tx.Model(&correctionRow{}).Where("group_change_id = ? AND undone_at IS NULL", row.ID).Distinct().Order("image_id").Pluck("image_id", &images).Error
	if err != nil {
		return nil, err
	}
	if _, err := s.lockPeopleNear(tx, images); err != nil {
		return nil, err
	}
	for part := range chunks(images) {
		if err := lockImages(tx, part); err != nil {
			return nil, err
		}
	}
	for part := range slices.Chunk(images, imagesAtOnce) {
		err := tx.Model(&correctionRow{}).Where("group_change_id = ? AND undone_at IS NULL AND image_id IN ?", row.ID, part).
			UpdateColumns(map[string]any{"undone_at": now, "changed_at": now, "pending": true}).Error
		if err != nil {
			return nil, err
		}
		list, err := readAnswers(tx, part)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(img history.StoredImage) bool { return img.Waits })
		if err := s.decideAgain(tx, list); err != nil {
			return nil, err
		}
	}
	return images, addChangedNow(tx, images, faces.ByCorrection, now)
}

// removeEnrolled deletes the known images that were made of the best faces of a change,
// for the person of the change. Somebody may have corrected one of these faces since, and
// made a known picture of another person of it.
func (s *Store) removeEnrolled(tx *gorm.DB, row groupChangeRow) ([]faces.Enrolled, error) {
	best, err := decodeIDs(row.Best)
	if err != nil || len(best) == 0 || row.PersonID == 0 {
		return nil, err
	}
	into, err := standingMerges(tx)
	if err != nil {
		return nil, err
	}
	person := follow(into, row.PersonID)
	var rows []knownImageRow
	err = tx.Where("source = ? AND face_id IN ? AND added_at >= ? AND person_id = ?", faces.SourceFace, best, row.CreatedAt, person).
		Order("id").Find(&rows).Error
	if err != nil {
		return nil, err
	}
	var gone []faces.Enrolled
	for _, r := range rows {
		if err := removeKnownImage(tx, r.enrolled()); err != nil {
			return nil, err
		}
		if err := s.auditIDs(tx, access.KnownPictureDeleted, "known_picture", r.ID); err != nil {
			return nil, err
		}
		if err := touchPerson(tx, r.PersonID, nil); err != nil {
			return nil, err
		}
		gone = append(gone, r.enrolled())
	}
	return gone, nil
}

// emptyPerson returns the person that a change made if nothing is left of them but the
// name.
func emptyPerson(tx *gorm.DB, row groupChangeRow) (*faces.Person, error) {
	if !row.Added {
		return nil, nil
	}
	var people []personRow
	err := tx.Where("id = ?", row.PersonID).
		Where("NOT EXISTS (SELECT 1 FROM person_images WHERE person_images.person_id = person.id)").
		Limit(1).Find(&people).Error
	if err != nil || len(people) == 0 {
		return nil, err
	}
	var corrections []int64
	err = tx.Model(&correctionRow{}).Where("person_id = ? AND excludes = ? AND undone_at IS NULL", row.PersonID, false).
		Limit(1).Pluck("id", &corrections).Error
	if err != nil || len(corrections) > 0 {
		return nil, err
	}
	return &faces.Person{ID: people[0].ID, Name: people[0].Name}, nil
}
