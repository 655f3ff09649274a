package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// whereDescribed selects faces with ids in a range that have a whole descriptor of a
// model set. A face that was drawn may have none.
const whereDescribed = "model = ? AND id > ? AND id <= ? AND LENGTH(descriptor) + LENGTH(descriptor_rest) = ? ORDER BY id LIMIT ?"

// NewestFace returns the largest id of a face, or 0. It counts faces until tomorrow, so
// that a difference between the clocks of two machines hides none.
func (s *Store) NewestFace(ctx context.Context) (int64, error) {
	return s.SettledFace(ctx, s.now().Add(24*time.Hour))
}

// StoredDescriptors returns the faces of a model set with ids in (after, upTo], at most
// limit of them, in ascending order.
func (s *Store) StoredDescriptors(ctx context.Context, m faces.Model, after, upTo int64, limit int) (list []faces.StoredDescriptor, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		list = nil
		return eachRow(tx, "SELECT id, descriptor, descriptor_rest FROM faces WHERE "+whereDescribed,
			[]any{m.ID, after, upTo, 4 * m.Size, limit}, func(rows *sql.Rows) error {
				var f faces.StoredDescriptor
				var descriptor, rest sql.RawBytes
				if err := rows.Scan(&f.ID, &descriptor, &rest); err != nil {
					return err
				}
				f.Descriptor = slices.Concat(descriptor, rest)
				list = append(list, f)
				return nil
			})
	})
	return list, wrap(err, "read the descriptors of faces")
}

// SummarizeFaces summarizes the first faces of a model set with ids in (after, upTo], at
// most limit of them. end is upTo, or the id of the last face if there may be more.
func (s *Store) SummarizeFaces(ctx context.Context, m faces.Model, after, upTo int64, limit int) (sum faces.FaceSummary, end int64, err error) {
	last := after
	err = s.read(ctx, func(tx *gorm.DB) error {
		sum, last = faces.FaceSummary{}, after
		return eachRow(tx, fmt.Sprintf("SELECT id, SUBSTR(descriptor, 1, %d) FROM faces WHERE %s", faces.DescriptorPrefix, whereDescribed),
			[]any{m.ID, after, upTo, 4 * m.Size, limit}, func(rows *sql.Rows) error {
				var prefix sql.RawBytes
				if err := rows.Scan(&last, &prefix); err != nil {
					return err
				}
				sum.Add(last, prefix)
				return nil
			})
	})
	if sum.Count < int64(limit) {
		last = upTo
	}
	return sum, last, wrap(err, "summarize faces")
}

// eachRow reads without GORM, which would be too slow for all stored faces.
func eachRow(tx *gorm.DB, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := tx.Raw(query, args...).Rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// FoundFace is a stored face with its image, which has no other faces.
type FoundFace struct {
	faces.Face
	Image faces.Image
}

// FoundFaces returns those of the faces that still exist, by id.
func (s *Store) FoundFaces(ctx context.Context, ids []int64) (map[int64]FoundFace, error) {
	var found map[int64]FoundFace
	err := s.read(ctx, func(tx *gorm.DB) error {
		found = make(map[int64]FoundFace, len(ids))
		for part := range chunks(ids) {
			if err := findFaces(tx, part, found); err != nil {
				return err
			}
		}
		return nil
	})
	return found, wrap(err, fmt.Sprintf("read %d face(s) with their images", len(ids)))
}

func findFaces(tx *gorm.DB, ids []int64, found map[int64]FoundFace) error {
	var rows []faceRow
	err := withPeopleOfFace(tx, "faces.*").Where("faces.id IN ?", ids).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return err
	}
	imageIDs := make([]int64, len(rows))
	for i, r := range rows {
		imageIDs[i] = r.ImageID
	}
	var images []imageRow
	err = tx.Select("id", "path", "status", "reason", "created_at", "updated_at").Where("id IN ?", imageIDs).Find(&images).Error
	if err != nil {
		return err
	}
	byID := make(map[int64]faces.Image, len(images))
	for _, r := range images {
		byID[r.ID] = r.image()
	}
	for _, r := range rows {
		img, ok := byID[r.ImageID]
		if !ok {
			continue // it was deleted just now
		}
		f, err := r.face()
		if err != nil {
			return err
		}
		found[r.ID] = FoundFace{Face: f, Image: img}
	}
	return nil
}

// StoredFace returns a face with its descriptor, if it has one.
func (s *Store) StoredFace(ctx context.Context, id int64) (FoundFace, error) {
	found, err := s.FoundFaces(ctx, []int64{id})
	if err != nil {
		return FoundFace{}, err
	}
	f, ok := found[id]
	if !ok {
		return FoundFace{}, faces.Errorf(faces.CodeMissing, "there is no face %d", id)
	}
	return f, nil
}
