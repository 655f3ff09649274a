package vitess

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"vitess.io/vitess/go/vt/sqlparser"
)

var update = flag.Bool("update", false, "write testdata/plans.txt anew")

// TestStatements plans every statement of the store. plans.txt has the result, and docs/vitess.md
// explains it.
func TestStatements(t *testing.T) {
	p := newPlanner(t)
	var plans []plan
	for _, r := range readStatements(t) {
		plans = append(plans, p.plan(t, r))
	}
	t.Run("a statement about one id reaches one shard", func(t *testing.T) { checkByID(t, p.parser, plans) })
	t.Run("a new path adds one lookup", func(t *testing.T) { checkInserts(t, plans) })
	t.Run("the page has the same numbers", func(t *testing.T) { checkPage(t, plans) })
	t.Run("plans.txt is up to date", func(t *testing.T) { checkFile(t, plans) })
}

// keys are the columns by which Vitess finds the one shard of a row.
var keys = map[string][]string{
	"images": {"id", "path"}, "faces": {"id", "image_id"}, "corrections": {"id", "image_id"}, "image_rescans": {"image_id"},
	"rematch_changes": {"image_id"}, "rescan_results": {"image_id"}, "outbox": {"image_id"},
}

// checkByID fails for statements with a key and one value that reach more than one shard.
func checkByID(t *testing.T, parser *sqlparser.Parser, plans []plan) {
	t.Helper()
	count := 0
	for _, p := range plans {
		if !isByID(t, parser, p.text) {
			continue
		}
		count++
		if p.class != one && p.class != lookup && p.class != elsewhere {
			t.Errorf("%s sends a statement about one id, which reaches %s: %s", p.methods, p.class, p.text)
		}
	}
	t.Logf("%d statements are about one id", count)
	if count < 50 {
		t.Errorf("only %d statements are about one id: this test would prove nothing", count)
	}
}

// isByID reports whether all that a statement reads or writes in the sharded tables is of one id.
func isByID(t *testing.T, parser *sqlparser.Parser, text string) bool {
	t.Helper()
	statement, err := parser.Parse(valueType.ReplaceAllString(text, ":v"))
	if err != nil {
		return false // the planner cannot read it either
	}
	var where *sqlparser.Where
	var tables []sqlparser.TableExpr
	switch s := statement.(type) {
	case *sqlparser.Select:
		where, tables = s.Where, s.From
	case *sqlparser.Update:
		where, tables = s.Where, s.TableExprs
	case *sqlparser.Delete:
		where, tables = s.Where, s.TableExprs
	}
	if where == nil || len(tables) == 0 {
		return false
	}
	first := firstTable(tables[0])
	one, many := false, false
	for _, e := range sqlparser.SplitAndExpression(nil, where.Expr) {
		switch values(first, e) {
		case 0:
		case 1:
			one = true
		default: // a page of ids, one of which is asked for: the planner may choose either
			many = true
		}
	}
	return one && !many
}

// firstTable returns the name of the leftmost table, or "".
func firstTable(e sqlparser.TableExpr) string {
	switch e := e.(type) {
	case *sqlparser.JoinTableExpr:
		return firstTable(e.LeftExpr)
	case *sqlparser.AliasedTableExpr:
		if name, ok := e.Expr.(sqlparser.TableName); ok {
			return name.Name.String()
		}
	}
	return ""
}

// values returns how many values of a key a condition allows, and 0 if it is about no key.
func values(table string, e sqlparser.Expr) int {
	c, ok := e.(*sqlparser.ComparisonExpr)
	if !ok {
		return 0
	}
	column, ok := c.Left.(*sqlparser.ColName)
	if !ok || !slices.Contains(keys[table], column.Name.Lowered()) || !column.Qualifier.IsEmpty() && column.Qualifier.Name.String() != table {
		return 0
	}
	list, isList := c.Right.(sqlparser.ValTuple)
	_, isValue := c.Right.(*sqlparser.Argument)
	switch {
	case isList && c.Operator == sqlparser.InOp:
		return len(list)
	case isValue && c.Operator == sqlparser.EqualOp:
		return 1
	default:
		return 0
	}
}

func checkInserts(t *testing.T, plans []plan) {
	t.Helper()
	found := 0
	for _, p := range plans {
		if !strings.HasPrefix(p.text, "INSERT INTO images ") || strings.Contains(p.text, "), (") {
			continue
		}
		found++
		if p.class != one && p.class != lookup || p.writes != 1 {
			t.Errorf("a new path reaches %s and writes %d lookups: %s", p.class, p.writes, p.text)
		}
	}
	if found == 0 {
		t.Error("no method inserts one image")
	}
}

// checkPage compares the table of docs/vitess.md.
func checkPage(t *testing.T, plans []plan) {
	t.Helper()
	page, count := read(t, filepath.Join("..", "..", "..", "..", "docs", "vitess.md")), map[class]int{}
	for _, p := range plans {
		count[p.class]++
	}
	for c, n := range count {
		if row := fmt.Sprintf("\n| %s | %d |", c, n); !strings.Contains(page, row) {
			t.Errorf("docs/vitess.md has no row %q", row)
		}
	}
}

func checkFile(t *testing.T, plans []plan) {
	t.Helper()
	file := filepath.Join("testdata", "plans.txt")
	got := summary(plans)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(read(t, file), got); diff != "" {
		t.Errorf("write it with make test-vitess TESTARGS=-update, and look what changed (-%s +planned):\n%s", file, diff)
	}
}

// summary counts the statements of each class, by the methods that send them, and lists those
// that are refused.
func summary(plans []plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d statements\n", len(plans))
	for _, c := range []class{elsewhere, one, lookup, some, all, refused} {
		count, by := 0, map[string]int{}
		for _, p := range plans {
			if p.class == c {
				count++
				by[p.methods]++
			}
		}
		fmt.Fprintf(&b, "\n%s: %d\n", c, count)
		for _, methods := range slices.Sorted(maps.Keys(by)) {
			fmt.Fprintf(&b, "%5d  %s\n", by[methods], methods)
		}
	}
	for _, p := range plans {
		if p.class == refused {
			fmt.Fprintf(&b, "\n%s\n%s\n%s\n", p.methods, p.text, p.why)
		}
	}
	return b.String()
}
