package store

import (
	"gorm.io/gorm"
)

// who selects people. Its zero value selects images whoever they show.
type who struct {
	id   int64  // 0 means any
	name string // empty means any
}

func (w who) any() bool { return w == who{} }

// people returns the ids of the people who are meant. Several people may have a
// name in tables of older releases and originals.
func (w who) people(tx *gorm.DB) ([]int64, error) {
	if w.name == "" {
		return []int64{w.id}, nil
	}
	q := tx.Model(&personRow{}).Where("name IN ?", spellings(w.name))
	if w.id != 0 {
		q = q.Where("id = ?", w.id)
	}
	var ids []int64
	err := q.Order("id").Pluck("id", &ids).Error
	return ids, err
}

// showing returns a page of the images that show one of the people. narrow adds
// conditions on the table images.
func showing(tx *gorm.DB, people []int64, p page, narrow func(*gorm.DB) *gorm.DB) ([]int64, error) {
	return mergeWalks(tx, walksOfPeople(tx, people), p, narrow)
}
