package store

import (
	"context"
	"slices"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// erasedPlaceRow is the place of an erased person's face in a picture, which is known by
// its path or by its content. It has no id of an image: an image that is deleted and
// posted again has another one.
type erasedPlaceRow struct {
	ID            int64
	ErasureID     int64
	PathMark      []byte
	ContentMark   []byte // all zero if the content is unknown
	X, Y          int
	Width, Height int
	Model         string
}

func (erasedPlaceRow) TableName() string { return "erased_places" }

func (r erasedPlaceRow) place() erasure.Place {
	return erasure.Place{Box: faces.Box{X: r.X, Y: r.Y, Width: r.Width, Height: r.Height}, Model: r.Model}
}

func addPlaces(tx *gorm.DB, id int64, e erasure.Entry) error {
	var rows []erasedPlaceRow
	for _, p := range e.Pictures {
		for _, at := range p.Places {
			rows = append(rows, erasedPlaceRow{
				ErasureID: id, PathMark: p.Path[:], ContentMark: p.Content[:],
				X: at.Box.X, Y: at.Box.Y, Width: at.Box.Width, Height: at.Box.Height, Model: at.Model,
			})
		}
	}
	for part := range chunks(rows) {
		if err := tx.Create(&part).Error; err != nil {
			return err
		}
	}
	return nil
}

// salts returns the salts of all erasures: one, unless ledgers were put together.
func salts(tx *gorm.DB) ([]erasure.Salt, error) {
	var texts []string
	if err := tx.Model(&erasureRow{}).Distinct().Pluck("salt", &texts).Error; err != nil {
		return nil, err
	}
	list := make([]erasure.Salt, len(texts))
	for i, text := range texts {
		if err := list[i].UnmarshalText([]byte(text)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// placesErased returns the erased places of images, of which it needs id, path and the
// SHA-256 of the file.
func placesErased(tx *gorm.DB, images []imageRow) (erasure.Places, error) {
	all, err := salts(tx)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	places := erasure.Places{}
	for part := range chunks(images) {
		ids := map[erasure.Mark][]int64{}
		var paths, contents [][]byte
		for _, salt := range all {
			for _, img := range part {
				path := salt.OfPath(img.Path)
				ids[path], paths = append(ids[path], img.ID), append(paths, path[:])
				if content := salt.OfHex(img.FileSHA256); content != (erasure.Mark{}) {
					ids[content], contents = append(ids[content], img.ID), append(contents, content[:])
				}
			}
		}
		q := tx.Where("path_mark IN ?", paths)
		if len(contents) > 0 {
			q = tx.Where("path_mark IN ? OR content_mark IN ?", paths, contents)
		}
		var rows []erasedPlaceRow
		if err := q.Order("id").Find(&rows).Error; err != nil {
			return nil, err
		}
		for _, r := range rows {
			for _, id := range unique(slices.Concat(ids[erasure.Mark(r.PathMark)], ids[erasure.Mark(r.ContentMark)])) {
				if !slices.Contains(places[id], r.place()) {
					places[id] = append(places[id], r.place())
				}
			}
		}
	}
	return places, nil
}

// dropErased leaves the faces at erased places out of results, before anything of them
// is stored. The images are locked, so no erasure can add a place meanwhile.
func dropErased(tx *gorm.DB, results []Result) error {
	ids := make([]int64, 0, len(results))
	for _, r := range results {
		if len(r.Faces) > 0 {
			ids = append(ids, r.ImageID)
		}
	}
	if all, err := salts(tx); err != nil || len(all) == 0 || len(ids) == 0 {
		return err
	}
	images := map[int64]imageRow{}
	for part := range chunks(ids) {
		var rows []imageRow
		if err := tx.Select("id", "path").Where("id IN ?", part).Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			images[r.ID] = r
		}
	}
	var looked []imageRow
	for _, r := range results {
		if img, ok := images[r.ImageID]; ok {
			img.FileSHA256 = r.File.SHA256
			looked = append(looked, img)
		}
	}
	places, err := placesErased(tx, looked)
	if err != nil || len(places) == 0 {
		return err
	}
	models, err := modelsByID(tx)
	if err != nil {
		return err
	}
	for i, r := range results {
		drop := places.Drops(r.ImageID, faces.Boxes(r.Faces))
		results[i].Outcome = r.WithoutFaces(drop, models[r.Model])
	}
	return nil
}

// checkNotErased returns an error if a face would be drawn at an erased place.
func checkNotErased(tx *gorm.DB, image int64, box faces.Box) error {
	row, err := oneRow[imageRow](tx.Select("id", "path", "file_sha256").Where("id = ?", image), "image", image)
	if err != nil {
		return err
	}
	places, err := placesErased(tx, []imageRow{row})
	if err == nil && places.Drops(image, []faces.Box{box})[0] {
		err = faces.Errorf(faces.CodeConflict, "somebody was erased who is at this place of image %d; no face can be drawn there", image)
	}
	return err
}

// SweepErasedPlaces removes stored faces at erased places, in the images with ids above
// after. It returns how many, and where to go on; next is 0 at the end. A restored
// database has such faces, and so has a copy of a picture.
func (s *Store) SweepErasedPlaces(ctx context.Context, after int64) (n int, next int64, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		n, next = 0, 0
		var rows []imageRow
		q := tx.Select("id", "path", "file_sha256", "status", "reason").Where("id > ?", after)
		if err := q.Order("id").Limit(chunk).Find(&rows).Error; err != nil {
			return err
		}
		if len(rows) == chunk {
			next = rows[len(rows)-1].ID
		}
		places, err := placesErased(tx, rows)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if len(places[r.ID]) == 0 {
				continue
			}
			gone, err := s.sweepPlacesOf(tx, r, places)
			if err != nil {
				return err
			}
			n += gone
		}
		return nil
	})
	return n, next, wrap(err, "remove faces at erased places")
}

// sweepPlacesOf removes the faces of one image at erased places, and what was said of
// them.
func (s *Store) sweepPlacesOf(tx *gorm.DB, img imageRow, places erasure.Places) (int, error) {
	if err := lockImages(tx, []int64{img.ID}); err != nil {
		return 0, err
	}
	ids, boxes, err := boxesOf(tx, img.ID)
	if err != nil {
		return 0, err
	}
	var gone, said []int64
	for i, drop := range places.Drops(img.ID, boxes) {
		if drop {
			gone = append(gone, ids[i])
		}
	}
	var corrections []correctionRow
	if err := tx.Omit("PersonName").Where("image_id = ?", img.ID).Find(&corrections).Error; err != nil {
		return 0, err
	}
	for _, c := range atPlaces(corrections, places[img.ID]) {
		said = append(said, c.ID)
	}
	if len(gone)+len(said) == 0 {
		return 0, nil
	}
	if err := forgetInGroups(tx, gone); err != nil {
		return 0, err
	}
	if err := tx.Where("id IN ?", append(gone, 0)).Delete(&faceRow{}).Error; err != nil {
		return 0, err
	}
	if err := tx.Where("id IN ?", append(said, 0)).Delete(&correctionRow{}).Error; err != nil {
		return 0, err
	}
	if len(gone) == 0 || !img.image().Reason.IsAnswer() {
		return len(gone), nil
	}
	if err := s.writeDecisions(tx, img.ID); err != nil {
		return 0, err
	}
	return len(gone), addChangedNow(tx, []int64{img.ID}, faces.ByPersonDelete, s.now())
}
