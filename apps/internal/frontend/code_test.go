package frontend_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The code has no texts of several words but those that nobody reads on a page: in the log,
// in errors, and in headers. This finds also what is put into a message as a value.
func TestCodeHasNoWordsOfItsOwn(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "messages") || strings.HasPrefix(name, "config") {
			continue // settings are read by who runs a program
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if isUnseen(n) {
				return false
			}
			if text, ok := n.(*ast.BasicLit); ok && isProse(text) {
				t.Errorf("%s: %s is not in the message catalogue", set.Position(n.Pos()), text.Value)
			}
			return true
		})
	}
}

// isProse reports whether a literal has words, as people write them.
func isProse(text *ast.BasicLit) bool {
	value, err := strconv.Unquote(text.Value)
	same := []string{"Mac OS", "Bearer ", ": still here\n\n"} // for browsers and programs
	return err == nil && text.Kind == token.STRING && !slices.Contains(same, value) && regexp.MustCompile(`\p{L}{2,} \p{L}{2}|^ \p{L}{2}|\p{L}{2} $`).MatchString(value)
}

// isUnseen reports whether a part of the code makes something that no page shows.
func isUnseen(n ast.Node) bool {
	called := ""
	switch n := n.(type) {
	case *ast.ImportSpec:
		return true
	case *ast.CompositeLit: // such an error is shown by its code
		if of, ok := n.Type.(*ast.SelectorExpr); ok {
			return of.Sel.Name == "Error"
		}
	case *ast.FuncDecl: // headers, the log, names in holds, and the receiver's English
		return slices.Contains([]string{"securityHeaders", "checkKey", "reviewer", "Error", "wordsOfRefusal"}, n.Name.Name)
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.SelectorExpr); ok {
			called = f.Sel.Name
		}
	}
	return slices.Contains([]string{"Errorf", "New", "DebugContext", "WarnContext", "ErrorContext", "Warn", "Log"}, called)
}
