package frontend_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/signin"
)

// Each key in the templates and the code has words, and each of the words is used.
func TestWordsAreThereAndUsed(t *testing.T) {
	t.Parallel()
	messages := frontend.Messages()
	if len(messages) < 500 {
		t.Fatalf("%d messages", len(messages))
	}
	source := sources(t)
	for _, m := range regexp.MustCompile(`(?:\bt |\bwords\(|\bwrong\(|\bunfit\(|\bphrase\{(?:key: )?)"([a-z0-9._]+)"[^ ]`).FindAllStringSubmatch(source, -1) {
		_, whole := messages[m[1]]
		_, forms := messages[m[1]+".other"] // a phrase may have a count
		if !whole && !forms && !strings.HasSuffix(m[1], ".") {
			t.Errorf("%q has no words", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?:\btn |\bcount |\bforms |\bcounted\()"([a-z0-9._]+)"[^ ]`).FindAllStringSubmatch(source, -1) {
		for _, form := range []string{".one", ".other"} {
			if _, ok := messages[m[1]+form]; !ok {
				t.Errorf("%q has no words", m[1]+form)
			}
		}
	}
	used := usedIn(source)
	for _, key := range slices.Sorted(maps.Keys(messages)) {
		if !used(key) {
			t.Errorf("nothing uses %q", key)
		}
	}
}

// Names of the domain have words of their own, although a name without words is shown as it
// is.
func TestNamesHaveWords(t *testing.T) {
	t.Parallel()
	var keys []string
	for _, r := range slices.Concat(faces.Reasons(), faces.FaceReasons()) {
		keys = append(keys, "outcome."+string(r))
		if r.BelowFloor() {
			keys = append(keys, "poor."+string(r))
		}
		if r.Permanent() {
			keys = append(keys, "failure."+string(r))
		}
	}
	for _, b := range faces.ConsentBases() {
		keys = append(keys, "basis."+string(b))
	}
	for _, r := range access.AllRoles() {
		keys = append(keys, "role."+string(r), "role."+string(r)+".may")
	}
	for _, s := range []faces.Status{faces.Pending, faces.Processed, faces.Failed, faces.Processing} {
		keys = append(keys, "status."+s.String())
	}
	for m := time.January; m <= time.December; m++ {
		keys = append(keys, "month."+strings.ToLower(m.String()))
	}
	for _, r := range []signin.Refusal{
		signin.RefusedForeign, signin.RefusedLate, signin.RefusedIssuer, signin.RefusedThere, signin.RefusedUnknown, signin.RefusedTaken, signin.RefusedNoName,
		signin.RefusedUnverified, signin.RefusedBadName, signin.RefusedGroups,
	} {
		keys = append(keys, "signin.refused."+string(r))
	}
	for _, p := range []signin.PasswordProblem{signin.PasswordNotText, signin.PasswordShort, signin.PasswordLong, signin.PasswordIsName, signin.PasswordRepeated} {
		keys = append(keys, "password.unfit."+string(p))
	}
	messages := frontend.Messages()
	for _, key := range keys {
		if messages[key] == "" {
			t.Errorf("%q has no words", key)
		}
	}
}

// sources returns the templates, and the code without the catalogue.
func sources(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	code, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range append(files, code...) {
		if strings.HasPrefix(name, "messages_") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "messages.go" {
			text, _, _ = bytes.Cut(text, []byte("// sharedWords"))
		}
		all.Write(text)
	}
	return all.String()
}

// usedIn returns whether a key is named: itself, the key of which it is a form or a part, or
// a beginning to which the code adds something, such as "outcome.".
func usedIn(source string) func(key string) bool {
	named, begun := map[string]bool{}, []string(nil)
	for _, m := range regexp.MustCompile(`"([a-z0-9._]+)"( ?\+)?`).FindAllStringSubmatch(source, -1) {
		named[m[1]] = true
		if m[2] != "" && strings.Contains(m[1], ".") {
			begun = append(begun, m[1])
		}
	}
	return func(key string) bool {
		for _, end := range []string{"", ".one", ".other", ".title", ".text"} {
			if whole, ok := strings.CutSuffix(key, end); ok && named[whole] {
				return true
			}
		}
		return slices.ContainsFunc(begun, func(begin string) bool { return strings.HasPrefix(key, begin) })
	}
}
