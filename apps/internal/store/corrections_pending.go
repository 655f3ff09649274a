package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// PendingCorrections returns the oldest of them.
func (s *Store) PendingCorrections(ctx context.Context, limit int) ([]history.PendingCorrection, error) {
	var rows []history.PendingCorrection
	err := s.retry(ctx, func(tx *gorm.DB) error {
		rows = nil
		return withLimit(tx.Model(&correctionRow{}).Select("id, image_id, changed_at").Where("pending = ?", true), limit).
			Order("id").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list corrections to look after: %w", err)
	}
	return rows, nil
}

// SettleCorrections notes that recognizers were asked; what changed meanwhile
// stays pending.
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
		return fmt.Errorf("note %d correction(s) as looked after: %w", len(list), err)
	}
	return nil
}

// CorrectedImages returns the ids of images of which something was said that
// still counts.
func (s *Store) CorrectedImages(ctx context.Context) ([]int64, error) {
	var ids []int64
	err := s.retry(ctx, func(tx *gorm.DB) error {
		ids = nil
		return tx.Model(&correctionRow{}).Distinct("image_id").Where("undone_at IS NULL").Pluck("image_id", &ids).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list corrected images: %w", err)
	}
	return ids, nil
}
