package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// FacePlace is a place in the list of FacesOfPerson. The zero value is its start.
type FacePlace struct {
	Distance float64
	Face     int64 // 0 is the start
	Said     bool  // whether somebody has said that the face is the person
}

// compare orders faces: those that nobody has confirmed first, then the farthest.
func (p FacePlace) compare(other FacePlace) int {
	switch {
	case p.Said != other.Said && !p.Said:
		return -1
	case p.Said != other.Said:
		return 1
	}
	return cmp.Or(cmp.Compare(other.Distance, p.Distance), cmp.Compare(other.Face, p.Face))
}

// ShownFace is a face that a person is, or may be.
type ShownFace struct {
	faces.Face
	Image faces.Image // with all its faces and its version
}

// ShownFaces is a page of FacesOfPerson.
type ShownFaces struct {
	Faces []ShownFace
	Next  FacePlace // After of the next page, or the zero value
	Older bool      // there are faces in older images that the list leaves out
}

// facesLookedAt is how many faces of a person FacesOfPerson sorts: those of the newest
// images, so that a page takes little time for somebody who is in a hundred thousand.
const facesLookedAt = 500

// FacesOfPerson returns the faces that a person is, or may be: those that are the
// farthest from the person's known pictures first, and those that somebody has
// confirmed last.
func (s *Store) FacesOfPerson(ctx context.Context, person int64, after FacePlace, limit int) (list ShownFaces, err error) {
	err = s.snapshot(ctx, func(tx *gorm.DB) error {
		list = ShownFaces{}
		places, err := facePlaces(tx, person)
		if err != nil {
			return err
		}
		list.Older = len(places) == facesLookedAt
		if after.Face != 0 {
			places = slices.DeleteFunc(places, func(p placedFace) bool { return p.compare(after) <= 0 })
		}
		if len(places) > limit {
			places = places[:limit]
			list.Next = places[limit-1].FacePlace
		}
		list.Faces, err = facesAt(tx, places)
		return err
	})
	return list, wrap(err, fmt.Sprintf("list the faces of person %d", person))
}

// placedFace is a face's place, and its image.
type placedFace struct {
	FacePlace
	Image int64
}

// facePlaces returns the places of a person's faces in the newest images, in order.
func facePlaces(tx *gorm.DB, person int64) ([]placedFace, error) {
	var rows []faceRow
	for _, reason := range []faces.Reason{faces.Uncertain, faces.Identified} {
		var some []faceRow
		err := tx.Table("faces"+useIndex(tx, "faces_shows")).Select("id, image_id, best_distance, corrected").
			Where("best_person_id = ? AND reason = ?", person, string(reason)).
			Order("image_id DESC").Limit(facesLookedAt - len(rows)).Scan(&some).Error
		if err != nil {
			return nil, err
		}
		if rows = append(rows, some...); len(rows) == facesLookedAt {
			break
		}
	}
	places := make([]placedFace, len(rows))
	for i, r := range rows {
		places[i] = placedFace{FacePlace{Distance: r.BestDistance, Face: r.ID, Said: r.Corrected == history.Confirmed}, r.ImageID}
	}
	slices.SortFunc(places, func(a, b placedFace) int { return a.compare(b.FacePlace) })
	return places, nil
}

// facesAt reads faces with their images.
func facesAt(tx *gorm.DB, places []placedFace) ([]ShownFace, error) {
	var ids []int64
	for _, p := range places {
		ids = append(ids, p.Image)
	}
	images, err := versionedImages(tx, unique(ids))
	if err != nil {
		return nil, err
	}
	list := make([]ShownFace, 0, len(places))
	for _, p := range places {
		img := images[p.Image]
		at := slices.IndexFunc(img.Faces, func(f faces.Face) bool { return f.ID == p.Face })
		if at >= 0 { // another program may have changed the image's status
			list = append(list, ShownFace{Face: img.Faces[at], Image: img})
		}
	}
	return list, nil
}

// versionedImages returns images with their faces and versions, by id.
func versionedImages(tx *gorm.DB, ids []int64) (map[int64]faces.Image, error) {
	byID := make(map[int64]faces.Image, len(ids))
	for part := range chunks(ids) {
		var rows []imageRow
		if err := withPerson(tx).Where("images.id IN ?", part).Find(&rows).Error; err != nil {
			return nil, err
		}
		images, err := withFaces(tx, rows)
		if err != nil {
			return nil, err
		}
		all, err := correctionsOf(tx, part, true)
		if err != nil {
			return nil, err
		}
		said := faces.CorrectionsByImage(all)
		for _, img := range images {
			img.Version = faces.VersionOf(img, said[img.ID])
			byID[img.ID] = img
		}
	}
	return byID, nil
}

// WasNamed reports whether a person had a name before.
func (s *Store) WasNamed(ctx context.Context, person int64, name string) (bool, error) {
	var n int64
	err := s.read(ctx, func(tx *gorm.DB) error {
		return tx.Model(&personFolderRow{}).Where("person_id = ? AND name = ?", person, cleanName(name)).Count(&n).Error
	})
	return n > 0, wrap(err, fmt.Sprintf("look up a former name of person %d", person))
}

// CountFaces returns how many faces a person is. It stops counting at most.
func (s *Store) CountFaces(ctx context.Context, person int64, most int) (int, error) {
	var n int
	err := s.read(ctx, func(tx *gorm.DB) error {
		return tx.Raw("SELECT COUNT(*) FROM (SELECT 1 FROM faces"+useIndex(tx, "faces_shows")+" WHERE best_person_id = ? AND reason = ? LIMIT ?) AS some",
			person, string(faces.Identified), most).Scan(&n).Error
	})
	return n, wrap(err, fmt.Sprintf("count the faces of person %d", person))
}
