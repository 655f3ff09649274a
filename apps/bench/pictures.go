package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/pipelinebench"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/child"
)

// bench is what the picture benchmarks share.
type bench struct {
	photos  []photo
	known   string // folder of known people
	engines []engine.Engine
	proc    *process
	whole   *pipelinebench.Whole // nil if the pipeline is not measured
}

// newBench copies the known people into dir, and the photographs to measure into desk.
func newBench(o options, dir, desk string) (*bench, error) {
	known, unknown, err := o.folders(dir)
	if err != nil {
		return nil, err
	}
	photos, err := readPhotos(unknown, filepath.Join(unknown, "people"), desk)
	return &bench{known: known, photos: photos}, err
}

// benchPictures runs all benchmarks that process pictures.
func benchPictures(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	desk := filepath.Join(dir, "desk")
	b, err := newBench(o, dir, desk)
	if err != nil {
		return err
	}
	closeEngines, err := b.openEngines(ctx, o)
	if err != nil {
		return err
	}
	defer closeEngines()
	if b.proc, err = startRecognizer(ctx, o, b.known, desk, 0); err != nil {
		return err
	}
	defer b.proc.stop()
	if o.pipeline {
		var closeWhole func()
		if b.whole, closeWhole, err = openWhole(ctx, dir, desk, b.proc.address); err != nil {
			return err
		}
		defer closeWhole()
	}
	fmt.Fprintf(out, "Model set: %s. Pictures: %d.\n", o.models.ID, len(b.photos))
	for _, measure := range []func(context.Context, options, *bench, io.Writer) error{benchLoops, benchStages, benchLooks} {
		if err := measure(ctx, o, b, out); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "\nMemory of the recognizer after these pictures, workers included: %.0f MiB resident.\n", residentMiB(b.proc.family()))
	return nil
}

// openEngines opens one engine per core, each in a worker process.
func (b *bench) openEngines(ctx context.Context, o options) (closeAll func(), err error) {
	_, open, err := child.Opener(ctx, child.Options{
		Models: o.models, MaxPixels: readOptions().MaxPixels, Registry: prometheus.NewRegistry(),
	})
	if err != nil {
		return nil, err
	}
	closeAll = func() {
		for _, e := range b.engines {
			e.Close()
		}
	}
	for range runtime.NumCPU() {
		e, err := open()
		if err != nil {
			closeAll()
			return nil, err
		}
		b.engines = append(b.engines, e)
	}
	return closeAll, nil
}

// sizes are the rows of the table of stages. A picture belongs to the first row
// with more megapixels.
var sizes = []struct {
	name string
	most float64
}{{"under 0.5 MP", 0.5}, {"0.5 to 2 MP", 2}, {"2 to 8 MP", 8}, {"over 8 MP", 1e9}}

// stageNames are the columns of that table. A call includes gRPC and all other
// stages.
var stageNames = [...]string{"read", "decode", "detect", "describe", "match", "call"}

// benchStages sends one picture at a time to the recognizer and prints the
// median time of each stage, by size.
func benchStages(ctx context.Context, o options, b *bench, out io.Writer) error {
	type row struct {
		pictures, faces int
		stages          [len(stageNames)][]float64
	}
	rows := make([]row, len(sizes))
	for _, p := range b.photos {
		at := 0
		for p.megapixels >= sizes[at].most {
			at++
		}
		r := &rows[at]
		r.pictures++
		for round := range o.rounds {
			begin := time.Now()
			res, err := b.proc.ask(ctx, p.path)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			call := time.Since(begin)
			if round == 0 {
				r.faces += len(res.GetFaces())
			}
			t := res.GetTimings()
			for i, micros := range []uint32{t.GetRead(), t.GetDecode(), t.GetDetect(), t.GetDescribe(), t.GetMatch(), uint32(call.Microseconds())} {
				r.stages[i] = append(r.stages[i], float64(micros)/1000)
			}
		}
	}
	fmt.Fprint(out, "\nOne picture at a time through the recognizer, median milliseconds of each stage:\n\n")
	fmt.Fprintln(out, "| size | pictures | faces | "+strings.Join(stageNames[:], " | ")+" |")
	fmt.Fprintln(out, "| --- |"+strings.Repeat(" ---: |", 2+len(stageNames)))
	for i, r := range rows {
		if r.pictures == 0 {
			continue
		}
		fmt.Fprintf(out, "| %s | %d | %d |", sizes[i].name, r.pictures, r.faces)
		for _, values := range r.stages {
			fmt.Fprintf(out, " %.3g |", median(values))
		}
		fmt.Fprintln(out)
	}
	return nil
}

// least returns the smallest of values, which must not be empty. It is what a
// quiet machine would show.
func least(values []float64) float64 { return slices.Min(values) }
