package store

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// ReplayErasure carries out an entry of the ledger that the database does not know, as
// after a restore. Whoever has the id of the person, or of somebody merged into them, by
// now is erased only if a name agrees, too. known is true if the database knows the
// entry, and nothing changes.
func (s *Store) ReplayErasure(ctx context.Context, e erasure.Entry) (known bool, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		if err := serialize(tx); err != nil {
			return err
		}
		var n int64
		if err := tx.Model(&erasureRow{}).Where("public_id = ?", e.ID).Count(&n).Error; err != nil {
			return err
		}
		if known = n > 0; known {
			return nil
		}
		people, err := lockErased(tx, e)
		if err != nil {
			return err
		}
		gone, err := gatherEach(tx, people)
		if err != nil {
			return err
		}
		var images []int64
		for _, g := range gone {
			images = append(images, g.imageIDs()...)
		}
		if err := lockManyImages(tx, images); err != nil {
			return err
		}
		if gone, err = gatherEach(tx, people); err != nil { // as it is now that nobody can change it
			return err
		}
		all := e
		for _, g := range gone {
			all = all.With(g.entry(EraseRequest{ID: e.ID, Person: e.PersonID, Images: e.Images}, e.Salt, e.At))
		}
		_, err = s.erase(tx, all, gone...)
		return err
	})
	return known, wrap(err, fmt.Sprintf("replay erasure %s", e.ID))
}

// lockErased locks the people of an entry who are there, in the order of their ids. The
// people of a merge are apart in a database of before it.
func lockErased(tx *gorm.DB, e erasure.Entry) (people []personRow, err error) {
	ids := append([]int64{e.PersonID}, e.Merged...)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		row, err := lockPerson(tx, id, faces.AnyVersion)
		if faces.ErrorCode(err) == faces.CodeMissing {
			continue
		}
		if err != nil {
			return nil, err
		}
		if e.IsOf(row.ID, row.Name) {
			people = append(people, row)
		}
	}
	return people, nil
}

func gatherEach(tx *gorm.DB, people []personRow) ([]gathered, error) {
	all := make([]gathered, 0, len(people))
	for _, p := range people {
		g, err := gather(tx, p)
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

// lockManyImages is lockImages for more images than one statement may name.
func lockManyImages(tx *gorm.DB, ids []int64) error {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	for part := range chunks(slices.Compact(ids)) {
		if err := lockImages(tx, part); err != nil {
			return err
		}
	}
	return nil
}
