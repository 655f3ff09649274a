package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
)

const (
	// goalTwo is the goal for the rate of two recognizers, as a multiple of that of one.
	goalTwo = 1.8
	// twoPasses makes a round so long that its end, when one recognizer has nothing to do
	// any more, is a small part of it.
	twoPasses = 2 * passes
)

// benchTwoRecognizers compares one recognizer of one worker on one core with two of
// them on a core each: by calls of the processor's client alone, and in the whole
// pipeline, whose other programs run on all cores.
func benchTwoRecognizers(ctx context.Context, o options, out io.Writer) error {
	if runtime.NumCPU() < 2 {
		return errors.New("two recognizers on a core each need two cores; this machine has one")
	}
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
	first, err := startRecognizerOn(ctx, o, b.known, desk, 1, 0)
	if err != nil {
		return err
	}
	defer first.stop()
	second, err := startRecognizerOn(ctx, o, b.known, desk, 1, 1)
	if err != nil {
		return err
	}
	defer second.stop()
	one, two := named("one", first), named("two", first, second)
	fmt.Fprintf(out, "Model set: %s. Pictures: %d. Medians of %d alternating rounds of %d passes.\n", o.models.ID, len(b.photos), o.rounds, twoPasses)
	if err := b.compareCalls(ctx, o, one, two, out); err != nil {
		return err
	}
	return b.comparePipelines(ctx, o, dir, one, two, out)
}

// named makes a name for recognizers, which gRPC resolves to all of them.
func named(name string, list ...*process) (target string) {
	var found resolver.State
	for _, p := range list {
		found.Endpoints = append(found.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: p.address}}})
	}
	names := manual.NewBuilderWithScheme("bench-" + name)
	names.InitialState(found)
	resolver.Register(names)
	return names.Scheme() + ":///recognizers"
}

// compareCalls compares by calls of the client alone, as many at a time as a processor
// makes.
func (b *bench) compareCalls(ctx context.Context, o options, one, two string, out io.Writer) error {
	loops := []*loop{{name: "one"}, {name: "two, a core each"}}
	for i, target := range []string{one, two} {
		client, err := recognizerclient.Dial(recognizerclient.Options{Address: target, Timeout: time.Minute})
		if err != nil {
			return err
		}
		defer client.Close() //nolint:gocritic // two of them, until both are measured
		loops[i].passes = twoPasses
		loops[i].run = func(ctx context.Context, _ int) (time.Duration, int, error) {
			return onAllCores(ctx, twoPasses*len(b.photos), processor.Defaults().Calls, func(_, n int) (int, error) {
				seen, err := client.Recognize(ctx, b.photos[n%len(b.photos)].path, faces.File{})
				return len(seen.Sightings), err
			})
		}
	}
	return b.compareTwo(ctx, o, "calls over gRPC", loops, out)
}

// comparePipelines compares in the whole pipeline. Each has its own database and queue
// in dir.
func (b *bench) comparePipelines(ctx context.Context, o options, dir, one, two string, out io.Writer) error {
	loops := []*loop{{name: "one"}, {name: "two, a core each"}}
	for i, target := range []string{one, two} {
		whole, closeWhole, err := openWhole(ctx, filepath.Join(dir, strconv.Itoa(i)), filepath.Dir(b.photos[0].path), target)
		if err != nil {
			return err
		}
		defer closeWhole() //nolint:gocritic // two of them, until both are measured
		loops[i].passes = twoPasses
		loops[i].run = func(ctx context.Context, round int) (time.Duration, int, error) {
			paths, err := b.newNames(fmt.Sprintf("%d-%d", i, round), twoPasses)
			if err != nil {
				return 0, 0, err
			}
			return whole.Run(ctx, paths)
		}
	}
	return b.compareTwo(ctx, o, "the whole pipeline", loops, out)
}

// compareTwo measures both loops in turns and prints a table.
func (b *bench) compareTwo(ctx context.Context, o options, what string, loops []*loop, out io.Writer) error {
	for round := range o.rounds {
		for _, l := range loops {
			if err := l.measure(ctx, round, len(b.photos)); err != nil {
				return fmt.Errorf("%s, recognizers: %s: %w", what, l.name, err)
			}
		}
	}
	fmt.Fprintf(out, "\n| %s; recognizers | pictures/s | of one | CPU ms per picture | faces |\n| --- | ---: | ---: | ---: | ---: |\n", what)
	for _, l := range loops {
		fmt.Fprintf(out, "| %s | %.1f | %.2f | %.0f | %d |\n", l.name, median(l.rates), ratio(l, loops[0]), median(l.spent), l.faces)
	}
	fmt.Fprintf(out, "\nTwo recognizers against one: %.2f (goal: at least %.1f).\n", ratio(loops[1], loops[0]), goalTwo)
	return nil
}
