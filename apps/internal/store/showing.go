package store

import (
	"slices"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
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

// page is a part of a list that is ordered by image id.
type page struct {
	after  int64 // continue after this image; 0 means from the start
	oldest bool  // oldest first
	limit  int   // 0 means no limit
}

// of orders and cuts a query whose images have their id in a column.
func (p page) of(q *gorm.DB, id string) *gorm.DB {
	switch {
	case p.after != 0 && p.oldest:
		q = q.Where(id+" > ?", p.after)
	case p.after != 0:
		q = q.Where(id+" < ?", p.after)
	}
	if !p.oldest {
		id += " DESC"
	}
	return withLimit(q.Order(id), p.limit)
}

// showing returns a page of the images that show one of the people: in any face,
// or, where an original program answered, in the image's own row. narrow adds
// conditions on the table images.
//
// It walks one index for each person and kind, in the order of the page, because
// no database does so for a condition with OR or EXISTS: that reads either the
// whole table or all images of the person for each page.
func showing(tx *gorm.DB, people []int64, p page, narrow func(*gorm.DB) *gorm.DB) ([]int64, error) {
	var ids []int64
	for _, person := range people {
		inFaces := func() *gorm.DB {
			return narrow(tx.Table("faces").Select("faces.image_id").Joins(fromFaces(tx)).
				Where("faces.best_person_id = ? AND faces.reason = ?", person, string(faces.Identified)))
		}
		inRows := func() *gorm.DB {
			return narrow(tx.Table(imagesByPerson(tx)).Select("images.id").Where("images.person = ?", person))
		}
		for id, q := range map[string]func() *gorm.DB{"faces.image_id": inFaces, "images.id": inRows} {
			found, err := walk(q, id, p)
			if err != nil {
				return nil, err
			}
			ids = append(ids, found...)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if !p.oldest {
		slices.Reverse(ids)
	}
	if p.limit > 0 && len(ids) > p.limit {
		ids = ids[:p.limit]
	}
	return ids, nil
}

// walk returns a page of different ids. A person can have several faces in an
// image, and DISTINCT has MariaDB read all of the person's faces first.
func walk(query func() *gorm.DB, id string, p page) ([]int64, error) {
	var ids []int64
	for {
		var found []int64
		// Another program may have changed the status, and left person and faces.
		q := query().Where("images.status = ?", int(faces.Processed))
		if err := p.of(q, id).Scan(&found).Error; err != nil {
			return nil, err
		}
		ids = append(ids, slices.Compact(slices.Clone(found))...)
		if p.limit == 0 || len(found) < p.limit || len(ids) >= p.limit {
			return ids, nil
		}
		p.after = ids[len(ids)-1]
	}
}

// fromFaces joins the images to the faces and keeps the database from starting at
// the images, which has it look for a rare person in all of them.
func fromFaces(tx *gorm.DB) string {
	join := "CROSS JOIN" // in SQLite, the order of a cross join is fixed
	if tx.Name() == "mysql" {
		join = "STRAIGHT_JOIN"
	}
	return join + " images ON images.id = faces.image_id"
}

// imagesByPerson is the table images, read by the index on its person. Databases
// like the one on the status, too, and would read all processed images.
func imagesByPerson(tx *gorm.DB) string {
	if tx.Name() == "mysql" {
		return "images FORCE INDEX (images_person)"
	}
	return "images INDEXED BY images_person"
}
