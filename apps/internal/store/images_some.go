package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// SomeImages returns the images with these ids, in the order of the ids, as PageOfImages
// does. Those that are not there are left out.
func (s *Store) SomeImages(ctx context.Context, ids []int64) ([]faces.Image, error) {
	var list []faces.Image
	err := s.snapshot(ctx, func(tx *gorm.DB) error {
		list = make([]faces.Image, 0, len(ids))
		found := make(map[int64]faces.Image, len(ids))
		for part := range chunks(ids) {
			var rows []imageRow
			if err := withPerson(tx).Where("images.id IN ?", part).Find(&rows).Error; err != nil {
				return err
			}
			images, err := withFaces(tx, rows)
			if err != nil {
				return err
			}
			for _, img := range images {
				found[img.ID] = img
			}
		}
		for _, id := range ids {
			if img, ok := found[id]; ok {
				list = append(list, img)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %d images: %w", len(ids), err)
	}
	return list, nil
}
