package store_test

import (
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/storetest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// schema is how a database is made, in words that both databases share.
type schema struct {
	Columns map[string]schemaColumn // by table.column
	Indexes map[string]string       // by table.index
}

type schemaColumn struct {
	Type     string // SQLite's
	Room     int64  // on MySQL: the most characters, digits or bytes
	Null     bool
	Default  string // "none", "now" or the value
	Counts   bool   // a new row gets the next number
	Compares string // how texts compare: "exact" is byte for byte
}

// sqliteTypes are the types on SQLite of those on MySQL.
var sqliteTypes = map[string]string{
	"tinyint":    "BOOLEAN",
	"int":        "INTEGER",
	"bigint":     "INTEGER",
	"double":     "REAL",
	"varchar":    "TEXT",
	"text":       "TEXT",
	"mediumtext": "TEXT", "longtext": "TEXT",
	"varbinary":  "BLOB",
	"mediumblob": "BLOB",
	"datetime":   "DATETIME",
}

// differences are where MySQL and SQLite may differ, and why.
var differences = map[string]struct{ mysql, sqlite, why string }{
	"schema_migrations.version Type": {"INTEGER", "BIGINT", versionTable},
	"schema_migrations.name Type":    {"TEXT", "VARCHAR(255)", versionTable},

	"schema_migrations.name Compares":        {"loose", "exact", neverCompared},
	"faces.landmarks Compares":               {"loose", "exact", neverCompared},
	"corrections.candidates Compares":        {"loose", "exact", neverCompared},
	"rematch_changes.before_change Compares": {"loose", "exact", neverCompared},
	"rematch_changes.after_change Compares":  {"loose", "exact", neverCompared},
	"rescan_results.people_found Compares":   {"loose", "exact", neverCompared},
	"rescan_results.people_lost Compares":    {"loose", "exact", neverCompared},
	"merges.known_images Compares":           {"loose", "exact", neverCompared},
	"merges.corrections Compares":            {"loose", "exact", neverCompared},
	"rematch_state.lease_owner Compares":     {"loose", "exact", neverCompared},
	"image_rescans.lease_owner Compares":     {"loose", "exact", neverCompared},
	"audit_log.target_ids Compares":          {"loose", "exact", neverCompared},

	"faces.reason Compares": {"loose", "exact", "the reasons are a fixed list of words in small letters"},
	"faces.model Compares":  {"loose", "exact", modelNames},
	"models.id Compares":    {"loose", "exact", modelNames},
}

const (
	versionTable  = "the runner makes this table by one statement for both"
	neverCompared = "is written and read, and never compared"
	modelNames    = "on MySQL two model sets must not differ in capital letters alone"
)

// TestBothDatabasesAreTheSame compares, column by column, what the migrations
// make of both databases.
func TestBothDatabasesAreTheSame(t *testing.T) {
	t.Parallel()
	my, lite := newMySQLSchema(t), newSQLiteSchema(t)
	if diff := cmp.Diff(my.Indexes, lite.Indexes); diff != "" {
		t.Errorf("indexes (-MySQL +SQLite):\n%s", diff)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(my.Columns)), slices.Sorted(maps.Keys(lite.Columns))); diff != "" {
		t.Errorf("columns (-MySQL +SQLite):\n%s", diff)
	}
	found := map[string]bool{}
	for name, m := range my.Columns {
		l, ok := lite.Columns[name]
		if !ok {
			continue
		}
		mine, theirs := m.properties(), l.properties()
		for property, a := range mine {
			key, b := name+" "+property, theirs[property]
			if a == b {
				continue
			}
			found[key] = true
			if d := differences[key]; d.mysql != a || d.sqlite != b {
				t.Errorf("%s is %q on MySQL and %q on SQLite", key, a, b)
			}
		}
	}
	for key := range differences {
		if !found[key] {
			t.Errorf("%s does not differ: remove it from the list", key)
		}
	}
}

func (c schemaColumn) properties() map[string]string {
	return map[string]string{
		"Type": c.Type, "Null": fmt.Sprint(c.Null), "Default": c.Default, "Counts": fmt.Sprint(c.Counts), "Compares": c.Compares,
	}
}

func newMySQLSchema(t *testing.T) schema {
	t.Helper()
	db := mariadbtest.Database(t)
	migrate(t, openMariaDB(t, db))
	return mysqlSchema(t, rawMariaDB(t, db))
}

func newSQLiteSchema(t *testing.T) schema {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rollcall.db")
	migrate(t, openSQLite(t, file))
	return sqliteSchema(t, rawSQLite(t, file))
}

func mysqlSchema(t *testing.T, raw *sql.DB) schema {
	t.Helper()
	s := schema{map[string]schemaColumn{}, map[string]string{}}
	queryRaw(t, raw, "select table_name, column_name, lower(data_type), coalesce(character_maximum_length, numeric_precision, datetime_precision, 0), "+
		"is_nullable, column_default, extra, ifnull(collation_name, '') from information_schema.columns where table_schema = database()", func(rows *sql.Rows) error {
		var table, name, kind, null, extra, collation string
		var room int64
		var def sql.NullString
		err := rows.Scan(&table, &name, &kind, &room, &null, &def, &extra, &collation)
		c := schemaColumn{Type: sqliteTypes[kind], Room: room, Null: null == "YES", Default: defaultOf(def), Counts: strings.Contains(extra, "auto_increment")}
		if c.Type == "TEXT" {
			c.Compares = "loose"
			if collation == "utf8mb4_nopad_bin" || collation == "utf8mb4_0900_bin" {
				c.Compares = "exact"
			}
		}
		if c.Type == "" {
			t.Errorf("%s.%s: no type of SQLite is written down for %s", table, name, kind)
		}
		s.Columns[table+"."+name] = c
		return err
	})
	queryRaw(t, raw, "select table_name, index_name, max(non_unique), group_concat(column_name order by seq_in_index separator ', ') "+
		"from information_schema.statistics where table_schema = database() group by table_name, index_name", func(rows *sql.Rows) error {
		var table, name, columns string
		var many bool
		err := rows.Scan(&table, &name, &many, &columns)
		s.Indexes[table+"."+name] = indexOf(!many, columns)
		return err
	})
	return s
}

func sqliteSchema(t *testing.T, raw *sql.DB) schema {
	t.Helper()
	s := schema{map[string]schemaColumn{}, map[string]string{}}
	keys := map[string][]string{}
	const own = "m.type = 'table' and m.name not like 'sqlite\\_%' escape '\\'"
	queryRaw(t, raw, "select m.name, m.sql, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk "+
		"from sqlite_master m, pragma_table_info(m.name) c where "+own+" order by m.name, c.pk", func(rows *sql.Rows) error {
		var table, made, name, kind string
		var notNull bool
		var def sql.NullString
		var key int
		err := rows.Scan(&table, &made, &name, &kind, &notNull, &def, &key)
		c := schemaColumn{Type: kind, Null: !notNull, Default: defaultOf(def)}
		if key > 0 {
			keys[table] = append(keys[table], name)
			if kind == "INTEGER" && !notNull { // SQLite's row number: never null
				c.Null, c.Counts = false, strings.Contains(made, "AUTOINCREMENT")
			}
		}
		if strings.HasPrefix(kind, "TEXT") || strings.HasPrefix(kind, "VARCHAR") {
			c.Compares = "exact"
		}
		if strings.Contains(strings.ToUpper(made), "COLLATE") {
			t.Errorf("%s names a collation: this test would have to read it", table)
		}
		s.Columns[table+"."+name] = c
		return err
	})
	for table, columns := range keys {
		s.Indexes[table+".PRIMARY"] = indexOf(true, strings.Join(columns, ", "))
	}
	queryRaw(t, raw, "select m.name, i.name, i.\"unique\", (select group_concat(name, ', ') from (select name from pragma_index_info(i.name) order by seqno)) "+
		"from sqlite_master m, pragma_index_list(m.name) i where "+own+" and i.origin <> 'pk'", func(rows *sql.Rows) error {
		var table, name, columns string
		var unique bool
		err := rows.Scan(&table, &name, &unique, &columns)
		s.Indexes[table+"."+name] = indexOf(unique, columns)
		return err
	})
	return s
}

func indexOf(unique bool, columns string) string {
	if unique {
		return "unique: " + columns
	}
	return columns
}

func defaultOf(text sql.NullString) string {
	switch {
	case !text.Valid || text.String == "NULL":
		return "none"
	case strings.HasPrefix(strings.ToLower(text.String), "utc_timestamp"), text.String == "CURRENT_TIMESTAMP":
		return "now"
	case text.String == "0x": // MySQL's empty bytes
		return ""
	default:
		return strings.Trim(text.String, "'")
	}
}

// The widths of the columns are those that the program keeps to.
func TestWidthsAreTheDomains(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Database(t)
	migrate(t, openMariaDB(t, db))
	raw := rawMariaDB(t, db)
	for column, want := range map[string]int{
		"images.path":              faces.MaxPathLength,
		"person_images.image_name": faces.MaxPathLength,
		"faces.matched_image":      faces.MaxPathLength,
		"faces.second_image":       faces.MaxPathLength,
		"rematch_known.image_name": faces.MaxPathLength,
	} {
		wantText(t, raw, "select character_maximum_length from information_schema.columns where table_schema = database() "+
			"and concat(table_name, '.', column_name) = '"+column+"'", fmt.Sprint(want))
	}
	for _, table := range []string{"faces", "corrections"} {
		wantText(t, raw, "select sum(character_maximum_length) from information_schema.columns where table_schema = database() "+
			"and table_name = '"+table+"' and column_name in ('descriptor', 'descriptor_rest')", fmt.Sprint(4*faces.MaxDescriptorSize))
	}
}

// A program leaves the schema of a newer one alone, and works with it: both run
// side by side during a rollout.
func TestNewerSchemaIsLeftAlone(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, s *store.Store, raw *sql.DB) {
		t.Helper()
		migrate(t, s)
		execRaw(t, raw,
			"insert into schema_migrations (version, name, applied_at) values (99, 'newer', '2030-01-01 00:00:00')",
			"alter table images add column newer int not null default 7",
		)
		if applied := migrate(t, s); len(applied) != 0 {
			t.Errorf("the older program applied %v", applied)
		}
		if err := s.CheckSchema(t.Context()); err != nil {
			t.Errorf("the older program does not work with the newer schema: %v", err)
		}
		if _, err := s.AddImages(t.Context(), []string{"/unknown_people/a.jpg"}); err != nil {
			t.Error(err)
		}
		wantText(t, raw, "select newer from images", "7")
	}
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		db := mariadbtest.Database(t)
		check(t, openMariaDB(t, db), rawMariaDB(t, db))
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "rollcall.db")
		check(t, openSQLite(t, file), rawSQLite(t, file))
	})
}

// Whoever adds a table about images has DeleteImage delete from it, too. Events stay
// until they are old: they have ids only, and tell that the image is deleted.
func TestDeleteImageKnowsAllTables(t *testing.T) {
	t.Parallel()
	var tables []string
	for name := range newSQLiteSchema(t).Columns {
		if table, ok := strings.CutSuffix(name, ".image_id"); ok && table != "outbox" && table != "events" {
			tables = append(tables, table)
		}
	}
	slices.Sort(tables)
	if diff := cmp.Diff(storetest.TablesOfImages(), tables); diff != "" {
		t.Errorf("tables about images (-deleted from +there):\n%s", diff)
	}
}
