package store

import (
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
		for _, id := range found {
			delete(gone, id)
		}
	}
	return gone, nil
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
