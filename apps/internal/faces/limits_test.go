package faces_test

import (
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text, want string
		limit            int
	}{
		{"empty", "", "", 3},
		{"fits", "äöü", "äöü", 3},
		{"one character too many", "äöüß", "äö…", 3},
		{"characters of four bytes", "🙂🙂🙂", "🙂…", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := faces.Truncate(c.text, c.limit); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text     string
		isName, isPath bool
	}{
		{"plain", "Ada", true, true},
		{"empty", "", false, true},
		{"spaces", "  ", false, true},
		{"no text", "\xff", false, false},
		{"a terminal's sequence", "Ada\x1b[31m", false, true},
		{"a control character of its own", "A\u009bda", false, true},
		{"NUL", "Ada\x00", false, true},
		{"two lines", "Ada\nLovelace", false, true},
		{"from right to left", "\u200fעדה", true, true},
		{"a folder", "..", true, true},
		{"the longest name", strings.Repeat("ß", faces.MaxNameLength), true, true},
		{"longer than a name", strings.Repeat("ß", faces.MaxNameLength+1), false, true},
		{"the longest path", strings.Repeat("🙂", faces.MaxPathLength), false, true},
		{"longer than a path", strings.Repeat("🙂", faces.MaxPathLength+1), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := faces.CheckName(c.text); (err == nil) != c.isName {
				t.Errorf("as a name: %v", err)
			}
			if err := faces.CheckPath(c.text); (err == nil) != c.isPath {
				t.Errorf("as a path: %v", err)
			}
		})
	}
}
