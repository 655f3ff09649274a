package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Picture is where the picture of an image is, and which part of it is meant.
type Picture struct {
	Path string
	Name string     // of the file that was uploaded; empty if there is none
	File faces.File // that was recognized; zero if unknown
	Face faces.Box  // zero for the whole picture
}

// Picture returns where an image's picture is.
func (s *Store) Picture(ctx context.Context, imageID int64) (Picture, error) {
	var row imageRow
	err := s.read(ctx, func(tx *gorm.DB) (err error) {
		row, err = oneRow[imageRow](tx.Select("path", "file_name", "file_size", "file_modified", "file_sha256").Where("id = ?", imageID), "image", imageID)
		return err
	})
	if err != nil {
		return Picture{}, fmt.Errorf("find the picture of image %d: %w", imageID, err)
	}
	return Picture{Path: row.Path, Name: row.FileName, File: row.file()}, nil
}

// PictureOfFace returns the picture in which a face was found, and where.
func (s *Store) PictureOfFace(ctx context.Context, faceID int64) (Picture, error) {
	type placed struct {
		Path         string
		FileSize     int64
		FileModified int64
		FileSHA256   string `gorm:"column:file_sha256"`

		X, Y, Width, Height int
	}
	var row placed
	err := s.read(ctx, func(tx *gorm.DB) (err error) {
		row, err = oneRow[placed](tx.Table("faces").
			Select("images.path, images.file_size, images.file_modified, images.file_sha256, faces.x, faces.y, faces.width, faces.height").
			Joins("JOIN images ON images.id = faces.image_id").Where("faces.id = ?", faceID), "face", faceID)
		return err
	})
	if err != nil {
		return Picture{}, fmt.Errorf("find the picture of face %d: %w", faceID, err)
	}
	return Picture{
		Path: row.Path, File: faces.File{Size: row.FileSize, Modified: row.FileModified, SHA256: row.FileSHA256},
		Face: faces.Box{X: row.X, Y: row.Y, Width: row.Width, Height: row.Height},
	}, nil
}
