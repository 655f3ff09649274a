package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
)

// faceGroupRow says which group a face is in. Faces in no group have no row.
type faceGroupRow struct {
	FaceID   int64 `gorm:"primaryKey;autoIncrement:false"`
	Model    string
	GroupKey int64 // the smallest id of the group's faces
}

func (faceGroupRow) TableName() string { return "face_groups" }

// faceApartRow is a statement that two faces are not of one person.
type faceApartRow struct {
	ID        int64
	FaceA     int64
	FaceB     int64
	Model     string
	CreatedAt time.Time
	UndoneAt  *time.Time
}

func (faceApartRow) TableName() string { return "face_apart" }

// groupingRow is how far the groups of a model set are.
type groupingRow struct {
	Model      string `gorm:"primaryKey"`
	State      string
	Detail     string
	Distance   float64
	Faces      int64
	Total      int64
	GroupCount int64
	Checkpoint int64 // the valid one in grouping_parts; 0 if none
	StartedAt  time.Time
	UpdatedAt  time.Time
}

func (groupingRow) TableName() string { return "grouping" }

// groupingPartRow is a part of a checkpoint.
type groupingPartRow struct {
	Model      string `gorm:"primaryKey"`
	Checkpoint int64  `gorm:"primaryKey;autoIncrement:false"`
	Part       int    `gorm:"primaryKey;autoIncrement:false"`
	Data       []byte
}

func (groupingPartRow) TableName() string { return "grouping_parts" }

// groupableColumns are what decides whether a face takes part in groups.
const groupableColumns = "id, image_id, reason, drawn, LENGTH(descriptor) + LENGTH(descriptor_rest), " +
	"quality_score, quality_size, quality_sharpness, quality_yaw, quality_roll, quality_detection, quality_cut_off"

// GroupableFaces looks at the first faces of a model set with ids in (after, upTo], at
// most limit of them, and returns those that take part in groups, in ascending order.
// end is upTo, or the id of the last face if there may be more.
func (s *Store) GroupableFaces(ctx context.Context, m faces.Model, after, upTo int64, limit int) (list []groups.Face, end int64, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		var read int
		var last int64
		list, read, last, err = groupable(tx, m, "model = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?", m.ID, after, upTo, limit)
		if end = upTo; read == limit {
			end = last
		}
		return err
	})
	return list, end, wrap(err, "read the faces that take part in groups")
}

// GroupableIn returns the faces of images that take part in groups.
func (s *Store) GroupableIn(ctx context.Context, m faces.Model, images []int64) ([]groups.Face, error) {
	var list []groups.Face
	err := s.read(ctx, func(tx *gorm.DB) error {
		list = nil
		for part := range chunks(images) {
			some, _, _, err := groupable(tx, m, "image_id IN ? AND model = ?", part, m.ID)
			if err != nil {
				return err
			}
			list = append(list, some...)
		}
		return nil
	})
	return list, wrap(err, fmt.Sprintf("read the faces of %d image(s) that take part in groups", len(images)))
}

// groupable reads faces and returns those that take part in groups. read counts all of
// them; last is the id of the last one.
func groupable(tx *gorm.DB, m faces.Model, where string, args ...any) (list []groups.Face, read int, last int64, err error) {
	described := make(faces.Descriptor, m.Size) // only its length counts
	err = eachRow(tx, "SELECT "+groupableColumns+" FROM faces WHERE "+where, args, func(rows *sql.Rows) error {
		f := faces.Face{Model: m.ID}
		var image int64
		var length int
		q := &f.Quality
		err := rows.Scan(&f.ID, &image, &f.Reason, &f.Drawn, &length, &q.Score, &q.Size, &q.Sharpness, &q.Yaw, &q.Roll, &q.Detection, &q.CutOff)
		if err != nil {
			return err
		}
		read, last = read+1, f.ID
		if length == 4*m.Size {
			f.Descriptor = described
		}
		if groups.Eligible(f, m) {
			list = append(list, groups.Face{ID: f.ID, Picture: image})
		}
		return nil
	})
	return list, read, last, err
}

// DescriptorsOf returns the descriptor of each face, or nil for a face that does not
// exist or has none of the model set.
func (s *Store) DescriptorsOf(ctx context.Context, m faces.Model, ids []int64) ([]faces.Descriptor, error) {
	var byID map[int64]faces.Descriptor
	err := s.read(ctx, func(tx *gorm.DB) error {
		byID = make(map[int64]faces.Descriptor, len(ids))
		for part := range chunks(ids) {
			err := eachRow(tx, "SELECT id, descriptor, descriptor_rest FROM faces WHERE id IN ? AND model = ?", []any{part, m.ID}, func(rows *sql.Rows) error {
				var id int64
				var descriptor, rest sql.RawBytes
				if err := rows.Scan(&id, &descriptor, &rest); err != nil {
					return err
				}
				if len(descriptor)+len(rest) != 4*m.Size {
					return nil
				}
				var err error
				byID[id], err = faces.DescriptorFromBytes(append(descriptor[:len(descriptor):len(descriptor)], rest...))
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	list := make([]faces.Descriptor, len(ids))
	for i, id := range ids {
		list[i] = byID[id]
	}
	return list, wrap(err, fmt.Sprintf("read the descriptors of %d face(s)", len(ids)))
}

// ChangedImages returns the images about which there are events after an id. It looks at
// no more than limit events.
func (s *Store) ChangedImages(ctx context.Context, after int64, limit int) (faces.ImageChanges, error) {
	var c faces.ImageChanges
	err := s.read(ctx, func(tx *gorm.DB) error {
		state, err := readEventState(tx)
		if err != nil {
			return err
		}
		c = faces.ImageChanges{Next: state.LastSeq}
		var rows []struct {
			Seq     int64
			Type    string
			ImageID int64
		}
		err = tx.Table("events").Select("seq, type, image_id").Where("seq > ? AND seq <= ?", after, state.LastSeq).Order("seq").Limit(limit).Find(&rows).Error
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.ImageID != 0 && r.Type != string(faces.ImageAccepted) {
				c.Images = append(c.Images, r.ImageID)
			}
		}
		if c.More = len(rows) == limit; c.More {
			c.Next = rows[limit-1].Seq
		}
		now, err := readEventState(tx) // events may have been deleted meanwhile
		c.Missed = after < now.SweptSeq || after > now.LastSeq
		return err
	})
	c.Images = unique(c.Images)
	return c, wrap(err, "read which images have changed")
}

// FacesApart returns the pairs of faces of a model set that are not of one person, as
// somebody said.
func (s *Store) FacesApart(ctx context.Context, model string) ([][2]int64, error) {
	var rows []faceApartRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Select("face_a", "face_b").Where("model = ? AND undone_at IS NULL", model).Find(&rows).Error
	})
	pairs := make([][2]int64, len(rows))
	for i, r := range rows {
		pairs[i] = [2]int64{min(r.FaceA, r.FaceB), max(r.FaceA, r.FaceB)}
	}
	return pairs, wrap(err, "read which faces are not of one person")
}

// PlacedFaces returns the groups of the first faces with ids in (after, upTo] that are in
// one, at most limit of them. end is upTo, or the id of the last face if there may be
// more.
func (s *Store) PlacedFaces(ctx context.Context, model string, after, upTo int64, limit int) (placed map[int64]int64, end int64, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		placed = map[int64]int64{}
		var face, group int64
		err := eachRow(tx, "SELECT face_id, group_key FROM face_groups WHERE face_id > ? AND face_id <= ? AND model = ? ORDER BY face_id LIMIT ?",
			[]any{after, upTo, model, limit}, func(rows *sql.Rows) error {
				err := rows.Scan(&face, &group)
				placed[face] = group
				return err
			})
		if end = upTo; len(placed) == limit {
			end = face
		}
		return err
	})
	return placed, end, wrap(err, "read the groups of faces")
}

// PlaceFaces stores which groups faces belong to now, for the holder of the lease of
// re-matching. Faces that do not exist any more get no group. It writes in several
// transactions: whoever repeats it after an error loses nothing.
func (s *Store) PlaceFaces(ctx context.Context, token int64, model string, list []groups.Placement) error {
	for part := range chunks(list) {
		err := s.rematchTx(ctx, token, func(tx *gorm.DB) error { return placeFaces(tx, model, part) })
		if err != nil {
			return fmt.Errorf("store the groups of %d face(s): %w", len(list), err)
		}
	}
	return nil
}

func placeFaces(tx *gorm.DB, model string, list []groups.Placement) error {
	var leave, join, exist []int64
	for _, p := range list {
		if p.Group == 0 {
			leave = append(leave, p.Face)
		} else {
			join = append(join, p.Face)
		}
	}
	if err := leaveGroups(tx, leave); err != nil {
		return err
	}
	if len(join) == 0 {
		return nil
	}
	if err := tx.Model(&faceRow{}).Where("id IN ?", join).Pluck("id", &exist).Error; err != nil {
		return err
	}
	there := make(map[int64]bool, len(exist))
	for _, id := range exist {
		there[id] = true
	}
	var rows []faceGroupRow
	for _, p := range list {
		if p.Group != 0 && there[p.Face] {
			rows = append(rows, faceGroupRow{FaceID: p.Face, Model: model, GroupKey: p.Group})
		}
	}
	return joinGroups(tx, rows)
}

// forgetGroupsOf deletes the rows about the faces of images that are to be deleted.
func forgetGroupsOf(tx *gorm.DB, images []int64) error {
	var ids []int64
	if err := tx.Model(&faceRow{}).Where("image_id IN ?", images).Pluck("id", &ids).Error; err != nil {
		return err
	}
	return forgetInGroups(tx, ids)
}

// forgetInGroups deletes the rows about faces that are to be deleted.
func forgetInGroups(tx *gorm.DB, ids []int64) error {
	if err := leaveGroups(tx, ids); err != nil {
		return err
	}
	for part := range chunks(ids) {
		for _, column := range apartColumns() {
			if err := tx.Where(column+" IN ?", part).Delete(&faceApartRow{}).Error; err != nil {
				return err
			}
		}
	}
	return nil
}

// SaveGrouping stores how far the groups of a model set are.
func (s *Store) SaveGrouping(ctx context.Context, token int64, p groups.Progress) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		now := s.now()
		row := groupingRow{
			Model: p.Model, State: string(p.State), Detail: faces.Truncate(p.Detail, faces.MaxDetailLength), Distance: p.Distance,
			Faces: p.Faces, Total: p.Total, GroupCount: p.Groups, StartedAt: now, UpdatedAt: now,
		}
		return tx.Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "model"}},
			DoUpdates: clause.AssignmentColumns([]string{"state", "detail", "distance", "faces", "total", "group_count", "updated_at"}),
		}).Create(&row).Error
	})
	return wrap(err, "store how far the groups are")
}

// GroupingWaits stores that the groups of a model set cannot be kept up to date now, and
// why. The other columns stay as they are.
func (s *Store) GroupingWaits(ctx context.Context, token int64, model, detail string) error {
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		now := s.now()
		row := groupingRow{Model: model, State: string(groups.Waiting), Detail: faces.Truncate(detail, faces.MaxDetailLength), StartedAt: now, UpdatedAt: now}
		return tx.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "model"}}, DoUpdates: clause.AssignmentColumns([]string{"state", "detail", "updated_at"}),
		}).Create(&row).Error
	})
	return wrap(err, "store why the groups wait")
}

// checkpointPart is the size of a part. Encoded in a statement it can be twice as large,
// which is far below max_allowed_packet.
const checkpointPart = 512 << 10

// errNoGrouping means that somebody has deleted the row while a checkpoint was stored.
var errNoGrouping = errors.New("the model set has no row in the table grouping")

// SaveCheckpoint stores a checkpoint of the groups of a model set, part by part, and
// then makes it the valid one. SaveGrouping must have been called.
func (s *Store) SaveCheckpoint(ctx context.Context, token int64, model string, data []byte) error {
	valid, err := s.validCheckpoint(ctx, model)
	if err != nil {
		return err
	}
	next := valid + 1
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error { return forgetParts(tx, model, valid) }) // of a program that was killed
	for part := 0; err == nil && len(data) > 0; part++ {
		n := min(len(data), checkpointPart)
		row := groupingPartRow{Model: model, Checkpoint: next, Part: part, Data: data[:n]}
		data = data[n:]
		err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
			return tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
		})
	}
	if err != nil {
		return fmt.Errorf("store a checkpoint of the groups: %w", err)
	}
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		done := tx.Model(&groupingRow{}).Where("model = ?", model).UpdateColumn("checkpoint", next)
		if done.Error == nil && done.RowsAffected == 0 {
			return errNoGrouping
		}
		if done.Error != nil {
			return done.Error
		}
		return forgetParts(tx, model, next)
	})
	return wrap(err, "store a checkpoint of the groups")
}

// forgetParts deletes the parts of all checkpoints of a model set but one.
func forgetParts(tx *gorm.DB, model string, keep int64) error {
	return tx.Where("model = ? AND checkpoint <> ?", model, keep).Delete(&groupingPartRow{}).Error
}

func (s *Store) validCheckpoint(ctx context.Context, model string) (int64, error) {
	var rows []groupingRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Select("checkpoint").Where("model = ?", model).Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return 0, wrap(err, "look for a checkpoint of the groups")
	}
	return rows[0].Checkpoint, nil
}

// Checkpoint returns the checkpoint of the groups of a model set, or nil.
func (s *Store) Checkpoint(ctx context.Context, model string) ([]byte, error) {
	valid, err := s.validCheckpoint(ctx, model)
	if err != nil || valid == 0 {
		return nil, err
	}
	var data []byte
	err = s.read(ctx, func(tx *gorm.DB) error {
		data = nil
		var rows []groupingPartRow
		err := tx.Where("model = ? AND checkpoint = ?", model, valid).Order("part").Find(&rows).Error
		for _, r := range rows {
			data = append(data, r.Data...)
		}
		return err
	})
	return data, wrap(err, "read a checkpoint of the groups")
}

// ForgetGroupings deletes a batch of the rows of all model sets but one, or of all if
// keep is empty. more reports whether to call it again. What somebody said about faces
// stays.
func (s *Store) ForgetGroupings(ctx context.Context, token int64, keep string) (more bool, err error) {
	const batch = 10 * chunk
	var ids []int64
	var others int64
	err = s.read(ctx, func(tx *gorm.DB) error {
		ids, others = nil, 0
		if err := tx.Model(&faceGroupRow{}).Where("model <> ?", keep).Limit(batch).Pluck("face_id", &ids).Error; err != nil {
			return err
		}
		return tx.Model(&groupingRow{}).Where("model <> ?", keep).Count(&others).Error
	})
	if err != nil || len(ids) == 0 && others == 0 {
		return false, wrap(err, "look for groups of other model sets")
	}
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		if err := leaveGroupsBut(tx, ids, keep); err != nil {
			return err
		}
		if more = len(ids) == batch; more {
			return nil
		}
		if err := tx.Where("model <> ?", keep).Delete(&groupingPartRow{}).Error; err != nil {
			return err
		}
		return tx.Where("model <> ?", keep).Delete(&groupingRow{}).Error
	})
	return more, wrap(err, "delete the groups of other model sets")
}
