// Command portraits draws Rollcall's sample pictures, so that the repository
// needs no photographs of real people.
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

creates the committed files:

	known/<name>/<n>.jpg   two or three pictures of each known person
	unknown/<name>.jpg     pictures to recognize: the same people, strangers,
	                       a group, and a landscape
	expected.json          who is in each picture of unknown/

The same seed gives the same files. Another seed changes strands of hair,
freckles, clouds and trees. The people and the list of pictures
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
	seed := flags.Uint64("seed", committedSeed, "seed `number` for all random details")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *out == "" || flags.NArg() > 0 {
		return errors.New("set the output folder with -out; run with -h for help")
	}
	return album.Write(ctx, *out, *seed)
}
