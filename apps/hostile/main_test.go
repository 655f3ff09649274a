package main

import (
	"bytes"
	"errors"
	"flag"
	"strings"
	"testing"
)

// The short form of all attacks, on the real programs.
func TestHostileShort(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it builds and runs two programs for more than a minute")
	}
	var out, log bytes.Buffer
	if err := realMain(t.Context(), []string{"-short", "-corpora", "../internal"}, &out, &log); err != nil {
		t.Errorf("%v\n%s%s", err, &out, &log)
	}
	if got := strings.Count(out.String(), " yes "); got != len((&rig{}).attacks()) {
		t.Errorf("%d attacks held, want all of %d:\n%s", got, len((&rig{}).attacks()), &out)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := report(&out, []result{{name: "one"}, {name: "two", err: errors.New("it took all memory")}})
	if err == nil || !strings.Contains(err.Error(), "1 of 2 did not hold:\n  two: it took all memory") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(out.String(), "NO") {
		t.Errorf("the table does not show it:\n%s", &out)
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for what, args := range map[string][]string{"an argument": {"now"}, "an unknown flag": {"-nonsense"}, "a bad pattern": {"-only", "("}} {
		var out, log bytes.Buffer
		if err := realMain(t.Context(), args, &out, &log); err == nil || !strings.Contains(log.String(), "Flags:") {
			t.Errorf("%s: error %v, help %q", what, err, &log)
		}
	}
	var out, log bytes.Buffer
	if err := realMain(t.Context(), []string{"-h"}, &out, &log); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

func TestInputsOfACorpus(t *testing.T) {
	t.Parallel()
	got := inputs("go test fuzz v1\n[]byte(\"a\\x00b\")\nint(7)\n[]byte(\"\")\n")
	if len(got) != 2 || string(got[0]) != "a\x00b" || len(got[1]) != 0 {
		t.Errorf("inputs %q", got)
	}
}
