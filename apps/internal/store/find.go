package store

import (
	"context"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// oneRow returns the row that a query by id finds. If there is none, the error
// has the code CodeMissing and names what is missing.
func oneRow[row any](q *gorm.DB, what string, id int64) (row, error) {
	var rows []row
	err := q.Limit(1).Find(&rows).Error
	if err == nil && len(rows) == 0 {
		err = faces.Errorf(faces.CodeMissing, "there is no %s %d", what, id)
	}
	if err != nil {
		var none row
		return none, err
	}
	return rows[0], nil
}

// newestJobs returns jobs with ids below before, newest first. A before of 0 means
// from the newest. of converts a row.
func newestJobs[row, job any](ctx context.Context, s *Store, before int64, limit int, of func(row) job) ([]job, error) {
	var rows []row
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		if before > 0 {
			tx = tx.Where("id < ?", before)
		}
		return withLimit(tx, limit).Order("id DESC").Find(&rows).Error
	})
	list := make([]job, len(rows))
	for i, r := range rows {
		list[i] = of(r)
	}
	return list, err
}
