package frontend_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Scripts find their words in the attributes of a page. A text of several words is one that
// people read; what is left is for the browser.
func TestScriptsHaveNoWordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	var (
		comment  = regexp.MustCompile(`(?m)(^|\s)//.*$`)
		text     = regexp.MustCompile("\"[^\"\n]*\"|'[^'\n]*'|`[^`]*`")
		value    = regexp.MustCompile(`\$\{[^{}]*\}`)
		words    = regexp.MustCompile(`^\s*\p{L}{2,}([.,:]? +\p{L}{2,})+\W*$|^[A-Z][a-z]+\W*$|\s(s|min|kB|MB|GB)$`)
		browsers = []string{ // names of keys, headers and errors, classes, and "use strict"
			"use strict", "Enter", "Space", "Escape", "Tab", "Home", "End", "Delete", "Backspace", "Accept", "button small", "Right", "Down", "Arrow", "Files", "body, main",
		}
	)
	files, err := filepath.Glob("static/*.js")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range text.FindAllString(comment.ReplaceAllString(string(source), ""), -1) {
			found = value.ReplaceAllString(strings.Trim(found, "\"'`"), "1")
			if words.MatchString(found) && !slices.Contains(browsers, found) {
				t.Errorf("%s: %q is not in the message catalogue", file, found)
			}
		}
	}
}
