// Command rollcall is the command-line client of Rollcall's REST API. README.md lists
// its commands and settings.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// Restore the default: a second signal kills the process.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, os.Args[1:], os.LookupEnv, cli.Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Asks: term.IsTerminal(int(os.Stdin.Fd())), Draws: term.IsTerminal(int(os.Stderr.Fd())),
	}))
}
