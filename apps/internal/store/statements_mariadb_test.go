package store_test

import (
	"database/sql"
	"database/sql/driver"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var update = flag.Bool("update", false, "write testdata/statements.sql and testdata/schema.sql anew")

// statementsFile has every statement of the store, and the methods that send it. The planner of
// Vitess reads it (apps/internal/devtest/vitess).
var statementsFile = filepath.Join("testdata", "statements.sql")

// recorder collects the statements of stores. Values are replaced by their types, and long lists
// by two of their entries, so that the same call leaves the same statement.
type recorder struct {
	mu   sync.Mutex // guards seen
	seen map[string]*statement
}

// statement is a statement whose values are question marks.
type statement struct {
	types   []string // of its values
	methods map[string]bool
}

// checkVariable has the suite compare what the store sends with the file. make test-vitess
// sets it. Without it the suite does not depend on what a busy machine makes the store
// send, such as when a lease runs out.
const checkVariable = "ROLLCALL_TEST_STATEMENTS"

func recording() bool { return *update || os.Getenv(checkVariable) != "" }

// record has a recorder see what a store sends.
func (r *recorder) record(t *testing.T, s *store.Store) {
	t.Helper()
	if !recording() {
		return
	}
	if err := store.Watch(s, r.see); err != nil {
		t.Fatal(err)
	}
}

func (r *recorder) see(query string, args []driver.NamedValue) {
	if strings.Contains(query, "tomorrow`") { // a table that only a test has
		return
	}
	typed, method := shape(query, args), caller()
	types := typeName.FindAllString(typed, -1)
	key := typeName.ReplaceAllString(typed, "?")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]*statement{}
	}
	s := r.seen[key]
	if s == nil {
		s = &statement{types: types, methods: map[string]bool{}}
		r.seen[key] = s
	}
	for i, name := range types { // a value that is sometimes NULL has a type
		if s.types[i] == null || name != null && name < s.types[i] {
			s.types[i] = name
		}
	}
	s.methods[method] = true
}

// storeMethod matches an exported method of the store in a stack.
var storeMethod = regexp.MustCompile(`/internal/store\.\(\*Store\)\.([A-Z]\w*)`)

// caller returns the method of the store that was called from outside.
func caller() string {
	pcs := make([]uintptr, 100)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	method := "other"
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if m := storeMethod.FindStringSubmatch(f.Function); m != nil {
			method = m[1]
		}
	}
	return method
}

var (
	spaces = regexp.MustCompile(`\s+`)
	// Lists whose length depends on the call: values, rows, and the cases of a CASE.
	longList = regexp.MustCompile(`( IN \(:\w+,\s?:\w+)(?:,\s?:\w+)+\)`)
	longRows = regexp.MustCompile(`( VALUES \((?:[^()]|\([^()]*\))*\),\s?\((?:[^()]|\([^()]*\))*\))(?:,\s?\((?:[^()]|\([^()]*\))*\))+`)
	longCase = regexp.MustCompile(`( WHEN :\w+ THEN :\w+ WHEN :\w+ THEN :\w+)(?: WHEN :\w+ THEN :\w+)+`)
	// The reasons of a filter or of a rule of retention.
	longReasons = regexp.MustCompile(`(` + oneReason + ` OR ` + oneReason + `)(?: OR ` + oneReason + `)+`)
)

// oneReason is the condition for an image to have a reason.
const oneReason = `\(images\.status = (?::int|\?) AND images\.reason (?:= (?::text|\?)|NOT IN \([^()]*\))\)`

// shape returns a statement with types for its values.
func shape(query string, args []driver.NamedValue) string {
	parts := strings.Split(query, "?")
	var b strings.Builder
	for i, part := range parts {
		b.WriteString(part)
		if i < len(parts)-1 {
			b.WriteString(typeOf(args[i].Value))
		}
	}
	text := strings.TrimSpace(spaces.ReplaceAllString(b.String(), " "))
	text = longList.ReplaceAllString(text, "$1)")
	text = longRows.ReplaceAllString(text, "$1")
	text = longReasons.ReplaceAllString(text, "$1")
	return longCase.ReplaceAllString(text, "$1")
}

const null = ":null"

// typeName matches what typeOf returns.
var typeName = regexp.MustCompile(`:(?:null|int|float|time|bytes|text)\b`)

func typeOf(v driver.Value) string {
	switch v.(type) {
	case nil:
		return null
	case int64, uint64, bool:
		return ":int"
	case float64:
		return ":float"
	case time.Time:
		return ":time"
	case []byte:
		return ":bytes"
	default:
		return ":text"
	}
}

// checkStatements fails if the store sends a statement that the file does not have.
func (r *recorder) checkStatements(t *testing.T) {
	t.Helper()
	if *update {
		write(t, statementsFile, r.file())
		return
	}
	text, err := os.ReadFile(statementsFile)
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		has[loosely(typeName.ReplaceAllString(strings.TrimSuffix(line, ";\n"), "?"))] = true
	}
	for _, key := range slices.Sorted(maps.Keys(r.seen)) {
		if !has[loosely(key)] {
			t.Errorf("%s lacks a statement of %s: write it with go test -run 'TestMariaDB$' ./apps/internal/store -update\n%s",
				statementsFile, r.seen[key].callers(), key)
		}
	}
}

var (
	twoValues  = regexp.MustCompile(` IN \(\?,\s?\?\)`)
	twoRows    = regexp.MustCompile(`( VALUES \((?:[^()]|\([^()]*\))*\)),\s?\((?:[^()]|\([^()]*\))*\)`)
	twoCases   = regexp.MustCompile(`( WHEN \? THEN \?) WHEN \? THEN \?`)
	anyReasons = regexp.MustCompile(oneReason + `(?: OR ` + oneReason + `)*`)
)

// loosely returns a statement as it is with one value in each list. How many values a call meets
// can depend on what other goroutines have done, so a check must not.
func loosely(key string) string {
	key = twoValues.ReplaceAllString(key, " IN (?)")
	key = twoRows.ReplaceAllString(key, "$1")
	key = twoCases.ReplaceAllString(key, "$1")
	return anyReasons.ReplaceAllString(key, "reasons")
}

func (s *statement) callers() string { return strings.Join(slices.Sorted(maps.Keys(s.methods)), ", ") }

func (r *recorder) file() string {
	var blocks []string
	for key, s := range r.seen {
		i := 0
		text := marks.ReplaceAllStringFunc(key, func(string) string { i++; return s.types[i-1] })
		blocks = append(blocks, fmt.Sprintf("-- %s\n%s;\n", s.callers(), text))
	}
	slices.Sort(blocks)
	return strings.Join(blocks, "\n")
}

var marks = regexp.MustCompile(`\?`)

// TestSchemaIsWrittenDown compares testdata/schema.sql with what the migrations make: columns,
// and the keys that make rows unique. Vitess's planner reads it beside the statements.
func TestSchemaIsWrittenDown(t *testing.T) {
	t.Parallel()
	file := filepath.Join("testdata", "schema.sql")
	db := mariadbtest.Database(t)
	migrate(t, openMariaDB(t, db))
	got := createTables(t, rawMariaDB(t, db))
	if *update {
		write(t, file, got)
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("write it with go test -run TestSchemaIsWrittenDown ./apps/internal/store -update (-%s +migrated):\n%s", file, diff)
	}
}

// displayWidth is what MariaDB adds to the types of numbers and MySQL does not.
var displayWidth = regexp.MustCompile(`int\(\d+\)`)

// createTables returns a database's tables as statements that MySQL, MariaDB and Vitess read.
func createTables(t *testing.T, raw *sql.DB) string {
	t.Helper()
	lines := map[string][]string{}
	queryRaw(t, raw, "select table_name, column_name, column_type, is_nullable, extra from information_schema.columns "+
		"where table_schema = database() order by table_name, ordinal_position", func(rows *sql.Rows) error {
		var table, name, kind, null, extra string
		err := rows.Scan(&table, &name, &kind, &null, &extra)
		line := "`" + name + "` " + displayWidth.ReplaceAllStringFunc(kind, func(s string) string { return s[:strings.Index(s, "(")] })
		if null == "NO" {
			line += " not null"
		}
		if strings.Contains(extra, "auto_increment") {
			line += " auto_increment"
		}
		lines[table] = append(lines[table], line)
		return err
	})
	queryRaw(t, raw, "select table_name, index_name, group_concat(concat('`', column_name, '`') order by seq_in_index separator ', ') "+
		"from information_schema.statistics where table_schema = database() and non_unique = 0 "+
		"group by table_name, index_name order by table_name, index_name = 'PRIMARY' desc, index_name", func(rows *sql.Rows) error {
		var table, name, columns string
		err := rows.Scan(&table, &name, &columns)
		line := "unique key `" + name + "` (" + columns + ")"
		if name == "PRIMARY" {
			line = "primary key (" + columns + ")"
		}
		lines[table] = append(lines[table], line)
		return err
	})
	var b strings.Builder
	for _, table := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(&b, "create table `%s` (\n  %s\n);\n", table, strings.Join(lines[table], ",\n  "))
	}
	return b.String()
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
