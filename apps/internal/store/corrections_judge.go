package store

import (
	"encoding/json"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// updateAnswer decides a locked image again after its corrections changed, and
// reads the result into done. before is the image's version of before. An image
// that is being processed keeps its row: the processor reads the corrections, or
// the re-matcher does later.
func (s *Store) updateAnswer(tx *gorm.DB, imageID int64, before string, done *Corrected) error {
	img, err := readImage(tx, imageID)
	if err != nil {
		return err
	}
	if img.Reason.IsAnswer() {
		if err := s.writeDecisions(tx, imageID); err != nil {
			return err
		}
		if img, err = readImage(tx, imageID); err != nil {
			return err
		}
	}
	if done.Image, done.Changed = img, img.Version != before; !done.Changed {
		return nil
	}
	return addCorrectedEvent(tx, img, s.now())
}

// writeDecisions decides an image again from its stored candidates and writes
// what changed.
func (s *Store) writeDecisions(tx *gorm.DB, imageID int64) error {
	images, err := readAnswers(tx, []int64{imageID})
	if err != nil || len(images) == 0 {
		return err
	}
	return s.decideAgain(tx, images)
}

// decideAgain decides locked images again from their stored candidates and writes
// what changed.
func (s *Store) decideAgain(tx *gorm.DB, images []history.StoredImage) error {
	ids := make([]int64, len(images))
	for i, img := range images {
		ids[i] = img.ID
	}
	gone, err := s.lockPeopleNear(tx, ids) // and then read who else may be named
	if err != nil {
		return err
	}
	images = withoutGoneStored(images, gone)
	models, err := modelsByID(tx)
	if err != nil {
		return err
	}
	corrections, err := correctionsOf(tx, ids, false)
	if err != nil {
		return err
	}
	past, err := s.readPastCorrections(tx, ids)
	if err != nil {
		return err
	}
	if images, err = s.withholdStored(tx, images); err != nil {
		return err
	}
	active := faces.CorrectionsByImage(corrections)
	changes := make([]history.Change, len(images))
	for i, img := range images {
		changes[i] = history.Correct(img, active[img.ID], past[img.ID], models)
	}
	return writeAnswers(tx, changes, s.now())
}

// readPastCorrections returns all corrections of images, including undone ones, by
// image. It leaves out candidates who no longer own the known picture, or whose consent
// has ended.
func (s *Store) readPastCorrections(tx *gorm.DB, imageIDs []int64) (map[int64][]history.PastCorrection, error) {
	var rows []correctionRow
	if err := tx.Omit("PersonName").Where("image_id IN ?", imageIDs).Find(&rows).Error; err != nil {
		return nil, err
	}
	all := make([]history.PastCorrection, len(rows))
	var pictures []string
	for i, r := range rows {
		all[i].Correction = r.correction()
		if err := json.Unmarshal([]byte(r.Candidates), &all[i].Candidates); err != nil {
			return nil, fmt.Errorf("decode the candidates of correction %d: %w", r.ID, err)
		}
		for _, p := range all[i].Candidates {
			pictures = append(pictures, p.Image)
		}
	}
	owners, err := s.ownersOf(tx, pictures)
	if err != nil {
		return nil, err
	}
	past := map[int64][]history.PastCorrection{}
	for _, c := range all {
		c.Candidates = slices.DeleteFunc(c.Candidates, func(p history.StoredCandidate) bool {
			return !slices.Contains(owners[p.Image], p.Person)
		})
		past[c.ImageID] = append(past[c.ImageID], c)
	}
	return past, nil
}

// ownersOf returns, by image name, the ids of all people for whom a known image is
// listed.
func (s *Store) ownersOf(tx *gorm.DB, pictures []string) (map[string][]int64, error) {
	owners := map[string][]int64{}
	condition, now := s.matchable()
	for part := range chunks(unique(pictures)) {
		var rows []knownImageRow
		err := tx.Select("person_images.image_name", "person_images.person_id").
			Joins("JOIN person ON person.id = person_images.person_id").Where("person_images.image_name IN ?", part).Where(condition, now, now).Find(&rows).Error
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			owners[r.ImageName] = append(owners[r.ImageName], r.PersonID)
		}
	}
	return owners, nil
}
