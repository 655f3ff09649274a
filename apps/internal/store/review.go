package store

import (
	"context"
	"math"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// LargestGroups returns the sizes and keys of the groups after a place in the list, in
// the order of Groups. It reads no faces, so that somebody who walks past many large
// groups does not wait for them.
func (s *Store) LargestGroups(ctx context.Context, model string, after GroupCursor, limit int) ([]GroupCursor, error) {
	var list []GroupCursor
	err := s.read(ctx, func(tx *gorm.DB) error {
		list = nil
		q := tx.Model(&groupSizeRow{}).Select("faces, group_key AS `key`").Where("model = ? AND faces >= 1", model)
		if after.Faces > 0 { // the first condition finds the place in the index
			q = q.Where("faces <= ? AND (faces < ? OR group_key < ?)", after.Faces, after.Faces, after.Key)
		}
		return q.Order("faces DESC, group_key DESC").Limit(limit).Scan(&list).Error
	})
	return list, wrap(err, "list the largest groups of faces")
}

// CountGroups counts the groups of a model set, up to a number.
func (s *Store) CountGroups(ctx context.Context, model string, most int) (int, error) {
	var n int64
	err := s.read(ctx, func(tx *gorm.DB) error {
		some := tx.Model(&groupSizeRow{}).Select("1").Where("model = ? AND faces >= 1", model).Limit(most)
		return tx.Table("(?) AS some", some).Count(&n).Error
	})
	return int(n), wrap(err, "count the groups of faces")
}

// UncertainImage is an uncertain image, and its place in the list of them: the most certain
// first, then the newest. Certainty is the stored one, which is older than a new rule until
// the images are matched again.
type UncertainImage struct {
	Certainty int64
	ID        int64
}

// UncertainImages returns the uncertain images after a place, at most limit. The zero
// place is before all.
func (s *Store) UncertainImages(ctx context.Context, after UncertainImage, limit int) ([]UncertainImage, error) {
	at := spot{Certainty: faces.MaxCertainty + 1}
	if after != (UncertainImage{}) {
		at = spot{Certainty: int(min(after.Certainty, faces.MaxCertainty+1)), ID: after.ID}
	}
	var spots []spot
	err := s.read(ctx, func(tx *gorm.DB) (err error) {
		spots, err = spotsAfter(tx, at, limit)
		return err
	})
	list := make([]UncertainImage, len(spots))
	for i, at := range spots {
		list[i] = UncertainImage{Certainty: int64(at.Certainty), ID: at.ID}
	}
	return list, wrap(err, "list the uncertain images")
}

// LooseFace is a face in no group, and its place in the list of those with its reason:
// by the nearest person, then the newest image first.
type LooseFace struct {
	PersonID int64 // the nearest one; faces.NoPerson if there is none
	ImageID  int64
	FaceID   int64
}

const (
	// looseChunk is how many faces are read at a time, and looseRounds how often for one
	// page: most faces that nobody knows can be in groups. Each person who is the nearest
	// one of some faces costs a round, too.
	looseChunk  = 250
	looseRounds = 8
)

// LooseFaces returns the next faces with a reason that are in no group, at most limit.
// They come in the order of an index, in which the faces near one person are together.
// last is where the next page begins; it is nil after the last face. A page can be short,
// or empty, and not the last one.
func (s *Store) LooseFaces(ctx context.Context, reason faces.Reason, after *LooseFace, limit int) (list []LooseFace, last *LooseFace, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		list, last = nil, nil
		at, ok := beforeLoose(faces.NoPerson), true
		if after != nil {
			at = *after
		}
		for round := 0; err == nil && ok; round++ {
			if round >= looseRounds || len(list) >= limit {
				last = &at
				return nil
			}
			var chunk, free []LooseFace
			if chunk, err = looseChunkAfter(tx, reason, at); err != nil {
				return err
			}
			if free, err = withoutGroup(tx, chunk); err != nil {
				return err
			}
			n := min(limit-len(list), len(free))
			list = append(list, free[:n]...)
			switch {
			case n < len(free):
				at = free[n-1]
			case len(chunk) == looseChunk:
				at = chunk[looseChunk-1]
			default:
				at, ok, err = nextLoosePerson(tx, reason, at.PersonID)
			}
		}
		return err
	})
	return list, last, wrap(err, "list faces in no group")
}

// beforeLoose is the place before all faces near a person.
func beforeLoose(person int64) LooseFace {
	return LooseFace{PersonID: person, ImageID: math.MaxInt64, FaceID: math.MaxInt64}
}

func looseOf(tx *gorm.DB, reason faces.Reason, person int64) *gorm.DB {
	return tx.Table("faces"+useIndex(tx, "faces_shows")).Where("faces.best_person_id = ? AND faces.reason = ?", person, string(reason))
}

func looseChunkAfter(tx *gorm.DB, reason faces.Reason, at LooseFace) (chunk []LooseFace, err error) {
	err = looseOf(tx, reason, at.PersonID).Select("faces.best_person_id AS person_id, faces.image_id, faces.id AS face_id").
		Where("faces.image_id <= ? AND (faces.image_id < ? OR faces.id < ?)", at.ImageID, at.ImageID, at.FaceID).
		Order("faces.image_id DESC, faces.id DESC").Limit(looseChunk).Scan(&chunk).Error
	return chunk, err
}

// nextLoosePerson returns the place before the faces of the next person who is the
// nearest one of some. The database looks into the index once a person.
func nextLoosePerson(tx *gorm.DB, reason faces.Reason, after int64) (LooseFace, bool, error) {
	var ids []int64
	err := tx.Table("person").Where("person.id > ?", max(after, 0)).
		Where("EXISTS (SELECT 1 FROM faces"+useIndex(tx, "faces_shows")+" WHERE faces.best_person_id = person.id AND faces.reason = ?)", string(reason)).
		Order("person.id").Limit(1).Pluck("person.id", &ids).Error
	if err != nil || len(ids) == 0 {
		return LooseFace{}, false, err
	}
	return beforeLoose(ids[0]), true, nil
}

// withoutGroup returns those of the faces that are in no group.
func withoutGroup(tx *gorm.DB, list []LooseFace) ([]LooseFace, error) {
	ids := make([]int64, len(list))
	for i, f := range list {
		ids[i] = f.FaceID
	}
	grouped := map[int64]bool{}
	for part := range chunks(ids) {
		var some []int64
		if err := tx.Model(&faceGroupRow{}).Where("face_id IN ?", part).Pluck("face_id", &some).Error; err != nil {
			return nil, err
		}
		for _, id := range some {
			grouped[id] = true
		}
	}
	free := make([]LooseFace, 0, len(list))
	for _, f := range list {
		if !grouped[f.FaceID] {
			free = append(free, f)
		}
	}
	return free, nil
}

// CorrectionsByID returns those of some corrections that there are, undone or not, by id.
func (s *Store) CorrectionsByID(ctx context.Context, ids []int64) ([]faces.Correction, error) {
	var rows []correctionRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return withPersonOfCorrection(tx).Where("corrections.id IN ?", ids).Order("corrections.id").Find(&rows).Error
	})
	list := make([]faces.Correction, len(rows))
	for i, r := range rows {
		list[i] = r.correction()
	}
	return list, wrap(err, "read corrections")
}

// GroupChangedAt returns when somebody said something about a group, or an error with
// CodeMissing.
func (s *Store) GroupChangedAt(ctx context.Context, id int64) (at time.Time, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		row, err := oneRow[groupChangeRow](tx.Where("id = ?", id), "group change", id)
		at = row.CreatedAt
		return err
	})
	return at, wrap(err, "read when a group was changed")
}
