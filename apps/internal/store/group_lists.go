package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
)

// A group of faces that nobody knows is what the rows of face_groups with its key say.
// A job writes them; whoever decides about a face deletes its row in the same
// transaction. The row of a face that was deleted or replaced stays until the job
// compares, so a group can have ids that no face has any more.

// maxPool is how many faces of a group are looked at for samples at most. More would have a
// page of large groups read all of their faces, whose rows are wide.
const maxPool = 32

// poolOf returns how many faces of a group are looked at for n samples.
func poolOf(n int) int { return min(4*n, maxPool) }

// GroupFilter selects a page of groups, the largest first, and of equal ones the newest.
type GroupFilter struct {
	Model    string
	MinFaces int
	After    GroupCursor // Next of the page before; zero is the first page
	Limit    int         // at least 1
	Samples  int         // faces to return of each group
}

// GroupCursor is a place in the list of groups.
type GroupCursor struct{ Faces, Key int64 }

// GroupSummary is a group in a list.
type GroupSummary struct {
	Key     int64
	Faces   int
	Version string
	Samples []GroupMember // the best ones of its first faces
}

// GroupMember is a face of a group. ImageID is 0 if the face is not there any more.
type GroupMember struct {
	FaceID, ImageID int64
}

// Groups returns a page of groups. next is nil on the last page.
func (s *Store) Groups(ctx context.Context, f GroupFilter) (list []GroupSummary, next *GroupCursor, err error) {
	err = s.snapshot(ctx, func(tx *gorm.DB) error {
		list, next, err = pageOfGroups(tx, f)
		return err
	})
	return list, next, wrap(err, "list groups of faces")
}

func pageOfGroups(tx *gorm.DB, f GroupFilter) (list []GroupSummary, next *GroupCursor, err error) {
	q := tx.Where("model = ? AND faces >= ?", f.Model, max(f.MinFaces, 1))
	if f.After.Faces > 0 { // the first condition finds the place in the index
		q = q.Where("faces <= ? AND (faces < ? OR group_key < ?)", f.After.Faces, f.After.Faces, f.After.Key)
	}
	var rows []groupSizeRow
	if err := q.Order("faces DESC, group_key DESC").Limit(f.Limit + 1).Find(&rows).Error; err != nil {
		return nil, nil, err
	}
	if len(rows) > f.Limit {
		rows = rows[:f.Limit]
		last := rows[f.Limit-1]
		next = &GroupCursor{Faces: last.Faces, Key: last.GroupKey}
	}
	keys := make([]int64, len(rows))
	for i, r := range rows {
		keys[i] = r.GroupKey
	}
	byKey, err := facesOfGroups(tx, f.Model, keys)
	if err != nil {
		return nil, nil, err
	}
	var pool []int64
	each := poolOf(f.Samples)
	for _, key := range keys {
		ids := byKey[key]
		if len(ids) == 0 {
			continue
		}
		list = append(list, GroupSummary{Key: key, Faces: len(ids), Version: groups.VersionOf(ids)})
		pool = append(pool, ids[:min(len(ids), each)]...)
	}
	if f.Samples == 0 {
		return list, next, nil
	}
	quality, err := qualityOf(tx, pool)
	for i, g := range list {
		ids := byKey[g.Key]
		list[i].Samples = bestOf(quality, ids[:min(len(ids), each)], f.Samples)
	}
	return list, next, err
}

// facesOfGroups returns the ids of the faces of groups, ascending. A group is one row with
// all of its ids: a page of large groups has tens of thousands, each of which would be a row.
func facesOfGroups(tx *gorm.DB, model string, keys []int64) (map[int64][]int64, error) {
	byKey := make(map[int64][]int64, len(keys))
	// MySQL cuts long texts off, unless it is told otherwise. Others take that for a comment.
	const query = "SELECT /*+ SET_VAR(group_concat_max_len = 16777216) */ group_key, SUM(face_id), GROUP_CONCAT(face_id) " +
		"FROM face_groups WHERE model = ? AND group_key IN ? GROUP BY group_key"
	var cut []int64
	for part := range chunks(keys) {
		err := eachRow(tx, query, []any{model, part}, func(rows *sql.Rows) error {
			var key, sum int64
			var text []byte
			if err := rows.Scan(&key, &sum, &text); err != nil {
				return err
			}
			ids, ok := splitIDs(text, sum)
			if !ok {
				cut = append(cut, key)
			}
			byKey[key] = ids
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, key := range cut {
		ids, err := idsOfGroup(tx, model, key, false)
		if err != nil {
			return nil, err
		}
		byKey[key] = ids
	}
	return byKey, nil
}

// splitIDs reads ids with commas between them, and sorts them. ok is false if their sum is
// another one: then the text was cut off.
func splitIDs(text []byte, sum int64) (ids []int64, ok bool) {
	ids = make([]int64, 0, bytes.Count(text, []byte(","))+1)
	for word := range bytes.SplitSeq(text, []byte(",")) {
		id, err := strconv.ParseInt(string(word), 10, 64)
		if err != nil {
			return nil, false
		}
		ids = append(ids, id)
		sum -= id
	}
	slices.Sort(ids)
	return ids, sum == 0
}

// faceQuality is how well a face can be seen.
type faceQuality struct {
	ID, ImageID  int64
	QualityScore float64
	QualitySize  int
}

func qualityOf(tx *gorm.DB, ids []int64) (map[int64]faceQuality, error) {
	found := make(map[int64]faceQuality, len(ids))
	for part := range chunks(ids) {
		err := eachRow(tx, "SELECT id, image_id, quality_score, quality_size FROM faces WHERE id IN ?", []any{part}, func(rows *sql.Rows) error {
			var q faceQuality
			err := rows.Scan(&q.ID, &q.ImageID, &q.QualityScore, &q.QualitySize)
			found[q.ID] = q
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// bestOf returns those of the faces that can be seen best, and then by id.
func bestOf(quality map[int64]faceQuality, ids []int64, n int) []GroupMember {
	var list []faceQuality
	for _, id := range ids {
		if q, ok := quality[id]; ok {
			list = append(list, q)
		}
	}
	slices.SortFunc(list, func(a, b faceQuality) int {
		return cmp.Or(cmp.Compare(b.QualityScore, a.QualityScore), cmp.Compare(a.ID, b.ID))
	})
	best := make([]GroupMember, 0, n)
	for _, q := range list[:min(n, len(list))] {
		best = append(best, GroupMember{FaceID: q.ID, ImageID: q.ImageID})
	}
	return best
}

// FaceGroup is a group with all of its faces.
type FaceGroup struct {
	Key     int64
	Version string
	Members []GroupMember // by id
}

// Images counts the images of the group.
func (g FaceGroup) Images() int {
	images := map[int64]bool{}
	for _, m := range g.Members {
		if m.ImageID != 0 {
			images[m.ImageID] = true
		}
	}
	return len(images)
}

// IDs returns the ids of the group's faces, ascending.
func (g FaceGroup) IDs() []int64 {
	ids := make([]int64, len(g.Members))
	for i, m := range g.Members {
		ids[i] = m.FaceID
	}
	return ids
}

// noGroup is the error of a key that no group has.
func noGroup(key int64) error {
	return faces.Errorf(faces.CodeMissing, "there is no group %d; groups change as faces come and are named: list them again", key)
}

// Group returns a group, or an error with CodeMissing.
func (s *Store) Group(ctx context.Context, model string, key int64) (g FaceGroup, err error) {
	err = s.snapshot(ctx, func(tx *gorm.DB) error {
		g = FaceGroup{Key: key}
		err := tx.Table("face_groups").Select("face_groups.face_id, COALESCE(faces.image_id, 0) AS image_id").
			Joins("LEFT JOIN faces ON faces.id = face_groups.face_id").
			Where("face_groups.model = ? AND face_groups.group_key = ?", model, key).Order("face_groups.face_id").Scan(&g.Members).Error
		if err == nil && len(g.Members) == 0 {
			err = noGroup(key)
		}
		g.Version = groups.VersionOf(g.IDs())
		return err
	})
	return g, wrap(err, fmt.Sprintf("read group %d", key))
}

// GroupingState is how far the job is that puts faces into groups.
type GroupingState struct {
	State     string
	Detail    string  // why it waits
	Distance  float64 // of neighbours
	Faces     int64   // looked at so far
	Total     int64
	UpdatedAt time.Time // zero if the job has not begun
}

// IsComplete reports whether all faces are in their groups, but for changes of the last
// seconds.
func (s GroupingState) IsComplete() bool { return s.State == "ready" }

// GroupingOf returns the state of the job for a model set.
func (s *Store) GroupingOf(ctx context.Context, model string) (state GroupingState, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		state = GroupingState{}
		return tx.Table("grouping").Select("state", "detail", "distance", "faces", "total", "updated_at").Where("model = ?", model).Limit(1).Scan(&state).Error
	})
	return state, wrap(err, "read the state of the groups")
}

// PeopleBeside returns whom a group cannot show: people who are in one of its images,
// and of whom somebody said that a face in one of its images is not this person.
func (s *Store) PeopleBeside(ctx context.Context, g FaceGroup) (people map[int64]bool, err error) {
	var images []int64
	own := map[int64]bool{}
	for _, m := range g.Members {
		own[m.FaceID] = true
		if m.ImageID != 0 {
			images = append(images, m.ImageID)
		}
	}
	err = s.read(ctx, func(tx *gorm.DB) error {
		people = map[int64]bool{}
		for part := range chunks(unique(images)) {
			if err := addPeopleIn(tx, part, people); err != nil {
				return err
			}
			if err := peopleExcluded(tx, part, own, people); err != nil {
				return err
			}
		}
		return nil
	})
	return people, wrap(err, "find the people in the images of a group")
}

// addPeopleIn adds the people who are identified in images.
func addPeopleIn(tx *gorm.DB, images []int64, people map[int64]bool) error {
	var ids []int64
	err := tx.Model(&faceRow{}).Where("image_id IN ? AND reason = ?", images, faces.Identified).Distinct().Pluck("best_person_id", &ids).Error
	for _, id := range ids {
		people[id] = true
	}
	return err
}

// peopleExcluded adds the people whom some faces of images are not, as somebody said.
func peopleExcluded(tx *gorm.DB, images []int64, own, people map[int64]bool) error {
	var with []int64
	err := tx.Model(&correctionRow{}).Where("image_id IN ? AND excludes = ? AND undone_at IS NULL", images, true).Distinct().Pluck("image_id", &with).Error
	if err != nil {
		return err
	}
	for _, image := range with { // few: somebody has looked at each
		said, err := correctionsOf(tx, []int64{image}, false)
		if err != nil {
			return err
		}
		ids, boxes, err := boxesOf(tx, image)
		if err != nil {
			return err
		}
		for i, v := range faces.Verdicts(boxes, said) {
			for _, person := range v.Not {
				if own[ids[i]] {
					people[person] = true
				}
			}
		}
	}
	return nil
}
