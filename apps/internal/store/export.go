package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// PersonFace is what the answer about a face says of one person. It says nothing of
// other people.
type PersonFace struct {
	ID, ImageID  int64
	Box          faces.Box
	Reason       faces.Reason // only if the person is the nearest one
	Nearest      bool         // false: the person is the second one
	Confirmed    bool         // somebody said that the face is the person's
	Distance     float64      // to the person's nearest known picture; 0 if unknown
	KnownPicture string
	Model        string
	Descriptor   []byte // only of a face that is the person's
}

// FacesOf returns what the answers say of a person, by the id of the face, with ids
// above after.
func (s *Store) FacesOf(ctx context.Context, person, after int64, limit int) ([]PersonFace, error) {
	var list []PersonFace
	err := s.read(ctx, func(tx *gorm.DB) error {
		list = nil
		for _, nearest := range []bool{true, false} {
			where := "best_person_id = ?"
			if !nearest {
				where = "second_person_id = ? AND best_person_id <> second_person_id"
			}
			var rows []faceRow
			if err := tx.Omit("BestName", "SecondName").Where(where, person).Where("id > ?", after).Order("id").Limit(limit).Find(&rows).Error; err != nil {
				return err
			}
			for _, r := range rows {
				list = append(list, r.ofPerson(nearest))
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b PersonFace) int { return cmp.Compare(a.ID, b.ID) })
	return list[:min(len(list), limit)], wrap(err, fmt.Sprintf("read the faces of person %d", person))
}

func (r faceRow) ofPerson(nearest bool) PersonFace {
	f := PersonFace{
		ID: r.ID, ImageID: r.ImageID, Box: faces.Box{X: r.X, Y: r.Y, Width: r.Width, Height: r.Height}, Nearest: nearest, Model: r.Model,
		Distance: r.SecondDistance, KnownPicture: r.SecondImage,
	}
	if nearest {
		decided := r.decided()
		f.Reason, f.Confirmed, f.Distance, f.KnownPicture = decided.Reason, decided.Confirmed, r.BestDistance, r.MatchedImage
		if f.Reason == faces.Identified {
			f.Descriptor = slices.Concat(r.Descriptor, r.DescriptorRest)
		}
	}
	return f
}

// CorrectionsOf returns what people have said about a person, also what was undone, by
// id, with ids above after.
func (s *Store) CorrectionsOf(ctx context.Context, person, after int64, limit int) ([]faces.Correction, error) {
	var rows []correctionRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return withPersonOfCorrection(tx).Where("corrections.person_id = ? AND corrections.id > ?", person, after).
			Order("corrections.id").Limit(limit).Find(&rows).Error
	})
	list := make([]faces.Correction, len(rows))
	for i, r := range rows {
		list[i] = r.correction()
	}
	return list, wrap(err, fmt.Sprintf("read the corrections about person %d", person))
}

// NoteExport notes in the audit log that somebody gets the data of a person.
func (s *Store) NoteExport(ctx context.Context, person int64) error {
	err := s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := profileOf(tx, person); err != nil {
			return err
		}
		return s.auditIDs(tx, access.PersonExported, "person", person)
	})
	return wrap(err, fmt.Sprintf("note the export of person %d", person))
}
