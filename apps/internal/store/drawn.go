package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// DrawFace stores that there is a face where none was found, and who it is if the
// user says so. The result's correction is the drawing: undoing it removes the
// face. A box at the place of a face is an error with CodeConflict. See CorrectFace
// for the version.
func (s *Store) DrawFace(ctx context.Context, d faces.Drawing) (Corrected, error) {
	statement := faces.Statement{PersonID: d.PersonID, Name: cleanName(d.Name)}
	if d.IsNamed() && d.PersonID == 0 {
		if err := faces.CheckName(statement.Name); err != nil {
			return Corrected{}, err
		}
	}
	var done Corrected
	err := s.tx(ctx, func(tx *gorm.DB) (err error) {
		done = Corrected{}
		var person faces.Person
		if d.IsNamed() {
			if person, _, err = s.findOrAddPerson(tx, statement); err != nil {
				return err
			}
		}
		if _, err := s.lockPeopleNear(tx, []int64{d.ImageID}); err != nil {
			return err
		}
		if err := lockImages(tx, []int64{d.ImageID}); err != nil {
			return err
		}
		before, err := checkDrawing(tx, d)
		if err != nil {
			return err
		}
		if done.Correction, err = s.addDrawing(tx, d); err != nil {
			return err
		}
		face, err := drawnFace(tx, d)
		if err != nil {
			return err
		}
		if done.FaceID = face.ID; d.IsNamed() {
			if _, err := s.addCorrection(tx, face, person, statement); err != nil {
				return err
			}
		}
		return s.updateAnswer(tx, d.ImageID, before, &done)
	})
	if err != nil {
		return Corrected{}, fmt.Errorf("draw a face in image %d: %w", d.ImageID, err)
	}
	return done, nil
}

// checkDrawing returns the version of a locked image. It returns an error if the
// face cannot be drawn.
func checkDrawing(tx *gorm.DB, d faces.Drawing) (string, error) {
	img, err := readImage(tx, d.ImageID)
	if err != nil {
		return "", err
	}
	if err := img.CheckVersion(d.Version); err != nil {
		return "", err
	}
	if !img.Reason.IsAnswer() || img.Width == 0 {
		return "", faces.Errorf(faces.CodeConflict, "image %d has no answer now; draw a face when it has one", d.ImageID)
	}
	if err := d.CheckBox(img.Width, img.Height); err != nil {
		return "", err
	}
	if err := checkNotErased(tx, d.ImageID, d.Box); err != nil {
		return "", err
	}
	at := faces.Places(faces.Boxes(img.Faces), []faces.Correction{{Box: d.Box}})
	if at[0] >= 0 {
		return "", faces.Errorf(faces.CodeConflict, "face %d is at this place already; say who it is, or draw another box", img.Faces[at[0]].ID)
	}
	return img.Version, nil
}

// addDrawing stores the correction of a drawing, and the face.
func (s *Store) addDrawing(tx *gorm.DB, d faces.Drawing) (faces.Correction, error) {
	now := s.now()
	row := correctionRow{
		ImageID: d.ImageID, X: d.Box.X, Y: d.Box.Y, Width: d.Box.Width, Height: d.Box.Height, Kind: string(faces.SaysDrawn),
		Descriptor: []byte{}, DescriptorRest: []byte{}, Candidates: "[]", CreatedAt: now, ChangedAt: now, Pending: true, DescribeAt: &now,
	}
	if err := tx.Omit("PersonName").Create(&row).Error; err != nil {
		return faces.Correction{}, err
	}
	if err := s.auditIDs(tx, access.FaceDrawn, "correction", row.ID); err != nil {
		return faces.Correction{}, err
	}
	_, err := alignDrawn(tx, d.ImageID, now)
	return row.correction(), err
}

// drawnFace returns the face that was added for a drawing.
func drawnFace(tx *gorm.DB, d faces.Drawing) (faceRow, error) {
	q := tx.Omit("BestName", "SecondName").Where("image_id = ? AND drawn = ?", d.ImageID, true).
		Where("x = ? AND y = ? AND width = ? AND height = ?", d.Box.X, d.Box.Y, d.Box.Width, d.Box.Height)
	return oneRow[faceRow](q, "drawn face in image", d.ImageID)
}

// alignDrawn adds and deletes drawn faces of a locked image, so that they are those
// that its corrections say. It reports whether it changed any.
func alignDrawn(tx *gorm.DB, imageID int64, now time.Time) (changed bool, err error) {
	said, err := correctionsOf(tx, []int64{imageID}, false)
	if err != nil {
		return false, err
	}
	rows, err := placesOf(tx, imageID)
	if err != nil {
		return false, err
	}
	var gone []int64
	var boxes []faces.Box
	rows = slices.DeleteFunc(rows, func(r faceRow) bool {
		if r.Drawn && !isDrawn(said, r.box()) {
			gone = append(gone, r.ID)
			return true
		}
		boxes = append(boxes, r.box())
		return false
	})
	if len(gone) > 0 {
		if err := tx.Where("id IN ?", gone).Delete(&faceRow{}).Error; err != nil {
			return false, err
		}
	}
	missing := faces.DrawnFaces(boxes, said)
	for _, f := range missing {
		if err := insertFace(tx, imageID, f, rows, now); err != nil {
			return false, err
		}
		if rows, err = placesOf(tx, imageID); err != nil {
			return false, err
		}
	}
	return len(gone)+len(missing) > 0, nil
}

// placesOf returns the faces of an image in their order, with what tells their places.
func placesOf(tx *gorm.DB, imageID int64) (rows []faceRow, err error) {
	err = tx.Select("id", "position", "x", "y", "width", "height", "drawn").Where("image_id = ?", imageID).Order("position, id").Find(&rows).Error
	return rows, err
}

// isDrawn reports whether one of the active corrections drew a box.
func isDrawn(said []faces.Correction, box faces.Box) bool {
	return slices.ContainsFunc(said, func(c faces.Correction) bool { return c.Kind == faces.SaysDrawn && c.Box == box })
}

// insertFace adds an undecided face between the others, from left to right.
func insertFace(tx *gorm.DB, imageID int64, f faces.Face, others []faceRow, now time.Time) error {
	position := 0
	for _, r := range others {
		if r.X <= f.Box.X {
			position = max(position, r.Position+1)
		}
	}
	err := tx.Model(&faceRow{}).Where("image_id = ? AND position >= ?", imageID, position).
		UpdateColumn("position", gorm.Expr("position + 1")).Error
	if err != nil {
		return err
	}
	f.Reason = faces.UnknownPerson
	row, err := newFaceRow(imageID, position, f, now)
	if err != nil {
		return err
	}
	return tx.Omit("BestName", "SecondName").Create(&row).Error
}

// alignDrawnOf aligns the drawn faces of images that were answered anew: somebody
// may have drawn one, or undone that, after the answer was decided. It decides these
// images, and those with kept faces, and has all their drawn faces described and
// matched again. It returns the images that it decided.
func (s *Store) alignDrawnOf(tx *gorm.DB, results []Result, kept keptFaces, now time.Time) (decided []int64, err error) {
	for part := range chunks(results) {
		ids := make([]int64, len(part))
		for i, r := range part {
			ids[i] = r.ImageID
		}
		var drawn []int64
		err := tx.Model(&correctionRow{}).Distinct("image_id").Where("image_id IN ? AND kind = ?", ids, faces.SaysDrawn).Pluck("image_id", &drawn).Error
		if err != nil {
			return nil, err
		}
		if err := describeAgain(tx, drawn, now); err != nil {
			return nil, err
		}
		for _, r := range part {
			if !slices.Contains(drawn, r.ImageID) || !r.Reason.IsAnswer() {
				continue
			}
			changed, err := alignDrawn(tx, r.ImageID, now)
			if err != nil {
				return nil, err
			}
			if !changed && len(kept[r.ImageID]) == 0 {
				continue
			}
			if err := s.writeDecisions(tx, r.ImageID); err != nil {
				return nil, err
			}
			decided = append(decided, r.ImageID)
		}
	}
	return decided, nil
}
