package store

import (
	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Faces get new ids when their image is processed again. This file keeps what somebody
// said by splitting a group: the statement moves to the face at the same place, as
// corrections do.

// apartFace is a face of which somebody said that it is not of the person of another.
type apartFace struct {
	ID, ImageID         int64
	X, Y, Width, Height int
	Model               string
}

func (apartFace) TableName() string { return faceRow{}.TableName() }

func (f apartFace) box() faces.Box {
	return faces.Box{X: f.X, Y: f.Y, Width: f.Width, Height: f.Height}
}

// leaveGroupsApart takes the faces of images that are about to be replaced out of their
// groups, and returns those with statements that have to move.
func leaveGroupsApart(tx *gorm.DB, images []int64) (list []apartFace, err error) {
	var ids, apart []int64
	if err := tx.Model(&faceRow{}).Where("image_id IN ?", images).Pluck("id", &ids).Error; err != nil {
		return nil, err
	}
	if err := leaveGroups(tx, ids); err != nil {
		return nil, err
	}
	for part := range chunks(ids) {
		for _, column := range apartColumns() {
			var found []int64
			if err := tx.Model(&faceApartRow{}).Where(column+" IN ?", part).Distinct().Pluck(column, &found).Error; err != nil {
				return nil, err
			}
			apart = append(apart, found...)
		}
	}
	for part := range chunks(unique(apart)) {
		var found []apartFace
		if err := tx.Where("id IN ?", part).Find(&found).Error; err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return list, nil
}

// apartColumns are the columns of face_apart with faces. Each has an index; a condition
// with OR would use neither.
func apartColumns() []string { return []string{"face_a", "face_b"} }

// moveApart moves the statements about replaced faces to the faces at the same places of
// their images. Where there is none, the statement ends.
func moveApart(tx *gorm.DB, before []apartFace) error {
	if len(before) == 0 {
		return nil
	}
	byImage := map[int64][]apartFace{}
	var images []int64
	for _, f := range before {
		byImage[f.ImageID] = append(byImage[f.ImageID], f)
		images = append(images, f.ImageID)
	}
	after := map[int64][]apartFace{}
	for part := range chunks(unique(images)) {
		var found []apartFace
		if err := tx.Where("image_id IN ?", part).Order("id").Find(&found).Error; err != nil {
			return err
		}
		for _, f := range found {
			after[f.ImageID] = append(after[f.ImageID], f)
		}
	}
	for image, list := range byImage {
		for i, to := range samePlaces(list, after[image]) {
			if err := moveOneApart(tx, list[i].ID, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// samePlaces returns for each face of before the face of after at its place, or nil.
func samePlaces(before, after []apartFace) []*apartFace {
	places, boxes := make([]faces.Correction, len(before)), make([]faces.Box, len(after))
	for i, f := range before {
		places[i] = faces.Correction{ID: f.ID, Box: f.box(), Model: f.Model}
	}
	for i, f := range after {
		boxes[i] = f.box()
	}
	found := make([]*apartFace, len(before))
	for i, at := range faces.Places(boxes, places) {
		if at >= 0 {
			found[i] = &after[at]
		}
	}
	return found
}

// moveOneApart gives the statements about a face to another one, or ends them. The rows
// are changed where they are: the other face of a pair may move at the same time.
func moveOneApart(tx *gorm.DB, from int64, to *apartFace) error {
	for _, column := range apartColumns() {
		rows := tx.Model(&faceApartRow{}).Where(column+" = ?", from)
		if to == nil {
			if err := rows.Delete(&faceApartRow{}).Error; err != nil {
				return err
			}
			continue
		}
		set := map[string]any{column: to.ID}
		if to.Model != "" { // a drawn face has none before it is described
			set["model"] = to.Model
		}
		if err := rows.UpdateColumns(set).Error; err != nil {
			return err
		}
	}
	if to == nil {
		return nil
	}
	return tx.Where("face_a = ? AND face_b = ?", to.ID, to.ID).Delete(&faceApartRow{}).Error
}
