// Command accuracy measures how well faces are found and named, using a folder
// of your own photographs. docs/accuracy.md explains the report.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/rollcall-faces/rollcall/apps/accuracy/internal/measure"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/opener"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

const usage = `accuracy measures how well faces are found and named, using the pictures of a folder:

  people/<name>/<file>           pictures of one face, at least two people
  people/<group>/<name>/<file>   the same, to report groups of people separately
  people.txt                     another way to define groups: name, group
  groups/<file>                  pictures of several of these people
  groups/labels.txt              the people in them: picture, x, y, name
  bench/<file>                   people who are strangers to each other
  bench/pairs.txt                exceptions, faces of one person: picture#number, picture#number

The folders groups and bench and the text files are optional. Columns are
separated by commas or tabs. Numbers count the faces of a picture from the left,
starting at 0. The report is Markdown. The model set is chosen as in the
recognizer, with ROLLCALL_MODEL_SET and related variables.

	make accuracy ARGS="-faces DIR [-plot FILE.svg]"

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

// flags are the command line flags.
type flags struct {
	faces, plot, details, cache string
	json, grouping              bool
	engines, turn, largest      int
	wanted                      float64
}

func readFlags(args []string, stderr io.Writer) (flags, error) {
	var f flags
	set := flag.NewFlagSet("accuracy", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = func() {
		fmt.Fprint(stderr, usage)
		set.PrintDefaults()
	}
	set.StringVar(&f.faces, "faces", "", "`folder` of the photographs (required)")
	set.StringVar(&f.plot, "plot", "", "write a plot into this `file`, as SVG")
	set.StringVar(&f.details, "details", "", "write every answer into this `file`, as tab-separated values")
	set.StringVar(&f.cache, "cache", "", "cache the engine's results in this `folder` for the next run; empty it after a change of the engine or the models")
	set.BoolVar(&f.json, "json", false, "print JSON instead of Markdown")
	set.BoolVar(&f.grouping, "grouping", false, "measure only the groups of unknown faces")
	set.IntVar(&f.engines, "engines", runtime.NumCPU(), "number of engines that work in parallel; one uses one core")
	set.IntVar(&f.turn, "turn", 15, "`degrees` between two turns")
	set.IntVar(&f.largest, "largest", 10_000, "number of `people` in the largest gallery")
	set.Float64Var(&f.wanted, "wanted", 0.001, "`share` of strangers that may be named, for the proposed threshold")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	problem := ""
	switch {
	case set.NArg() > 0:
		problem = fmt.Sprintf("unexpected argument %q", set.Arg(0))
	case f.faces == "":
		problem = "name the folder of the photographs with -faces"
	case f.engines < 1 || f.engines > 256:
		problem = "-engines must be 1 to 256"
	case f.turn < 1 || f.turn > 180:
		problem = "-turn must be 1 to 180 degrees"
	case f.largest < 2 || f.largest > 1_000_000:
		problem = "-largest must be 2 to 1,000,000 people"
	case !(f.wanted >= 0 && f.wanted < 1):
		problem = "-wanted must be a share, from 0 to below 1"
	}
	if problem != "" {
		return f, fmt.Errorf("%s; run with -help for help", problem)
	}
	return f, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	f, err := readFlags(args, stderr)
	if err != nil {
		return err
	}
	reader := config.NewReader(os.LookupEnv)
	settings := modelset.ReadSettings(reader)
	if err := reader.Err(); err != nil {
		return err
	}
	set, err := settings.Load()
	if err != nil {
		return err
	}
	maxPixels := picture.Defaults().MaxPixels
	open, err := opener.Opener(ctx, settings, set, maxPixels)
	if err != nil {
		return err
	}
	recorder := measure.NewRecorder(set.Model(), open, f.cache)
	o := measure.Options{
		Dir: f.faces, Model: set.Model(), Open: recorder.Open, Kernel: kernel.New(), Engines: f.engines, MaxPixels: maxPixels,
		OnlyGrouping: f.grouping, TurnStep: f.turn, Largest: f.largest, Wanted: f.wanted,
		Progress: func(text string) { fmt.Fprintln(stderr, text) },
	}
	if f.details != "" {
		file, err := os.Create(f.details)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		o.Details = file
	}
	report, err := measure.Run(ctx, o)
	if err != nil {
		return fmt.Errorf("measure: %w", err)
	}
	return write(report, f, stdout)
}

func write(report *measure.Report, f flags, stdout io.Writer) error {
	if f.plot != "" {
		if err := os.WriteFile(f.plot, report.SVG(), 0o644); err != nil {
			return err
		}
	}
	if f.json {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		return out.Encode(report)
	}
	return report.WriteMarkdown(stdout)
}
