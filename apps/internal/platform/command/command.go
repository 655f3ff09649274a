// Package command is what every program of Rollcall does before its own work:
// flags, help, version, settings from the environment and .env, signals, and
// the exit code.
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

// Spec describes a program.
type Spec struct {
	Name    string
	About   string // what it does, for -h
	Example string // a command line or two, for -h
	// Flags adds flags of its own. It may be nil.
	Flags func(*flag.FlagSet)
	// Read reads the settings; what is wrong with them the Reader knows.
	Read func(*config.Reader)
	// Run does the work. Standard output is for results, standard error for
	// the log. It runs after Read, and ends soon after ctx does.
	Run func(ctx context.Context, stdout, stderr io.Writer) error
	// Commands are other things that the program can do: one runs in place of
	// the program where its name is the first argument.
	Commands []Spec
	// UsageCode is the exit code for a wrong command line; 0 is ExitUsage.
	UsageCode int
}

// Code is returned by a Run that has said all there is to say: it is only the
// exit code.
type Code int

// Error implements error.
func (c Code) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// Exit codes.
const (
	ExitOK     = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// Main runs a program in this process and exits.
func Main(s Spec) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// From the first signal on, a second one kills us.
	context.AfterFunc(ctx, stop)
	os.Exit(Run(ctx, s, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

// Run runs a program and returns its exit code. Environment and outputs are
// arguments, so that tests run programs as users do.
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

// command returns the command that the first argument names.
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

// Settings lists what a program reads from its environment.
func Settings(s Spec) []config.Setting {
	reader := config.NewReader(config.Map(nil))
	s.Read(reader)
	return reader.Settings()
}
