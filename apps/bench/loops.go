package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/pipelinebench"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
)

const (
	// goalOverGoFace and goalPipeline are goals for the ratios of pictures per
	// second.
	goalOverGoFace = 5.0
	goalPipeline   = 0.95
	// passes is how often the fast loops process all pictures per round, so
	// that a round lasts some seconds.
	passes = 4
)

// loop is one way to process all photographs on all cores.
type loop struct {
	name   string
	passes int // over the photographs, per round
	run    func(ctx context.Context, round int) (took time.Duration, faces int, err error)

	// By round:
	rates []float64 // pictures per second
	spent []float64 // CPU milliseconds per picture

	faces int // found in one pass
}

// benchLoops compares pictures per second. The loops alternate, and each round
// gives its own ratio, so that load on the machine affects all loops equally.
func benchLoops(ctx context.Context, o options, b *bench, out io.Writer) error {
	bare, closeBare, err := b.goFaceLoop(ctx, o)
	if err != nil {
		return err
	}
	defer closeBare()
	loops := []*loop{bare, b.engineLoop(), b.recognizerLoop()}
	if b.whole != nil {
		loops = append(loops, b.pipelineLoop())
	}
	for round := range o.rounds {
		for _, l := range loops {
			if err := l.measure(ctx, round, len(b.photos)); err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
		}
	}
	printLoops(out, loops, o.rounds)
	return nil
}

// measure runs one round. photos is the number of photographs.
func (l *loop) measure(ctx context.Context, round, photos int) error {
	before, err := familyTime()
	if err != nil {
		return err
	}
	took, found, err := l.run(ctx, round)
	if err != nil {
		return err
	}
	after, err := familyTime()
	if err != nil {
		return err
	}
	n := float64(l.passes * photos)
	l.rates = append(l.rates, n/took.Seconds())
	l.spent = append(l.spent, inMilliseconds(after-before)/n)
	l.faces = found / l.passes
	return nil
}

func printLoops(out io.Writer, loops []*loop, rounds int) {
	bare, own, grpc := loops[0], loops[1], loops[2]
	fmt.Fprintf(out, "\nAll cores busy with the same files, medians of %d alternating rounds:\n\n", rounds)
	fmt.Fprintln(out, "| loop | pictures/s | of bare go-face | of the engine alone | CPU ms per picture | faces |\n| --- | ---: | ---: | ---: | ---: | ---: |")
	for _, l := range loops {
		fmt.Fprintf(out, "| %s | %.1f | %.2f | %.2f | %.0f | %d |\n", l.name, median(l.rates), ratio(l, bare), ratio(l, own), median(l.spent), l.faces)
	}
	fmt.Fprintf(out, "\nRecognizer over gRPC against bare go-face: %.2f (goal: at least %.0f); by CPU time %.2f.\n",
		ratio(grpc, bare), goalOverGoFace, median(bare.spent)/median(grpc.spent))
	if len(loops) > 3 {
		fmt.Fprintf(out, "Whole pipeline against the engine's own loop: %.2f (goal: at least %.2f); by CPU time %.2f.\n",
			ratio(loops[3], own), goalPipeline, median(own.spent)/median(loops[3].spent))
	}
}

// ratio returns the median over all rounds of a's rate divided by b's.
func ratio(a, b *loop) float64 {
	list := make([]float64, len(a.rates))
	for i := range list {
		list[i] = a.rates[i] / b.rates[i]
	}
	return median(list)
}

// goFaceLoop returns the baseline: only go-face, one engine per core, on files
// in memory. Files that go-face cannot read are converted before.
func (b *bench) goFaceLoop(ctx context.Context, o options) (*loop, func(), error) {
	set, err := o.models.Load()
	if err != nil {
		return nil, nil, err
	}
	folder, err := set.Reference(ctx, o.models.Cache)
	if err != nil {
		return nil, nil, err
	}
	var engines []*dlib.Engine
	closeAll := func() {
		for _, e := range engines {
			e.Close()
		}
	}
	for range runtime.NumCPU() {
		e, err := dlib.Open(folder)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		engines = append(engines, e)
	}
	readable := make([][]byte, len(b.photos))
	_, converted, err := onAllCores(ctx, len(readable), len(engines), func(core, i int) (int, error) {
		readable[i] = b.photos[i].data
		_, err := engines[core].Recognize(readable[i])
		if !errors.Is(err, engine.ErrUnreadable) {
			return 0, err
		}
		if readable[i], err = convert(b.photos[i].data); err != nil {
			return 0, fmt.Errorf("%s: %w", b.photos[i].name, err)
		}
		return 1, nil
	})
	if err != nil {
		closeAll()
		return nil, nil, err
	}
	name := "bare go-face, one engine per core"
	if converted > 0 {
		name += fmt.Sprintf(" (%d of %d files converted to JPEG before)", converted, len(readable))
	}
	return &loop{name: name, passes: 1, run: func(ctx context.Context, _ int) (time.Duration, int, error) {
		return onAllCores(ctx, len(readable), len(engines), func(core, i int) (int, error) {
			list, err := engines[core].Recognize(readable[i])
			return len(list), err
		})
	}}, closeAll, nil
}

// engineLoop returns the loop of the engine: one worker per core, without gRPC,
// gallery, queue and database.
func (b *bench) engineLoop() *loop {
	return &loop{name: "the engine alone, one worker per core", passes: passes, run: func(ctx context.Context, _ int) (time.Duration, int, error) {
		return onAllCores(ctx, passes*len(b.photos), len(b.engines), func(core, i int) (int, error) {
			seen, err := b.engines[core].Look(ctx, b.photos[i%len(b.photos)].data, engine.Ask)
			return len(seen.Faces), err
		})
	}}
}

// recognizerLoop returns the loop that calls the recognizer with two calls per
// core at a time, as a processor does.
func (b *bench) recognizerLoop() *loop {
	return &loop{name: "recognizer over gRPC", passes: passes, run: func(ctx context.Context, _ int) (time.Duration, int, error) {
		return onAllCores(ctx, passes*len(b.photos), 2*runtime.NumCPU(), func(_, i int) (int, error) {
			res, err := b.proc.ask(ctx, b.photos[i%len(b.photos)].path)
			return len(res.GetFaces()), err
		})
	}}
}

// pipelineLoop returns the loop from a post to the last row. Each picture gets
// a new name each time, because a path is processed once.
func (b *bench) pipelineLoop() *loop {
	return &loop{name: "whole pipeline, from the post to the last row", passes: passes, run: func(ctx context.Context, round int) (time.Duration, int, error) {
		paths, err := b.newNames(fmt.Sprintf("round-%d", round), passes)
		if err != nil {
			return 0, 0, err
		}
		return b.whole.Run(ctx, paths)
	}}
}

// newNames gives each photograph a new name for each pass, beside its own, and returns
// the names. round makes them new.
func (b *bench) newNames(round string, passes int) ([]string, error) {
	var paths []string
	for pass := range passes {
		for _, p := range b.photos {
			path := filepath.Join(filepath.Dir(p.path), fmt.Sprintf("%s-%d-%s", round, pass, p.name))
			if err := os.Link(p.path, path); err != nil {
				return nil, err
			}
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// openWhole starts a receiver, queue, database and processor with the
// recognizer.
func openWhole(ctx context.Context, dir, desk, recognizers string) (*pipelinebench.Whole, func(), error) {
	client, err := recognizerclient.Dial(recognizerclient.Options{Address: recognizers, Timeout: time.Minute})
	if err != nil {
		return nil, nil, err
	}
	servers := filepath.Join(dir, "servers")
	if err := os.MkdirAll(servers, 0o755); err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	whole, err := pipelinebench.OpenWhole(ctx, servers, desk, client)
	if err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	return whole, func() {
		whole.Close()
		_ = client.Close() // everything is measured by now
	}, nil
}

// onAllCores calls f for 0 to n-1 on a number of workers. It returns the time
// it took and the sum of the results of f. It stops at the first error.
func onAllCores(ctx context.Context, n, workers int, f func(worker, i int) (int, error)) (time.Duration, int, error) {
	begin := time.Now()
	var (
		mu    sync.Mutex // guards next, total and first
		next  int
		total int
		first error
		group sync.WaitGroup
	)
	take := func(found int, err error) (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		total += found
		if first == nil {
			first = err
		}
		if next == n || first != nil || ctx.Err() != nil {
			return 0, false
		}
		next++
		return next - 1, true
	}
	for w := range workers {
		group.Go(func() {
			for i, ok := take(0, nil); ok; i, ok = take(f(w, i)) {
			}
		})
	}
	group.Wait()
	return time.Since(begin), total, errors.Join(first, ctx.Err())
}
