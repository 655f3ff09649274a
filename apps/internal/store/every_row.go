package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"
)

// Row is a row of any table, for a search that must not depend on what this package
// knows of the tables. A value is nil, an int64, a float64, a string, or a []byte of a
// binary column.
type Row struct {
	Table   string
	Columns []string
	Values  []any
}

// Int returns a value of the row, or 0.
func (r Row) Int(column string) int64 {
	n, _ := r.value(column).(int64)
	return n
}

// Text returns a value of the row, or "".
func (r Row) Text(column string) string {
	text, _ := r.value(column).(string)
	return text
}

func (r Row) value(column string) any {
	for i, name := range r.Columns {
		if name == column {
			return r.Values[i]
		}
	}
	return nil
}

// Tables returns the names of all tables, as the database lists them.
func (s *Store) Tables(ctx context.Context) (tables []string, err error) {
	query := "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
	if s.isMySQL() {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name"
	}
	err = s.read(ctx, func(tx *gorm.DB) error {
		tables = nil
		return tx.Raw(query).Scan(&tables).Error
	})
	return tables, wrap(err, "list the tables")
}

// quoted returns the name of a table as a statement has it.
func (s *Store) quoted(table string) string {
	quote := `"`
	if s.isMySQL() {
		quote = "`"
	}
	return quote + strings.ReplaceAll(table, quote, quote+quote) + quote
}

// EachRow calls f for each row of a table, with all columns that the table has.
func (s *Store) EachRow(ctx context.Context, table string, f func(Row) error) error {
	rows, err := s.reader.WithContext(ctx).Raw("SELECT * FROM " + s.quoted(table)).Rows()
	if err != nil {
		return fmt.Errorf("read the table %s: %w", table, err)
	}
	defer rows.Close()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return fmt.Errorf("read the columns of %s: %w", table, err)
	}
	row := Row{Table: table, Columns: make([]string, len(columns)), Values: make([]any, len(columns))}
	found, to := make([]any, len(columns)), make([]any, len(columns))
	for i, c := range columns {
		row.Columns[i], to[i] = c.Name(), &found[i]
	}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return fmt.Errorf("read the table %s: %w", table, err)
		}
		for i, v := range found {
			row.Values[i] = plain(v, columns[i])
		}
		if err := f(row); err != nil {
			return err
		}
	}
	return wrap(rows.Err(), "read the table "+table)
}

// plain returns a value as Row says. MySQL's driver has bytes for texts, too.
func plain(v any, column *sql.ColumnType) any {
	switch v := v.(type) {
	case []byte:
		kind := strings.ToUpper(column.DatabaseTypeName())
		if strings.Contains(kind, "BLOB") || strings.Contains(kind, "BINARY") {
			return v
		}
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil && strings.Contains(kind, "INT") {
			return n
		}
		return string(v)
	case bool:
		return int64(0)
	case uint64:
		return int64(v) //nolint:gosec // no id is that large
	case time.Time:
		return ""
	default:
		return v
	}
}
