package store

import (
	"context"
	"slices"
	"strconv"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
)

// notesAtOnce is how many notes one statement looks at. The columns have no index for
// this, and a statement over a large table would hold its locks for minutes.
const notesAtOnce = 1000

// ForgetErasedNotes deletes what jobs have noted about a person, or about images that
// show them. Notes of somebody else who has the id by now, as after a restore, stay.
func (s *Store) ForgetErasedNotes(ctx context.Context, e erasure.Entry) (n int, err error) {
	for _, person := range append([]int64{e.PersonID}, e.Merged...) {
		gone, err := s.forgetNotesOf(ctx, e, person)
		n += gone
		if err != nil {
			return n, wrap(err, "delete the notes of jobs about an erased person")
		}
	}
	return n, nil
}

func (s *Store) forgetNotesOf(ctx context.Context, e erasure.Entry, person int64) (n int, err error) {
	other := false
	err = s.retry(ctx, func(tx *gorm.DB) (err error) {
		other, err = isSomebodyElse(tx, e, person)
		return err
	})
	if err != nil || other {
		return 0, err
	}
	id := strconv.FormatInt(person, 10)
	inChange := []any{"%\"best\":" + id + ",%", "%\"second\":" + id + ",%", "%\"person\":" + id + ",%"}
	inList := []any{"[" + id + "]", "[" + id + ",%", "%," + id + ",%", "%," + id + "]"}
	for _, notes := range []notesAbout{
		{
			table: "rematch_changes", job: "rematch_id",
			where: "from_person = ? OR to_person = ? OR before_change LIKE ? OR before_change LIKE ? OR before_change LIKE ? " +
				"OR after_change LIKE ? OR after_change LIKE ? OR after_change LIKE ?",
			args: slices.Concat([]any{person, person}, inChange, inChange),
		},
		{
			table: "rescan_results", job: "rescan_id",
			where: "from_person = ? OR to_person = ? OR people_found LIKE ? OR people_found LIKE ? OR people_found LIKE ? OR people_found LIKE ? " +
				"OR people_lost LIKE ? OR people_lost LIKE ? OR people_lost LIKE ? OR people_lost LIKE ?",
			args: slices.Concat([]any{person, person}, inList, inList),
		},
	} {
		gone, err := s.forgetInPages(ctx, notes)
		n += gone
		if err != nil {
			return n, err
		}
	}
	known := 0
	err = s.tx(ctx, func(tx *gorm.DB) error {
		done := tx.Where("person_id = ?", person).Delete(&rematchKnownRow{})
		known = int(done.RowsAffected)
		return done.Error
	})
	return n + known, err
}

// isSomebodyElse reports whether an id of an entry is that of a person with another name.
func isSomebodyElse(tx *gorm.DB, e erasure.Entry, person int64) (bool, error) {
	var names []string
	err := tx.Model(&personRow{}).Where("id = ?", person).Pluck("name", &names).Error
	return len(names) > 0 && !e.IsOf(person, names[0]), err
}

// notesAbout are the rows of a table to delete. Its key is the job and the image.
type notesAbout struct {
	table, job, where string
	args              []any
}

// noteKey is the key of a note.
type noteKey struct{ Job, Image int64 }

// forgetInPages deletes notes by pages of the table's key, each in a transaction of its
// own.
func (s *Store) forgetInPages(ctx context.Context, notes notesAbout) (n int, err error) {
	after := noteKey{-1, -1}
	for {
		var last []noteKey // of the page; none if it is the last page
		gone := 0
		err := s.tx(ctx, func(tx *gorm.DB) error {
			last = nil
			beyond := "(" + notes.job + " > ? OR " + notes.job + " = ? AND image_id > ?)"
			page := []any{after.Job, after.Job, after.Image}
			err := tx.Table(notes.table).Select(notes.job+" AS job, image_id AS image").Where(beyond, page...).
				Order(notes.job + ", image_id").Offset(notesAtOnce - 1).Limit(1).Scan(&last).Error
			if err != nil {
				return err
			}
			if len(last) > 0 {
				beyond += " AND (" + notes.job + " < ? OR " + notes.job + " = ? AND image_id <= ?)"
				page = append(page, last[0].Job, last[0].Job, last[0].Image)
			}
			done := tx.Exec("DELETE FROM "+notes.table+" WHERE "+beyond+" AND ("+notes.where+")", append(page, notes.args...)...)
			gone = int(done.RowsAffected)
			return done.Error
		})
		n += gone
		if err != nil || len(last) == 0 {
			return n, err
		}
		after = last[0]
	}
}
