package config_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// read is one read of a setting named X.
type read func(r *config.Reader) any

func readString(r *config.Reader) any   { return r.String("X", "def", "help") }
func readRequired(r *config.Reader) any { return r.Required("X", "what it is") }
func readOneOf(r *config.Reader) any    { return r.OneOf("X", "a", "help", "a", "b") }
func readInt(r *config.Reader) any      { return r.Int("X", 7, 1, 10, "help") }
func readShown(r *config.Reader) any    { return r.IntShown("X", 7, "one a core", 1, 10, "help") }
func readFloat(r *config.Reader) any    { return r.Float("X", "the model's", 0.5, 2, "help") }
func readAddress(r *config.Reader) any  { return r.Address("X", ":9000", "help") }
func readList(r *config.Reader) any     { return r.Addresses("X", "host:port list") }
func readFolder(r *config.Reader) any   { return config.ReadFolder(r, "X", "/def", "help") }
func readDuration(r *config.Reader) any {
	return r.Duration("X", time.Minute, time.Second, time.Hour, "help")
}

func TestValues(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		read  read
		value string // of X; "unset" where it is not set
		want  any
	}{
		{"string", readString, "text", "text"},
		{"string, spaces around it", readString, "  a b \n", "a b"},
		{"string, unset", readString, "unset", "def"},
		{"string, empty", readString, "", "def"},
		{"string, blank", readString, "  ", "def"},
		{"required", readRequired, "text", "text"},
		{"one of", readOneOf, "b", "b"},
		{"one of, unset", readOneOf, "unset", "a"},
		{"int", readInt, "3", 3},
		{"int, lowest", readInt, "1", 1},
		{"int, highest", readInt, "10", 10},
		{"int, unset", readInt, "unset", 7},
		{"int with words", readShown, "3", 3},
		{"int with words, unset", readShown, "unset", 7},
		{"float", readFloat, "0.75", 0.75},
		{"float, lowest", readFloat, "0.5", 0.5},
		{"float, highest", readFloat, "2", 2.0},
		{"float, unset", readFloat, "unset", 0.0},
		{"duration", readDuration, "1m30s", 90 * time.Second},
		{"duration, lowest", readDuration, "1s", time.Second},
		{"duration, highest", readDuration, "60m", time.Hour},
		{"duration, unset", readDuration, "unset", time.Minute},
		{"address", readAddress, "localhost:80", "localhost:80"},
		{"address, any host", readAddress, ":80", ":80"},
		{"address, any port", readAddress, "127.0.0.1:0", "127.0.0.1:0"},
		{"address, IPv6", readAddress, "[::1]:65535", "[::1]:65535"},
		{"address, unset", readAddress, "unset", ":9000"},
		{"addresses, one", readList, "a:1", []string{"a:1"}},
		{"addresses, spaces and gaps", readList, " a:1 ,, b:2,", []string{"a:1", "b:2"}},
		{"folder", readFolder, "/a/./b/../c/", "/a/c"},
		{"folder, relative", readFolder, "pictures", filepath.Join(here, "pictures")},
		{"folder, unset", readFolder, "unset", "/def"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := config.NewReader(one("X", c.value))
			got := c.read(r)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if err := r.Err(); err != nil {
				t.Errorf("a good value is refused: %v", err)
			}
		})
	}
}

func TestBadValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		read        read
		want        string // a part of the message
	}{
		{"required, unset", "unset", readRequired, "what it is"},
		{"required, blank", "  ", readRequired, "what it is"},
		{"one of", "c", readOneOf, "a, b"},
		{"one of, other case", "A", readOneOf, "a, b"},
		{"int, word", "many", readInt, "between 1 and 10"},
		{"int, too low", "0", readInt, "between 1 and 10"},
		{"int, too high", "11", readInt, "between 1 and 10"},
		{"int, fraction", "2.5", readInt, "between 1 and 10"},
		{"int, too many digits", "99999999999999999999", readInt, "between 1 and 10"},
		{"int with words", "many", readShown, "between 1 and 10"},
		{"float, word", "many", readFloat, "between 0.5 and 2"},
		{"float, too low", "0.49", readFloat, "between 0.5 and 2"},
		{"float, too high", "2.01", readFloat, "between 0.5 and 2"},
		{"float, not a number", "NaN", readFloat, "between 0.5 and 2"},
		{"float, endless", "Inf", readFloat, "between 0.5 and 2"},
		{"duration, no unit", "30", readDuration, "between 1s and 1h0m0s"},
		{"duration, too short", "999ms", readDuration, "between 1s and 1h0m0s"},
		{"duration, too long", "61m", readDuration, "between 1s and 1h0m0s"},
		{"duration, negative", "-5s", readDuration, "between 1s and 1h0m0s"},
		{"address, no port", "localhost", readAddress, "not host:port"},
		{"address, IPv6 without brackets", "::1:80", readAddress, "not host:port"},
		{"address, port too high", ":65536", readAddress, "needs a port"},
		{"address, port with a sign", ":+80", readAddress, "needs a port"},
		{"address, port by name", ":http", readAddress, "needs a port"},
		{"address, URL", "http://localhost:80", readAddress, "not host:port"},
		{"addresses, unset", "unset", readList, "host:port list"},
		{"addresses, only commas", " , ,", readList, "no host:port"},
		{"addresses, the second", "a:1,b", readList, `"b" is not host:port`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := config.NewReader(one("X", c.value))
			c.read(r)
			err := r.Err()
			if err == nil {
				t.Fatalf("%q is accepted", c.value)
			}
			if !strings.Contains(err.Error(), "X: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want it to name X and to say %q", err, c.want)
			}
			if strings.Count(err.Error(), "\n") != 1 {
				t.Errorf("one bad value is told more than once: %v", err)
			}
		})
	}
}

// one is an environment with one variable.
func one(name, value string) config.Lookup {
	if value == "unset" {
		return config.Map(nil)
	}
	return config.Map(map[string]string{name: value})
}

func TestErrNamesEveryBadVariable(t *testing.T) {
	t.Parallel()
	r := config.NewReader(config.Map(map[string]string{
		"A": "x", "B": "x", "C": "x", "D": "x", "E": "x", "F": "x", "G": "x", "GOOD": "x",
	}))
	r.Int("A", 1, 0, 1, "")
	r.Float("B", "", 0, 1, "")
	r.Duration("C", 0, 0, 1, "")
	r.OneOf("D", "y", "", "y")
	r.Address("E", ":1", "")
	r.Addresses("F", "")
	r.Required("MISSING", "")
	r.Secret("SECRET", "", "")
	r.String("GOOD", "", "")
	r.Fail("G", "%q is odd", "x")
	err := r.Err()
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"A", "B", "C", "D", "E", "F", "G", "MISSING", "SECRET"} {
		if strings.Count(err.Error(), "\n  "+name+": ") != 1 {
			t.Errorf("%s is not named once in:\n%v", name, err)
		}
	}
	if !strings.HasPrefix(err.Error(), "9 bad setting(s):\n") || strings.Contains(err.Error(), "GOOD") {
		t.Errorf("got:\n%v", err)
	}
}

func TestSettingsAndHelp(t *testing.T) {
	t.Parallel()
	r := config.NewReader(config.Map(nil))
	r.Int("NUMBER", 5, 1, math.MaxInt, "a number")
	r.IntShown("CORES", 5, "one a core", 1, 10, "another")
	r.String("TEXT", "", "a text")
	r.Duration("TIME", 90*time.Second, 0, time.Hour, "a time")
	r.Secret("SECRET", "a secret", "file that contains SECRET, instead of setting it")
	r.Int("NUMBER", 6, 1, 10, "read by another part as well")
	want := []config.Setting{
		{Name: "NUMBER", Default: "5", Help: "a number"},
		{Name: "CORES", Default: "one a core", Help: "another"},
		{Name: "TEXT", Default: "", Help: "a text"},
		{Name: "TIME", Default: "1m30s", Help: "a time"},
		{Name: "SECRET", Default: "(required)", Help: "a secret"},
		{Name: "SECRET_FILE", Default: "", Help: "file that contains SECRET, instead of setting it"},
		{Name: "NUMBER", Default: "6", Help: "read by another part as well"},
	}
	if diff := cmp.Diff(want, r.Settings()); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	var help bytes.Buffer
	config.PrintHelp(&help, r.Settings())
	var lines []string
	for line := range strings.Lines(help.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	wantLines := []string{
		"NUMBER 5 a number", "CORES one a core another", "TEXT - a text", "TIME 1m30s a time",
		"SECRET (required) a secret", "SECRET_FILE - file that contains SECRET, instead of setting it",
	}
	if diff := cmp.Diff(wantLines, lines); diff != "" {
		t.Errorf("help (-want +got):\n%s", diff)
	}
}
