// Command chaos kills the parts of Rollcall while images are posted, and checks
// that each image still ends with exactly one outcome.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/chaos"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

func main() {
	if code, ok := chaos.Role(os.Args[1:]); ok {
		os.Exit(code)
	}
	command.Main(spec())
}

// options are the command line flags.
type options struct {
	images        int
	seed          uint64
	minutes       float64
	away          time.Duration
	galera        bool
	keep, verbose bool
}

func spec() command.Spec {
	var o options
	return command.Spec{
		Name: "chaos",
		About: "chaos starts all of Rollcall (MariaDB, nsqd, nsqlookupd, the receiver, two processors, the redeemer, and a\n" +
			"recognizer that answers from a picture's path), posts images, and repeatedly kills, pauses, stops and\n" +
			"disconnects each part. A consumer of events and the target of a webhook are also cut off, killed, and\n" +
			"stopped for a time. Then it waits until all work is done and checks the outcome of every image, and\n" +
			"every step that led to it. The exit code is 0 if all is well.\n\n" +
			"The seed decides the order of posts and faults. Their timing still varies, so a seed that failed once can\n" +
			"pass the next time.",
		Example: "go run ./apps/chaos -seed 7",
		Flags:   o.flags,
		Read:    func(*config.Reader) {}, // it starts programs with settings of its own
		Run:     func(ctx context.Context, stdout, _ io.Writer) error { return o.run(ctx, stdout) },
	}
}

func (o *options) flags(f *flag.FlagSet) {
	f.IntVar(&o.images, "images", 20_000, "`number` of images to post")
	f.Uint64Var(&o.seed, "seed", 0, "seed `number` for the order of posts and faults (default: from the time)")
	f.Float64Var(&o.minutes, "minutes", 5, "how many `minutes` to inject faults")
	f.DurationVar(&o.away, "away", 0, "for how long each consumer of events is stopped, once (default: two fifths of -minutes)")
	f.BoolVar(&o.galera, "galera", false, "the database is a Galera cluster of three nodes, one of which at a time is killed, paused or cut off")
	f.BoolVar(&o.keep, "keep", false, "keep the folder of data and logs; it is always kept if the run fails")
	f.BoolVar(&o.verbose, "v", false, "print every fault as it happens")
}

func (o *options) run(ctx context.Context, stdout io.Writer) (err error) {
	if o.images < 1 || !(o.minutes > 0) { // also true for NaN
		return fmt.Errorf("-images is %d and -minutes is %g; both must be above 0", o.images, o.minutes)
	}
	span := time.Duration(o.minutes * float64(time.Minute))
	if o.away < 0 || o.away >= span {
		return fmt.Errorf("-away is %s and -minutes is %g; a consumer must come back while faults are injected", o.away, o.minutes)
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
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
		if err == nil && !o.keep {
			err = os.RemoveAll(dir)
			return
		}
		fmt.Fprintln(stdout, "data and logs are in", dir)
	}()
	fmt.Fprintf(stdout, "seed %d; building and starting the system in %s\n", o.seed, dir)
	report, err := chaos.Run(ctx, chaos.Options{
		Images: o.images, Seed: o.seed, Faults: span, Settle: settle(o.images), Away: o.away, Galera: o.galera,
		Self: self, Dir: dir, Verbose: o.verbose,
	}, stdout)
	if err != nil {
		return err
	}
	report.Print(stdout)
	if n := len(report.Violations()); n > 0 {
		return fmt.Errorf("%d violation(s); run again with -seed %d", n, o.seed)
	}
	return nil
}

// settle returns the maximum time from the last fault to the last outcome. A
// queue that died with its messages is noticed after a minute or two, and then
// its images have to be processed.
func settle(images int) time.Duration {
	return 3*time.Minute + time.Duration(images)*10*time.Millisecond
}
