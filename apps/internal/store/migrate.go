package store

// This file owns the schema's versions: how they are applied once, under a
// lock, and how a program asks whether the schema is new enough for it.
//
// Every step can run again after it was cut off half-way, because MySQL
// commits each change of a table by itself. Steps only expand: the version
// before works on the tables as the newest leaves them.

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// SchemaVersion is the version that this build needs.
const SchemaVersion = 4

const migrateLockWait = 5 * time.Minute

// migration is one step from a version to the next.
type migration struct {
	version int
	name    string
	apply   func(tx *gorm.DB, unknownRoot string) error
}

func (s *Store) migrations() []migration {
	const base, rematch, rescan = "images, people, faces", "quality, corrections, re-matching", "files, rescans"
	const deciding = "longer descriptors, the rule of deciding, warnings"
	if s.isMySQL() {
		return []migration{{1, base, mysqlBase}, {2, rematch, mysqlRematch}, {3, deciding, mysqlDeciding}, {4, rescan, mysqlRescan}}
	}
	return []migration{{1, base, sqliteBase}, {2, rematch, sqliteRematch}, {3, deciding, sqliteDeciding}, {4, rescan, sqliteRescan}}
}

// Migrate brings the schema to SchemaVersion. It may run from several replicas
// at once: one works, the others wait and find it done. A database made by the
// original's database_setup.sql is upgraded in place; its relative paths
// become absolute under unknownRoot.
func (s *Store) Migrate(ctx context.Context, unknownRoot string) (applied []string, err error) {
	if s.isMySQL() {
		applied, err = s.migrateMySQL(ctx, unknownRoot)
	} else {
		err = s.tx(ctx, func(tx *gorm.DB) error {
			applied, err = s.applyMissing(tx, unknownRoot)
			return err
		})
	}
	if err != nil && (retriable(err) || isClosedToUs(err)) {
		err = unavailable(err)
	}
	if err != nil {
		return applied, fmt.Errorf("migrate the database: %w", err)
	}
	return applied, nil
}

// migrateMySQL works on one connection of its own, whose answers may take as
// long as the change of a large table does. The lock belongs to it, so that it
// is freed even if this process dies.
func (s *Store) migrateMySQL(ctx context.Context, unknownRoot string) (applied []string, err error) {
	dsn := s.mysql.Clone()
	dsn.ReadTimeout = 0
	dialector, err := mysqlDialector(dsn, 1)
	if err != nil {
		return nil, err
	}
	db, err := openGORM(dialector)
	if err != nil {
		return nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	err = db.WithContext(ctx).Connection(func(tx *gorm.DB) error {
		tx = tx.Session(&gorm.Session{NewDB: true}) // or each statement would add to the one before
		if err := lockSchema(tx, dsn.DBName); err != nil {
			return err
		}
		applied, err = s.applyMissing(tx, unknownRoot)
		return err
	})
	return applied, err
}

// lockSchema takes the lock of one database: names of locks are the server's.
func lockSchema(tx *gorm.DB, database string) error {
	name := fmt.Sprintf("rollcall_migrate_%x", sha256.Sum256([]byte(database)))[:64] // the longest name there is
	var got sql.NullInt64
	if err := tx.Raw("SELECT GET_LOCK(?, ?)", name, int(migrateLockWait.Seconds())).Scan(&got).Error; err != nil {
		return fmt.Errorf("lock the schema: %w", err)
	}
	if got.Int64 != 1 {
		return faces.Errorf(faces.CodeUnavailable, "another program has been changing the database's schema for %s", migrateLockWait)
	}
	return nil
}

func (s *Store) applyMissing(tx *gorm.DB, unknownRoot string) (applied []string, err error) {
	err = tx.Exec("CREATE TABLE IF NOT EXISTS schema_migrations (" +
		"version BIGINT NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, applied_at DATETIME NOT NULL)").Error
	if err != nil {
		return nil, err
	}
	have, err := schemaVersion(tx)
	if err != nil {
		return nil, err
	}
	for _, m := range s.migrations() {
		if m.version <= have {
			continue
		}
		if err := m.apply(tx, unknownRoot); err != nil {
			return applied, fmt.Errorf("step %d (%s): %w", m.version, m.name, err)
		}
		err := tx.Exec("INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, ?, ?)",
			m.version, m.name, s.now()).Error
		if err != nil {
			return applied, err
		}
		applied = append(applied, m.name)
	}
	return applied, nil
}

func schemaVersion(tx *gorm.DB) (int, error) {
	var version sql.NullInt64
	err := tx.Raw("SELECT MAX(version) FROM schema_migrations").Scan(&version).Error
	return int(version.Int64), err
}

// CheckSchema returns an error where the schema is older than this build
// needs. A newer one is fine: steps only expand.
func (s *Store) CheckSchema(ctx context.Context) error {
	have, err := schemaVersion(s.db.WithContext(ctx))
	switch {
	case mysqlNumber(err) == mysqlNoSuchTable, err != nil && strings.Contains(err.Error(), "no such table"):
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

// WaitForSchema returns once the database answers with a schema that is new
// enough, or ctx's error. Programs start in any order.
func (s *Store) WaitForSchema(ctx context.Context, log *slog.Logger) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := s.Ping(ctx)
		if err == nil {
			return nil
		}
		log.Warn("waiting for the database", "why", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
