package migrations

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// pathsPage is the largest number of paths that one statement reads or changes.
const pathsPage = 500

// A post finds the oldest row of each path. The other rows stay and are marked as
// duplicates.
const (
	unmarkDuplicates = `UPDATE images SET dedup = 0, duplicate_of = 0 WHERE dedup <> 0`
	markDuplicates   = `UPDATE images
		JOIN (SELECT path, MIN(id) AS first_id FROM images GROUP BY path HAVING COUNT(*) > 1) AS firsts
		ON firsts.path = images.path AND firsts.first_id <> images.id
		SET images.dedup = images.id, images.duplicate_of = firsts.first_id`
	addUniquePaths = `ALTER TABLE images ADD UNIQUE KEY images_path (path, dedup)`
)

// uniquePaths is the Go step of version 1: it makes the original's paths absolute
// and clean, which SQL cannot do, and unique. The unique index comes last. If it
// exists, the step is done. An original program may insert a duplicate before
// that, so adding the index is retried.
func uniquePaths(ctx context.Context, db DB, o Options) error {
	done, err := hasKey(ctx, db, "images", "images_path")
	if err != nil || done {
		return err
	}
	if err := absolutePaths(ctx, db, o.UnknownRoot); err != nil {
		return fmt.Errorf("make paths absolute: %w", err)
	}
	const tries = 5
	for i := 1; ; i++ {
		for _, statement := range []string{unmarkDuplicates, markDuplicates} {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("mark duplicate paths: %w", err)
			}
		}
		_, err := db.ExecContext(ctx, addUniquePaths)
		if isDuplicate(err) && i < tries {
			continue // an original program has added a duplicate meanwhile
		}
		if err != nil {
			return fmt.Errorf("make paths unique: %w", err)
		}
		return nil
	}
}

// isDuplicate reports whether a unique index rejected a row (ER_DUP_ENTRY).
func isDuplicate(err error) bool {
	var my *mysqldriver.MySQLError
	return errors.As(err, &my) && my.Number == 1062
}

// imagePath is one row's path.
type imagePath struct {
	id   int64
	path string
}

// absolutePaths makes the original's paths absolute and clean, one page at a time.
func absolutePaths(ctx context.Context, db DB, root string) error {
	for last := int64(0); ; {
		page, err := readPaths(ctx, db, last)
		if err != nil || len(page) == 0 {
			return err
		}
		last = page[len(page)-1].id
		if err := writePaths(ctx, db, absolute(page, root)); err != nil {
			return err
		}
	}
}

func readPaths(ctx context.Context, db DB, after int64) (page []imagePath, err error) {
	rows, err := db.QueryContext(ctx, "SELECT id, path FROM images WHERE id > ? ORDER BY id LIMIT ?", after, pathsPage)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p imagePath
		if err := rows.Scan(&p.id, &p.path); err != nil {
			return nil, err
		}
		page = append(page, p)
	}
	return page, rows.Err()
}

// absolute returns the rows whose path changes, with the new path. A path that
// would be too long stays unchanged; the recognizer resolves it, too.
func absolute(page []imagePath, root string) (changed []imagePath) {
	for _, p := range page {
		abs := path.Clean(p.path)
		if !path.IsAbs(p.path) {
			abs = path.Join(root, p.path)
		}
		if abs != p.path && utf8.RuneCountInString(abs) <= faces.MaxPathLength {
			changed = append(changed, imagePath{p.id, abs})
		}
	}
	return changed
}

// writePaths writes a page in one statement, so that it is atomic.
func writePaths(ctx context.Context, db DB, page []imagePath) error {
	if len(page) == 0 {
		return nil
	}
	var args, ids []any
	for _, p := range page {
		args, ids = append(args, p.id, p.path), append(ids, p.id)
	}
	_, err := db.ExecContext(ctx, "UPDATE images SET path = CASE id"+strings.Repeat(" WHEN ? THEN ?", len(page))+" END "+
		"WHERE id IN (?"+strings.Repeat(", ?", len(page)-1)+")", append(args, ids...)...)
	return err
}
