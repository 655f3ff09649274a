package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store/migrations"
)

const (
	// restoreRows and restoreBytes bound one INSERT of a restore. SQLite takes 32,766
	// parameters, and MySQL 16 MiB.
	restoreRows  = 400
	restoreBytes = 1 << 20
	// saysHello is how old what a running program says about itself can be.
	saysHello = 20 * time.Second
	// lockReleaseTime is how long the end of a restore waits to release its lock.
	lockReleaseTime = 10 * time.Second
)

// Restore writes the rows of a backup into an empty database. Until Finish, no program
// is ready on this database: CheckSchema and Migrate say that a restore is not finished.
type Restore struct {
	store   *Store
	conn    *sql.Conn // nil on SQLite
	pool    *sql.DB
	unknown string
	lock    *migrations.Held // nil on SQLite
}

// BeginRestore empties the database and makes the tables of a version of the schema. It
// refuses a database that has rows of its own, unless replace is set or the rows are
// those of a restore that was interrupted, and one on which programs run. The caller
// calls Close, also after Finish.
func (s *Store) BeginRestore(ctx context.Context, schema int, unknownRoot string, replace bool) (*Restore, error) {
	if schema < 1 || schema > SchemaVersion {
		return nil, fmt.Errorf("the schema of the backup is version %d, this program knows 1 to %d: restore it with the program that made it, or a newer one", schema, SchemaVersion)
	}
	r := &Restore{store: s, unknown: unknownRoot}
	if err := r.open(ctx); err != nil {
		return nil, fmt.Errorf("connect to the database for a restore: %w", unavailableIfAway(err))
	}
	if err := r.begin(ctx, schema, replace); err != nil {
		return nil, errors.Join(fmt.Errorf("begin to restore: %w", unavailableIfAway(err)), r.Close())
	}
	return r, nil
}

func (r *Restore) open(ctx context.Context) (err error) {
	s := r.store
	if !s.isMySQL() {
		r.pool, err = s.db.DB()
		return err
	}
	r.pool = newPool(s.mysql.forBackups(), 1)
	if r.conn, err = r.pool.Conn(ctx); err != nil {
		return errors.Join(err, r.pool.Close())
	}
	r.lock, err = s.lockSchema(ctx, r.conn)
	if err == nil { // 0 is a value of an id, and not "the next one"
		_, err = r.conn.ExecContext(ctx, "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO'")
	}
	if err != nil {
		return errors.Join(err, r.Close())
	}
	return nil
}

// Close ends the restore. Without Finish before, it stays unfinished.
func (r *Restore) Close() error {
	if r.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockReleaseTime)
	defer cancel()
	err := errors.Join(r.lock.Release(ctx), r.conn.Close())
	r.conn = nil
	return errors.Join(err, r.pool.Close())
}

// on runs f on the connection. SQLite has one connection that writes, which the Store
// needs, too.
func (r *Restore) on(ctx context.Context, f func(*sql.Conn) error) error {
	if r.conn != nil {
		return f(r.conn)
	}
	conn, err := r.pool.Conn(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(conn), conn.Close())
}

// tx runs f in a transaction.
func (r *Restore) tx(ctx context.Context, f func(*sql.Conn) error) error {
	return r.on(ctx, func(conn *sql.Conn) error {
		begin := "BEGIN IMMEDIATE"
		if r.store.isMySQL() {
			begin = "START TRANSACTION"
		}
		if _, err := conn.ExecContext(ctx, begin); err != nil {
			return err
		}
		if err := f(conn); err != nil {
			_, rollback := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
			return errors.Join(err, rollback)
		}
		_, err := conn.ExecContext(ctx, "COMMIT")
		return err
	})
}

func (r *Restore) begin(ctx context.Context, schema int, replace bool) error {
	err := r.on(ctx, func(conn *sql.Conn) error {
		names, err := r.reader(conn).tableNames(ctx)
		if err != nil {
			return fmt.Errorf("list the tables: %w", err)
		}
		if err := r.check(ctx, conn, names, replace); err != nil {
			return err
		}
		if err := migrations.BeginRestore(ctx, conn, r.store.now()); err != nil {
			return err
		}
		for _, name := range names {
			if _, ours := backupTables[name]; !ours {
				continue
			}
			if _, err := conn.ExecContext(ctx, "DROP TABLE "+r.store.quoted(name)); err != nil {
				return fmt.Errorf("remove the table %s: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.migrate(ctx, schema); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	return r.on(ctx, func(conn *sql.Conn) error { return r.clear(ctx, conn) })
}

// clear deletes the rows that migrations make.
func (r *Restore) clear(ctx context.Context, conn *sql.Conn) error {
	tables, _, err := r.reader(conn).keptTables(ctx)
	if err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	for _, t := range tables {
		if _, err := conn.ExecContext(ctx, "DELETE FROM "+r.store.quoted(t.Name)); err != nil { //nolint:gosec // the schema has the name
			return fmt.Errorf("empty the table %s: %w", t.Name, err)
		}
	}
	return nil
}

func (r *Restore) reader(conn *sql.Conn) tableReader {
	return tableReader{conn: conn, mysql: r.store.isMySQL(), quote: r.store.quoted}
}

// check refuses a database that a restore would take something from.
func (r *Restore) check(ctx context.Context, conn *sql.Conn, tables []string, replace bool) error {
	interrupted := false
	if slices.Contains(tables, "schema_migrations") {
		have, err := migrations.Current(ctx, conn)
		interrupted = errors.Is(err, migrations.ErrRestoring)
		switch {
		case err != nil && !interrupted:
			return fmt.Errorf("read the version of the schema: %w", err)
		case have > SchemaVersion:
			return fmt.Errorf("the database's schema is version %d, this program knows %d: use the newer program", have, SchemaVersion)
		}
	}
	if slices.Contains(tables, "program_states") {
		running, err := r.running(ctx, conn)
		if err != nil {
			return fmt.Errorf("look which programs run: %w", err)
		}
		if len(running) > 0 {
			return fmt.Errorf("programs use this database (%s): stop them, wait %d seconds, and begin again", strings.Join(running, ", "), int(saysHello.Seconds()))
		}
	}
	if replace || interrupted {
		return nil
	}
	var full []string
	for _, name := range tables {
		if t, ours := backupTables[name]; !ours || t.own {
			continue
		}
		has, err := hasRows(ctx, conn, "SELECT 1 FROM "+r.store.quoted(name)+" LIMIT 1")
		if err != nil {
			return fmt.Errorf("look into the table %s: %w", name, err)
		}
		if has {
			full = append(full, name)
		}
	}
	if len(full) > 0 {
		return faces.Errorf(faces.CodeConflict, "the database is not empty: there are rows in %s; nothing was changed. To delete all that it has, say so by -replace", strings.Join(full, ", "))
	}
	return nil
}

// running returns the programs that have written their state just now. The redeemer
// writes one at its end.
func (r *Restore) running(ctx context.Context, conn *sql.Conn) ([]string, error) {
	since := r.store.now().Add(-saysHello)
	rows, err := conn.QueryContext(ctx, "SELECT DISTINCT program FROM program_states WHERE seen_at > ? AND program <> 'redeemer' ORDER BY program", since)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		list = append(list, name)
	}
	return list, rows.Err()
}

func hasRows(ctx context.Context, conn *sql.Conn, query string) (bool, error) {
	var one int
	err := conn.QueryRowContext(ctx, query).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (r *Restore) migrate(ctx context.Context, upto int) error {
	o := migrations.Options{UnknownRoot: r.unknown, Now: r.store.now, Upto: upto, Restoring: true}
	if r.store.isMySQL() {
		_, err := migrations.MySQL(ctx, r.conn, nil, r.store.mysql.dsn.DBName, o.WithLock(r.lock))
		return err
	}
	return r.tx(ctx, func(conn *sql.Conn) error {
		_, err := migrations.SQLite(ctx, conn, o)
		return err
	})
}

// Tables returns the kept tables that the schema of the backup has.
func (r *Restore) Tables(ctx context.Context) (list []TableInfo, err error) {
	err = r.on(ctx, func(conn *sql.Conn) error {
		list, _, err = r.reader(conn).keptTables(ctx)
		return err
	})
	return list, wrap(err, "list the tables")
}

// Insert writes rows of a table, as Snapshot.EachRow returned them.
func (r *Restore) Insert(ctx context.Context, t TableInfo, rows [][]any) error {
	err := r.tx(ctx, func(conn *sql.Conn) error {
		for len(rows) > 0 {
			n := insertable(rows)
			if err := r.insert(ctx, conn, t, rows[:n]); err != nil {
				return err
			}
			rows = rows[n:]
		}
		return nil
	})
	return wrap(err, "restore rows of the table "+t.Name)
}

// insertable returns how many rows one statement takes, at least 1.
func insertable(rows [][]any) int {
	size := 0
	for i, row := range rows {
		for _, v := range row {
			switch v := v.(type) {
			case string:
				size += len(v)
			case []byte:
				size += len(v)
			}
			size += 8
		}
		if i > 0 && (i == restoreRows || size > restoreBytes) {
			return i
		}
	}
	return len(rows)
}

func (r *Restore) insert(ctx context.Context, conn *sql.Conn, t TableInfo, rows [][]any) error {
	var names []string
	for _, c := range t.Columns {
		names = append(names, r.store.quoted(c))
	}
	one := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(t.Columns)), ", ") + ")"
	args := make([]any, 0, len(rows)*len(t.Columns))
	for _, row := range rows {
		if len(row) != len(t.Columns) {
			return fmt.Errorf("a row has %d values for %d columns", len(row), len(t.Columns))
		}
		args = append(args, row...)
	}
	_, err := conn.ExecContext(ctx, "INSERT INTO "+r.store.quoted(t.Name)+" ("+strings.Join(names, ", ")+") VALUES "+ //nolint:gosec // the schema has the names
		one+strings.Repeat(", "+one, len(rows)-1), args...)
	return err
}

// EachRow reads what was written, as Snapshot.EachRow does.
func (r *Restore) EachRow(ctx context.Context, t TableInfo, f func([]any) error) error {
	return r.on(ctx, func(conn *sql.Conn) error { return r.reader(conn).eachRow(ctx, t, t.Columns, f) })
}

// Complete makes new rows get ids from next on, by table, and migrates the schema to
// that of this program.
func (r *Restore) Complete(ctx context.Context, next map[string]int64) error {
	err := r.on(ctx, func(conn *sql.Conn) error {
		for _, table := range slices.Sorted(maps.Keys(next)) {
			if next[table] < 1 {
				continue
			}
			if err := r.countFrom(ctx, conn, table, next[table]); err != nil {
				return fmt.Errorf("set the next id of %s: %w", table, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return wrap(r.migrate(ctx, 0), "migrate the restored database")
}

func (r *Restore) countFrom(ctx context.Context, conn *sql.Conn, table string, next int64) error {
	if r.store.isMySQL() {
		_, err := conn.ExecContext(ctx, fmt.Sprintf("ALTER TABLE %s AUTO_INCREMENT = %d", r.store.quoted(table), next))
		return err
	}
	if _, err := conn.ExecContext(ctx, "DELETE FROM sqlite_sequence WHERE name = ?", table); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", table, next-1)
	return err
}

// Finish opens the database for programs.
func (r *Restore) Finish(ctx context.Context) error {
	return r.on(ctx, func(conn *sql.Conn) error { return migrations.EndRestore(ctx, conn) })
}
