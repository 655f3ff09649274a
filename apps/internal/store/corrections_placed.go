package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// boxesOf returns the ids and the boxes of an image's faces.
func boxesOf(tx *gorm.DB, imageID int64) (ids []int64, boxes []faces.Box, err error) {
	var rows []faceRow
	err = tx.Select("id", "x", "y", "width", "height").Where("image_id = ?", imageID).Order("position, id").Find(&rows).Error
	for _, r := range rows {
		ids = append(ids, r.ID)
		boxes = append(boxes, faces.Box{X: r.X, Y: r.Y, Width: r.Width, Height: r.Height})
	}
	return ids, boxes, err
}

// PlacedCorrection is a correction with the face that it belongs to now.
type PlacedCorrection struct {
	faces.Correction
	FaceID int64 // 0 if the face is no longer found; the correction takes effect again once it is
}

func placeCorrections(tx *gorm.DB, imageID int64) ([]PlacedCorrection, error) {
	all, err := correctionsOf(tx, []int64{imageID}, true)
	if err != nil {
		return nil, err
	}
	ids, boxes, err := boxesOf(tx, imageID)
	if err != nil {
		return nil, err
	}
	list := make([]PlacedCorrection, len(all))
	for i, box := range faces.Places(boxes, all) {
		list[i].Correction = all[i]
		if box >= 0 {
			list[i].FaceID = ids[box]
		}
	}
	return list, nil
}

// ImageCorrections returns all corrections of an image's faces, oldest first,
// including undone ones and those whose face is no longer found.
func (s *Store) ImageCorrections(ctx context.Context, imageID int64) ([]PlacedCorrection, error) {
	var list []PlacedCorrection
	err := s.read(ctx, func(tx *gorm.DB) error {
		var n int64
		if err := tx.Model(&imageRow{}).Where("id = ?", imageID).Count(&n).Error; err != nil {
			return err
		}
		if n == 0 {
			return faces.Errorf(faces.CodeMissing, "there is no image %d", imageID)
		}
		var err error
		list, err = placeCorrections(tx, imageID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the corrections of image %d: %w", imageID, err)
	}
	return list, nil
}

// FaceCorrections returns all corrections of a face, oldest first, including
// undone ones.
func (s *Store) FaceCorrections(ctx context.Context, faceID int64) ([]faces.Correction, error) {
	var list []faces.Correction
	err := s.read(ctx, func(tx *gorm.DB) error {
		list = nil
		var imageIDs []int64
		if err := tx.Model(&faceRow{}).Where("id = ?", faceID).Pluck("image_id", &imageIDs).Error; err != nil {
			return err
		}
		if len(imageIDs) == 0 {
			return faces.Errorf(faces.CodeMissing, "there is no face %d; an image that is answered again has new ones", faceID)
		}
		placed, err := placeCorrections(tx, imageIDs[0])
		for _, c := range placed {
			if c.FaceID == faceID {
				list = append(list, c.Correction)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the corrections of face %d: %w", faceID, err)
	}
	return list, nil
}
