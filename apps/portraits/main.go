// Command portraits draws the sample pictures of Rollcall, so that no
// photograph of a real person is in the repository.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/rollcall-faces/rollcall/apps/portraits/internal/album"
)

// committedSeed is the seed of the pictures in the repository.
const committedSeed = 1

const usage = `portraits draws Rollcall's sample pictures: people who do not exist, one
landscape, and the list of who is in which picture.

	go run ./apps/portraits -out apps/standalone/samples

makes what is committed there:

	known/<name>/<n>.jpg   two or three pictures of each person to know
	unknown/<name>.jpg     pictures to ask about: the same people, strangers,
	                       a group, and a landscape
	expected.json          who is in each picture of unknown/

The same seed makes the same files. Another seed changes strands of hair,
freckles, clouds and trees, not the people: those, and the list of pictures,
are in apps/portraits/internal/album.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := realMain(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "portraits:", err)
		os.Exit(1)
	}
}

func realMain(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("portraits", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	out := flags.String("out", "", "the `folder` to write to (required); files of the same name are replaced")
	seed := flags.Uint64("seed", committedSeed, "the `number` that all chance follows from")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *out == "" || flags.NArg() > 0 {
		return errors.New("say where to write: portraits -out FOLDER (-h explains)")
	}
	return album.Write(ctx, *out, *seed)
}
