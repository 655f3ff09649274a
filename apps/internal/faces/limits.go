package faces

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Maximum lengths of texts, in characters. The database columns have the same
// widths.
const (
	// MaxPathLength limits an image's path. It is the longest text that a unique
	// index on MySQL and MariaDB can hold.
	MaxPathLength = 750
	// MaxNameLength limits a person's name.
	MaxNameLength = 255
	// MaxDetailLength limits a detail or a warning, which is one line for people.
	MaxDetailLength = 500
)

// CheckPath returns an error if the database cannot hold the path.
func CheckPath(path string) error {
	switch {
	case !utf8.ValidString(path):
		return Errorf(CodeInvalid, "a path is not valid UTF-8")
	case utf8.RuneCountInString(path) > MaxPathLength:
		return Errorf(CodeInvalid, "a path has more than %d characters", MaxPathLength)
	default:
		return nil
	}
}

// CheckFilePath returns an error if no file can have the path. Unlike CheckPath, it
// blames the picture.
func CheckFilePath(path string) error {
	if strings.ContainsRune(path, 0) {
		return Fault(PathNotAllowed, "a path cannot contain a zero byte")
	}
	return nil
}

// CheckName returns an error if the name is not valid for a person.
func CheckName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return Errorf(CodeInvalid, "a person needs a name")
	case !utf8.ValidString(name):
		return Errorf(CodeInvalid, "the name is not valid UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl): // they command terminals, and split lines
		return Errorf(CodeInvalid, "the name has a control character, such as a tab or an end of line; leave it out")
	case utf8.RuneCountInString(name) > MaxNameLength:
		return Errorf(CodeInvalid, "a name has at most %d characters", MaxNameLength)
	default:
		return nil
	}
}

// Truncate shortens a text to at most limit characters. A shortened text ends
// with "…".
func Truncate(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit-1]) + "…"
}
