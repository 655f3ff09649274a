// Package config reads a program's settings from its environment.
//
// This file owns Reader: each setting is read by name with a default and one
// line of help, every problem is collected, and the same list of settings
// prints the program's help. The environment is passed in, so tests never
// change the process's own.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/joho/godotenv" // the format that .env files are known by
)

// Lookup returns the value of an environment variable, as os.LookupEnv does.
type Lookup func(name string) (string, bool)

// WithDotEnv returns a Lookup that asks env first and then the .env file in
// dir. No file is no error; a file that cannot be read or parsed is.
func WithDotEnv(env Lookup, dir string) (Lookup, error) {
	name := dir + "/.env"
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return env, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer file.Close()
	// The parser passes over a last line that is no setting and has no end.
	values, err := godotenv.Parse(io.MultiReader(file, strings.NewReader("\n")))
	if err != nil {
		// The parser's message quotes the line, which may hold a password.
		return nil, fmt.Errorf("parse %s: not a file of NAME=value lines", name)
	}
	return func(key string) (string, bool) {
		if v, ok := env(key); ok {
			return v, true
		}
		v, ok := values[key]
		return v, ok
	}, nil
}

// Map returns a Lookup over a map, for tests and for programs that start
// others with settings of their own.
func Map(values map[string]string) Lookup {
	return func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}
}

// Setting describes one variable that a program reads.
type Setting struct {
	Name    string
	Default string
	Help    string
}

// Reader reads settings and remembers them and their problems.
type Reader struct {
	lookup   Lookup
	settings []Setting
	problems []error
}

// NewReader returns a Reader over env.
func NewReader(env Lookup) *Reader { return &Reader{lookup: env} }

// Settings returns what was read so far, in order.
func (r *Reader) Settings() []Setting { return r.settings }

// Err returns one error that names every bad variable, or nil.
func (r *Reader) Err() error {
	if len(r.problems) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d bad setting(s):", len(r.problems))
	for _, p := range r.problems {
		b.WriteString("\n  " + p.Error())
	}
	return errors.New(b.String())
}

// Fail records a problem of a variable that only the caller could find.
func (r *Reader) Fail(name, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("%s: "+format, append([]any{name}, args...)...))
}

// get returns the variable's value, and false where it is unset or empty.
func (r *Reader) get(name, def, help string) (string, bool) {
	r.settings = append(r.settings, Setting{Name: name, Default: def, Help: help})
	v, ok := r.lookup(name)
	v = strings.TrimSpace(v)
	return v, ok && v != ""
}

// String reads a text; def where it is unset.
func (r *Reader) String(name, def, help string) string {
	if v, ok := r.get(name, def, help); ok {
		return v
	}
	return def
}

// Required reads a text that must be set.
func (r *Reader) Required(name, help string) string {
	v, ok := r.get(name, "(required)", help)
	if !ok {
		r.Fail(name, "is not set; %s", help)
	}
	return v
}

// OneOf reads one of the given words.
func (r *Reader) OneOf(name, def, help string, words ...string) string {
	v, ok := r.get(name, def, help)
	if !ok {
		return def
	}
	for _, w := range words {
		if v == w {
			return v
		}
	}
	r.Fail(name, "%q is not one of %s", v, strings.Join(words, ", "))
	return def
}

// Int reads a whole number between low and high.
func (r *Reader) Int(name string, def, low, high int, help string) int {
	v, ok := r.get(name, strconv.Itoa(def), help)
	if !ok {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		r.Fail(name, "%q is not a whole number between %d and %d", v, low, high)
		return def
	}
	return n
}

// IntShown is Int with a default that depends on the machine: help shows words
// in its place, so that it reads the same everywhere.
func (r *Reader) IntShown(name string, def int, shown string, low, high int, help string) int {
	n := r.Int(name, def, low, high, help)
	r.settings[len(r.settings)-1].Default = shown
	return n
}

// Float reads a number between low and high; an unset one is 0.
func (r *Reader) Float(name, def string, low, high float64, help string) float64 {
	v, ok := r.get(name, def, help)
	if !ok {
		return 0
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || !(n >= low && n <= high) { // NaN is neither
		r.Fail(name, "%q is not a number between %g and %g", v, low, high)
		return 0
	}
	return n
}

// Duration reads a time span such as 90s or 5m, between low and high.
func (r *Reader) Duration(name string, def, low, high time.Duration, help string) time.Duration {
	v, ok := r.get(name, def.String(), help)
	if !ok {
		return def
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < low || d > high {
		r.Fail(name, "%q is not a time span (like 30s or 5m) between %s and %s", v, low, high)
		return def
	}
	return d
}

// Address reads a host:port to listen on; the host may be empty.
func (r *Reader) Address(name, def, help string) string {
	v := r.String(name, def, help)
	if err := checkAddress(v); err != nil {
		r.Fail(name, "%v", err)
	}
	return v
}

// Addresses reads a comma-separated list of host:port, at least one.
func (r *Reader) Addresses(name, help string) []string {
	var list []string
	text := r.Required(name, help)
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		list = append(list, part)
		if err := checkAddress(part); err != nil {
			r.Fail(name, "%v", err)
		}
	}
	if text != "" && len(list) == 0 {
		r.Fail(name, "%q holds no host:port", text)
	}
	return list
}

func checkAddress(v string) error {
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return fmt.Errorf("%q is not host:port", v)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q has no port between 0 and 65535", v)
	}
	return nil
}

// maxSecretFile bounds what a mis-set path can make us read.
const maxSecretFile = 64 << 10

// Secret reads a text that must not be shown: from NAME, or from the file that
// NAME_FILE names (how Kubernetes and Docker hand out secrets), whose trailing
// line break is dropped.
func (r *Reader) Secret(name, help string) Secret {
	_, ok := r.get(name, "(required)", help)
	direct, _ := r.lookup(name) // as it is: a password may begin or end with a space
	fileName, fromFile := r.get(name+"_FILE", "", "a file that holds "+name+", in its place")
	switch {
	case ok && fromFile:
		r.Fail(name, "is set, and %s_FILE too; set one of them", name)
	case ok:
		return newSecret(direct)
	case fromFile:
		text, err := readSecretFile(fileName)
		if err != nil {
			r.Fail(name+"_FILE", "%v", err)
		}
		return newSecret(text)
	default:
		r.Fail(name, "is not set, nor is %s_FILE; %s", name, help)
	}
	return Secret{}
}

func readSecretFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxSecretFile {
		return "", fmt.Errorf("%s is larger than %d bytes: not a secret", name, maxSecretFile)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	return secret, nil
}

// Secret is a text that prints as dots, so that no log can show it. The text
// lies behind a pointer, because in an unexported field of something larger fmt
// prints what there is and asks no method.
type Secret struct{ value *string }

func newSecret(text string) Secret { return Secret{value: &text} }

// Reveal returns the text itself.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String hides the text.
func (s Secret) String() string { return "••••" }

// GoString hides the text from %#v.
func (s Secret) GoString() string { return "Secret(••••)" }

// MarshalText hides the text from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte("••••"), nil }

// PrintHelp writes the settings as a table.
func PrintHelp(w io.Writer, settings []Setting) {
	tw := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	told := map[string]bool{}
	for _, s := range settings {
		if told[s.Name] {
			continue // parts of a program may share a setting; the first knows best
		}
		told[s.Name] = true
		def := s.Default
		if def == "" {
			def = "-"
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\n", s.Name, def, s.Help)
	}
	tw.Flush() //nolint:errcheck // the writer is a terminal or a buffer
}
