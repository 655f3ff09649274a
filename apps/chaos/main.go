// Command chaos kills everything of Rollcall while images are posted, and
// checks that each still ends with its outcome, exactly one.
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
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/chaos"
)

const usage = `chaos starts a whole Rollcall (MariaDB, nsqd, nsqlookupd, the receiver, two
processors, the redeemer, and a recognizer that answers from a picture's path),
posts images, and kills, pauses, stops and cuts off each part, again and again.
Then it waits until nothing is left to do and checks every image's outcome, and
every step that led to it. It exits with 0 where all is well.

	go run ./apps/chaos -seed 7

The seed decides the order of posts and faults; what they meet is up to the
moment, so that a seed that failed once may pass the next time.

Flags:
`

func main() {
	if code, ok := chaos.Role(os.Args[1:]); ok {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := realMain(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func realMain(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	images := flags.Int("images", 20_000, "`number` of images to post")
	seed := flags.Uint64("seed", 0, "the `number` that the order of posts and faults follows from (default: from the time)")
	minutes := flags.Float64("minutes", 5, "how long things go wrong, in `minutes`")
	keep := flags.Bool("keep", false, "keep the folder of data and logs; it is kept anyway where the run fails")
	verbose := flags.Bool("v", false, "tell of every fault as it happens")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *images < 1 || *minutes <= 0 {
		flags.Usage()
		return errors.New("no such arguments")
	}
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	self, err := chaos.Self()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rollcall-chaos-")
	if err != nil {
		return err
	}
	defer func() {
		if err == nil && !*keep {
			err = os.RemoveAll(dir)
			return
		}
		fmt.Fprintln(stdout, "data and logs are in", dir)
	}()
	span := time.Duration(*minutes * float64(time.Minute))
	fmt.Fprintf(stdout, "seed %d; building and starting everything in %s\n", *seed, dir)
	report, err := chaos.Run(ctx, chaos.Options{
		Images: *images, Seed: *seed, Faults: span, Settle: settle(*images),
		Self: self, Dir: dir, Verbose: *verbose,
	}, stdout)
	if err != nil {
		return err
	}
	report.Print(stdout)
	if n := len(report.Violations()); n > 0 {
		return fmt.Errorf("%d violation(s); run again with -seed %d", n, *seed)
	}
	return nil
}

// settle is how long the last outcome may take: a queue that died with all it
// held is noticed within a minute or two, and its images take their time.
func settle(images int) time.Duration {
	return 3*time.Minute + time.Duration(images)*10*time.Millisecond
}
