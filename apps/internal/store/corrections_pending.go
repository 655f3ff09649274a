package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// PendingCorrections returns the oldest corrections whose images must be matched
// again, at most limit.
func (s *Store) PendingCorrections(ctx context.Context, limit int) ([]history.PendingCorrection, error) {
	var rows []history.PendingCorrection
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return withLimit(tx.Model(&correctionRow{}).Select("id, image_id, changed_at").Where("pending = ?", true), limit).
			Order("id").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list pending corrections: %w", err)
	}
	return rows, nil
}

// SettleCorrections clears the pending flag of corrections. A correction that
// changed meanwhile stays pending.
func (s *Store) SettleCorrections(ctx context.Context, list []history.PendingCorrection) error {
	err := s.retry(ctx, func(tx *gorm.DB) error {
		for _, c := range list {
			err := tx.Model(&correctionRow{}).Where("id = ? AND changed_at = ?", c.ID, c.ChangedAt).
				UpdateColumn("pending", false).Error
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("settle %d correction(s): %w", len(list), err)
	}
	return nil
}

// CorrectedImages returns the ids of images with at least one active correction.
func (s *Store) CorrectedImages(ctx context.Context) ([]int64, error) {
	var ids []int64
	err := s.read(ctx, func(tx *gorm.DB) error {
		ids = nil
		return tx.Model(&correctionRow{}).Distinct("image_id").Where("undone_at IS NULL").Pluck("image_id", &ids).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list corrected images: %w", err)
	}
	return ids, nil
}

// RecheckDismissed makes the re-matcher decide images again in which no face is
// dismissed although a correction says so: a program that does not know such
// corrections has decided them.
func (s *Store) RecheckDismissed(ctx context.Context, token int64) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		kept := tx.Model(&faceRow{}).Select("1").
			Where("faces.image_id = corrections.image_id AND faces.reason IN ?", []faces.Reason{faces.Ignored, faces.NotAFace})
		return tx.Model(&correctionRow{}).
			Where("kind IN ? AND undone_at IS NULL AND pending = ?", []faces.Kind{faces.SaysIgnore, faces.SaysNoFace}, false).
			Where("NOT EXISTS (?)", kept).
			UpdateColumns(map[string]any{"pending": true, "changed_at": s.now()}).Error
	})
	return wrap(err, "check the dismissed faces")
}
