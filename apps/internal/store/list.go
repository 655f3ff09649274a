package store

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Filter narrows a list of images. Its zero value lists all, newest first.
type Filter struct {
	Status         *faces.Status
	Reason         faces.Reason
	PersonID       int64     // in any of the picture's faces; 0 means any
	Person         string    // exact name of such a person; empty means any
	Query          string    // part of the path; the case of ASCII letters does not matter
	CreatedAfter   time.Time // or at that time; zero means any
	CreatedBefore  time.Time // zero means any
	After          int64     // ImagePage.Next of the page before; 0 means from the start
	Limit          int       // 0 means no limit
	Oldest         bool      // oldest first
	UncertainFirst bool      // images with the reason uncertain, the most certain first, then all others, newest first
	// Scan is the largest number of images to look at, so that a page takes little time
	// whatever the filter. 0 means no limit.
	Scan int
}

// ImagePage is a part of a list of images.
type ImagePage struct {
	Images []faces.Image // without landmarks and descriptors
	// Next is After of the next page, or 0 if this is the last one. With Filter.Scan a
	// page can be short and have a Next.
	Next int64
}

// ListImages returns the images of a page, ordered by id. Their faces have no
// landmarks and no descriptors.
func (s *Store) ListImages(ctx context.Context, f Filter) ([]faces.Image, error) {
	page, err := s.PageOfImages(ctx, f)
	return page.Images, err
}

// PageOfImages returns a page of images.
func (s *Store) PageOfImages(ctx context.Context, f Filter) (ImagePage, error) {
	var list ImagePage
	if !utf8.ValidString(f.Query) || !utf8.ValidString(f.Person) {
		return list, nil // no stored text is invalid, and databases differ in handling it
	}
	err := s.snapshot(ctx, func(tx *gorm.DB) (err error) {
		rows, next, err := f.find(tx)
		if err != nil {
			return err
		}
		list.Next = next
		list.Images, err = withFaces(tx, rows)
		return err
	})
	if err != nil {
		return ImagePage{}, fmt.Errorf("list images: %w", err)
	}
	return list, nil
}

// others is added to the ids of those images of a list that are not uncertain, where
// the uncertain ones come first. The sum is a whole number for JavaScript, too.
const others = 1 << 52

func (f Filter) find(tx *gorm.DB) (rows []imageRow, next int64, err error) {
	if !f.UncertainFirst {
		return f.findPart(tx, nil)
	}
	if f.After < others {
		if rows, next, err = f.findUncertain(tx); err != nil || next != 0 {
			return rows, next, err
		}
		f.After = others
	}
	f.After -= others
	if f.Reason == faces.Uncertain {
		return rows, 0, nil
	}
	if f.Limit > 0 {
		if f.Limit -= len(rows); f.Limit == 0 {
			return rows, others, nil
		}
	}
	rest, next, err := f.findPart(tx, func(q *gorm.DB) *gorm.DB {
		return q.Where("NOT (images.status = ? AND images.reason = ?)", int(faces.Uncertain.Status()), string(faces.Uncertain))
	})
	if next != 0 {
		next += others
	}
	return append(rows, rest...), next, err
}

// findPart returns the rows of a page in the order of ids. more, if it is not nil, adds
// conditions that no index answers.
func (f Filter) findPart(tx *gorm.DB, more func(*gorm.DB) *gorm.DB) (rows []imageRow, next int64, err error) {
	walks, err := f.walks(tx)
	if err != nil || len(walks) == 0 {
		return nil, 0, err
	}
	p := page{after: f.After, oldest: f.Oldest}
	if f.Limit > 0 {
		p.limit = f.Limit + 1 // one more, to see whether there is a next page
	}
	if p.from, p.to, err = f.span(tx); err != nil {
		return nil, 0, err
	}
	narrow := f.where
	if more != nil {
		narrow = func(q *gorm.DB) *gorm.DB { return more(f.where(q)) }
	}
	end := int64(0)
	if f.Scan > 0 {
		if end, err = lastToScan(tx, walks, p, f.Scan, more != nil || !f.indexed()); err != nil {
			return nil, 0, err
		}
		p = p.until(end)
	}
	if rows, err = readWalks(tx, walks, p, narrow); err != nil {
		return nil, 0, err
	}
	if f.Limit > 0 && len(rows) > f.Limit {
		rows = rows[:f.Limit]
		end = rows[f.Limit-1].ID
	}
	return rows, end, nil
}

// indexed reports whether the index of a walk over images answers all conditions.
func (f Filter) indexed() bool {
	return f.Query == "" && f.CreatedAfter.IsZero() && f.CreatedBefore.IsZero()
}

// where adds the conditions that no index answers.
func (f Filter) where(q *gorm.DB) *gorm.DB {
	if f.Query != "" {
		// Unlike LIKE, INSTR means the same on all databases and has no wildcards.
		q = q.Where("INSTR(LOWER(images.path), LOWER(?)) > 0", f.Query)
	}
	if !f.CreatedAfter.IsZero() {
		q = q.Where("images.created_at >= ?", f.CreatedAfter.UTC())
	}
	if !f.CreatedBefore.IsZero() {
		q = q.Where("images.created_at < ?", f.CreatedBefore.UTC())
	}
	return q
}

// skew is how far the order of ids may differ from the order of created_at: receivers
// have clocks of their own, and a transaction may take a while.
const skew = 10 * time.Minute

// span returns bounds for the ids of images that were created in the filter's time,
// exclusive; 0 is none. They save looking at all images before and after that time.
func (f Filter) span(tx *gorm.DB) (from, to int64, err error) {
	one := func(order, condition string, at time.Time) (int64, error) {
		var ids []int64
		err := tx.Table("images"+useIndex(tx, "images_created")).Where(condition, at.UTC()).Order(order).Limit(1).Pluck("id", &ids).Error
		if err != nil || len(ids) == 0 {
			return 0, err
		}
		return ids[0], nil
	}
	if !f.CreatedAfter.IsZero() {
		if from, err = one("created_at DESC, id DESC", "created_at < ?", f.CreatedAfter.Add(-skew)); err != nil {
			return 0, 0, err
		}
	}
	if !f.CreatedBefore.IsZero() {
		to, err = one("created_at, id", "created_at >= ?", f.CreatedBefore.Add(skew))
	}
	return from, to, err
}

// walks returns the ways through indexes that find the images of the filter, apart from
// what where adds.
func (f Filter) walks(tx *gorm.DB) ([]walk, error) {
	if f.Reason != "" && f.Status != nil && *f.Status != f.Reason.Status() {
		return nil, nil
	}
	w := who{f.PersonID, f.Person}
	if !w.any() {
		if f.Status != nil && *f.Status != faces.Processed || f.Reason != "" && f.Reason != faces.Identified {
			return nil, nil // nobody is shown in such images
		}
		people, err := w.people(tx)
		if err != nil {
			return nil, err
		}
		return walksOfPeople(tx, people), nil
	}
	switch {
	case f.Reason != "":
		return walksOfReason(tx, f.Reason)
	case f.Status != nil:
		return []walk{{from: "images" + useIndex(tx, "images_order"), id: "images.id", where: "images.status = ?", args: []any{int(*f.Status)}}}, nil
	default:
		return []walk{{from: "images" + useIndex(tx, "PRIMARY"), id: "images.id"}}, nil
	}
}

// walksOfReason returns the ways to the images that show a reason: one for each stored
// text that shows it (see faces.ShownReason). Nearly always that is the reason itself.
func walksOfReason(tx *gorm.DB, reason faces.Reason) ([]walk, error) {
	status := reason.Status()
	stored := []string{string(reason)}
	if faces.ShownReason(status, faces.NoReason) == reason {
		all, err := storedReasons(tx, status)
		if err != nil {
			return nil, err
		}
		stored = slices.DeleteFunc(all, func(text string) bool { return faces.ShownReason(status, faces.Reason(text)) != reason })
	}
	walks := make([]walk, len(stored))
	for i, text := range stored {
		walks[i] = walk{
			from: "images" + useIndex(tx, "images_status"), id: "images.id",
			where: "images.status = ? AND images.reason = ?", args: []any{int(status), text},
		}
	}
	return walks, nil
}

// storedReasons returns the different texts in reason of all images with a status. It
// jumps from one to the next in the index, which no database does for DISTINCT on its
// own.
func storedReasons(tx *gorm.DB, status faces.Status) ([]string, error) {
	var all []string
	for {
		q := tx.Table("images"+useIndex(tx, "images_status")).Where("images.status = ?", int(status))
		if len(all) > 0 {
			q = q.Where("images.reason > ?", all[len(all)-1])
		}
		var next []string
		if err := q.Order("images.reason").Limit(1).Pluck("images.reason", &next).Error; err != nil {
			return nil, err
		}
		if len(next) == 0 {
			return all, nil
		}
		all = append(all, next...)
	}
}
