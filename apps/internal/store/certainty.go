package store

import (
	"cmp"
	"slices"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// refreshCertainty stores how certain the answers of locked images are, after their
// faces were written. The column counts only while an image is uncertain.
func refreshCertainty(tx *gorm.DB, ids []int64) error {
	for part := range chunks(ids) {
		var uncertain []int64
		err := whereUncertain(tx.Model(&imageRow{})).Where("id IN ?", part).Pluck("id", &uncertain).Error
		if err != nil {
			return err
		}
		if len(uncertain) == 0 {
			continue
		}
		models, err := modelsByID(tx)
		if err != nil {
			return err
		}
		byImage, err := decidedFaces(tx, uncertain)
		if err != nil {
			return err
		}
		rows := make([][]any, len(uncertain))
		for i, id := range uncertain {
			rows[i] = []any{id, faces.Certainty(byImage[id], func(model string) faces.Model { return models[model] })}
		}
		if err := updateMany(tx, "images", []string{"id", "certainty"}, rows); err != nil {
			return err
		}
	}
	return nil
}

// uncertainOf returns the ids of the images that results leave uncertain.
func uncertainOf(results []Result) (ids []int64) {
	for _, r := range results {
		if r.Reason == faces.Uncertain {
			ids = append(ids, r.ImageID)
		}
	}
	return ids
}

// refreshCertaintyNear is refreshCertainty for all images with faces near people.
func refreshCertaintyNear(tx *gorm.DB, people ...int64) error {
	var ids []int64
	near := tx.Table("faces"+useIndex(tx, "faces_best_person")).Joins(fromFaces(tx)).Where("faces.best_person_id IN ?", people)
	if err := whereUncertain(near).Distinct().Pluck("faces.image_id", &ids).Error; err != nil {
		return err
	}
	return refreshCertainty(tx, ids)
}

func whereUncertain(q *gorm.DB) *gorm.DB {
	return q.Where("images.status = ? AND images.reason = ?", int(faces.Uncertain.Status()), string(faces.Uncertain))
}

// spot is the place of an image in the list of the uncertain ones: the most certain
// first, then the newest.
type spot struct {
	Certainty int
	ID        int64
}

// certaintyBits is where the certainty begins in a Next of the uncertain images. Ids
// are smaller: so many images fit on no disk.
const certaintyBits = 42

func (s spot) next() int64 { return int64(s.Certainty)<<certaintyBits | s.ID }

// spotOf is the reverse of next. The spot of 0 is before all images.
func spotOf(after int64) spot {
	if after <= 0 {
		return spot{Certainty: faces.MaxCertainty + 1}
	}
	return spot{Certainty: int(after >> certaintyBits), ID: after & (1<<certaintyBits - 1)}
}

// findUncertain returns a page of the uncertain images, the most certain first, and
// where the next one begins: after the last one, it is 0.
func (f Filter) findUncertain(tx *gorm.DB) (rows []imageRow, next int64, err error) {
	ofOthers := f.Status != nil && *f.Status != faces.Uncertain.Status() || f.Reason != "" && f.Reason != faces.Uncertain
	if ofOthers || !(who{f.PersonID, f.Person}).any() { // nobody is shown in uncertain images
		return nil, 0, nil
	}
	most := 0
	if f.Limit > 0 {
		most = f.Limit + 1 // one more, to see whether there is a next page
	}
	look := most
	if !f.indexed() {
		look = f.Scan
	}
	spots, err := spotsAfter(tx, spotOf(f.After), look)
	if err != nil || len(spots) == 0 {
		return nil, 0, err
	}
	if !f.indexed() && f.Scan > 0 {
		if spots, next, err = f.scanOf(tx, spots); err != nil {
			return nil, 0, err
		}
	}
	if rows, err = f.rowsAt(tx, spots, most); err != nil {
		return nil, 0, err
	}
	if f.Limit > 0 && len(rows) > f.Limit {
		rows = rows[:f.Limit]
		last := rows[f.Limit-1].ID
		next = spots[slices.IndexFunc(spots, func(s spot) bool { return s.ID == last })].next()
	}
	return rows, next, nil
}

// scattered is how many times longer it takes to read a row of the uncertain images, in
// the order of certainty, than one in the order of ids.
const scattered = 5

// scanOf returns those of the spots whose rows are to be read for a page, and where the
// next page begins if there may be more than these.
func (f Filter) scanOf(tx *gorm.DB, spots []spot) (scan []spot, next int64, err error) {
	if len(spots) == f.Scan {
		next = spots[len(spots)-1].next()
	}
	from, to, err := f.span(tx)
	if err != nil {
		return nil, 0, err
	}
	scan = slices.DeleteFunc(spots, func(s spot) bool { return from != 0 && s.ID <= from || to != 0 && s.ID >= to })
	if most := max(1, f.Scan/scattered); len(scan) > most {
		scan = scan[:most]
		next = scan[most-1].next()
	}
	return scan, next, nil
}

// spotsAfter reads spots from the index alone, at most limit; 0 is no limit. It takes
// the spots of equal certainty first: one condition for both would have databases
// look at all before.
func spotsAfter(tx *gorm.DB, after spot, limit int) ([]spot, error) {
	read := func(limit int, condition string, args ...any) (list []spot, err error) {
		q := whereUncertain(tx.Table("images"+useIndex(tx, "images_certainty"))).Select("images.certainty, images.id").Where(condition, args...)
		err = withLimit(q, limit).Order("images.certainty DESC, images.id DESC").Scan(&list).Error
		return list, err
	}
	list, err := read(limit, "images.certainty = ? AND images.id < ?", after.Certainty, after.ID)
	if err != nil || limit > 0 && len(list) == limit {
		return list, err
	}
	if limit > 0 {
		limit -= len(list)
	}
	rest, err := read(limit, "images.certainty < ?", after.Certainty)
	return append(list, rest...), err
}

// rowsAt returns the rows of those of the spots that the filter wants, in order, at most
// a number of them; 0 is no limit.
func (f Filter) rowsAt(tx *gorm.DB, spots []spot, most int) ([]imageRow, error) {
	at := make(map[int64]int, len(spots))
	ids := make([]int64, len(spots))
	for i, s := range spots {
		at[s.ID], ids[i] = i, s.ID
	}
	var rows []imageRow
	for part := range chunks(ids) {
		var some []imageRow
		if err := f.where(withPerson(tx)).Where("images.id IN ?", part).Find(&some).Error; err != nil {
			return nil, err
		}
		slices.SortFunc(some, func(a, b imageRow) int { return cmp.Compare(at[a.ID], at[b.ID]) })
		if rows = append(rows, some...); most > 0 && len(rows) >= most {
			return rows[:most], nil
		}
	}
	return rows, nil
}
