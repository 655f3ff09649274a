package faces

import (
	"strings"
	"unicode/utf8"
)

// The longest texts, in characters. The database's columns are as wide.
const (
	// MaxPathLength is that of an image's path: what a unique index on MySQL and
	// MariaDB can hold.
	MaxPathLength = 750
	// MaxNameLength is that of a person's name.
	MaxNameLength = 255
	// MaxDetailLength is that of a detail or a warning: one line for people.
	MaxDetailLength = 500
)

// CheckPath refuses a path that the database cannot hold.
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

// CheckName refuses a name that no person can have.
func CheckName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return Errorf(CodeInvalid, "a person needs a name")
	case !utf8.ValidString(name):
		return Errorf(CodeInvalid, "the name is not valid UTF-8")
	case utf8.RuneCountInString(name) > MaxNameLength:
		return Errorf(CodeInvalid, "a name has at most %d characters", MaxNameLength)
	default:
		return nil
	}
}

// Truncate returns a text with at most limit characters; one that was cut ends
// with "…".
func Truncate(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit-1]) + "…"
}
