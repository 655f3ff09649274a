package docs

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../../../.."

// documents returns the texts of all Markdown files, by their path in the repository.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (e.Name() == ".git" || path == filepath.Join(root, "build")) {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		texts[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

var (
	link        = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading     = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	code        = regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]*`")
	makeCommand = regexp.MustCompile("(?m)(?:^    |`)make ([a-z][a-z0-9-]*)")
	target      = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
)

// anchor returns the name under which GitHub links to a heading.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_', r > 127:
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}

// broken returns the links of a document that lead nowhere. exists tells which
// files there are, by their path in the repository.
func broken(name string, texts map[string]string, exists func(string) bool) []string {
	var out []string
	for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(texts[name], ""), -1) {
		file, fragment, _ := strings.Cut(m[1], "#")
		if strings.Contains(file, ":") {
			continue // another site
		}
		path := name
		if file != "" {
			path = filepath.ToSlash(filepath.Join(filepath.Dir(name), file))
		}
		if !exists(path) {
			out = append(out, m[1])
			continue
		}
		text, isDocument := texts[path]
		if fragment != "" && isDocument && !slices.ContainsFunc(heading.FindAllStringSubmatch(text, -1), func(h []string) bool {
			return anchor(h[1]) == fragment
		}) {
			out = append(out, m[1])
		}
	}
	return out
}

func TestLinks(t *testing.T) {
	t.Parallel()
	texts := documents(t)
	exists := func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return err == nil
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		for _, l := range broken(name, texts, exists) {
			t.Errorf("%s: %s leads nowhere", name, l)
		}
	}
}

func TestMakeTargets(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, m := range target.FindAllStringSubmatch(string(makefile), -1) {
		there[m[1]] = true
	}
	for name, text := range documents(t) {
		for _, m := range makeCommand.FindAllStringSubmatch(text, -1) {
			if !there[m[1]] {
				t.Errorf("%s: the Makefile has no %s", name, m[1])
			}
		}
	}
}

// Every check finds what it is there for.
func TestBroken(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"a file", "[a](b.md)", ""},
		{"a heading", "[a](b.md#to-be-or-not)", ""},
		{"a heading of its own", "# Here\n[a](#here)", ""},
		{"another site", "[a](https://example.org/x)", ""},
		{"code", "`[a](gone.md)`", ""},
		{"no file", "[a](gone.md)", "gone.md"},
		{"no heading", "[a](b.md#gone)", "b.md#gone"},
		{"no file above", "[a](../b.md)", "../b.md"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			texts := map[string]string{"docs/a.md": tt.text, "docs/b.md": "## To be, or not\n"}
			exists := func(path string) bool { return texts[path] != "" }
			if got := strings.Join(broken("docs/a.md", texts, exists), " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
