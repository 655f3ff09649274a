package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// UndescribedFaces returns drawn faces that are due to be described by a model set, at
// most limit. Drawings that need no description are not due any more; processing their
// image makes them so again.
func (s *Store) UndescribedFaces(ctx context.Context, token int64, model string, limit int) ([]history.Undescribed, error) {
	var list []history.Undescribed
	if due, err := s.anyDue(ctx); err != nil || !due {
		return nil, err
	}
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		list = nil
		var due []correctionRow
		err := withLimit(tx.Omit("PersonName").Where("describe_at <= ?", s.now()), limit).Order("describe_at, id").
			Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Find(&due).Error
		if err != nil || len(due) == 0 {
			return err
		}
		if list, err = undescribed(tx, due, model); err != nil {
			return err
		}
		var done []int64
		for _, c := range due {
			if !slices.ContainsFunc(list, func(u history.Undescribed) bool { return u.CorrectionID == c.ID }) {
				done = append(done, c.ID)
			}
		}
		return describeAt(tx, nil, done...)
	})
	return list, wrap(err, "list the drawn faces without a descriptor")
}

// anyDue reports whether a drawing is due, without a lock: nearly always, none is.
func (s *Store) anyDue(ctx context.Context) (bool, error) {
	var ids []int64
	err := s.read(ctx, func(tx *gorm.DB) error {
		ids = nil
		return tx.Model(&correctionRow{}).Where("describe_at <= ?", s.now()).Limit(1).Pluck("id", &ids).Error
	})
	return len(ids) > 0, wrap(err, "look for drawn faces without a descriptor")
}

// undescribed returns those of the drawings whose faces can be described, and are not.
func undescribed(tx *gorm.DB, due []correctionRow, model string) ([]history.Undescribed, error) {
	ids := make([]int64, len(due))
	for i, c := range due {
		ids[i] = c.ImageID
	}
	var images []imageRow
	if err := tx.Where("id IN ?", ids).Find(&images).Error; err != nil {
		return nil, err
	}
	byID := map[int64]imageRow{}
	for _, img := range images {
		byID[img.ID] = img
	}
	var rows []faceRow
	err := tx.Select("id", "image_id", "x", "y", "width", "height", "model").Where("image_id IN ? AND drawn = ?", ids, true).Find(&rows).Error
	if err != nil {
		return nil, err
	}
	var list []history.Undescribed
	for _, c := range due {
		img := byID[c.ImageID]
		if c.Kind != string(faces.SaysDrawn) || c.UndoneAt != nil || img.FileSHA256 == "" || !img.image().Reason.IsAnswer() {
			continue
		}
		box := c.correction().Box
		at := slices.IndexFunc(rows, func(r faceRow) bool { return r.ImageID == c.ImageID && r.box() == box })
		if at < 0 || rows[at].Model == model {
			continue
		}
		list = append(list, history.Undescribed{
			CorrectionID: c.ID, ImageID: c.ImageID, FaceID: rows[at].ID, Path: img.Path, Box: box, File: img.file(), Since: c.CreatedAt,
		})
	}
	return list, nil
}

func describeAt(tx *gorm.DB, at *time.Time, corrections ...int64) error {
	return tx.Model(&correctionRow{}).Where("id IN ?", append(corrections, 0)).UpdateColumn("describe_at", at).Error
}

// DescribeDrawn stores the description of a drawn face. Its image is matched again
// then. ok is false if the face or its file has changed meanwhile: nothing is stored.
func (s *Store) DescribeDrawn(ctx context.Context, token int64, u history.Undescribed, d faces.Described) (ok bool, err error) {
	landmarks, err := json.Marshal(d.Landmarks)
	if err != nil {
		return false, fmt.Errorf("encode landmarks: %w", err)
	}
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		ok = false
		if err := lockImages(tx, []int64{u.ImageID}); err != nil {
			return err
		}
		var images []imageRow
		if err := tx.Where("id = ?", u.ImageID).Find(&images).Error; err != nil {
			return err
		}
		if len(images) == 0 || !images[0].image().Reason.IsAnswer() || d.File.SHA256 == "" || images[0].FileSHA256 != d.File.SHA256 {
			return nil
		}
		descriptor, rest := splitDescriptor(d.Descriptor.Bytes())
		columns := map[string]any{
			"descriptor": descriptor, "descriptor_rest": rest, "model": d.Model.ID, "gallery": d.Gallery, "landmarks": string(landmarks),
			"quality_score": d.Quality.Score, "quality_size": d.Quality.Size, "quality_sharpness": d.Quality.Sharpness,
			"quality_yaw": d.Quality.Yaw, "quality_roll": d.Quality.Roll,
			"quality_detection": d.Quality.Detection, "quality_cut_off": d.Quality.CutOff,
		}
		b := u.Box
		done := tx.Model(&faceRow{}).Where("id = ? AND image_id = ? AND drawn = ?", u.FaceID, u.ImageID, true).
			Where("x = ? AND y = ? AND width = ? AND height = ?", b.X, b.Y, b.Width, b.Height).UpdateColumns(columns)
		if done.Error != nil || done.RowsAffected == 0 {
			return done.Error
		}
		ok = true
		err := tx.Model(&correctionRow{}).Where("image_id = ? AND undone_at IS NULL", u.ImageID).
			UpdateColumns(map[string]any{"pending": true, "changed_at": s.now()}).Error
		if err != nil {
			return err
		}
		return describeAt(tx, nil, u.CorrectionID)
	})
	return ok && err == nil, wrap(err, fmt.Sprintf("describe face %d", u.FaceID))
}

// PostponeDrawn lets a drawn face be described at a later time. The zero time is when
// its image is processed again.
func (s *Store) PostponeDrawn(ctx context.Context, token int64, u history.Undescribed, until time.Time) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error { return describeAt(tx, timeOrNull(until), u.CorrectionID) })
	return wrap(err, fmt.Sprintf("postpone the description of face %d", u.FaceID))
}

// RecheckDrawn lets drawn faces be described that are not, and that are not due: a
// program that knows nothing of descriptions has stored them.
func (s *Store) RecheckDrawn(ctx context.Context, token int64) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		without := tx.Model(&faceRow{}).Select("1").Where("faces.image_id = corrections.image_id AND faces.drawn = ? AND faces.model = ''", true)
		return tx.Model(&correctionRow{}).Where("kind = ? AND undone_at IS NULL AND describe_at IS NULL", faces.SaysDrawn).
			Where("EXISTS (?)", without).UpdateColumn("describe_at", s.now()).Error
	})
	return wrap(err, "check the drawn faces")
}
