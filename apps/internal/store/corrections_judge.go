package store

import (
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// reanswer decides the faces of a locked image anew, from the people that are
// known to be near, and writes what changed. An image that is at work keeps
// its row: whoever has it reads the corrections, or the re-matcher does.
func (s *Store) reanswer(tx *gorm.DB, imageID int64, into *faces.Image) error {
	img, err := readImage(tx, imageID)
	if err != nil {
		return err
	}
	if img.Reason.IsOfFaces() {
		if err := s.writeDecisions(tx, img); err != nil {
			return err
		}
		if img, err = readImage(tx, imageID); err != nil {
			return err
		}
	}
	*into = img
	return nil
}

// writeDecisions decides the faces of an image anew from the people who are
// known to be near. Of a face that nobody spoke of only a recognizer knows
// more: the re-matcher asks it.
func (s *Store) writeDecisions(tx *gorm.DB, img faces.Image) error {
	models, err := modelsByID(tx)
	if err != nil {
		return err
	}
	near, err := rememberedCandidates(tx, img)
	if err != nil {
		return err
	}
	said, err := correctionsOf(tx, []int64{img.ID}, false)
	if err != nil {
		return err
	}
	boxes := boxesIn(img.Faces)
	before := imageAnswerOf(img)
	var model faces.Model
	for i, v := range faces.Verdicts(boxes, said) {
		f := &img.Faces[i]
		model = models[f.Model]
		model.ID = f.Model
		again := f.Judge(faces.Nearby{Candidates: near[i]}, model, v)
		switch {
		case f.Corrected || !v.IsZero():
			*f = again
		case f.Reason == faces.Uncertain && again.Reason == faces.Identified:
			*f = again // another face may have had the name before
		}
	}
	faces.NameOnce(img.Faces)
	img.Reason, img.Person = faces.Conclude(img.Faces, model)
	return writeAnswers(tx, []history.Change{{ImageID: img.ID, Before: before, After: imageAnswerOf(img)}}, s.now(), s.isMySQL())
}

func boxesIn(list []faces.Face) []faces.Box {
	boxes := make([]faces.Box, len(list))
	for i, f := range list {
		boxes[i] = f.Box
	}
	return boxes
}

// rememberedCandidates returns for each face who is near it: by its own row,
// and by what was remembered with the corrections of it, as far as the known
// picture is still that person's.
func rememberedCandidates(tx *gorm.DB, img faces.Image) ([][]faces.Candidate, error) {
	var rows []correctionRow
	if err := tx.Omit("PersonName").Where("image_id = ?", img.ID).Find(&rows).Error; err != nil {
		return nil, err
	}
	near := make([][]faces.Candidate, len(img.Faces))
	for i, f := range img.Faces {
		for _, c := range []*faces.Candidate{f.Best, f.Second} {
			if c != nil {
				near[i] = append(near[i], *c)
			}
		}
	}
	made := make([]faces.Correction, len(rows))
	for i, r := range rows {
		made[i] = r.correction()
	}
	at := faces.Places(boxesIn(img.Faces), made)
	for n, r := range rows {
		i := at[n]
		if i < 0 || img.Faces[i].Model != r.Model {
			continue
		}
		var list []storedCandidate
		if err := json.Unmarshal([]byte(r.Candidates), &list); err != nil {
			return nil, fmt.Errorf("read correction %d: %w", r.ID, err)
		}
		for _, c := range list {
			var owners []personRow
			err := tx.Model(&personRow{}).Joins("JOIN person_images ON person_images.person_id = person.id").
				Where("person.id = ? AND person_images.image_name = ?", c.Person, c.Image).Limit(1).Find(&owners).Error
			if err != nil {
				return nil, err
			}
			for _, p := range owners {
				near[i] = append(near[i], faces.Candidate{Person: faces.Person{ID: p.ID, Name: p.Name}, Distance: c.Distance, Image: c.Image, Parts: history.ParseParts(c.Parts)})
			}
		}
	}
	return near, nil
}

// storedCandidate is a person who was near a face.
type storedCandidate struct {
	Person   int64   `json:"person"`
	Distance float64 `json:"distance"`
	Image    string  `json:"image"`
	Parts    string  `json:"parts,omitempty"` // see partsText
}

// candidates returns who is known to be near a face.
func (r faceRow) candidates() []storedCandidate {
	var list []storedCandidate
	if r.BestPersonID != faces.NoPerson && r.MatchedImage != "" {
		list = append(list, storedCandidate{r.BestPersonID, r.BestDistance, r.MatchedImage, r.BestParts})
	}
	if r.SecondPersonID != faces.NoPerson && r.SecondPersonID != r.BestPersonID { // else see AnswerOf
		list = append(list, storedCandidate{r.SecondPersonID, r.SecondDistance, r.SecondImage, r.SecondParts})
	}
	return list
}
