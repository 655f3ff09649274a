// Command accuracy measures how well a model set names the people in a folder
// of photographs. docs/accuracy.md shows what it said, and of what.
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
	"path/filepath"
	"syscall"

	"github.com/rollcall-faces/rollcall/apps/accuracy/internal/measure"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
)

const usage = `accuracy measures how well faces are named, with the pictures of a folder:

	people/<name>/<file>   one face each; every picture is asked about with the
	                       others as the known ones
	groups/<file>          any pictures; the faces found are counted
	bench/<file>

and prints Markdown tables.

	go run ./apps/accuracy -faces DIR [-models DIR] [-json]

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := realMain(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

func realMain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("accuracy", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	dir := flags.String("faces", "", "the `folder` of the photographs (required)")
	modelDir := flags.String("models", "", "the `folder` of the model set; by default "+modelset.GoFaceSet+" in apps/recognizer/models")
	asJSON := flags.Bool("json", false, "print JSON in place of Markdown; times are in nanoseconds")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" || flags.NArg() > 0 {
		flags.Usage()
		return errors.New("give a folder with -faces, and nothing else")
	}
	set, err := chooseModels(*modelDir)
	if err != nil {
		return err
	}
	reference, err := set.Reference(ctx, "")
	if err != nil {
		return err
	}
	report, err := measure.Run(ctx, measure.Options{
		Dir: *dir, Model: set.Model(), Open: dlib.Opener(reference),
		Reference: func() (measure.Reference, error) { return dlib.Open(reference) },
		Progress:  func(what string) { fmt.Fprintln(stderr, what) },
	})
	if err != nil {
		return fmt.Errorf("measure: %w", err)
	}
	if *asJSON {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		return out.Encode(report)
	}
	return report.WriteMarkdown(stdout)
}

func chooseModels(dir string) (modelset.Set, error) {
	if dir != "" {
		return modelset.Load(dir)
	}
	models, err := modelset.SourceFolder()
	if err != nil {
		return modelset.Set{}, err
	}
	return modelset.Load(filepath.Join(models, modelset.GoFaceSet))
}
