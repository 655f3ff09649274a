package frontend

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// personName returns the name to show, or words such as "person 7" for a person whose row
// is gone.
func (l *language) personName(p faces.Person) string {
	if p.Name == "" {
		return l.words("person.nameless", p.ID)
	}
	return visible(p.Name)
}

// isolatedName returns the name of a person for the middle of a sentence.
func (l *language) isolatedName(p faces.Person) string { return isolated(l.personName(p)) }

// isolated wraps a right-to-left name in Unicode isolates, so that it does not
// reorder the sentence around it.
func isolated(name string) string {
	rightToLeft := func(r rune) bool {
		return unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana)
	}
	if !strings.ContainsFunc(name, rightToLeft) {
		return name
	}
	const firstStrong, pop = "\u2068", "\u2069"
	return firstStrong + name + pop
}

// shownName returns the name of the uploaded file, whose path is a hash, or the path
// of an image.
func (s *Server) shownName(img faces.Image) string {
	if img.FileName != "" {
		return visible(img.FileName)
	}
	return s.shownPath(img.Path)
}

// shownPath returns the path relative to the folder of images, or all of it if
// it is elsewhere.
func (s *Server) shownPath(path string) string {
	root := strings.TrimSuffix(s.opts.UnknownPeople, "/")
	if below, ok := strings.CutPrefix(path, root+"/"); ok && root != "" && below != "" {
		return visible(below)
	}
	return visible(path)
}

// visible escapes invisible characters and those that change how the text
// around them reads, such as a right-to-left override, which shows "exe.jpg" as
// "gpj.exe". Letters of every script stay as they are.
func visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r) // an invalid byte becomes U+FFFD, which is visible
	}
	return b.String()
}

// capital returns a text with a capital letter at its start.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:]
}
