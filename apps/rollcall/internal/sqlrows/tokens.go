package sqlrows

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind int

const (
	plain  kind = iota // a word, a number or a sign
	quoted             // a name in backticks
	str                // a text in quotes
)

type token struct {
	kind kind
	text string
	line int
}

// is reports whether t is this word or sign, and neither text nor a quoted name.
func (t token) is(word string) bool { return t.kind == plain && strings.EqualFold(t.text, word) }

func (t token) lower() string { return strings.ToLower(t.text) }

// split cuts a file into tokens and leaves comments out.
func split(text string) ([]token, error) {
	s := &scanner{rest: strings.TrimPrefix(text, "\ufeff"), line: 1}
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("the file is not UTF-8; save it as UTF-8")
	}
	var tokens []token
	for {
		s.skipBlank()
		if s.rest == "" {
			return tokens, nil
		}
		t, err := s.token()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
	}
}

type scanner struct {
	rest string
	line int
}

func (s *scanner) advance(n int) string {
	text := s.rest[:n]
	s.rest = s.rest[n:]
	s.line += strings.Count(text, "\n")
	return text
}

// advanceTo goes behind the next end, or to the end of the file.
func (s *scanner) advanceTo(end string) {
	if i := strings.Index(s.rest, end); i >= 0 {
		s.advance(i + len(end))
		return
	}
	s.advance(len(s.rest))
}

// skipBlank goes behind spaces and comments.
func (s *scanner) skipBlank() {
	for {
		trimmed := strings.TrimLeftFunc(s.rest, unicode.IsSpace)
		s.advance(len(s.rest) - len(trimmed))
		switch {
		case strings.HasPrefix(s.rest, "#"), s.rest == "--",
			len(s.rest) > 2 && s.rest[:2] == "--" && (s.rest[2] <= ' '):
			s.advanceTo("\n")
		case strings.HasPrefix(s.rest, "/*"):
			s.advanceTo("*/")
		default:
			return
		}
	}
}

func (s *scanner) token() (token, error) {
	line := s.line
	switch first := s.rest[0]; first {
	case '\'', '"':
		text, err := s.quoted(first, true)
		return token{str, text, line}, err
	case '`':
		text, err := s.quoted(first, false)
		return token{quoted, text, line}, err
	}
	n := strings.IndexFunc(s.rest, func(r rune) bool { return !isWord(r) })
	switch {
	case n < 0:
		n = len(s.rest)
	case n == 0:
		_, n = utf8.DecodeRuneInString(s.rest)
	}
	return token{plain, s.advance(n), line}, nil
}

func isWord(r rune) bool { return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// quoted takes what is in quotes. A doubled quote stands for one.
func (s *scanner) quoted(quote byte, escapes bool) (string, error) {
	line := s.line
	var text strings.Builder
	s.advance(1)
	for s.rest != "" {
		switch c := s.rest[0]; {
		case c == quote && len(s.rest) > 1 && s.rest[1] == quote:
			text.WriteByte(quote)
			s.advance(2)
		case c == quote:
			s.advance(1)
			return text.String(), nil
		case c == '\\' && escapes && len(s.rest) > 1:
			text.WriteString(unescape(s.rest[:2]))
			s.advance(2)
		default:
			text.WriteString(s.advance(1))
		}
	}
	return "", fmt.Errorf("line %d: the quote %c is not closed", line, quote)
}

// unescape returns what a backslash and the byte after it stand for in MySQL.
func unescape(pair string) string {
	switch pair[1] {
	case '0':
		return "\x00"
	case 'b':
		return "\b"
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case 'Z':
		return "\x1a"
	case '%', '_':
		return pair
	default:
		return pair[1:]
	}
}
