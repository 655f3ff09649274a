package store_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/store/migrations"
)

// cutConn is a connection that the server kills after some statements, as it
// does when the program at its other end dies.
type cutConn struct {
	*sql.Conn
	kill  func() error
	first func() // called after the first statement
	after int    // statements until the cut
	done  int
}

func (c *cutConn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result, err := c.Conn.ExecContext(ctx, query, args...)
	if err != nil {
		return result, err
	}
	c.done++
	if c.done == 1 {
		c.first()
	}
	if c.done == c.after {
		return result, c.kill()
	}
	return result, nil
}

// TestUpgradeIsCutOff kills a migration of the original's database after each of
// its statements, while a second program waits for its turn. The second ends
// with what an undisturbed migration makes.
func TestUpgradeIsCutOff(t *testing.T) {
	t.Parallel()
	start := append(append([]string{}, original...), originalRows...)
	want, statements := cutAfter(t, start, 0)
	if statements < 40 {
		t.Fatalf("the migration has only %d statements", statements)
	}
	for k := 1; k < statements; k++ { // the last one records the last version
		t.Run(fmt.Sprintf("after statement %d", k), func(t *testing.T) {
			t.Parallel()
			got, _ := cutAfter(t, start, k)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-undisturbed +got):\n%s", diff)
			}
		})
	}
}

// cutAfter migrates a database by one program that dies after a number of
// statements (0: never) and another that waits for the same. It returns what
// becomes of the database, and how many statements the first ran.
func cutAfter(t *testing.T, start []string, statements int) (tables map[string][]string, done int) {
	t.Helper()
	db := mariadbtest.Database(t)
	raw := rawMariaDB(t, db)
	execRaw(t, raw, start...)
	clock := func() time.Time { return time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC) }
	waiting := openMariaDB(t, db, store.WithClock(clock))
	waited := make(chan error, 1)
	conn := cutConnOf(t, raw, statements)
	conn.first = func() {
		go func() {
			_, err := waiting.Migrate(t.Context(), unknownRoot)
			waited <- err
		}()
	}
	_, err := migrations.MySQL(t.Context(), conn, nil, db.Name, migrations.Options{UnknownRoot: unknownRoot, Now: clock})
	if (err == nil) != (statements == 0) {
		t.Fatalf("the first program after %d statements: %v", conn.done, err)
	}
	// The pool would keep a connection that still works, and with it the lock.
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	if err := <-waited; err != nil {
		t.Fatalf("the second program: %v", err)
	}
	return timeless(dump(t, raw)), conn.done
}

// cutConnOf takes a connection out of a pool.
func cutConnOf(t *testing.T, raw *sql.DB, after int) *cutConn {
	t.Helper()
	conn, err := raw.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var id int64
	if err := conn.QueryRowContext(t.Context(), "select connection_id()").Scan(&id); err != nil {
		t.Fatal(err)
	}
	kill := func() error {
		_, err := raw.ExecContext(t.Context(), fmt.Sprintf("kill connection %d", id))
		return err
	}
	return &cutConn{Conn: conn, kill: kill, after: after}
}

var rowTime = regexp.MustCompile(`20\d\d-\d\d-\d\dT[0-9:.]+Z`)

// timeless takes out when each row was made.
func timeless(tables map[string][]string) map[string][]string {
	for name, rows := range tables {
		for i, r := range rows {
			tables[name][i] = rowTime.ReplaceAllString(r, "then")
		}
	}
	return tables
}

// brokenConn fails one statement, and all after it.
type brokenConn struct {
	migrations.DB
	starts string
	err    error
}

func (c *brokenConn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if strings.HasPrefix(query, c.starts) {
		return nil, c.err
	}
	return c.DB.ExecContext(ctx, query, args...)
}

// What went wrong is found by the file and the number of the statement.
func TestMigrationsErrors(t *testing.T) {
	t.Parallel()
	full := errors.New("the disk is full")
	options := migrations.Options{UnknownRoot: unknownRoot, Now: time.Now}
	for _, tt := range []struct{ name, starts, want string }{
		{"a statement", "ALTER TABLE corrections",
			"0003_deciding.mysql.sql, statement 4 of 6 (ALTER TABLE corrections): the disk is full; what came before is done: remove the cause and run receiver -migrate again, which goes on from here"},
		{"a Go step", "ALTER TABLE images ADD UNIQUE KEY",
			`0001_images_people_faces.mysql.sql, Go step "paths become absolute and unique" after the file: make paths unique: the disk is full; what came before`},
		{"the version", "INSERT INTO schema_migrations",
			"record version 1 in schema_migrations: the disk is full"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := mariadbtest.Database(t)
			conn, err := rawMariaDB(t, db).Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, err = migrations.MySQL(t.Context(), &brokenConn{conn, tt.starts, full}, nil, db.Name, options)
			if !errors.Is(err, full) || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("the error is %v, want %s", err, tt.want)
			}
		})
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		raw := rawSQLite(t, t.TempDir()+"/rollcall.db")
		tx, err := raw.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		_, err = migrations.SQLite(t.Context(), &brokenConn{tx, "ALTER TABLE rematches", full}, options)
		want := "0003_deciding.sqlite.sql, statement 19 of 19 (ALTER TABLE rematches ADD COLUMN rule TEXT NOT NULL DEFAULT ''): the disk is full; nothing was changed: remove the cause and start again"
		if !errors.Is(err, full) || err.Error() != want {
			t.Errorf("the error is %v, want %s", err, want)
		}
	})
}
