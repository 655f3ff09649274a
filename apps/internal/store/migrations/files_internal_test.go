package migrations

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestFilesOfBothDatabases(t *testing.T) {
	t.Parallel()
	var names [][]string
	for _, d := range []dialect{mysql, sqlite} {
		list, err := load(files, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != Version {
			t.Errorf("%s: there are %d versions, and Version is %d", d, len(list), Version)
		}
		var of []string
		for _, m := range list {
			of = append(of, m.name)
		}
		names = append(names, of)
	}
	if !slices.Equal(names[0], names[1]) {
		t.Errorf("the names differ: %q", names)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	from := fstest.MapFS{
		"0001_one.mysql.sql": {Data: []byte("-- Why;\n\nUPDATE a\n  SET b = ';';  \r\nINSERT IGNORE INTO a VALUES (1);\n")},
		"0002_two.mysql.sql": {Data: []byte("-- Nothing here.\n")},
		"0001_x.sqlite.sql":  {Data: []byte("DROP TABLE a;\n")},
	}
	list, err := load(from, mysql, []goStep{{version: 2, name: "step"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].name != "one" || list[1].file != "0002_two.mysql.sql" {
		t.Errorf("loaded %+v", list)
	}
	if want := []string{"UPDATE a\n  SET b = ';'", "INSERT IGNORE INTO a VALUES (1)"}; !slices.Equal(list[0].statements, want) {
		t.Errorf("the statements are %q, want %q", list[0].statements, want)
	}
	if list[0].after != nil || list[1].after == nil {
		t.Errorf("the Go step is not after version 2: %+v", list)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, file, text, want string }{
		{"a name without a database", "0001_a.sql", "", "0001_a.sql: want a name such as"},
		{"a gap", "0002_a.mysql.sql", "", "0002_a.mysql.sql: want version 0001 next"},
		{"a statement without an end", "0001_a.mysql.sql", "UPDATE a SET b = 1", "no semicolon ends the last statement (UPDATE a SET b = 1)"},
		{"a table that may be there", "0001_a.mysql.sql", "CREATE TABLE a (\n  b INT\n);", "statement 1 (CREATE TABLE a): cannot be repeated"},
		{"a row that may be there", "0001_a.mysql.sql", "UPDATE a SET b = 1;\nINSERT INTO a VALUES (1);", "statement 2 (INSERT INTO a VALUES (1)): cannot be repeated"},
		{"a column on the line of its table", "0001_a.mysql.sql", "ALTER TABLE a ADD COLUMN b INT;", "cannot be repeated"},
		{"a column that may have its new name", "0001_a.mysql.sql", "ALTER TABLE a\n  RENAME COLUMN b TO c;", `"RENAME COLUMN b TO c" cannot be repeated`},
		{"a column without its word", "0001_a.mysql.sql", "ALTER TABLE a\n  ADD b INT;", `"ADD b INT" cannot be repeated`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(fstest.MapFS{tt.file: {Data: []byte(tt.text)}}, mysql, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
		})
	}
}

func TestExpandRefusesUnknownNames(t *testing.T) {
	t.Parallel()
	list := []migration{{file: "0001_a.mysql.sql", statements: []string{"UPDATE a SET b = '${EXACT}'", "UPDATE a SET c = ${EXCAT}"}}}
	err := expand(list, map[string]string{"EXACT": "x"})
	if want := "0001_a.mysql.sql, statement 2 (UPDATE a SET c = ${EXCAT}): there is no value for ${EXCAT}"; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %q", err, want)
	}
	if got := list[0].statements[0]; got != "UPDATE a SET b = 'x'" {
		t.Errorf("a known name became %q", got)
	}
}
