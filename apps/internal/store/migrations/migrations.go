// Package migrations holds the database's schema as SQL files and migrates a
// database to it. Only package store calls it.
//
// A version of the schema is a pair of files, NNNN_name.mysql.sql (MySQL and
// MariaDB) and NNNN_name.sqlite.sql, and in rare cases a Go step for what SQL
// cannot do. The table schema_migrations lists the versions that were applied.
//
// To add a migration:
//
//  1. Write both files with the next number, and raise Version.
//  2. Only expand: add tables, and columns with a default, because programs of
//     the previous version run beside this one. Drop what is no longer used one
//     version later; docs/upgrade.md has the rule. Never edit a file that was merged.
//  3. In a mysql file every statement must be repeatable, because MySQL commits
//     each statement on its own. Use CREATE TABLE IF NOT EXISTS, INSERT IGNORE,
//     an UPDATE that may run twice, or ALTER TABLE with each ADD COLUMN or ADD
//     KEY on a line of its own: the runner skips lines that were applied already.
//  4. Columns whose text is compared use ${EXACT}. A statement ends with a
//     semicolon at the end of a line. Comments are on lines of their own.
//  5. Run the tests of this package and of store. They need a dump of a database
//     with data of the previous version, as store/testdata/schema-N.*.sql.
package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Version is the newest version of the schema.
const Version = 11

// DB is a connection or a transaction, such as *sql.Conn and *sql.Tx.
type DB interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Options configures a migration.
type Options struct {
	UnknownRoot string           // the folder that relative paths of the original are relative to
	Now         func() time.Time // the current time in UTC
	Upto        int              // the version to migrate to; 0 is Version
	Restoring   bool             // a restore does this; see BeginRestore

	held *Held
}

// WithLock says that the caller has the migration lock.
func (o Options) WithLock(h *Held) Options {
	o.held = h
	return o
}

// SQLite migrates a SQLite database to Version and returns the names of the
// versions that it applied. tx must be a transaction with the write lock, so that
// everything is applied or nothing, and other programs wait.
func SQLite(ctx context.Context, tx DB, o Options) (applied []string, err error) {
	list, err := load(files, sqlite, nil)
	if err != nil {
		return nil, err
	}
	return run(ctx, tx, list, o)
}

// Current returns the version of a database's schema, or 0 before the first
// migration. It fails if the table schema_migrations does not exist, and with
// ErrRestoring while a restore is not finished.
func Current(ctx context.Context, db DB) (int, error) {
	highest, lowest, err := versions(ctx, db)
	if err == nil && lowest == restoring {
		err = ErrRestoring
	}
	return max(0, highest), err
}

func versions(ctx context.Context, db DB) (highest, lowest int, err error) {
	var high, low sql.NullInt64
	err = db.QueryRowContext(ctx, "SELECT MAX(version), MIN(version) FROM schema_migrations").Scan(&high, &low)
	return int(high.Int64), int(low.Int64), err
}

// run applies the missing migrations. A database that is newer than Version stays
// unchanged, because versions only expand.
func run(ctx context.Context, db DB, list []migration, o Options) (applied []string, err error) {
	if err := createVersions(ctx, db); err != nil {
		return nil, err
	}
	have, err := Current(ctx, db)
	if err != nil && (!o.Restoring || !errors.Is(err, ErrRestoring)) {
		return nil, fmt.Errorf("read the version of the schema: %w", err)
	}
	for _, m := range list {
		if m.version <= have || o.Upto > 0 && m.version > o.Upto {
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

func createVersions(ctx context.Context, db DB) error {
	_, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS schema_migrations ("+
		"version BIGINT NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, applied_at DATETIME NOT NULL)")
	if err != nil {
		return fmt.Errorf("create schema_migrations: %w", err)
	}
	return nil
}

// goStep is a part of a version that SQL cannot do. It runs after the file.
type goStep struct {
	version int
	name    string
	run     func(ctx context.Context, db DB, o Options) error
}

// apply runs a migration's statements and then its Go step.
func (m migration) apply(ctx context.Context, db DB, o Options) error {
	for i, statement := range m.statements {
		if err := o.held.Check(ctx); err != nil {
			return fmt.Errorf("%s, before statement %d of %d: %w", m.file, i+1, len(m.statements), err)
		}
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
