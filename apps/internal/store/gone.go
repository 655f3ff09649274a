package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// goneOf returns which people do not exist, and locks the others until the transaction
// ends, so that they cannot go before what names them is written. It must come before the
// locks of images: whoever deletes a person locks them in this order.
func (s *Store) goneOf(tx *gorm.DB, people map[int64]bool) (map[int64]bool, error) {
	delete(people, faces.NoPerson)
	gone := maps.Clone(people)
	ids := slices.Sorted(maps.Keys(people))
	for part := range chunks(ids) {
		query := "SELECT id FROM person WHERE id IN ? ORDER BY id"
		if s.isMySQL() {
			query += " LOCK IN SHARE MODE" // MariaDB has no FOR SHARE
		}
		var found []int64
		if err := tx.Raw(query, part).Scan(&found).Error; err != nil {
			return nil, err
		}
		if err := holdShared(tx, found); err != nil {
			return nil, err
		}
		for _, id := range found {
			delete(gone, id)
		}
	}
	return gone, nil
}

// lockPeopleNear is goneOf for all whom deciding images again may name: the people of
// their faces and of what was ever said about these. decideAgain calls it, whoever has
// locked the images; who can calls it before these locks, too, or a deadlock is possible,
// after which the transaction is repeated.
func (s *Store) lockPeopleNear(tx *gorm.DB, images []int64) (gone map[int64]bool, err error) {
	people := map[int64]bool{}
	for part := range chunks(unique(images)) {
		var found []faceRow
		if err := tx.Select("best_person_id", "second_person_id").Where("image_id IN ?", part).Find(&found).Error; err != nil {
			return nil, err
		}
		for _, f := range found {
			people[f.BestPersonID], people[f.SecondPersonID] = true, true
		}
		var said []correctionRow
		if err := tx.Select("id", "person_id", "candidates").Where("image_id IN ?", part).Find(&said).Error; err != nil {
			return nil, err
		}
		for _, c := range said {
			var near []history.StoredCandidate
			if err := json.Unmarshal([]byte(c.Candidates), &near); err != nil {
				return nil, fmt.Errorf("decode the candidates of correction %d: %w", c.ID, err)
			}
			people[c.PersonID] = true
			for _, p := range near {
				people[p.Person] = true
			}
		}
	}
	delete(people, 0) // of a correction that is about nobody
	return s.goneOf(tx, people)
}

// withoutGoneStored takes people who are gone out of images that are about to be decided
// again from their stored candidates.
func withoutGoneStored(images []history.StoredImage, gone map[int64]bool) []history.StoredImage {
	if len(gone) == 0 {
		return images
	}
	without := make([]history.StoredImage, len(images))
	for n, img := range images {
		img.Faces = slices.Clone(img.Faces)
		for i, f := range img.Faces {
			if gone[f.BestPerson] {
				f.Corrected = history.NotCorrected // what somebody said went with the person
			}
			img.Faces[i].FaceAnswer = f.Without(isIn(gone))
		}
		without[n] = img
	}
	return without
}

// withoutGone takes people out of results who went while these were decided.
func (s *Store) withoutGone(tx *gorm.DB, results []Result) error {
	people := map[int64]bool{}
	for _, r := range results {
		for _, f := range r.Faces {
			for _, id := range f.PeopleIn() {
				people[id] = true
			}
		}
	}
	gone, err := s.goneOf(tx, people)
	if err != nil || len(gone) == 0 {
		return err
	}
	models, err := modelsByID(tx)
	if err != nil {
		return err
	}
	for i, r := range results {
		results[i].Outcome = r.WithoutPeople(gone, models[r.Model])
	}
	return nil
}

// splitGone returns the changes that name nobody who is gone, and the images of the
// others.
func (s *Store) splitGone(tx *gorm.DB, changes []history.Change) (kept []history.Change, skipped []int64, err error) {
	people := map[int64]bool{}
	for _, c := range changes {
		for _, id := range peopleOfChange(c) {
			people[id] = true
		}
	}
	gone, err := s.goneOf(tx, people)
	if err != nil || len(gone) == 0 {
		return changes, nil, err
	}
	for _, c := range changes {
		if slices.ContainsFunc(peopleOfChange(c), func(id int64) bool { return gone[id] }) {
			skipped = append(skipped, c.ImageID)
			continue
		}
		kept = append(kept, c)
	}
	return kept, skipped, nil
}

func peopleOfChange(c history.Change) []int64 {
	ids := []int64{c.After.Person}
	for _, f := range c.After.Faces {
		ids = append(ids, f.BestPerson, f.SecondPerson)
	}
	return ids
}
