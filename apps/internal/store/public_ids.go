package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// PublicPicture is a known image with its person, for callers that know it by its
// public id.
type PublicPicture struct {
	faces.Enrolled
	Owner faces.Person
}

// publicRow is a known image with the name of its person.
type publicRow struct {
	Known knownImageRow `gorm:"embedded"`
	Owner string
}

func (r publicRow) picture() PublicPicture {
	return PublicPicture{Enrolled: r.Known.enrolled(), Owner: faces.Person{ID: r.Known.PersonID, Name: r.Owner}}
}

// newPublicID returns the public id of a new known image.
func newPublicID() *string {
	id := uuid.NewString()
	return &id
}

// publicPictures selects the known images that have a person and a name.
func publicPictures(tx *gorm.DB) *gorm.DB {
	return tx.Table("person_images").Joins("JOIN person ON person.id = person_images.person_id").
		Where("person_images.image_name IS NOT NULL")
}

// PublicPicture returns the known image with a public id, or an error with
// CodeMissing.
func (s *Store) PublicPicture(ctx context.Context, publicID string) (PublicPicture, error) {
	var rows []publicRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return publicPictures(tx).Select("person_images.*, person.name AS owner").
			Where("person_images.public_id = ?", publicID).Limit(1).Find(&rows).Error
	})
	switch {
	case err != nil:
		return PublicPicture{}, fmt.Errorf("look up a known picture by its public id: %w", err)
	case len(rows) == 0:
		return PublicPicture{}, faces.Errorf(faces.CodeMissing, "there is no known picture %.40q", publicID)
	default:
		return rows[0].picture(), nil
	}
}

// PublicPictures returns known images by id, and how many there are in all: those of
// one person, or of everybody (0). It leaves out the first offset ones. Each of those
// that it returns has a public id. A limit of 0 is none.
func (s *Store) PublicPictures(ctx context.Context, person int64, offset, limit int) (list []PublicPicture, total int64, err error) {
	if err := s.fillPublicIDs(ctx); err != nil {
		return nil, 0, err
	}
	var rows []publicRow
	err = s.read(ctx, func(tx *gorm.DB) error {
		rows, total = nil, 0
		of := func() *gorm.DB {
			q := publicPictures(tx).Where("person_images.public_id IS NOT NULL")
			if person != 0 {
				q = q.Where("person_images.person_id = ?", person)
			}
			return q
		}
		if err := of().Count(&total).Error; err != nil || int64(offset) >= total {
			return err
		}
		page := withLimit(of(), limit)
		if offset > 0 {
			page = page.Offset(offset)
		}
		return page.Select("person_images.*, person.name AS owner").Order("person_images.id").Find(&rows).Error
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list known pictures: %w", err)
	}
	for _, r := range rows {
		list = append(list, r.picture())
	}
	return list, total, nil
}

// givePublicID gives a known image a public id, if it has none. Another program may
// have given it one meanwhile.
func givePublicID(tx *gorm.DB, row *knownImageRow) error {
	if row.PublicID != nil {
		return nil
	}
	of := func() *gorm.DB { return tx.Model(&knownImageRow{}).Where("id = ?", row.ID) }
	if err := of().Where("public_id IS NULL").UpdateColumn("public_id", newPublicID()).Error; err != nil {
		return err
	}
	var ids []string
	if err := of().Pluck("public_id", &ids).Error; err != nil || len(ids) == 0 {
		return err
	}
	row.PublicID = &ids[0]
	return nil
}

// fillPublicIDs gives a public id to the known images that have none: older programs
// and others' SQL wrote them.
func (s *Store) fillPublicIDs(ctx context.Context) error {
	for {
		var ids []int64
		err := s.read(ctx, func(tx *gorm.DB) error {
			ids = nil
			return tx.Model(&knownImageRow{}).Where("public_id IS NULL").Order("id").Limit(chunk).Pluck("id", &ids).Error
		})
		if err != nil || len(ids) == 0 {
			return wrap(err, "look for known pictures without a public id")
		}
		err = s.tx(ctx, func(tx *gorm.DB) error {
			for _, id := range ids {
				// Another program may have given it one meanwhile.
				if err := tx.Model(&knownImageRow{}).Where("id = ? AND public_id IS NULL", id).
					UpdateColumn("public_id", newPublicID()).Error; err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("give known pictures a public id: %w", err)
		}
	}
}
