package frontend_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The words of the templates are in the message catalogue, so that another language needs no
// other templates.
func TestTemplatesHaveNoWordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	var (
		action    = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
		example   = regexp.MustCompile(`(?s)<(code|kbd)\b[^>]*>.*?</(code|kbd)>`)
		attribute = regexp.MustCompile(`\b(aria-label|alt|title|placeholder)="([^"]*)"`)
		markup    = regexp.MustCompile(`(?s)<[^>]*>|\b[a-z-]+=""`) // attributes are also in parts of their own
		word      = regexp.MustCompile(`\p{L}{2,}`)
		same      = []string{"Rollcall", "px", "https", "badges", "example", "com", "rollcall"} // in every language
	)
	files, err := filepath.Glob("templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d templates, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shown := example.ReplaceAllString(action.ReplaceAllString(string(text), ""), "")
		var words strings.Builder
		for _, found := range attribute.FindAllStringSubmatch(shown, -1) {
			words.WriteString(found[2] + " ")
		}
		words.WriteString(markup.ReplaceAllString(shown, " "))
		for _, w := range word.FindAllString(words.String(), -1) {
			if !slices.Contains(same, w) {
				t.Errorf("%s: %q is not in the message catalogue", file, w)
			}
		}
	}
}
