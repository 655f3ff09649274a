package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
)

// The short form of all attacks, on the real programs.
func TestHostileShort(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it builds and runs two programs for more than a minute")
	}
	var out, log bytes.Buffer
	if code := command.Run(t.Context(), spec(), []string{"-short", "-corpora", "../internal"}, os.LookupEnv, &out, &log); code != command.ExitOK {
		t.Errorf("exit code %d\n%s%s", code, &out, &log)
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
	for what, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"an argument":     {[]string{"now"}, command.ExitUsage, `unexpected argument "now"`},
		"an unknown flag": {[]string{"-nonsense"}, command.ExitUsage, "-nonsense"},
		"a bad pattern":   {[]string{"-only", "("}, command.ExitFailed, "-only: error parsing regexp"},
	} {
		var out, log bytes.Buffer
		if code := command.Run(t.Context(), spec(), tt.args, os.LookupEnv, &out, &log); code != tt.code || !strings.Contains(log.String(), tt.want) {
			t.Errorf("%s: exit code %d, %q", what, code, &log)
		}
	}
	var out, log bytes.Buffer
	if code := command.Run(t.Context(), spec(), []string{"-h"}, os.LookupEnv, &out, &log); code != command.ExitOK || !strings.Contains(out.String(), "-corpora") {
		t.Errorf("-h: exit code %d, %q", code, &out)
	}
}

func TestInputsOfACorpus(t *testing.T) {
	t.Parallel()
	got := inputs("go test fuzz v1\n[]byte(\"a\\x00b\")\nint(7)\n[]byte(\"\")\n")
	if len(got) != 2 || string(got[0]) != "a\x00b" || len(got[1]) != 0 {
		t.Errorf("inputs %q", got)
	}
}
