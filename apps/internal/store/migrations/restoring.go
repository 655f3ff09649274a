package migrations

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// restoring is the version of the row that is in schema_migrations while a restore is
// under way. No table is needed for it that an older schema does not have.
const restoring = -1

// ErrRestoring says that a restore of the database was begun and is not finished.
var ErrRestoring = errors.New("a restore of this database is under way, or was interrupted: run the restore again")

// BeginRestore notes that a restore is under way. From now on Current, SQLite and MySQL
// fail for everybody but those who set Options.Restoring. The version is 0 then.
func BeginRestore(ctx context.Context, db DB, now time.Time) error {
	if err := createVersions(ctx, db); err != nil {
		return err
	}
	_, lowest, err := versions(ctx, db)
	if err == nil && lowest != restoring {
		_, err = db.ExecContext(ctx, "INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, 'restore', ?)", restoring, now)
	}
	if err == nil {
		_, err = db.ExecContext(ctx, "DELETE FROM schema_migrations WHERE version <> ?", restoring)
	}
	if err != nil {
		return fmt.Errorf("note that a restore is under way: %w", err)
	}
	return nil
}

// EndRestore notes that the restore is finished.
func EndRestore(ctx context.Context, db DB) error {
	if _, err := db.ExecContext(ctx, "DELETE FROM schema_migrations WHERE version = ?", restoring); err != nil {
		return fmt.Errorf("note that the restore is finished: %w", err)
	}
	return nil
}
