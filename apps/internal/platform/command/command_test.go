package command_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// greeter is a small program: it greets NAME, or fails.
func greeter() command.Spec {
	var name string
	var fail bool
	return command.Spec{
		Name: "greeter", About: "greeter greets.", Example: "NAME=Ada greeter",
		Flags: func(f *flag.FlagSet) { f.BoolVar(&fail, "fail", false, "fail") },
		Read: func(r *config.Reader) {
			name = r.Required("NAME", "whom to greet")
			r.Int("TIMES", 1, 1, 3, "how often")
		},
		Run: func(_ context.Context, stdout, stderr io.Writer) error {
			fmt.Fprintln(stderr, "greeting")
			if fail {
				return errors.New("no voice")
			}
			fmt.Fprintln(stdout, "hello,", name)
			return nil
		},
		Commands: []command.Spec{{
			Name: "count", About: "count counts greetings.\nIt takes long.", UsageCode: 9,
			Read: func(r *config.Reader) { r.Int("UP_TO", 3, 1, 9, "how far") },
			Run: func(_ context.Context, stdout, _ io.Writer) error {
				fmt.Fprintln(stdout, "one, two")
				return fmt.Errorf("three: %w", command.Code(5))
			},
		}},
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	ada := map[string]string{"NAME": "Ada"}
	for _, c := range []struct {
		name           string
		args           []string
		env            map[string]string
		code           int
		stdout, stderr string // parts of what is printed; "" for nothing at all
	}{
		{"works", nil, ada, command.ExitOK, "hello, Ada\n", "greeting\n"},
		{"fails", []string{"-fail"}, ada, command.ExitFailed, "", "greeter: no voice\n"},
		{"unset", nil, nil, command.ExitFailed, "", "  NAME: is not set; whom to greet"},
		{"all that is wrong", nil, map[string]string{"TIMES": "9"}, command.ExitFailed, "", "2 bad setting(s):\n  NAME: "},
		{"unknown flag", []string{"-x"}, ada, command.ExitUsage, "", "greeter: flag provided but not defined: -x\nRun greeter -h for help.\n"},
		{"bad flag", []string{"-fail=maybe"}, ada, command.ExitUsage, "", `invalid boolean value "maybe"`},
		{"argument", []string{"-fail", "now"}, ada, command.ExitUsage, "", "greeter: unexpected argument \"now\"\nRun greeter -h for help.\n"},
		{"argument after the end of flags", []string{"--", "-fail"}, ada, command.ExitUsage, "", `unexpected argument "-fail"`},
		{"version", []string{"-version"}, nil, command.ExitOK, "greeter ", ""},
		{"help", []string{"-h"}, nil, command.ExitOK, "greeter greets.", ""},
		{"long help", []string{"--help"}, nil, command.ExitOK, "NAME=Ada greeter", ""},
		{"help names flags", []string{"-h"}, nil, command.ExitOK, "  -fail\n", ""},
		{"help names settings", []string{"-h"}, nil, command.ExitOK, "  TIMES  1           how often\n", ""},
		{"a command", []string{"count"}, nil, 5, "one, two\n", ""},
		{"a command's settings", []string{"count"}, map[string]string{"UP_TO": "0"}, command.ExitFailed, "", "greeter count: 1 bad setting"},
		{"a command's help", []string{"count", "-h"}, nil, command.ExitOK, "  UP_TO  3  how far\n", ""},
		{"a command's wrong flag", []string{"count", "-x"}, nil, 9, "", "Run greeter count -h for help.\n"},
		{"not a command's place", []string{"-fail", "count"}, ada, command.ExitUsage, "", `unexpected argument "count"`},
		{"help names commands", []string{"-h"}, nil, command.ExitOK, "  greeter count -h\n    \tcount counts greetings.\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := command.Run(t.Context(), greeter(), c.args, config.Map(c.env), &stdout, &stderr)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			expect(t, "stdout", stdout.String(), c.stdout)
			expect(t, "stderr", stderr.String(), c.stderr)
		})
	}
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// The context of a program is cancelled when it is asked to stop.
func TestContext(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	spec := greeter()
	spec.Run = func(ctx context.Context, _, _ io.Writer) error { <-ctx.Done(); return nil }
	if code := command.Run(ctx, spec, nil, config.Map(map[string]string{"NAME": "Ada"}), io.Discard, io.Discard); code != command.ExitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	got := command.Settings(greeter())
	if len(got) != 2 || got[0].Name != "NAME" || got[1].Name != "TIMES" {
		t.Errorf("got %+v", got)
	}
}

// A .env file in the working directory fills what the environment leaves unset.
func TestDotEnv(t *testing.T) { //nolint:paralleltest // it changes the working directory
	for _, c := range []struct {
		name, file     string
		env            map[string]string
		code           int
		stdout, stderr string
	}{
		{"from the file", "NAME=Bruno\n", nil, command.ExitOK, "hello, Bruno\n", "greeting\n"},
		{"the environment wins", "NAME=Bruno\n", map[string]string{"NAME": "Ada"}, command.ExitOK, "hello, Ada\n", "greeting\n"},
		{"no settings", "no settings", map[string]string{"NAME": "Ada"}, command.ExitFailed, "", "parse ./.env: every line must be NAME=value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.WriteFile(".env", []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			code := command.Run(t.Context(), greeter(), nil, config.Map(c.env), &stdout, &stderr)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			expect(t, "stdout", stdout.String(), c.stdout)
			expect(t, "stderr", stderr.String(), c.stderr)
		})
	}
}
