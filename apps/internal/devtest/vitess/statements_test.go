package vitess

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// recorded is a statement of the store, and the methods that send it.
type recorded struct{ methods, text string }

// readStatements reads what the tests of the store have recorded.
func readStatements(t *testing.T) []recorded {
	t.Helper()
	var list []recorded
	for block := range strings.SplitSeq(read(t, storeFile("statements.sql")), "\n\n") {
		head, text, ok := strings.Cut(strings.TrimSpace(block), "\n")
		methods, named := strings.CutPrefix(head, "-- ")
		if !ok || !named {
			t.Fatalf("not a statement below its methods: %q", block)
		}
		list = append(list, recorded{methods, strings.TrimSuffix(text, ";")})
	}
	return list
}

func storeFile(name string) string { return filepath.Join("..", "..", "store", "testdata", name) }

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var valueType = regexp.MustCompile(`:(?:null|int|float|time|bytes|text)\b`)

// withValues replaces the types in a statement by values, all of them different, from n on:
// vtexplain routes what it plans.
func withValues(statement string, n int) string {
	return valueType.ReplaceAllStringFunc(statement, func(name string) string {
		n++
		switch name {
		case ":int":
			return fmt.Sprint(n)
		case ":float":
			return fmt.Sprintf("%d.5", n)
		case ":time":
			return fmt.Sprintf("'2026-11-30 12:00:00.%06d'", n)
		case ":bytes":
			return fmt.Sprintf("X'%08x'", n)
		case ":text":
			return fmt.Sprintf("'text %d'", n)
		default:
			return "NULL"
		}
	})
}
