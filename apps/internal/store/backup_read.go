package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/store/migrations"
)

// backupPage is how many rows one statement of a backup reads.
const backupPage = 1000

// Names of the two kinds of databases. An archive of one cannot be restored into the
// other.
const (
	KindMySQL  = "mysql" // MySQL or MariaDB
	KindSQLite = "sqlite"
)

// Kind returns the kind of the database.
func (s *Store) Kind() string {
	if s.isMySQL() {
		return KindMySQL
	}
	return KindSQLite
}

// TableInfo describes a table of a backup.
type TableInfo struct {
	Name    string
	Columns []string
	Key     []string // columns of the primary key
	// NextID is the number that the next row gets; 0 if rows are not numbered. It is at
	// least that of the snapshot.
	NextID int64
}

// Snapshot is the database as it is at one moment. It is read by one connection, and
// ends with the function that it was given to.
type Snapshot struct {
	reader tableReader
	// Schema is the version of the schema.
	Schema int
	// Tables are the kept tables that this schema has, sorted.
	Tables []TableInfo
	// Unknown are tables that are not Rollcall's. They are not read.
	Unknown []string
}

// EachRow calls f for each row of a table, in the order of the primary key, with the
// values of the columns: nil, int64, float64, string or []byte. Few rows are in memory at
// a time. f must not keep the slice.
func (s *Snapshot) EachRow(ctx context.Context, t TableInfo, columns []string, f func([]any) error) error {
	return s.reader.eachRow(ctx, t, columns, f)
}

// EachText calls f for each text of a column that is not empty, in the order of the primary
// key. No statement is open meanwhile, so f may take any time. The texts must be short: a
// page of them is in memory.
func (s *Snapshot) EachText(ctx context.Context, t TableInfo, column string, f func(string) error) error {
	var texts []string
	return s.reader.eachPage(ctx, t, []string{column}, func(row []any) error {
		if text, _ := row[0].(string); text != "" {
			texts = append(texts, text)
		}
		return nil
	}, func() error {
		for _, text := range texts {
			if err := f(text); err != nil {
				return err
			}
		}
		texts = texts[:0]
		return nil
	})
}

// TakeSnapshot calls f with a snapshot. Writers go on; only migrations wait until f
// returns: they would wait for the rows that f has read, and everybody else for them.
func (s *Store) TakeSnapshot(ctx context.Context, f func(*Snapshot) error) error {
	return s.withReader(ctx, true, f)
}

// Browse is like TakeSnapshot, but each page of rows is read at a moment of its own. It
// may take hours, because nothing is kept for it.
func (s *Store) Browse(ctx context.Context, f func(*Snapshot) error) error {
	return s.withReader(ctx, false, f)
}

func (s *Store) withReader(ctx context.Context, consistent bool, f func(*Snapshot) error) (err error) {
	conn, closeConn, err := s.backupConn(ctx)
	if err != nil {
		return fmt.Errorf("connect to the database for a backup: %w", unavailableIfAway(err))
	}
	defer func() { err = errors.Join(err, closeConn()) }()
	r := tableReader{conn: conn, mysql: s.isMySQL(), quote: s.quoted}
	if consistent {
		lock, beginErr := s.beginSnapshot(ctx, conn)
		defer func() { err = errors.Join(err, lock.Release(context.WithoutCancel(ctx))) }()
		if err := beginErr; err != nil {
			return fmt.Errorf("begin a snapshot of the database: %w", unavailableIfAway(err))
		}
		defer func() {
			if _, e := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); e != nil && err == nil {
				err = fmt.Errorf("end the snapshot of the database: %w", e)
			}
		}()
	}
	snapshot := &Snapshot{reader: r}
	snapshot.Schema, err = migrations.Current(ctx, conn)
	switch {
	case isNoTable(err):
		return errors.New("the database has no tables of Rollcall: there is nothing to back up")
	case err != nil:
		return fmt.Errorf("read the version of the schema: %w", unavailableIfAway(err))
	case snapshot.Schema > SchemaVersion:
		return fmt.Errorf("the database's schema is version %d, this program knows %d: use the newer program", snapshot.Schema, SchemaVersion)
	}
	if snapshot.Tables, snapshot.Unknown, err = r.keptTables(ctx); err != nil {
		return fmt.Errorf("list the tables: %w", unavailableIfAway(err))
	}
	if err := snapshot.complete(); err != nil {
		return err
	}
	return f(snapshot)
}

// complete returns an error if a table is missing that this schema has.
func (s *Snapshot) complete() error {
	kept, _ := BackupTables()
	if s.Schema < SchemaVersion {
		return nil // this program does not know which tables an older schema has
	}
	for _, name := range kept {
		if !slices.ContainsFunc(s.Tables, func(t TableInfo) bool { return t.Name == name }) {
			return fmt.Errorf("the database has no table %s", name)
		}
	}
	return nil
}

func unavailableIfAway(err error) error {
	if isConnectionError(err) || isServerUnusable(err) {
		return unavailable(err)
	}
	return err
}

// backupConn returns a connection on which statements may take any time, and values come
// as the database has them: a time is a text.
func (s *Store) backupConn(ctx context.Context) (conn *sql.Conn, closeConn func() error, err error) {
	pool, own := (*sql.DB)(nil), s.isMySQL()
	if own {
		pool = newPool(s.mysql.forBackups(), 1)
	} else if pool, err = s.reader.DB(); err != nil {
		return nil, nil, err
	}
	conn, err = pool.Conn(ctx)
	if err == nil && own { // a slow volume of archives must not end it
		_, err = conn.ExecContext(ctx, "SET SESSION net_write_timeout = 3600")
	}
	if err != nil {
		if own {
			err = errors.Join(err, pool.Close())
		}
		return nil, nil, err
	}
	return conn, func() error {
		err := conn.Close()
		if own {
			err = errors.Join(err, pool.Close())
		}
		return err
	}, nil
}

// beginSnapshot returns the lock of migrations, which is nil on SQLite.
func (s *Store) beginSnapshot(ctx context.Context, conn *sql.Conn) (*migrations.Held, error) {
	if !s.isMySQL() {
		_, err := conn.ExecContext(ctx, "BEGIN") // the first read, soon, makes the snapshot
		return nil, err
	}
	lock, err := s.lockSchema(ctx, conn)
	if err != nil {
		return nil, err
	}
	for _, statement := range []string{
		"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
		"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return lock, err
		}
	}
	return lock, nil
}

// lockSchema takes the lock of migrations on a connection.
func (s *Store) lockSchema(ctx context.Context, conn *sql.Conn) (*migrations.Held, error) {
	others, err := s.db.DB()
	if err != nil {
		return nil, err
	}
	return migrations.Lock(ctx, conn, others, s.mysql.dsn.DBName)
}

// tableReader reads tables whose columns it asks the database for.
type tableReader struct {
	conn  *sql.Conn
	mysql bool
	quote func(string) string
}

// keptTables returns the kept tables that are there, and the names of those that are not
// Rollcall's.
func (r tableReader) keptTables(ctx context.Context) (kept []TableInfo, unknown []string, err error) {
	names, err := r.tableNames(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		what, ours := backupTables[name]
		switch {
		case name == "schema_migrations", name == migrations.LockTable, ours && what.left != "":
		case !ours:
			unknown = append(unknown, name)
		default:
			info, err := r.describe(ctx, name)
			if err != nil {
				return nil, nil, fmt.Errorf("describe the table %s: %w", name, err)
			}
			kept = append(kept, info)
		}
	}
	return kept, unknown, nil
}

func (r tableReader) tableNames(ctx context.Context) ([]string, error) {
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`
	if r.mysql {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name"
	}
	return r.texts(ctx, query)
}

// texts returns the first column of a query's rows.
func (r tableReader) texts(ctx context.Context, query string, args ...any) (list []string, err error) {
	rows, err := r.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

func (r tableReader) describe(ctx context.Context, table string) (t TableInfo, err error) {
	t.Name = table
	columns, key := "SELECT name FROM pragma_table_info(?) ORDER BY cid", "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
	if r.mysql {
		columns = "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position"
		key = "SELECT column_name FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = ? AND index_name = 'PRIMARY' ORDER BY seq_in_index"
	}
	if t.Columns, err = r.texts(ctx, columns, table); err != nil {
		return t, err
	}
	if t.Key, err = r.texts(ctx, key, table); err != nil {
		return t, err
	}
	if len(t.Key) == 0 {
		return t, errors.New("it has no primary key")
	}
	t.NextID, err = r.nextID(ctx, table)
	return t, err
}

// autoIncrement finds the counter in what MySQL says of a table. The counter in
// information_schema can be a day old.
var autoIncrement = regexp.MustCompile(`\bAUTO_INCREMENT=(\d+)`)

func (r tableReader) nextID(ctx context.Context, table string) (int64, error) {
	if !r.mysql {
		var last sql.NullInt64
		err := r.conn.QueryRowContext(ctx, "SELECT MAX(seq) FROM sqlite_sequence WHERE name = ?", table).Scan(&last)
		if !last.Valid {
			return 0, err
		}
		return last.Int64 + 1, err
	}
	var name, made string
	if err := r.conn.QueryRowContext(ctx, "SHOW CREATE TABLE "+r.quote(table)).Scan(&name, &made); err != nil {
		return 0, err
	}
	_, options, _ := strings.Cut(made, "\n)") // not the comment of a column
	m := autoIncrement.FindStringSubmatch(options)
	if m == nil {
		return 0, nil
	}
	return strconv.ParseInt(m[1], 10, 64)
}

func (r tableReader) eachRow(ctx context.Context, t TableInfo, columns []string, f func([]any) error) error {
	return r.eachPage(ctx, t, columns, f, func() error { return nil })
}

// eachPage is eachRow, and calls closed after each page, when its statement has ended.
func (r tableReader) eachPage(ctx context.Context, t TableInfo, columns []string, f func([]any) error, closed func() error) error {
	var after []any // key of the last row
	for {
		n, last, err := r.page(ctx, t, columns, after, f)
		if err == nil {
			err = closed()
		}
		if err != nil {
			return fmt.Errorf("read the table %s: %w", t.Name, err)
		}
		if n < backupPage {
			return nil
		}
		after = last
	}
}

// page calls f for the rows of a page, and returns how many there were and the key of the
// last one.
func (r tableReader) page(ctx context.Context, t TableInfo, columns []string, after []any, f func([]any) error) (n int, last []any, err error) {
	query, args := r.pageQuery(t, columns, after)
	rows, err := r.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	kinds, err := rows.ColumnTypes()
	if err != nil {
		return 0, nil, err
	}
	found, to := make([]any, len(kinds)), make([]any, len(kinds))
	for i := range found {
		to[i] = &found[i]
	}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return 0, nil, err
		}
		for i, v := range found {
			if found[i], err = r.value(v, kinds[i]); err != nil {
				return 0, nil, fmt.Errorf("column %s: %w", kinds[i].Name(), err)
			}
		}
		if err := f(found[:len(columns):len(columns)]); err != nil {
			return 0, nil, err
		}
		n++
		last = slices.Clone(found[len(columns):])
	}
	return n, last, rows.Err()
}

// pageQuery selects a page of columns, and the key behind them.
func (r tableReader) pageQuery(t TableInfo, columns []string, after []any) (query string, args []any) {
	var selected []string
	for _, c := range append(slices.Clone(columns), t.Key...) {
		name := r.quote(c)
		if !r.mysql {
			name = "+" + name // an expression has no declared type, so the driver leaves its value as it is
		}
		selected = append(selected, name)
	}
	query = "SELECT " + strings.Join(selected, ", ") + " FROM " + r.quote(t.Name)
	if r.mysql {
		query += " FORCE INDEX (PRIMARY)"
	}
	if after != nil {
		var where string
		where, args = r.behind(t.Key, after)
		query += " WHERE " + where
	}
	var order []string
	for _, c := range t.Key {
		order = append(order, r.quote(c))
	}
	return query + " ORDER BY " + strings.Join(order, ", ") + " LIMIT " + strconv.Itoa(backupPage), args
}

// behind says that a row comes after a key. MySQL does not use an index to compare lists
// of columns.
func (r tableReader) behind(key []string, after []any) (where string, args []any) {
	first := r.quote(key[0])
	if len(key) == 1 {
		return first + " > ?", after[:1]
	}
	rest, restArgs := r.behind(key[1:], after[1:])
	where = first + " >= ? AND (" + first + " > ? OR (" + first + " = ? AND " + rest + "))"
	return where, append([]any{after[0], after[0], after[0]}, restArgs...)
}

// value returns a value of a row as EachRow promises.
func (r tableReader) value(v any, column *sql.ColumnType) (any, error) {
	switch v := v.(type) {
	case nil, int64, float64, string:
		return v, nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case float32:
		return float64(v), nil
	case uint64:
		if v > 1<<63-1 {
			return nil, fmt.Errorf("%d is too large", v)
		}
		return int64(v), nil
	case []byte:
		kind := strings.ToUpper(column.DatabaseTypeName())
		if !r.mysql || strings.Contains(kind, "BLOB") || strings.Contains(kind, "BINARY") {
			return v, nil
		}
		return string(v), nil
	default:
		return nil, fmt.Errorf("a value of type %T is not known", v)
	}
}
