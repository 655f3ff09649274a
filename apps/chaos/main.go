// Command chaos kills the parts of Rollcall while images are posted, and checks
// that each image still ends with exactly one outcome.
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

const usage = `chaos starts all of Rollcall (MariaDB, nsqd, nsqlookupd, the receiver, two
processors, the redeemer, and a recognizer that answers from a picture's path),
posts images, and repeatedly kills, pauses, stops and disconnects each part. Then
it waits until all work is done and checks the outcome of every image, and every
step that led to it. The exit code is 0 if all is well.

  go run ./apps/chaos -seed 7

The seed decides the order of posts and faults. Their timing still varies, so a
seed that failed once can pass the next time.

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
	seed := flags.Uint64("seed", 0, "seed `number` for the order of posts and faults (default: from the time)")
	minutes := flags.Float64("minutes", 5, "how many `minutes` to inject faults")
	keep := flags.Bool("keep", false, "keep the folder of data and logs; it is always kept if the run fails")
	verbose := flags.Bool("v", false, "print every fault as it happens")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *images < 1 || *minutes <= 0 {
		flags.Usage()
		return errors.New("invalid arguments")
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
	fmt.Fprintf(stdout, "seed %d; building and starting the system in %s\n", *seed, dir)
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

// settle returns the maximum time from the last fault to the last outcome. A
// queue that died with its messages is noticed after a minute or two, and then
// its images have to be processed.
func settle(images int) time.Duration {
	return 3*time.Minute + time.Duration(images)*10*time.Millisecond
}
