package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/capacity"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
)

// benchCapacity measures how the search grows with the number of known descriptors, and computes
// what docs/capacity.md says of shards and of a day.
func benchCapacity(ctx context.Context, o options, out io.Writer) error {
	if err := benchGrowth(ctx, o, out); err != nil {
		return err
	}
	printDays(out)
	return nil
}

// largestBatch is how many faces are searched for at once, at most.
const largestBatch = nearest.BatchSize

// benchGrowth measures searches in indexes of several sizes, and then the slowest of several.
func benchGrowth(ctx context.Context, o options, out io.Writer) error {
	fmt.Fprintf(out, "\nSearch in indexes of several sizes with %v, one core; CPU time of a face in ms, medians of %d rounds:\n\n", kernel.New(), o.rounds)
	fmt.Fprintln(out, "| known descriptors | one at a time | 4 at once | 64 at once | 256 at once |\n| ---: | ---: | ---: | ---: | ---: |")
	var last *matching
	for size := o.matchKnown / 16; size <= o.matchKnown; size *= 2 {
		last = newMatching(size)
		var err error
		find := func(count int) func() {
			next := 0
			return func() {
				first := next % len(last.asked)
				next++
				list := slices.Concat(last.asked[first:], slices.Repeat(last.asked, largestBatch/len(last.asked)))[:count]
				if _, e := last.index.Nearest(ctx, list, processors); e != nil {
					err = e
				}
			}
		}
		times := inTurns(o.rounds, find(1), find(4), find(64), find(largestBatch))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "| %d | %.2f | %.2f | %.2f | %.2f |\n", size,
			milliseconds(times[0]), milliseconds(times[1])/4, milliseconds(times[2])/64, milliseconds(times[3])/largestBatch)
	}
	return benchFanOut(ctx, last, out)
}

// benchFanOut measures how long searches take by the clock, and draws from these times how long
// the slowest of several shards of that size takes.
func benchFanOut(ctx context.Context, m *matching, out io.Writer) error {
	const searches, draws = 400, 20_000
	times := make([]time.Duration, searches)
	for i := range times {
		begin := time.Now()
		if _, err := m.index.Nearest(ctx, m.asked[i%len(m.asked):][:1], processors); err != nil {
			return err
		}
		times[i] = time.Since(begin)
	}
	fmt.Fprintf(out, "\nThe slowest of several shards of that size, drawn %d times from %d searches by the clock; ms:\n\n", draws, searches)
	fmt.Fprintln(out, "| shards | median | p99 |\n| ---: | ---: | ---: |")
	rng := rand.New(rand.NewPCG(1, 1))
	for _, shards := range []int{1, 4, 16, 64, 128} {
		slowest := make([]time.Duration, draws)
		for i := range slowest {
			for range shards {
				slowest[i] = max(slowest[i], times[rng.IntN(searches)])
			}
		}
		slices.Sort(slowest)
		fmt.Fprintf(out, "| %d | %.1f | %.1f |\n", shards, milliseconds(slowest[draws/2]), milliseconds(slowest[draws*99/100]))
	}
	return nil
}

// printDays prints what days of 100 million images are like, with several numbers of recognizers.
func printDays(out io.Writer) {
	load := capacity.Load{Images: 100_000_000, Peak: 3}
	fmt.Fprintf(out, "\nA day of %.0f images (mean %.0f a second, peak %.0f), pods of two cores, %.0f ms a picture and core; computed:\n\n",
		load.Images, load.Mean(), load.Peak*load.Mean(), 2000/capacity.PodRate)
	fmt.Fprintln(out, "| recognizers | most pods | pod hours | longest queue | longest wait | images that wait more than a minute | until the queue is empty again |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, c := range capacity.Fleets(load) {
		d := capacity.Run(load, c.Fleet, 1)
		again := "–"
		if d.Recovered > 0 {
			again = d.Recovered.Round(time.Minute).String()
		}
		fmt.Fprintf(out, "| %s | %d | %.0f | %.0f | %s | %.1f %% | %s |\n",
			c.Name, d.Pods, d.PodHours, d.Queue, d.Wait.Round(time.Second), 100*d.Late, again)
	}
}
