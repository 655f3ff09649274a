// Command hostile attacks a running Rollcall with hostile input, and checks that
// good pictures are still answered in time and that memory stays bounded.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// limits are what has to hold.
type limits struct {
	recognizer, standalone int64         // most memory with workers, in bytes; the recognizer's is that of the manifests
	wait                   time.Duration // for a good picture: the processor's time limit of a call
}

func defaultLimits() limits {
	return limits{recognizer: 2 << 30, standalone: 1 << 30, wait: 30 * time.Second}
}

func main() { command.Main(spec()) }

// options are the command line flags.
type options struct {
	only, corpora string
	short, keep   bool
}

func spec() command.Spec {
	var o options
	return command.Spec{
		Name: "hostile",
		About: "hostile builds and starts a recognizer and a standalone, attacks them one way after the other, and asks\n" +
			"about a good picture all the time. It prints a table: the attack, whether it held, the most memory of the\n" +
			"process and of it with its workers, the time, and how long the slowest good picture waited. The exit code\n" +
			"is 1 if something did not hold.",
		Example: "go run ./apps/hostile -only 'TIFF|gRPC'",
		Flags:   o.flags,
		Read:    func(*config.Reader) {}, // it starts programs with settings of its own
		Run:     func(ctx context.Context, stdout, _ io.Writer) error { return o.run(ctx, stdout) },
	}
}

func (o *options) flags(f *flag.FlagSet) {
	f.StringVar(&o.only, "only", "", "run only the attacks whose names match this `pattern`")
	f.BoolVar(&o.short, "short", false, "smaller attacks, for a test")
	f.StringVar(&o.corpora, "corpora", "apps/internal", "`folder` in which the corpora of fuzz tests are looked for")
	f.BoolVar(&o.keep, "keep", false, "keep the folder of data and logs; it is always kept if something did not hold")
}

func (o *options) run(ctx context.Context, stdout io.Writer) (err error) {
	pattern, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	dir, err := os.MkdirTemp("", "rollcall-hostile-")
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
	r := &rig{dir: dir, size: sizes(o.short), corpora: o.corpora, limits: defaultLimits()}
	fmt.Fprintln(stdout, "building and starting the programs in", dir)
	if err := r.start(ctx); err != nil {
		return errors.Join(err, r.stop())
	}
	results := r.run(ctx, pattern)
	if err := r.stop(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return report(stdout, results)
}

// report prints the table. It returns an error if something did not hold.
func report(w io.Writer, results []result) error {
	const mib = 1 << 20
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "what\tof\theld\tprocess, MiB\twith workers, MiB\ttime\tslowest good picture\t")
	var broken []string
	for _, r := range results {
		held := "yes"
		if r.err != nil {
			held = "NO"
			broken = append(broken, fmt.Sprintf("%s: %v", r.name, r.err))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%v\t%v\t\n", r.name, r.of, held, r.memory.process/mib, r.memory.all/mib,
			r.took.Round(100*time.Millisecond), r.slowest.Round(10*time.Millisecond))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(broken) > 0 {
		return fmt.Errorf("%d of %d did not hold:\n  %s", len(broken), len(results), strings.Join(broken, "\n  "))
	}
	return nil
}
