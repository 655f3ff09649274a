package store_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/store/migrations"
)

// contracted is what versions took away or made stricter, as contractions says it, and
// why programs of the version before can do without. docs/upgrade.md has the rule.
var contracted = map[string]string{}

// TestMigrationsOnlyExpand compares the schema of each version with that of the version
// before, whose programs use it during a rollout and after a rollback.
func TestMigrationsOnlyExpand(t *testing.T) {
	t.Parallel()
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		db := mariadbtest.Database(t)
		raw := rawMariaDB(t, db)
		conn, err := raw.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		closeAfter(t, conn.Close)
		checkExpands(t, func(ctx context.Context, o migrations.Options) error {
			_, err := migrations.MySQL(ctx, conn, raw, db.Name, o)
			return err
		}, func() schema { return mysqlSchema(t, raw) })
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		raw := rawSQLite(t, filepath.Join(t.TempDir(), "rollcall.db"))
		checkExpands(t, func(ctx context.Context, o migrations.Options) error {
			_, err := migrations.SQLite(ctx, raw, o)
			return err
		}, func() schema { return sqliteSchema(t, raw) })
	})
}

func checkExpands(t *testing.T, migrate func(context.Context, migrations.Options) error, read func() schema) {
	t.Helper()
	o := migrations.Options{UnknownRoot: unknownRoot, Now: func() time.Time { return time.Now().UTC() }}
	var before schema
	for o.Upto = 1; o.Upto <= store.SchemaVersion; o.Upto++ {
		if err := migrate(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		after := read()
		for _, c := range contractions(before, after) {
			if contracted[c] == "" {
				t.Errorf("version %d: %s; programs of version %d still run: see docs/upgrade.md", o.Upto, c, o.Upto-1)
			}
		}
		before = after
	}
}

// contractions says what a program could miss that knows the schema before: what it reads
// and what is not there any more, and what it writes and what is refused.
func contractions(before, after schema) []string {
	var found []string
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	tables := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(before.Columns)) {
		tables[tableOf(name)] = true
		b := before.Columns[name]
		a, there := after.Columns[name]
		switch {
		case !there:
			say("column %s is gone", name)
		case a.Type != b.Type || a.Room < b.Room || a.Compares != b.Compares:
			say("column %s has another type, or less room", name)
		case a.Null != b.Null || a.Counts != b.Counts:
			say("column %s is null in other cases", name)
		case a.Default != b.Default && b.Default != "none":
			say("column %s has another default", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after.Columns)) {
		a := after.Columns[name]
		if _, old := before.Columns[name]; !old && tables[tableOf(name)] && !a.Null && !a.Counts && a.Default == "none" {
			say("column %s is new and needs a value", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before.Indexes)) {
		if rule := before.Indexes[name]; strings.HasPrefix(rule, "unique") && after.Indexes[name] != rule {
			say("unique key %s is gone or another", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after.Indexes)) {
		if _, old := before.Indexes[name]; !old && tables[tableOf(name)] && refuses(before, after, name) {
			say("unique key %s is new", name)
		}
	}
	return found
}

// refuses reports whether a new key can refuse a row that a program of the version before
// writes. Where it leaves a new column null, it cannot.
func refuses(before, after schema, index string) bool {
	columns, unique := strings.CutPrefix(after.Indexes[index], "unique: ")
	for name := range strings.SplitSeq(columns, ", ") {
		column := tableOf(index) + "." + name
		if _, old := before.Columns[column]; !old && after.Columns[column].Null {
			return false
		}
	}
	return unique
}

func tableOf(name string) string {
	table, _, _ := strings.Cut(name, ".")
	return table
}

// The comparison sees what a migration could do to a program of the version before.
func TestContractions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, statement string
		want            []string
	}{
		{"a table", "create table more (id bigint not null primary key, text varchar(9) not null, unique key more_text (text))", nil},
		{"a column with a default", "alter table a add column c int not null default 7", nil},
		{"a column that can be null", "alter table a add column c int null", nil},
		{"a column that counts", "create table c (id bigint not null auto_increment primary key)", nil},
		{"a key", "alter table a add key a_size (size)", nil},
		{"more room", "alter table a modify name varchar(99) not null default 'x', modify size bigint null", nil},
		{"a key less", "alter table a drop key a_at", nil},
		{"a column that is dropped", "alter table a drop column size", []string{"column a.size is gone"}},
		{"a table that is dropped", "drop table b", []string{"column b.id is gone", "unique key b.PRIMARY is gone or another"}},
		{"a table that is renamed", "rename table b to c", []string{"column b.id is gone", "unique key b.PRIMARY is gone or another"}},
		{"a column that is renamed", "alter table a change size length int null", []string{"column a.size is gone"}},
		{"less room", "alter table a modify name varchar(9) not null default 'x'", []string{"column a.name has another type, or less room"}},
		{"another type", "alter table a modify size varchar(20) null", []string{"column a.size has another type, or less room"}},
		{"no null any more", "alter table a modify size int not null", []string{"column a.size is null in other cases"}},
		{"null now", "alter table a modify name varchar(20) null default 'x'", []string{"column a.name is null in other cases"}},
		{"another default", "alter table a modify name varchar(20) not null default 'y'", []string{"column a.name has another default"}},
		{"no default any more", "alter table a modify name varchar(20) not null", []string{"column a.name has another default"}},
		{"a column without a default", "alter table a add column c int not null", []string{"column a.c is new and needs a value"}},
		{"a new rule", "alter table a add unique key a_size (size)", []string{"unique key a.a_size is new"}},
		{"a new rule about a new column", "alter table a add column c int null, add unique key a_c (size, c)", nil},
		{"a new rule with a default", "alter table a add column c int not null default 0, add unique key a_c (c)", []string{"unique key a.a_c is new"}},
		{"a rule less", "alter table a drop key a_name", []string{"unique key a.a_name is gone or another"}},
		{"another rule", "alter table a drop key a_name, add unique key a_name (name, size)", []string{"unique key a.a_name is gone or another"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw := rawMariaDB(t, mariadbtest.Database(t))
			execRaw(t, raw,
				"create table a (id bigint not null auto_increment primary key, name varchar(20) not null default 'x', size int null, at datetime(6) not null, unique key a_name (name), key a_at (at))",
				"create table b (id bigint not null primary key)")
			before := mysqlSchema(t, raw)
			execRaw(t, raw, tt.statement)
			if diff := cmp.Diff(tt.want, contractions(before, mysqlSchema(t, raw))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.statement, diff)
			}
		})
	}
}
