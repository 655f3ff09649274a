package store

import (
	"cmp"
	"maps"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// groupSizeRow is how many faces a group has. All rows of face_groups are written and
// deleted here, so that the two agree.
type groupSizeRow struct {
	Model    string
	GroupKey int64
	Faces    int64
}

func (groupSizeRow) TableName() string { return "group_sizes" }

// groupID names a group.
type groupID struct {
	model string
	key   int64
}

// leaveGroups takes faces out of their groups.
func leaveGroups(tx *gorm.DB, ids []int64) error { return leaveGroupsBut(tx, ids, "") }

// leaveGroupsBut is leaveGroups for groups of all model sets but one.
func leaveGroupsBut(tx *gorm.DB, ids []int64, keep string) error {
	for part := range chunks(ids) {
		change, err := groupsOfFaces(tx.Where("model <> ?", keep), part)
		if err != nil {
			return err
		}
		if len(change) == 0 {
			continue
		}
		if err := tx.Where("face_id IN ? AND model <> ?", part, keep).Delete(&faceGroupRow{}).Error; err != nil {
			return err
		}
		if err := changeSizes(tx, change); err != nil {
			return err
		}
	}
	return nil
}

// joinGroups puts faces into groups. A face leaves the group that it was in.
func joinGroups(tx *gorm.DB, rows []faceGroupRow) error {
	for part := range chunks(rows) {
		ids := make([]int64, len(part))
		for i, r := range part {
			ids[i] = r.FaceID
		}
		change, err := groupsOfFaces(tx, ids)
		if err != nil {
			return err
		}
		for _, r := range part {
			change[groupID{r.Model, r.GroupKey}]++
		}
		err = tx.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "face_id"}}, DoUpdates: clause.AssignmentColumns([]string{"model", "group_key"}),
		}).Create(&part).Error
		if err != nil {
			return err
		}
		if err := changeSizes(tx, change); err != nil {
			return err
		}
	}
	return nil
}

// groupsOfFaces locks the rows of faces and returns how many leave each group if these
// faces do, as negative numbers.
func groupsOfFaces(tx *gorm.DB, ids []int64) (map[groupID]int64, error) {
	var rows []faceGroupRow
	err := tx.Where("face_id IN ?", ids).Order("face_id").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Find(&rows).Error
	change := map[groupID]int64{}
	for _, r := range rows {
		change[groupID{r.Model, r.GroupKey}]--
	}
	return change, err
}

// changeSizes adds to the sizes of groups. Groups without faces have no row.
func changeSizes(tx *gorm.DB, change map[groupID]int64) error {
	order := func(a, b groupID) int { return cmp.Or(cmp.Compare(a.model, b.model), cmp.Compare(a.key, b.key)) }
	var rows []groupSizeRow
	smaller := map[string][]int64{}
	for _, id := range slices.SortedFunc(maps.Keys(change), order) { // in one order, or two transactions wait for each other
		n := change[id]
		if n != 0 {
			rows = append(rows, groupSizeRow{id.model, id.key, n})
		}
		if n < 0 {
			smaller[id.model] = append(smaller[id.model], id.key)
		}
	}
	sum := "group_sizes.faces + excluded.faces"
	if tx.Name() == "mysql" {
		sum = "group_sizes.faces + VALUES(faces)"
	}
	for part := range chunks(rows) {
		err := tx.Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "model"}, {Name: "group_key"}},
			DoUpdates: clause.Assignments(map[string]any{"faces": gorm.Expr(sum)}),
		}).Create(&part).Error
		if err != nil {
			return err
		}
	}
	for model, keys := range smaller {
		for part := range chunks(keys) {
			if err := tx.Where("model = ? AND group_key IN ? AND faces <= 0", model, part).Delete(&groupSizeRow{}).Error; err != nil {
				return err
			}
		}
	}
	return nil
}
