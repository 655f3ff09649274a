package migrations

import (
	"context"
	"database/sql"
	"os"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

// TestAlterTable repeats changes of a table that were done in part.
func TestAlterTable(t *testing.T) {
	t.Parallel()
	const alter = "ALTER TABLE a\n" +
		"  ADD COLUMN new INT NOT NULL DEFAULT 5,\n" +
		"  ADD KEY a_new (new, kept),\n" +
		"  DROP COLUMN old,\n" +
		"  DROP KEY a_old,\n" +
		"  MODIFY kept BIGINT NOT NULL"
	for name, before := range map[string][]string{
		"nothing done": nil,
		"columns done": {"ALTER TABLE a ADD COLUMN new INT NOT NULL DEFAULT 5, DROP COLUMN old"},
		"keys done":    {"ALTER TABLE a ADD COLUMN new INT NOT NULL DEFAULT 5, ADD KEY a_new (new, kept), DROP KEY a_old"},
		"all done":     {alter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := mysql.check(alter); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("mysql", mariadbtest.Database(t).DSN())
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, s := range append([]string{"CREATE TABLE a (kept INT NOT NULL, old INT, KEY a_old (kept))", "INSERT INTO a VALUES (1, 2)"}, before...) {
				if _, err := db.ExecContext(t.Context(), s); err != nil {
					t.Fatalf("%s: %v", s, err)
				}
			}
			for range 2 {
				if err := mysql.exec(t.Context(), db, alter); err != nil {
					t.Fatal(err)
				}
			}
			const columns = "SELECT GROUP_CONCAT(COLUMN_NAME, ' ', DATA_TYPE ORDER BY COLUMN_NAME SEPARATOR ', ') FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
			wantText(t, db, columns, "kept bigint, new int")
			wantText(t, db, "SELECT GROUP_CONCAT(DISTINCT INDEX_NAME) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE()", "a_new")
			wantText(t, db, "SELECT CONCAT_WS(' ', kept, new) FROM a", "1 5")
		})
	}
}

// lockedConn is a connection that tells when a statement waited in vain for a lock.
type lockedConn struct {
	*sql.Conn
	waited func()
}

func (c lockedConn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	done, err := c.Conn.ExecContext(ctx, query, args...)
	if isLockWait(err) {
		c.waited()
	}
	return done, err
}

// TestMigrationWaitsAgain has a migration wait for a row that is locked for longer than a
// statement may wait. On a cluster of databases, a node that is busy looks the same.
func TestMigrationWaitsAgain(t *testing.T) {
	t.Parallel()
	at := mariadbtest.Database(t)
	db, err := sql.Open("mysql", at.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exec := func(on DB, statement string) {
		t.Helper()
		if _, err := on.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	options := Options{UnknownRoot: "/unknown_people", Now: time.Now, Upto: 2}
	if _, err := MySQL(t.Context(), conn, db, at.Name, options); err != nil {
		t.Fatal(err)
	}
	exec(conn, "DELETE FROM schema_migrations WHERE version = 2") // as if it had been interrupted
	other, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	exec(other, "UPDATE rematch_state SET id = id + 1")
	exec(conn, "SET SESSION innodb_lock_wait_timeout = 1")
	waits := 0
	applied, err := MySQL(t.Context(), lockedConn{conn, func() {
		if waits++; waits == 1 {
			exec(other, "UPDATE rematch_state SET id = id - 1")
			if err := other.Commit(); err != nil {
				t.Error(err)
			}
		}
	}}, db, at.Name, options)
	if err != nil || len(applied) != 1 || waits != 1 {
		t.Errorf("MySQL() = %q, %v after %d waits, want one version after 1", applied, err, waits)
	}
}

func wantText(t *testing.T, db *sql.DB, query, want string) {
	t.Helper()
	var got string
	if err := db.QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want {
		t.Errorf("%s: %q, %v, want %q", query, got, err, want)
	}
}
