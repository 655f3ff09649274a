// Package cli is the command line of the program rollcall: its commands, its settings
// and what it prints.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra" // what kubectl, helm and gh use: help, completion and manual pages come with it

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
)

// The exit codes.
const (
	ExitOK      = 0 // everything was done
	ExitFailed  = 1 // something failed, or the command line is wrong
	ExitRefused = 2 // the server refused some of the pictures, paths or images; the others were taken
)

// code is an exit code as an error: everything has been printed.
type code int

func (c code) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// Streams are what a run reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Asks     bool // somebody at a terminal answers questions
	Draws    bool // Err is a terminal, which shows a progress bar
}

// app is one run of the program.
type app struct {
	Streams
	env   config.Lookup
	flags globalFlags
	lines *lines // of In
}

// Run runs the program and returns its exit code.
func Run(ctx context.Context, args []string, env config.Lookup, s Streams) int {
	s.Out, s.Err = printable{Writer: s.Out}, printable{Writer: s.Err, keeps: redraws(s.Draws)}
	root := newApp(env, s).root()
	root.SetArgs(withLongFlags(args))
	ran, err := root.ExecuteContextC(ctx)
	var exit code
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return int(exit)
	case ctx.Err() != nil:
		fmt.Fprintf(s.Err, "rollcall: interrupted\n")
	default:
		// A text of the server's can have lines; they must not look like ours.
		fmt.Fprintf(s.Err, "rollcall: %s\n", strings.ReplaceAll(mapUnsafe(err.Error(), "\n\t"), "\n", "\n  "))
		if hint := hint(err); hint != "" {
			fmt.Fprintln(s.Err, hint)
		}
		var wrong usageError
		if errors.As(err, &wrong) {
			fmt.Fprintf(s.Err, "Run %q for help.\n", ran.CommandPath()+" -h")
		}
	}
	return ExitFailed
}

// redraws returns what a stream needs on which a progress bar is drawn.
func redraws(draws bool) string {
	if draws {
		return "\r"
	}
	return ""
}

// withLongFlags lets -version do what it does in Rollcall's other programs.
func withLongFlags(args []string) []string {
	if len(args) == 1 && args[0] == "-version" {
		return []string{"--version"}
	}
	return args
}

func newApp(env config.Lookup, s Streams) *app {
	return &app{Streams: s, env: env, lines: newLines(s.In)}
}

// Command returns the tree of commands, for manual pages and tests.
func Command() *cobra.Command { return newApp(config.Map(nil), Streams{}).root() }

const about = `rollcall talks to Rollcall, which says who is in your pictures.

It enrols people with their pictures, posts pictures, shows answers, and lets you name
and correct faces. Each command explains itself: rollcall enrol -h.

Exit codes: 0 everything was done; 2 the server refused some of the pictures, paths or
images, and the output says why; 1 something failed, or the command line is wrong.`

const examples = `  rollcall enrol ~/team                    # one folder of pictures for each person
  rollcall post --wait unknown0001.jpg     # who is in this picture?
  rollcall watch                           # answers as they come
  rollcall review                          # decide what Rollcall was not sure about
  rollcall --server http://rollcall.example:8000 --key-file ~/.rollcall-key people list`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "rollcall", Short: "Command-line client of Rollcall", Long: about + "\n\n" + settingsHelp(), Example: examples,
		Version: version.String(), Args: cobra.NoArgs,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("rollcall {{.Version}}\n")
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	a.addGlobalFlags(root)
	root.AddCommand(
		a.enrolCommand(),
		a.postCommand(),
		a.uploadCommand(),
		a.watchCommand(),
		a.eventsCommand(),
		a.webhooksCommand(),
		a.imagesCommand(),
		a.identifyCommand(),
		a.searchCommand(),
		a.reviewCommand(),
		a.groupsCommand(),
		a.retryCommand(),
		a.deleteCommand(),
		a.peopleCommand(),
		a.knownCommand(),
		a.consentCommand(),
		a.retentionCommand(),
		a.exportCommand(),
		a.auditCommand(),
		a.eraseCommand(),
		a.keysCommand(),
		a.manCommand(root),
	)
	wrapArgs(root)
	return root
}

// usageError is an error of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// wrapArgs makes the errors of wrong arguments usageErrors, in all commands.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}
