// Package command runs a program of Rollcall: it parses flags, prints help and
// version, reads the settings from the environment and .env, handles signals
// and returns the exit code. A main function calls Main with a Spec.
package command

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
)

// Spec describes a program. Name, Read and Run are required.
type Spec struct {
	Name    string
	About   string // description for -h
	Example string // one or two command lines for -h
	// Flags adds the program's own flags. It may be nil.
	Flags func(*flag.FlagSet)
	// Read reads the settings. The Reader collects the problems.
	Read func(*config.Reader)
	// Run does the work, after Read. Results go to stdout, logs to stderr. It
	// must return soon after ctx is cancelled.
	Run func(ctx context.Context, stdout, stderr io.Writer) error
	// Commands are subcommands. One runs in place of the program if its name is
	// the first argument.
	Commands []Spec
	// UsageCode is the exit code for a wrong command line. 0 means ExitUsage.
	UsageCode int
}

// Code is an exit code as an error. Run returns it when it has already printed
// everything: only the exit code follows.
type Code int

// Error implements error.
func (c Code) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// The exit codes of all programs, except where Spec.UsageCode or Code says
// otherwise.
const (
	ExitOK     = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// Main runs a program in this process and exits.
func Main(s Spec) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// Restore the default: a second signal kills the process.
	context.AfterFunc(ctx, stop)
	os.Exit(Run(ctx, s, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

// Run runs a program and returns its exit code. Arguments, environment and
// outputs are parameters, so that tests can run a program as a user does.
func Run(ctx context.Context, s Spec, args []string, env config.Lookup, stdout, stderr io.Writer) int {
	if c, ok := s.command(args); ok {
		return Run(ctx, c, args[1:], env, stdout, stderr)
	}
	flags := flag.NewFlagSet(s.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // printed below, once
	if s.Flags != nil {
		s.Flags(flags)
	}
	showVersion := flags.Bool("version", false, "print the version and exit")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		s.help(flags, stdout)
		return ExitOK
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
		fallthrough
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\nRun %s -h for help.\n", s.Name, err, s.Name)
		return cmp.Or(s.UsageCode, ExitUsage)
	case *showVersion:
		fmt.Fprintln(stdout, s.Name, version.String())
		return ExitOK
	}
	err = s.run(ctx, env, stdout, stderr)
	var code Code
	if errors.As(err, &code) {
		return int(code)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", s.Name, err)
		return ExitFailed
	}
	return ExitOK
}

// command returns the subcommand named by the first argument.
func (s Spec) command(args []string) (Spec, bool) {
	for _, c := range s.Commands {
		if len(args) > 0 && args[0] == c.Name {
			c.Name = s.Name + " " + c.Name
			return c, true
		}
	}
	return Spec{}, false
}

func (s Spec) run(ctx context.Context, env config.Lookup, stdout, stderr io.Writer) error {
	env, err := config.WithDotEnv(env, ".")
	if err != nil {
		return err
	}
	reader := config.NewReader(env)
	s.Read(reader)
	if err := reader.Err(); err != nil {
		return err
	}
	return s.Run(ctx, stdout, stderr)
}

func (s Spec) help(flags *flag.FlagSet, w io.Writer) {
	fmt.Fprintf(w, "%s %s\n\n%s\n", s.Name, version.String(), s.About)
	if s.Example != "" {
		fmt.Fprintf(w, "\nExample:\n  %s\n", s.Example)
	}
	if len(s.Commands) > 0 {
		fmt.Fprint(w, "\nCommands:\n")
		for _, c := range s.Commands {
			first, _, _ := strings.Cut(c.About, "\n")
			fmt.Fprintf(w, "  %s %s -h\n    \t%s\n", s.Name, c.Name, first)
		}
	}
	fmt.Fprint(w, "\nFlags:\n")
	flags.SetOutput(w)
	flags.PrintDefaults()
	fmt.Fprint(w, "\nSettings (environment, or a .env file in the working directory; the environment wins):\n")
	config.PrintHelp(w, Settings(s))
}

// Settings lists the settings that a program reads from its environment.
func Settings(s Spec) []config.Setting {
	reader := config.NewReader(config.Map(nil))
	s.Read(reader)
	return reader.Settings()
}
