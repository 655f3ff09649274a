package store

import (
	"context"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// addOne is AddUploads for one path without a name of a file, which most posts are. It
// needs few round trips: a row that is there is only read, and a new one is not read
// back. The isolation level is the database's own: nothing is read before the insertion.
func (s *Store) addOne(ctx context.Context, path string, byPath map[string]faces.Image) error {
	err := s.retry(ctx, func(tx *gorm.DB) error { return findByPath(tx, []string{path}, byPath) })
	if err != nil || len(byPath) > 0 {
		return err
	}
	err = s.retry(ctx, func(db *gorm.DB) error {
		clear(byPath)
		return db.Transaction(func(tx *gorm.DB) error { return s.insertOne(tx, path, byPath) })
	})
	if err != nil || len(byPath) > 0 {
		return err
	}
	// Another program has added the path meanwhile.
	return s.tx(ctx, func(tx *gorm.DB) error { return s.addAll(tx, []string{path}, nil, byPath) })
}

// insertOne adds a row and its event, unless the path has a row.
func (s *Store) insertOne(tx *gorm.DB, path string, byPath map[string]faces.Image) error {
	now := s.now()
	insert := "INSERT INTO images (path, person, status, reason, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)"
	if !s.isMySQL() {
		insert += " ON CONFLICT DO NOTHING"
	}
	done, err := tx.Statement.ConnPool.ExecContext(tx.Statement.Context, insert,
		path, faces.NoPerson, int(faces.Pending), string(faces.Queued), now, now)
	if mysqlNumber(err) == mysqlDuplicateEntry {
		return nil
	}
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return err
	}
	id, err := done.LastInsertId()
	if err != nil {
		return err
	}
	nobody := faces.NoPerson
	byPath[path] = imageRow{ID: id, Path: path, Person: &nobody, Status: int(faces.Pending), Reason: string(faces.Queued), CreatedAt: now, UpdatedAt: now}.image()
	return addImageEvents(tx, faces.ImageAccepted, faces.NoCause, faces.Queued, []int64{id}, now)
}
