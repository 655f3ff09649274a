package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// AllOwners returns the owners of all known images by image name. See Owners.
func (s *Store) AllOwners(ctx context.Context) (map[string]faces.Person, error) {
	var owners map[string]faces.Person
	condition, now := s.matchable()
	err := s.read(ctx, func(tx *gorm.DB) error {
		owners = map[string]faces.Person{}
		rows, err := tx.Raw("SELECT person_images.image_name, person.id, person.name, ("+condition+") FROM person_images "+
			"JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IS NOT NULL "+
			"ORDER BY person_images.id DESC", now, now).Rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var image string
			var p faces.Person
			var matchable bool
			if err := rows.Scan(&image, &p.ID, &p.Name, &matchable); err != nil {
				return err
			}
			if owners[image] = p; !matchable {
				delete(owners, image)
			}
		}
		return rows.Err()
	})
	return owners, wrap(err, "read the people of all known images")
}

// SettledFace returns the largest id of a face that was created before the given
// time. If no transaction is that old, all faces with smaller ids are visible.
func (s *Store) SettledFace(ctx context.Context, before time.Time) (int64, error) {
	var ids []int64
	err := s.read(ctx, func(tx *gorm.DB) error {
		ids = nil
		return tx.Model(&faceRow{}).Where("created_at < ?", before.UTC()).Order("id DESC").Limit(1).Pluck("id", &ids).Error
	})
	if err != nil || len(ids) == 0 {
		return 0, wrap(err, "find the newest settled face")
	}
	return ids[0], nil
}

// FacesPage returns faces of a model set with ids in (after, upTo], in ascending
// order.
func (s *Store) FacesPage(ctx context.Context, model string, after, upTo int64, limit int) ([]history.StoredFace, error) {
	return s.faces(ctx, "model = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?", model, after, upTo, limit)
}

// LateFaces returns faces of a model set with ids larger than after that were
// answered with another gallery, in ascending order.
func (s *Store) LateFaces(ctx context.Context, model, gallery string, after int64, limit int) ([]history.StoredFace, error) {
	return s.faces(ctx, "model = ? AND id > ? AND gallery <> ? ORDER BY id LIMIT ?", model, after, gallery, limit)
}

// FacesByID returns the faces that exist, ordered by id.
func (s *Store) FacesByID(ctx context.Context, ids []int64) ([]history.StoredFace, error) {
	return s.faces(ctx, "id IN ? ORDER BY id", ids)
}

func (s *Store) faces(ctx context.Context, where string, args ...any) ([]history.StoredFace, error) {
	var list []history.StoredFace
	err := s.read(ctx, func(tx *gorm.DB) (err error) {
		list, err = queryFaces(tx, where, args...)
		return err
	})
	return list, wrap(err, "read faces")
}

// TouchedFaces returns the ids, in ascending order, of faces of a model set whose
// best or second candidate is one of the pictures with its person.
func (s *Store) TouchedFaces(ctx context.Context, model string, pictures []faces.KnownPicture) ([]int64, error) {
	names := map[int64][]string{}
	for _, p := range pictures {
		names[p.Person] = append(names[p.Person], p.Image)
	}
	var ids []int64
	err := s.read(ctx, func(tx *gorm.DB) error {
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

// OtherModels returns the number of faces of other model sets, which this one
// cannot match. Counting a million faces takes seconds, so it counts only if
// another set was ever used.
func (s *Store) OtherModels(ctx context.Context, model string) (int64, error) {
	var n int64
	err := s.read(ctx, func(tx *gorm.DB) error {
		n = 0
		var others int64
		if err := tx.Model(&modelRow{}).Where("id <> ?", model).Count(&others).Error; err != nil || others == 0 {
			return err
		}
		return tx.Model(&faceRow{}).Where("model <> ?", model).Count(&n).Error
	})
	return n, wrap(err, "count the faces of other model sets")
}
