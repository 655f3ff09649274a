package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store/migrations"
)

// SchemaVersion is the version of the schema that this build needs.
const SchemaVersion = migrations.Version

// Migrate brings the schema to SchemaVersion and returns the names of the
// versions that it applied. Several replicas may call it at once: one migrates,
// the others wait for it. It upgrades a database made by the original's
// database_setup.sql in place and makes its relative paths absolute under
// unknownRoot.
func (s *Store) Migrate(ctx context.Context, unknownRoot string) (applied []string, err error) {
	options := migrations.Options{UnknownRoot: unknownRoot, Now: s.now}
	if s.isMySQL() {
		applied, err = s.migrateMySQL(ctx, options)
	} else if err = s.checkFile(ctx); err == nil {
		err = s.tx(ctx, func(tx *gorm.DB) error {
			applied, err = migrations.SQLite(ctx, tx.Statement.ConnPool, options)
			return err
		})
	}
	if err != nil && (isRetriable(err) || isServerUnusable(err)) {
		err = unavailable(err)
	}
	if err != nil {
		return applied, fmt.Errorf("migrate the database: %w", err)
	}
	return applied, nil
}

// checkFile returns an error that says what to do if the database file is damaged.
// A migration could make it worse.
func (s *Store) checkFile(ctx context.Context) error {
	var found string
	err := s.reader.WithContext(ctx).Raw("PRAGMA quick_check(1)").Scan(&found).Error
	switch {
	case err != nil && problemOf(err) != Damaged:
		return err
	case err != nil:
		return damagedFile(s.file, err.Error())
	case found != "ok":
		return damagedFile(s.file, found)
	default:
		return nil
	}
}

func damagedFile(file, how string) error {
	return fmt.Errorf("the database file %s is damaged (%s); keep a copy of its folder and restore a backup, "+
		"or save what can be read with: sqlite3 %s .recover | sqlite3 new.db", file, how, file)
}

// migrateMySQL uses a connection of its own without a read timeout, because
// changing a large table takes long.
func (s *Store) migrateMySQL(ctx context.Context, options migrations.Options) ([]string, error) {
	pool := newPool(s.mysql.withoutReadTimeout(), 1)
	defer pool.Close()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	others, err := s.db.DB()
	if err != nil {
		return nil, err
	}
	return migrations.MySQL(ctx, conn, others, s.mysql.dsn.DBName, options)
}

// CheckSchema returns an error if the schema is older than this build needs. A
// newer one is fine, because migrations only expand.
func (s *Store) CheckSchema(ctx context.Context) error {
	have, err := migrations.Current(ctx, s.reader.Statement.ConnPool)
	switch {
	case errors.Is(err, migrations.ErrRestoring):
		return faces.Errorf(faces.CodeUnavailable, "%s", err)
	case isNoTable(err):
		have = 0
	case err != nil:
		return unavailable(err)
	}
	if have < SchemaVersion {
		return faces.Errorf(faces.CodeUnavailable,
			"the database's schema is version %d, this build needs %d: run receiver -migrate", have, SchemaVersion)
	}
	return nil
}

func isNoTable(err error) bool {
	return mysqlNumber(err) == mysqlNoSuchTable || err != nil && strings.Contains(err.Error(), "no such table")
}

// WaitForSchema waits until the database answers and its schema is new enough, or
// until ctx ends. Programs may start in any order.
func (s *Store) WaitForSchema(ctx context.Context, log *slog.Logger) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := s.Ping(ctx)
		if err == nil {
			return nil
		}
		log.Warn("waiting for the database", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
