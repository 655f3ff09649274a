package main

// This file owns the measures of the search for the nearest known pictures,
// beside reading the same bytes once.

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
)

// benchSize is how many numbers dlib's descriptors have.
const benchSize = 128

// likeAModels returns a descriptor of the length and spread that dlib's have.
func likeAModels(rng *rand.Rand) faces.Descriptor {
	d := make(faces.Descriptor, benchSize)
	for i := range d {
		d[i] = float32(0.09 + 0.08*rng.NormFloat64())
	}
	return d
}

// strangers returns n pictures of one face each.
func strangers(n int) iter.Seq2[string, []faces.Descriptor] {
	return func(yield func(string, []faces.Descriptor) bool) {
		rng := rand.New(rand.NewPCG(1, 1))
		for i := range n {
			if !yield(fmt.Sprintf("Person %06d/%d.jpg", i/4, i%4), []faces.Descriptor{likeAModels(rng)}) {
				return
			}
		}
	}
}

// processors have an answer's settings in common with the processor: the
// server's default count, and the margin of the model sets.
var processors = nearest.Limit{Count: 16, Slack: 0.02, Within: 0.6}

func benchMatching(ctx context.Context, o options, out io.Writer) error {
	before := heap()
	index := nearest.NewIndex(kernel.New(), benchSize, strangers(o.matchKnown))
	taken := float64(heap()-before) / float64(o.matchKnown*4*benchSize)
	raw := make([]byte, o.matchKnown*4*benchSize)
	for i := range raw {
		raw[i] = byte(i >> 9) // so that there is memory behind it
	}
	rng := rand.New(rand.NewPCG(2, 2))
	asked := make([]faces.Descriptor, 64)
	for i := range asked {
		asked[i] = likeAModels(rng)
	}
	var err error
	find := func(list []faces.Descriptor) {
		if _, e := index.Nearest(ctx, list, processors); e != nil {
			err = e
		}
	}
	var kept uint64 // or the compiler leaves the sum out
	times := inTurns(o.rounds,
		func() { kept += sum(raw) },
		func() { bytes.Count(raw, []byte{'x'}) },
		func() { find(asked[:1]) },
		func() { together(func() { find(asked[:1]) }) },
		func() { find(asked[:4]) },
		func() { find(asked) },
		func() { together(func() { find(asked) }) },
	)
	runtime.KeepAlive(&kept)
	if err != nil {
		return err
	}
	read := min(times[0], times[1])
	fmt.Fprintf(out, "\nMatching against %d known descriptors (%d MiB), medians of %d rounds in turns:\n\n", o.matchKnown, len(raw)>>20, o.rounds)
	fmt.Fprintln(out, "| what | ms | ms a face | of a read |\n| --- | ---: | ---: | ---: |")
	for _, row := range []struct {
		what  string
		time  time.Duration
		faces float64
	}{
		{"one sequential read of as many bytes, one core", read, 0},
		{"one face, one core", times[2], 1},
		{fmt.Sprintf("one face on each of %d cores", runtime.NumCPU()), times[3], float64(runtime.NumCPU())},
		{"4 faces of one picture, one core", times[4], 4},
		{"a batch of 64, one core", times[5], 64},
		{fmt.Sprintf("a batch of 64 on each of %d cores", runtime.NumCPU()), times[6], float64(64 * runtime.NumCPU())},
	} {
		each := "" // a read is of no face
		if row.faces > 0 {
			each = fmt.Sprintf("%.2f", milliseconds(row.time)/row.faces)
		}
		fmt.Fprintf(out, "| %s | %.1f | %s | %.2f |\n", row.what, milliseconds(row.time), each, float64(row.time)/float64(read))
	}
	fmt.Fprintf(out, "\nMemory: %.3f times the descriptors, with names of %d characters.\n", taken, len("Person 000000/0.jpg"))
	runtime.KeepAlive(index)
	return nil
}

// inTurns returns the median time of each function. They take turns, so that a
// slow moment of the machine does not hit one of them only.
func inTurns(rounds int, functions ...func()) []time.Duration {
	times := make([][]time.Duration, len(functions))
	for range rounds {
		for i, f := range functions {
			begin := time.Now()
			f()
			times[i] = append(times[i], time.Since(begin))
		}
	}
	medians := make([]time.Duration, len(functions))
	for i := range times {
		slices.Sort(times[i])
		medians[i] = times[i][len(times[i])/2]
	}
	return medians
}

// together runs a function on every core at once.
func together(f func()) {
	var group sync.WaitGroup
	for range runtime.NumCPU() {
		group.Go(f)
	}
	group.Wait()
}

// sum reads bytes once, eight at a time.
func sum(raw []byte) uint64 {
	words := unsafe.Slice((*uint64)(unsafe.Pointer(&raw[0])), len(raw)/8)
	var a, b, c, d uint64
	for ; len(words) >= 8; words = words[8:] {
		a += words[0] + words[4]
		b += words[1] + words[5]
		c += words[2] + words[6]
		d += words[3] + words[7]
	}
	return a + b + c + d
}

// heap returns the bytes in use, garbage collected.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func milliseconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e5) / 100 }
