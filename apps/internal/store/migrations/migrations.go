// Package migrations holds the database's schema as SQL files and brings a
// database up to date with them. Package store calls it; nothing else does.
//
// A version of the schema is a pair of files, NNNN_name.mysql.sql (MySQL and
// MariaDB) and NNNN_name.sqlite.sql, and in rare cases a Go step for what SQL
// cannot do. The table schema_migrations says which versions a database has.
//
// To add a migration:
//
//  1. Write both files with the next number, and raise Version.
//  2. Only expand: add tables, and columns with a default. The program of the
//     version before goes on working beside this one. What nothing uses any
//     more is dropped a version later. Never edit a file that has landed.
//  3. In a mysql file every statement must be repeatable, because MySQL commits
//     each one by itself: CREATE TABLE IF NOT EXISTS; ALTER TABLE with each ADD
//     COLUMN or ADD KEY on a line of its own, of which the runner leaves out
//     what was done already; INSERT IGNORE; an UPDATE that may run twice.
//  4. Text that is compared takes ${EXACT}. A statement ends with a semicolon
//     at the end of a line, and comments have a line of their own.
//  5. Run the tests of this package and of store. They want a dump of a database
//     that the version before filled, as store/testdata/schema-N.*.sql.
package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Version is the version of the schema that the files lead to.
const Version = 4

// DB is a connection or a transaction. *sql.Conn and *sql.Tx are.
type DB interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Options are what migrations need to know beside the database.
type Options struct {
	UnknownRoot string           // what relative paths of the original become absolute under
	Now         func() time.Time // when a version was applied; in UTC
}

// SQLite brings a SQLite database to Version and returns the names of the
// versions it applied. tx is a transaction that has the write lock: it makes
// all of it happen or nothing, and others wait for it.
func SQLite(ctx context.Context, tx DB, o Options) (applied []string, err error) {
	list, err := load(files, sqlite, nil)
	if err != nil {
		return nil, err
	}
	return run(ctx, tx, list, o)
}

// Current returns the version of a database's schema. It is 0 before the first
// migration, and an error where there is no table schema_migrations.
func Current(ctx context.Context, db DB) (int, error) {
	var version sql.NullInt64
	err := db.QueryRowContext(ctx, "SELECT MAX(version) FROM schema_migrations").Scan(&version)
	return int(version.Int64), err
}

// run applies the migrations that a database does not have. A database that is
// newer than Version stays as it is: versions only expand.
func run(ctx context.Context, db DB, list []migration, o Options) (applied []string, err error) {
	_, err = db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS schema_migrations ("+
		"version BIGINT NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, applied_at DATETIME NOT NULL)")
	if err != nil {
		return nil, fmt.Errorf("create schema_migrations: %w", err)
	}
	have, err := Current(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read the version of the schema: %w", err)
	}
	for _, m := range list {
		if m.version <= have {
			continue
		}
		if err := m.apply(ctx, db, o); err != nil {
			return applied, err
		}
		_, err := db.ExecContext(ctx, "INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, ?, ?)",
			m.version, m.name, o.Now())
		if err != nil {
			return applied, fmt.Errorf("record version %d in schema_migrations: %w", m.version, err)
		}
		applied = append(applied, m.name)
	}
	return applied, nil
}

// goStep is what a version does after its file because SQL cannot.
type goStep struct {
	version int
	name    string
	run     func(ctx context.Context, db DB, o Options) error
}

// apply runs a migration's statements and then its Go step.
func (m migration) apply(ctx context.Context, db DB, o Options) error {
	for i, statement := range m.statements {
		if err := m.dialect.exec(ctx, db, statement); err != nil {
			return fmt.Errorf("%s, statement %d of %d (%s): %w; %s", m.file, i+1, len(m.statements), summary(statement), err, m.dialect.advice())
		}
	}
	if m.after == nil {
		return nil
	}
	if err := m.after.run(ctx, db, o); err != nil {
		return fmt.Errorf("%s, Go step %q after the file: %w; %s", m.file, m.after.name, err, m.dialect.advice())
	}
	return nil
}
