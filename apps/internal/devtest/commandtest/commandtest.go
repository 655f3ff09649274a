// Package commandtest has the tests that every program shares. Call Test with
// the program's Spec.
package commandtest

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
)

// Test checks a program's help, version, usage errors and README. spec returns
// a new Spec at each call. The README is read from the working directory.
func Test(t *testing.T, spec func() command.Spec) {
	t.Helper()
	name := spec().Name
	t.Run("help names every setting and flag", func(t *testing.T) {
		t.Parallel()
		code, stdout, stderr := Run(t, spec(), nil, "-h")
		if code != command.ExitOK || stderr != "" {
			t.Fatalf("exit code %d, stderr %q", code, stderr)
		}
		for _, s := range command.Settings(spec()) {
			if !strings.Contains(stdout, "  "+s.Name+" ") {
				t.Errorf("help does not name %s", s.Name)
			}
		}
		if !strings.Contains(stdout, "-version") {
			t.Error("help does not name -version")
		}
	})
	t.Run("version", func(t *testing.T) {
		t.Parallel()
		code, stdout, _ := Run(t, spec(), nil, "-version")
		if code != command.ExitOK || !strings.HasPrefix(stdout, name+" "+version.Read().Version+" ") {
			t.Errorf("exit code %d, stdout %q", code, stdout)
		}
	})
	for what, args := range map[string][]string{"unknown flag": {"-nonsense"}, "argument": {"now"}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := Run(t, spec(), nil, args...)
			if code != command.ExitUsage || !strings.Contains(stderr, name+" -h") {
				t.Errorf("exit code %d, stderr %q; want %d and how to get help", code, stderr, command.ExitUsage)
			}
		})
	}
	t.Run("README lists the settings", func(t *testing.T) {
		t.Parallel()
		if diff := cmp.Diff(settings(spec()), Documented(t, "README.md")); diff != "" {
			t.Errorf("README.md and -h differ (-program +README):\n%s", diff)
		}
	})
}

// Run runs a program with the environment env and returns its exit code and
// output.
func Run(tb testing.TB, s command.Spec, env map[string]string, args ...string) (code int, stdout, stderr string) {
	tb.Helper()
	var out, errs bytes.Buffer
	code = command.Run(tb.Context(), s, args, config.Map(env), &out, &errs)
	return code, out.String(), errs.String()
}

// settings returns the default of each setting, by name.
func settings(s command.Spec) map[string]string {
	list := map[string]string{}
	for _, v := range command.Settings(s) {
		if _, there := list[v.Name]; !there {
			list[v.Name] = v.Default
		}
	}
	return list
}

var row = regexp.MustCompile("(?m)^\\| `([A-Z][A-Z0-9_]+)` \\| ([^|]*) \\|")

// Documented returns the default of each setting in a page's tables, by name. A
// row is: | `NAME` | `default` | meaning |.
func Documented(tb testing.TB, file string) map[string]string {
	tb.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	list := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		def := strings.Trim(strings.TrimSpace(m[2]), "`")
		if def == "-" {
			def = ""
		}
		list[m[1]] = def
	}
	return list
}
