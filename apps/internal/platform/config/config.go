// Package config reads a program's settings from its environment.
//
// A Reader reads each setting by name, with a default and one line of help. It
// collects all problems into one error, and its list of settings is the
// program's help. The environment is passed in, so tests never change that of
// the process.
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
// dir. It fails if the file exists but cannot be read or parsed.
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
	// The line break is needed: godotenv ignores a malformed last line without
	// one.
	values, err := godotenv.Parse(io.MultiReader(file, strings.NewReader("\n")))
	if err != nil {
		// The parser's message quotes the line, which may hold a password.
		return nil, fmt.Errorf("parse %s: every line must be NAME=value", name)
	}
	return func(key string) (string, bool) {
		if v, ok := env(key); ok {
			return v, true
		}
		v, ok := values[key]
		return v, ok
	}, nil
}

// Map returns a Lookup over a map. Tests use it, and programs that start others
// with settings of their own.
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

// Reader reads settings. It remembers each setting and each problem.
type Reader struct {
	lookup   Lookup
	settings []Setting
	problems []error
}

// NewReader returns a Reader over env.
func NewReader(env Lookup) *Reader { return &Reader{lookup: env} }

// Settings returns the settings read so far, in order.
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

// Fail records a problem with a variable that the Reader cannot check itself.
func (r *Reader) Fail(name, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("%s: "+format, append([]any{name}, args...)...))
}

// get returns the variable's value without surrounding space. ok is false if it
// is unset or empty.
func (r *Reader) get(name, def, help string) (string, bool) {
	r.settings = append(r.settings, Setting{Name: name, Default: def, Help: help})
	v, ok := r.lookup(name)
	v = strings.TrimSpace(v)
	return v, ok && v != ""
}

// String reads a text. def is returned if it is unset.
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

// IntShown is Int for a default that depends on the machine. The help shows the
// text shown instead, so that it reads the same everywhere.
func (r *Reader) IntShown(name string, def int, shown string, low, high int, help string) int {
	n := r.Int(name, def, low, high, help)
	r.settings[len(r.settings)-1].Default = shown
	return n
}

// Float reads a number between low and high. It returns 0 if it is unset; def
// is only shown in the help.
func (r *Reader) Float(name, def string, low, high float64, help string) float64 {
	v, ok := r.get(name, def, help)
	if !ok {
		return 0
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || !(n >= low && n <= high) { // NaN fails both
		r.Fail(name, "%q is not a number between %g and %g", v, low, high)
		return 0
	}
	return n
}

// Duration reads a duration such as 90s or 5m, between low and high.
func (r *Reader) Duration(name string, def, low, high time.Duration, help string) time.Duration {
	v, ok := r.get(name, def.String(), help)
	if !ok {
		return def
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < low || d > high {
		r.Fail(name, "%q is not a duration (like 30s or 5m) between %s and %s", v, low, high)
		return def
	}
	return d
}

// Address reads a host:port to listen on or connect to. The host may be empty.
func (r *Reader) Address(name, def, help string) string {
	v := r.String(name, def, help)
	if err := checkAddress(v); err != nil {
		r.Fail(name, "%v", err)
	}
	return v
}

// Addresses reads a comma-separated list of host:port with at least one entry.
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
		r.Fail(name, "%q contains no host:port", text)
	}
	return list
}

func checkAddress(v string) error {
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return fmt.Errorf("%q is not host:port", v)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q needs a port between 0 and 65535", v)
	}
	return nil
}

// maxSecretFile is the largest secret file in bytes. It bounds what a wrong
// path can make us read.
const maxSecretFile = 64 << 10

// Secret reads a text that must not be shown. It comes from NAME, or from the
// file that NAME_FILE names, as Kubernetes and Docker provide secrets. A
// trailing line break in the file is dropped. file is the file's name, or "" if
// the text is not from a file; fileHelp is its line of help.
func (r *Reader) Secret(name, help, fileHelp string) (text Secret, file string) {
	_, ok := r.get(name, "(required)", help)
	direct, _ := r.lookup(name) // not trimmed: a password may begin or end with a space
	file, fromFile := r.get(name+"_FILE", "", fileHelp)
	switch {
	case ok && fromFile:
		r.Fail(name, "is set, and %s_FILE too; set only one of them", name)
	case ok:
		return newSecret(direct), ""
	case fromFile:
		text, err := readSecretFile(file)
		if err != nil {
			r.Fail(name+"_FILE", "%v", err)
		}
		return newSecret(text), file
	default:
		r.Fail(name, "is not set, and %s_FILE is not set either; %s", name, help)
	}
	return Secret{}, ""
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
		return "", fmt.Errorf("%s is larger than %d bytes, so it is not a secret", name, maxSecretFile)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	return secret, nil
}

// Secret is a text that prints as dots, so that it cannot reach a log. The
// value is a pointer because fmt prints unexported fields of an enclosing
// struct without calling their String method.
type Secret struct{ value *string }

func newSecret(text string) Secret { return Secret{value: &text} }

// Reveal returns the text itself.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String returns dots.
func (s Secret) String() string { return "••••" }

// GoString returns dots for %#v.
func (s Secret) GoString() string { return "Secret(••••)" }

// MarshalText returns dots to encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte("••••"), nil }

// PrintHelp writes the settings as a table, each name once.
func PrintHelp(w io.Writer, settings []Setting) {
	tw := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	printed := map[string]bool{}
	for _, s := range settings {
		if printed[s.Name] {
			continue // two parts of a program may read one setting; the first entry counts
		}
		printed[s.Name] = true
		def := s.Default
		if def == "" {
			def = "-"
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\n", s.Name, def, s.Help)
	}
	tw.Flush() //nolint:errcheck // the writer is a terminal or a buffer
}
