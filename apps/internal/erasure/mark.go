package erasure

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Mark stands for a value: the first half of an HMAC-SHA-256. Equal values have equal
// marks of one salt.
type Mark [16]byte

// Salt is the key of marks. It stands beside them, so it does not hide what somebody
// can guess.
type Salt [32]byte

// NewSalt returns a salt for a database that has none yet.
func NewSalt() (s Salt) {
	_, _ = rand.Read(s[:]) // never fails
	return s
}

// HalfContent is the length in bytes of the first half of a SHA-256.
const HalfContent = sha256.Size / 2

// The kinds of marked values. A value of one kind never has the mark of another.
const (
	kindName       = "name"
	kindFile       = "file"
	kindContent    = "content"
	kindDescriptor = "descriptor"
	kindPath       = "path"
)

func (s Salt) mark(kind string, value []byte) (m Mark) {
	h := hmac.New(sha256.New, s[:])
	h.Write([]byte(kind + "\x00"))
	h.Write(value)
	copy(m[:], h.Sum(nil))
	return m
}

// OfName returns the mark of a name, however it is spelled: in upper or lower case, and
// with whatever stands between its words.
func (s Salt) OfName(name string) Name {
	words := Words(name)
	return Name{Mark: s.OfWords(words), Words: len(words)}
}

// OfWords returns the mark of the name that has these words, in any order: files are
// called "Lovelace, Ada", too.
func (s Salt) OfWords(words []string) Mark {
	words = slices.Sorted(slices.Values(words))
	return s.mark(kindName, []byte(strings.Join(words, " ")))
}

// OfFile returns the mark of a known picture's name.
func (s Salt) OfFile(name string) Mark { return s.mark(kindFile, []byte(name)) }

// OfPath returns the mark of an image's path.
func (s Salt) OfPath(path string) Mark { return s.mark(kindPath, []byte(path)) }

// OfContent returns the mark of a SHA-256, or of its first half, by which recognizers
// tell contents apart.
func (s Salt) OfContent(sum []byte) Mark { return s.mark(kindContent, sum) }

// OfHex is OfContent for a text in hexadecimal. It is the zero mark for any other text.
func (s Salt) OfHex(sum string) Mark {
	raw, err := hex.DecodeString(sum)
	if err != nil || len(raw) != sha256.Size && len(raw) != HalfContent {
		return Mark{}
	}
	return s.OfContent(raw)
}

// OfDescriptor returns the mark of a descriptor's bytes, as they are stored. ok is
// false without any.
func (s Salt) OfDescriptor(stored []byte) (m Mark, ok bool) {
	if len(stored) == 0 {
		return m, false
	}
	return s.mark(kindDescriptor, stored), true
}

// Words returns the words of a text, in lower case: runs of letters, marks and digits.
// A JSON text may have \u0026 between them.
func Words(text string) []string {
	text = strings.NewReplacer(`\u0026`, " ", `\u003c`, " ", `\u003e`, " ", `\n`, " ", `\t`, " ").Replace(text)
	return strings.FieldsFunc(strings.ToLower(norm.NFKC.String(text)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
}

// InText reports whether a text has one of the names.
func (e Entry) InText(text string) bool {
	if text == "" {
		return false
	}
	words := Words(text)
	for _, n := range e.Names {
		for at := 0; n.Words > 0 && at+n.Words <= len(words); at++ {
			if e.Salt.OfWords(words[at:at+n.Words]) == n.Mark {
				return true
			}
		}
	}
	return false
}

// InAnswer reports whether a text has one of the names, or the name or the content of a
// known picture, as an answer of the API has them.
func (e Entry) InAnswer(text string) bool {
	if e.InText(text) {
		return true
	}
	for part := range strings.SplitSeq(text, `"`) {
		if slices.Contains(e.Files, e.Salt.OfFile(part)) {
			return true
		}
		if mark := e.Salt.OfHex(part); mark != (Mark{}) && slices.Contains(e.Contents, mark) {
			return true
		}
	}
	return false
}

// Places says which faces of images must not be described again.
type Places map[int64][]Place

// Drops returns which of the boxes of an image are at an erased place. More than one
// box can be: whatever overlaps a place as much as another box of the same face does.
func (e Places) Drops(image int64, boxes []faces.Box) []bool {
	drop := make([]bool, len(boxes))
	places := e[image]
	if len(places) == 0 {
		return drop
	}
	said := make([]faces.Correction, len(places))
	for i, p := range places {
		said[i] = faces.Correction{ID: int64(i + 1), Box: p.Box, Model: p.Model}
		for b, box := range boxes {
			drop[b] = drop[b] || box.Overlap(p.Box) >= sameFace
		}
	}
	for _, at := range faces.Places(boxes, said) {
		if at >= 0 {
			drop[at] = true
		}
	}
	return drop
}

// sameFace is the overlap of two boxes of one face; see faces.Places.
const sameFace = 0.5
