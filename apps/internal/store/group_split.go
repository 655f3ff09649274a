package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// GroupSplitting says that the faces of a group are of two people.
type GroupSplitting struct {
	Model   string
	Key     int64
	Version string  // that the user has seen; empty: any
	Faces   []int64 // these leave the group
	Others  []int64 // nil: the rest of the group
}

// maxPairs is how many pairs of faces a split may store.
const maxPairs = 20_000

// SplitGroup stores that none of the faces is of the person of the others. The faces
// leave the group; the job puts them where they belong now.
func (s *Store) SplitGroup(ctx context.Context, split GroupSplitting) (done ChangedGroup, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		done, err = s.splitGroup(tx, split)
		return err
	})
	return done, wrap(err, fmt.Sprintf("split group %d", split.Key))
}

func (s *Store) splitGroup(tx *gorm.DB, split GroupSplitting) (done ChangedGroup, err error) {
	ids, err := lockGroup(tx, split.Model, split.Key, split.Version)
	if err != nil {
		return done, err
	}
	one, others, err := sidesOf(ids, split)
	if err != nil {
		return done, err
	}
	now, err := newSplitTime(tx, s.now())
	if err != nil {
		return done, err
	}
	row := groupChangeRow{
		Says: string(GroupApart), Model: split.Model, GroupKey: split.Key, Faces: len(one) + len(others),
		Best: "[]", One: encodeIDs(one), Others: encodeIDs(others), CreatedAt: now,
	}
	if err := tx.Create(&row).Error; err != nil {
		return done, err
	}
	pairs := make([]newApartRow, 0, len(one)*len(others))
	for _, a := range one {
		for _, b := range others {
			pairs = append(pairs, newApartRow{FaceA: min(a, b), FaceB: max(a, b), Model: split.Model, CreatedAt: now})
		}
	}
	for part := range chunks(pairs) {
		if err := tx.Create(&part).Error; err != nil {
			return done, err
		}
	}
	if err := leaveGroups(tx, one); err != nil {
		return done, err
	}
	done = ChangedGroup{ID: row.ID, Faces: row.Faces, Left: len(ids) - len(one)}
	return done, s.auditIDs(tx, access.GroupSplit, "group_change", row.ID)
}

// newSplitTime returns a time at which no other split was made: the pairs of a split are
// known by their time, since their faces may get new ids.
func newSplitTime(tx *gorm.DB, now time.Time) (time.Time, error) {
	for {
		var n int64
		if err := tx.Model(&groupChangeRow{}).Where("says = ? AND created_at = ?", GroupApart, now).Count(&n).Error; err != nil || n == 0 {
			return now, err
		}
		now = now.Add(time.Microsecond)
	}
}

// newApartRow is a new row of face_apart. It has no id, which nobody needs.
type newApartRow struct {
	FaceA, FaceB int64
	Model        string
	CreatedAt    time.Time
}

func (newApartRow) TableName() string { return "face_apart" }

// sidesOf returns the two sides of a split, ascending. All faces must be in the group,
// which has the ids.
func sidesOf(ids []int64, split GroupSplitting) (one, others []int64, err error) {
	one = slices.Compact(slices.Sorted(slices.Values(split.Faces)))
	others = slices.Compact(slices.Sorted(slices.Values(split.Others)))
	if split.Others == nil {
		others = slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { _, ok := slices.BinarySearch(one, id); return ok })
	}
	for _, id := range slices.Concat(one, others) {
		if _, ok := slices.BinarySearch(ids, id); !ok {
			return nil, nil, faces.Errorf(faces.CodeInvalid, "face %d is not in group %d; read the group again", id, split.Key)
		}
	}
	for _, id := range one {
		if _, both := slices.BinarySearch(others, id); both {
			return nil, nil, faces.Errorf(faces.CodeInvalid, "face %d is on both sides of the split", id)
		}
	}
	switch n := len(one) * len(others); {
	case n == 0:
		return nil, nil, faces.Errorf(faces.CodeInvalid, "a split needs faces on both sides: there are %d and %d", len(one), len(others))
	case n > maxPairs:
		return nil, nil, faces.Errorf(faces.CodeInvalid,
			"%d and %d faces make %d pairs, and at most %d can be stored; name one part by its face_ids instead, or split off fewer faces", len(one), len(others), n, maxPairs)
	default:
		return one, others, nil
	}
}

// undoneSplit selects the pairs that a split stored.
func undoneSplit(tx *gorm.DB, row groupChangeRow) *gorm.DB {
	return tx.Table("face_apart").Where("created_at = ? AND undone_at IS NULL", row.CreatedAt)
}

// undoSplit takes back what a split stored.
func undoSplit(tx *gorm.DB, row groupChangeRow, now time.Time) error {
	var one, others []int64
	for text, ids := range map[*string]*[]int64{&row.One: &one, &row.Others: &others} {
		if err := json.Unmarshal([]byte(*text), ids); err != nil {
			return fmt.Errorf("decode the faces of group change %d: %w", row.ID, err)
		}
	}
	if len(one) > len(others) {
		one, others = others, one
	}
	undone := int64(0)
	for _, a := range one { // few: the pairs are bounded
		for part := range chunks(others) {
			pair := "((face_a = ? AND face_b IN ?) OR (face_b = ? AND face_a IN ?))"
			done := undoneSplit(tx, row).Where(pair, a, part, a, part).UpdateColumn("undone_at", now)
			if done.Error != nil {
				return done.Error
			}
			undone += done.RowsAffected
		}
	}
	if undone == int64(len(one)*len(others)) {
		return nil
	}
	// Some faces have other ids by now, or are gone. No index leads to the rest.
	return undoneSplit(tx, row).UpdateColumn("undone_at", now).Error
}
