package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// The statements that store new images do without GORM, because each posted image pays
// for them.

// errTaken means that another program has added one of the paths in the meantime.
var errTaken = errors.New("a path has a row meanwhile")

// addFew is AddTraced for few paths without names of files, which most posts are. It
// needs few round trips. The isolation level is the database's own, because nothing is
// read before the insertion.
//
// Most paths are new, so they are inserted at once. When one had a row already, others
// may follow that do: then paths are looked for first, until all of a post are new again.
func (s *Store) addFew(ctx context.Context, paths []string, more extras, byPath map[string]faces.Image) error {
	if len(paths) == 0 {
		return nil
	}
	look := s.postedAgain.Load()
	for range 2 {
		if look {
			if err := s.lookFor(ctx, paths, byPath); err != nil || len(byPath) == len(paths) {
				return err
			}
			s.postedAgain.Store(len(byPath) > 0)
		}
		err := s.insertRest(ctx, paths, more, byPath)
		if !errors.Is(err, errTaken) {
			return err
		}
		s.postedAgain.Store(true)
		look = true
	}
	return s.tx(ctx, func(tx *gorm.DB) error {
		clear(byPath)
		return s.addAll(tx, paths, more, byPath)
	})
}

// lookFor reads those of the paths that have a row.
func (s *Store) lookFor(ctx context.Context, paths []string, byPath map[string]faces.Image) error {
	return s.retry(ctx, func(tx *gorm.DB) error {
		clear(byPath)
		return findByPath(tx, paths, byPath)
	})
}

// insertRest adds those of the paths that byPath does not have. If one of them is taken,
// the error is errTaken, and byPath is as before.
func (s *Store) insertRest(ctx context.Context, paths []string, more extras, byPath map[string]faces.Image) error {
	known := maps.Clone(byPath)
	taken := false
	err := s.retry(ctx, func(db *gorm.DB) error {
		clear(byPath) // of rows that were rolled back
		maps.Copy(byPath, known)
		err := db.Transaction(func(tx *gorm.DB) error { return s.insertFew(tx, paths, more, byPath) })
		if taken = errors.Is(err, errTaken); taken { // is not retried here
			return nil
		}
		return err
	})
	if err != nil || !taken {
		return err
	}
	clear(byPath)
	maps.Copy(byPath, known)
	return errTaken
}

// insertFew adds those of the paths that byPath does not have, with their events. If one
// of them is taken, the transaction is to be rolled back.
func (s *Store) insertFew(tx *gorm.DB, paths []string, more extras, byPath map[string]faces.Image) error {
	rows := s.newRows(paths, more, byPath)
	done, err := insertNew(tx, rows)
	if err != nil {
		return err
	}
	if len(rows) > 1 {
		return s.readNew(tx, done, rows, byPath)
	}
	id, err := done.LastInsertId()
	if err != nil {
		return err
	}
	byPath[rows[0].Path] = rows[0].stored(id).image()
	return addImageEvents(tx, faces.ImageAccepted, faces.NoCause, faces.Queued, []int64{id}, rows[0].CreatedAt)
}

// newRows returns the rows of those paths that byPath does not have.
func (s *Store) newRows(paths []string, more extras, byPath map[string]faces.Image) []newImageRow {
	now := s.now()
	var rows []newImageRow
	for _, p := range paths {
		if _, ok := byPath[p]; !ok {
			rows = append(rows, newImageRow{
				Path: p, FileName: more.names[p], Person: faces.NoPerson, Status: int(faces.Pending), Reason: string(faces.Queued),
				TraceContext: more.traces[p], CreatedAt: now, UpdatedAt: now,
			})
		}
	}
	return rows
}

// insertNew inserts rows with one statement. If a path has a row already, the error is
// errTaken, and nothing is inserted; the transaction can go on.
func insertNew(tx *gorm.DB, rows []newImageRow) (sql.Result, error) {
	columns, names := 7, "path, file_name, person, status, reason, created_at, updated_at"
	traced := slices.ContainsFunc(rows, func(r newImageRow) bool { return r.TraceContext != "" })
	if traced { // else its default is right
		columns, names = columns+1, names+", trace_context"
	}
	args := make([]any, 0, columns*len(rows))
	for _, r := range rows {
		args = append(args, r.Path, r.FileName, r.Person, r.Status, r.Reason, r.CreatedAt, r.UpdatedAt)
		if traced {
			args = append(args, sql.NullString{String: r.TraceContext, Valid: r.TraceContext != ""})
		}
	}
	row := "(" + placeholders(columns) + ")"
	insert := "INSERT INTO images (" + names + ") VALUES " + row + strings.Repeat(", "+row, len(rows)-1)
	done, err := tx.Statement.ConnPool.ExecContext(tx.Statement.Context, insert, args...)
	if mysqlNumber(err) == mysqlDuplicateEntry || sqliteCode(err) == sqliteConstraint {
		return nil, errTaken
	}
	return done, err
}

// many is from how many paths on one look more costs little, compared with looking for
// each path.
const many = 50

// findMany is findByPath for many paths. Those of a new folder lie in a part of the index
// in which there is nothing, and one look tells so.
func findMany(tx *gorm.DB, paths []string, byPath map[string]faces.Image) error {
	if len(paths) < many {
		return findByPath(tx, paths, byPath)
	}
	var there int
	err := tx.Statement.ConnPool.QueryRowContext(tx.Statement.Context,
		"SELECT 1 FROM images WHERE path BETWEEN ? AND ? LIMIT 1", slices.Min(paths), slices.Max(paths)).Scan(&there)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return findByPath(tx, paths, byPath)
}

// readNew reads the ids of rows that insertNew has just inserted, and adds their events.
// The ids of one statement usually follow each other, but need not, so they are not
// computed: they are looked for where they should be, and then by their paths, which takes
// ten times as long.
func (s *Store) readNew(tx *gorm.DB, done sql.Result, rows []newImageRow, byPath map[string]faces.Image) error {
	first, err := done.LastInsertId()
	if err != nil {
		return err
	}
	if !s.isMySQL() { // SQLite tells the last one
		first -= int64(len(rows)) - 1
	}
	step, err := idStep(tx)
	if err != nil {
		return err
	}
	found, err := readIDs(tx, rows, byPath, "id BETWEEN ? AND ?", first, first+step*int64(len(rows)-1))
	if err == nil && found != len(rows) {
		paths := make([]any, len(rows))
		for i, r := range rows {
			paths[i] = r.Path
		}
		_, err = readIDs(tx, rows, byPath, "path IN ("+placeholders(len(rows))+")", paths...)
	}
	if err != nil {
		return err
	}
	ids := make([]int64, len(rows))
	for i, r := range rows {
		if ids[i] = byPath[r.Path].ID; ids[i] == 0 {
			return errors.New("the row of a new image cannot be read back")
		}
	}
	return addImageEvents(tx, faces.ImageAccepted, faces.NoCause, faces.Queued, ids, rows[0].CreatedAt)
}

// idStep returns by how much the ids of one statement usually differ. On a cluster it is the
// number of its nodes, and so may change at any time.
func idStep(tx *gorm.DB) (step int64, err error) {
	if !onGalera(tx) {
		return 1, nil
	}
	err = tx.Statement.ConnPool.QueryRowContext(tx.Statement.Context, "SELECT @@auto_increment_increment").Scan(&step)
	return step, err
}

// readIDs reads which ids the rows have and returns how many it found.
func readIDs(tx *gorm.DB, rows []newImageRow, byPath map[string]faces.Image, where string, args ...any) (found int, err error) {
	rowOf := make(map[string]newImageRow, len(rows))
	for _, r := range rows {
		rowOf[r.Path] = r
	}
	list, err := tx.Statement.ConnPool.QueryContext(tx.Statement.Context, "SELECT id, path FROM images WHERE dedup = 0 AND "+where, args...)
	if err != nil {
		return 0, err
	}
	defer list.Close()
	for list.Next() {
		var id int64
		var path string
		if err := list.Scan(&id, &path); err != nil {
			return 0, err
		}
		if row, ours := rowOf[path]; ours {
			byPath[path] = row.stored(id).image()
			found++
		}
	}
	return found, list.Err()
}

// insertEach inserts those of the rows whose paths are not taken, each by a statement of
// its own, so that it is known which of them are new. It returns the paths that are taken.
func insertEach(tx *gorm.DB, rows []newImageRow, byPath map[string]faces.Image) (taken []string, err error) {
	var ids []int64
	for _, r := range rows {
		done, err := insertNew(tx, []newImageRow{r})
		if errors.Is(err, errTaken) {
			taken = append(taken, r.Path)
			continue
		}
		if err != nil {
			return nil, err
		}
		id, err := done.LastInsertId()
		if err != nil {
			return nil, err
		}
		ids, byPath[r.Path] = append(ids, id), r.stored(id).image()
	}
	return taken, addImageEvents(tx, faces.ImageAccepted, faces.NoCause, faces.Queued, ids, rows[0].CreatedAt)
}

// stored returns the row with the id that it has got.
func (r newImageRow) stored(id int64) imageRow {
	return imageRow{
		ID: id, Path: r.Path, FileName: r.FileName, Person: &r.Person, Status: r.Status, Reason: r.Reason,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}
