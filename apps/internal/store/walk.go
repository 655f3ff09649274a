package store

import (
	"slices"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// page is a part of a list that is ordered by image id.
type page struct {
	after    int64 // continue after this image; 0 means from the start
	oldest   bool  // oldest first
	limit    int   // 0 means no limit
	from, to int64 // ids between these only, exclusive; 0 is no bound
}

// of orders and cuts a query whose images have their id in a column.
func (p page) of(q *gorm.DB, id string) *gorm.DB {
	from, to := p.from, p.to
	switch {
	case p.after != 0 && p.oldest:
		from = max(from, p.after)
	case p.after != 0 && (to == 0 || p.after < to):
		to = p.after
	}
	if from != 0 {
		q = q.Where(id+" > ?", from)
	}
	if to != 0 {
		q = q.Where(id+" < ?", to)
	}
	if !p.oldest {
		id += " DESC"
	}
	return withLimit(q.Order(id), p.limit)
}

// until ends the page with the image end, if it is not 0.
func (p page) until(end int64) page {
	switch {
	case end == 0:
	case p.oldest:
		p.to = end + 1
	default:
		p.from = end - 1
	}
	return p
}

// walk is a way through one index in the order of image ids. An OR or EXISTS in one
// query would make the database read the whole table, or all images of a person, for
// each page.
type walk struct {
	from  string // the table, and the index to use
	id    string // the column with the image's id
	where string // what the index answers
	args  []any
	join  string // of the images, if from is another table
	shows bool   // somebody, if the image is processed: another program may have changed its status
}

// query returns the walk without its order. Without the images, it reads the index only.
func (w walk) query(tx *gorm.DB, images bool) *gorm.DB {
	q := tx.Table(w.from)
	if w.where != "" {
		q = q.Where(w.where, w.args...)
	}
	if !images {
		return q
	}
	if w.join != "" {
		q = q.Joins(w.join)
	}
	if w.shows {
		q = q.Where("images.status = ?", int(faces.Processed))
	}
	return q
}

// ids returns a page of different ids. A person can have several faces in an image,
// and DISTINCT has MariaDB read all of the person's faces first.
func (w walk) ids(tx *gorm.DB, p page, narrow func(*gorm.DB) *gorm.DB) ([]int64, error) {
	var ids []int64
	for {
		var found []int64
		if err := p.of(narrow(w.query(tx, true)), w.id).Pluck(w.id, &found).Error; err != nil {
			return nil, err
		}
		ids = append(ids, slices.Compact(slices.Clone(found))...)
		if p.limit == 0 || len(found) < p.limit || len(ids) >= p.limit {
			return ids, nil
		}
		p.after = ids[len(ids)-1]
	}
}

// lastToScan returns the image with which a page must end, so that each walk looks at
// no more than a number of images; 0 if there are not so many. all says that
// narrowing leaves out images of every walk, and not only of those that show people.
func lastToScan(tx *gorm.DB, walks []walk, p page, most int, all bool) (int64, error) {
	end := int64(0)
	p.limit = 0
	for _, w := range walks {
		if !all && !w.shows {
			continue
		}
		var found []int64
		if err := p.of(w.query(tx, false), w.id).Offset(most-1).Limit(1).Pluck(w.id, &found).Error; err != nil {
			return 0, err
		}
		switch {
		case len(found) == 0:
		case end == 0:
			end = found[0]
		case p.oldest:
			end = min(end, found[0])
		default:
			end = max(end, found[0])
		}
	}
	return end, nil
}

// readWalks returns a page of the rows that any of the walks finds.
func readWalks(tx *gorm.DB, walks []walk, p page, narrow func(*gorm.DB) *gorm.DB) ([]imageRow, error) {
	var rows []imageRow
	if len(walks) == 1 && walks[0].join == "" {
		q := walks[0].query(tx, true).Select("images.*, person.name AS person_name").Joins(joinPerson)
		err := p.of(narrow(q), "images.id").Find(&rows).Error
		return rows, err
	}
	ids, err := mergeWalks(tx, walks, p, narrow)
	if err != nil {
		return nil, err
	}
	for part := range chunks(ids) {
		var some []imageRow
		if err := (page{oldest: p.oldest}).of(withPerson(tx).Where("images.id IN ?", part), "images.id").Find(&some).Error; err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

// mergeWalks returns a page of the ids that any of the walks finds.
func mergeWalks(tx *gorm.DB, walks []walk, p page, narrow func(*gorm.DB) *gorm.DB) ([]int64, error) {
	var ids []int64
	for _, w := range walks {
		found, err := w.ids(tx, p, narrow)
		if err != nil {
			return nil, err
		}
		ids = append(ids, found...)
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

// walksOfPeople returns the ways to the images that show one of the people: in any
// face, or, where an original program answered, in the image's own row.
func walksOfPeople(tx *gorm.DB, people []int64) []walk {
	var walks []walk
	for _, person := range people {
		walks = append(walks, walk{
			from: "faces" + useIndex(tx, "faces_shows"), id: "faces.image_id", join: fromFaces(tx), shows: true,
			where: "faces.best_person_id = ? AND faces.reason = ?", args: []any{person, string(faces.Identified)},
		}, walk{
			// Databases like the index on the status, too, and would read all processed images.
			from: "images" + useIndex(tx, "images_person"), id: "images.id", shows: true,
			where: "images.person = ?", args: []any{person},
		})
	}
	return walks
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

// useIndex makes the database walk an index in its order. PRIMARY is the table itself.
// Databases know how many rows there are, but not that a page needs few of them.
func useIndex(tx *gorm.DB, index string) string {
	switch {
	case tx.Name() == "mysql":
		return " FORCE INDEX (" + index + ")"
	case index == "PRIMARY":
		return " NOT INDEXED"
	default:
		return " INDEXED BY " + index
	}
}
