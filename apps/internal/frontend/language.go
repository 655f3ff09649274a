package frontend

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// language is a language that the dashboard speaks: its words, and how it counts things.
// The methods choose which message is said; only the catalogue has text. A Server has one
// language, and never changes it.
type language struct {
	tag      string            // as in <html lang>, such as "en"
	messages map[string]string // by key; see messages.go
	// form returns the end of the key of a message about n things. In English it is one or
	// other; another language may also have few and many.
	form func(n int64) string
}

// phrase is a message and its values. Code that does not know the language returns one. A
// value may be a phrase, too.
type phrase struct {
	key    string
	values []any
}

// choices is a value of a phrase: things of which one is to be chosen.
type choices []string

// words returns a message, with its values. A key without a message is a fault of ours,
// which a test finds; a page is still of use with the key itself.
func (l *language) words(key string, values ...any) string {
	text, ok := l.messages[key]
	if !ok {
		return key
	}
	if len(values) == 0 {
		return text
	}
	return fmt.Sprintf(text, values...)
}

// wordsOr is words for keys that come from elsewhere, such as from a newer receiver. What
// has no message is shown as it is.
func (l *language) wordsOr(key, otherwise string) string {
	if text, ok := l.messages[key]; ok {
		return text
	}
	return otherwise
}

// count is the value of a phrase that has plural forms, by which the form is chosen.
type count int

// sayAll returns the words of phrases.
func (l *language) sayAll(list []phrase) []string {
	var texts []string
	for _, p := range list {
		texts = append(texts, l.say(p))
	}
	return texts
}

// say returns the words of a phrase.
func (l *language) say(p phrase) string {
	values := make([]any, len(p.values))
	for i, v := range p.values {
		switch v := v.(type) {
		case count:
			return l.counted(p.key, int(v))
		case phrase:
			values[i] = l.say(v)
		case choices:
			values[i] = l.join(v, "list.more", "list.or")
		default:
			values[i] = v
		}
	}
	return l.words(p.key, values...)
}

// counted returns the form of a message for n things. Its value is n, or the given values.
func (l *language) counted(key string, n any, values ...any) string {
	form := key + "." + l.form(amount(n))
	switch {
	case len(values) > 0:
		return l.words(form, values...)
	case !strings.Contains(l.messages[form], "%"): // it names the number itself, such as "a face"
		return l.words(form)
	default:
		return l.words(form, n)
	}
}

// forms returns all forms of a message as JSON, for a script, which chooses one by the
// plural category of the browser: Intl.PluralRules has the same names.
func (l *language) forms(key string) (string, error) {
	all := map[string]string{}
	for _, form := range []string{"zero", "one", "two", "few", "many", "other"} {
		if text, ok := l.messages[key+"."+form]; ok {
			all[form] = text
		}
	}
	text, err := json.Marshal(all)
	return string(text), err
}

// amount returns a number that may be written with separators, such as 1,204.
func amount(n any) int64 {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, fmt.Sprint(n))
	number, _ := strconv.ParseInt(digits, 10, 64) // what is no number has the form of many
	return number
}

// surrounding is a message whose first value is markup, in two parts: the words before it and
// those after it.
type surrounding struct{ Before, After string }

// around returns the words around a piece of markup. The message has the markup at %s or
// %[1]s, once; values are its other ones.
func (l *language) around(key string, values ...any) surrounding {
	const markup = "\x00"
	before, after, _ := strings.Cut(l.words(key, append([]any{markup}, values...)...), markup)
	return surrounding{before, after}
}

// list joins names as people write them: a, b and c.
func (l *language) list(names []string) string { return l.join(names, "list.more", "list.and") }

// parts joins things with commas.
func (l *language) parts(list []string) string { return l.join(list, "list.more", "list.more") }

// join joins things by messages: one that adds a thing to those before it, and one that adds
// the last.
func (l *language) join(things []string, more, last string) string {
	if len(things) == 0 {
		return ""
	}
	text, end := things[0], len(things)-1
	for i, thing := range things[1:] {
		key := more
		if i+1 == end {
			key = last
		}
		text = l.words(key, text, thing)
	}
	return text
}

// thousands writes a number with separators, such as 1,204.
func (l *language) thousands(n int64) string {
	text, separator := strconv.FormatInt(n, 10), l.words("number.separator")
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + separator + text[i:]
	}
	return text
}

// percent writes a number of per cent, with some digits after the point.
func (l *language) percent(share float64, digits int) string {
	return l.words("number.percent", strconv.FormatFloat(share, 'f', digits, 64))
}

// bytes writes a number of bytes for people.
func (l *language) bytes(n uint64) string {
	const step = 1000
	value, units := float64(n), []string{"b", "kb", "mb", "gb", "tb", "pb", "eb"}
	for len(units) > 1 && value >= step {
		value, units = value/step, units[1:]
	}
	digits := 0
	if value < 10 && n >= step {
		digits = 1
	}
	return l.words("bytes."+units[0], strconv.FormatFloat(value, 'f', digits, 64))
}
