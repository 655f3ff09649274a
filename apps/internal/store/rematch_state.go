package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

type rematchStateRow struct {
	ID          int64
	Fingerprint string
	Gallery     string
	Model       string
	Threshold   float64
	Margin      float64
	Rule        string
	FaceMark    int64
	Dirty       bool
	LeaseOwner  string
	LeaseToken  int64
	LeaseUntil  *time.Time
}

func (rematchStateRow) TableName() string { return "rematch_state" }

type rematchKnownRow struct {
	ImageName string
	ContentID string
	PersonID  int64
}

func (rematchKnownRow) TableName() string { return "rematch_known" }

// LeaseRematch takes or renews the lease of re-matching, which one program holds at
// a time. token is 0 or the token of an earlier call. ok is false if another
// program holds the lease.
func (s *Store) LeaseRematch(ctx context.Context, owner string, token int64, lease time.Duration) (newToken int64, ok bool, err error) {
	if newToken = token; newToken == 0 {
		newToken = rand.Int64N(1<<62) + 1
	}
	err = s.retry(ctx, func(tx *gorm.DB) error {
		now := s.now()
		res := tx.Model(&rematchStateRow{}).
			Where("id = 1 AND (lease_token = ? OR lease_until IS NULL OR lease_until < ?)", newToken, now).
			UpdateColumns(map[string]any{"lease_owner": owner, "lease_token": newToken, "lease_until": now.Add(lease)})
		ok = res.RowsAffected > 0
		return res.Error
	})
	if err != nil {
		return 0, false, fmt.Errorf("lease re-matching: %w", err)
	}
	return newToken, ok, nil
}

// FreeRematch ends the lease, so that another program need not wait until it
// expires.
func (s *Store) FreeRematch(ctx context.Context, token int64) error {
	err := s.retry(ctx, func(tx *gorm.DB) error {
		return tx.Model(&rematchStateRow{}).Where("id = 1 AND lease_token = ?", token).
			UpdateColumns(map[string]any{"lease_owner": "", "lease_token": 0, "lease_until": nil}).Error
	})
	if err != nil {
		return fmt.Errorf("end the lease of re-matching: %w", err)
	}
	return nil
}

// rematchTx is tx for the holder of the lease of re-matching. It locks the lease, so
// that nobody takes it over before the transaction ends.
func (s *Store) rematchTx(ctx context.Context, token int64, f func(tx *gorm.DB) error) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		var tokens []int64
		err := tx.Model(&rematchStateRow{}).Where("id = 1").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
			Pluck("lease_token", &tokens).Error
		if err != nil {
			return err
		}
		if len(tokens) == 0 || tokens[0] != token {
			return history.ErrLeaseLost
		}
		if err := holdIDs(tx, "rematch_state", "lease_token", 1); err != nil {
			return err
		}
		return f(tx)
	})
}

// Reflected returns the basis of the stored answers. Its fingerprint is empty
// before the first re-match.
func (s *Store) Reflected(ctx context.Context) (history.Reflected, error) {
	var rows []rematchStateRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("id = 1").Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return history.Reflected{}, wrap(err, "read what the answers reflect")
	}
	r := rows[0]
	return history.Reflected{
		Basis:    history.Basis{Fingerprint: r.Fingerprint, Gallery: r.Gallery, Model: r.Model, Threshold: r.Threshold, Margin: r.Margin, Rule: r.Rule},
		FaceMark: r.FaceMark, Dirty: r.Dirty,
	}, nil
}

// ReflectedPictures returns the known pictures that the stored answers
// reflect, by name.
func (s *Store) ReflectedPictures(ctx context.Context) ([]faces.KnownPicture, error) {
	var rows []rematchKnownRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Order("image_name").Find(&rows).Error
	})
	list := make([]faces.KnownPicture, len(rows))
	for i, r := range rows {
		list[i] = faces.KnownPicture{Image: r.ImageName, Content: r.ContentID, Person: r.PersonID}
	}
	return list, wrap(err, "read the known pictures that the answers reflect")
}

// Reflect stores the basis of the stored answers without a job.
func (s *Store) Reflect(ctx context.Context, token int64, basis history.Basis, known []faces.KnownPicture, mark int64) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error { return reflect(tx, basis, known, mark) })
	return wrap(err, "store what the answers reflect")
}

func reflect(tx *gorm.DB, b history.Basis, known []faces.KnownPicture, mark int64) error {
	err := tx.Model(&rematchStateRow{}).Where("id = 1").UpdateColumns(map[string]any{
		"fingerprint": b.Fingerprint, "gallery": b.Gallery, "model": b.Model, "threshold": b.Threshold, "margin": b.Margin, "rule": b.Rule,
		"face_mark": mark, "dirty": false,
	}).Error
	if err != nil {
		return err
	}
	var rows []rematchKnownRow
	if err := tx.Find(&rows).Error; err != nil {
		return err
	}
	existing := make(map[string]rematchKnownRow, len(rows))
	for _, r := range rows {
		existing[r.ImageName] = r
	}
	var removed []string
	var add []rematchKnownRow
	for _, p := range known {
		row := rematchKnownRow{ImageName: p.Image, ContentID: p.Content, PersonID: p.Person}
		old, ok := existing[p.Image]
		delete(existing, p.Image)
		if ok && old == row {
			continue
		}
		if ok {
			removed = append(removed, p.Image)
		}
		add = append(add, row)
	}
	removed = append(removed, sortedKeys(existing)...)
	for part := range chunks(removed) {
		if err := tx.Where("image_name IN ?", part).Delete(&rematchKnownRow{}).Error; err != nil {
			return err
		}
	}
	for part := range chunks(add) {
		if err := tx.Create(&part).Error; err != nil {
			return err
		}
	}
	return nil
}

// AdvanceFaceMark stores that all faces up to mark reflect the current basis.
func (s *Store) AdvanceFaceMark(ctx context.Context, token, mark int64) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		return tx.Model(&rematchStateRow{}).Where("id = 1 AND face_mark < ?", mark).UpdateColumn("face_mark", mark).Error
	})
	return wrap(err, "advance the face mark")
}

// BeginApply marks the stored answers as dirty before a preview is applied.
func (s *Store) BeginApply(ctx context.Context, token int64) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		return tx.Model(&rematchStateRow{}).Where("id = 1").UpdateColumn("dirty", true).Error
	})
	return wrap(err, "begin applying a re-match")
}
