package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// GroupChange is what somebody said about a group.
type GroupChange struct {
	ID     int64
	Says   GroupSays
	Key    int64
	Faces  int
	Person *faces.Person // of GroupIs; nil if the person is gone
	Images []int64       // of the faces that were corrected, ascending
	Undone bool
}

// GroupChange returns what somebody said about a group, or an error with CodeMissing.
func (s *Store) GroupChange(ctx context.Context, id int64) (change GroupChange, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		row, err := oneRow[groupChangeRow](tx.Where("id = ?", id), "group change", id)
		if err != nil {
			return err
		}
		change = GroupChange{ID: row.ID, Says: GroupSays(row.Says), Key: row.GroupKey, Faces: row.Faces, Undone: row.UndoneAt != nil}
		var people []personRow
		if err := tx.Where("id = ?", row.PersonID).Limit(1).Find(&people).Error; err != nil {
			return err
		}
		if row.PersonID != 0 && len(people) > 0 {
			change.Person = &faces.Person{ID: people[0].ID, Name: people[0].Name}
		}
		return tx.Model(&correctionRow{}).Where("group_change_id = ?", id).Distinct().Order("image_id").Pluck("image_id", &change.Images).Error
	})
	return change, wrap(err, fmt.Sprintf("read group change %d", id))
}

// GroupOf returns the key of the group that a face is in; 0 if it is in none.
func (s *Store) GroupOf(ctx context.Context, model string, face int64) (key int64, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		key = 0
		return tx.Model(&faceGroupRow{}).Where("face_id = ? AND model = ?", face, model).Limit(1).Pluck("group_key", &key).Error
	})
	return key, wrap(err, fmt.Sprintf("find the group of face %d", face))
}
