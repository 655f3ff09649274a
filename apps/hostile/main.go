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
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

const usage = `hostile builds and starts a recognizer and a standalone, attacks them one way
after the other, and asks about a good picture all the time. It prints a table:
the attack, whether it held, the most memory of the process and of it with its
workers, the time, and how long the slowest good picture waited. The exit code
is 1 if something did not hold.

  go run ./apps/hostile -only 'TIFF|gRPC'

Flags:
`

// limits are what has to hold.
type limits struct {
	recognizer, standalone int64         // most memory with workers, in bytes, as in the manifests
	wait                   time.Duration // for a good picture: the processor's time limit of a call
}

func defaultLimits() limits {
	return limits{recognizer: 2 << 30, standalone: 3 << 30, wait: 30 * time.Second}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := realMain(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

func realMain(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("hostile", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	only := flags.String("only", "", "run only the attacks whose names match this `pattern`")
	short := flags.Bool("short", false, "smaller attacks, for a test")
	corpora := flags.String("corpora", "apps/internal", "`folder` in which the corpora of fuzz tests are looked for")
	keep := flags.Bool("keep", false, "keep the folder of data and logs; it is always kept if something did not hold")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pattern, err := regexp.Compile(*only)
	if err != nil || flags.NArg() > 0 {
		flags.Usage()
		return errors.Join(errors.New("invalid arguments"), err)
	}
	dir, err := os.MkdirTemp("", "rollcall-hostile-")
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
	r := &rig{dir: dir, size: sizes(*short), corpora: *corpora, limits: defaultLimits()}
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
