package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/kerneltest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
)

// benchSize is the length of dlib's descriptors.
const benchSize = 128

// processors is the limit that a processor asks with: the server's default
// count and the margin of the model sets.
var processors = nearest.Limit{Count: 16, Slack: 0.02, Within: 0.9}

const (
	askedFaces = 64
	pictures   = 4 // per known person
	// planted is the number of known pictures around each asked face, at distances
	// near the threshold.
	planted = 16
)

// matching is the data for the search benchmark.
type matching struct {
	index  *nearest.Index
	floats []float32 // the known descriptors, one after the other
	asked  []faces.Descriptor
	memory float64 // of the index, divided by that of floats
}

// newMatching generates known people, faces to ask about, half of them of known
// people, and known pictures near these faces.
func newMatching(known int) *matching {
	people := kerneltest.NewPeople(1)
	m := &matching{floats: make([]float32, 0, known*kerneltest.FaceSize)}
	before := heap()
	m.index = nearest.NewIndex(kernel.New(), kerneltest.FaceSize, func(yield func(string, []faces.Descriptor) bool) {
		var person faces.Descriptor
		for i := range known {
			if i%pictures == 0 {
				person = people.Person()
			}
			d := people.Picture(person)
			switch {
			case i%(2*pictures) == 0 && len(m.asked) < askedFaces:
				m.asked = append(m.asked, people.Picture(person))
			case i%(2*pictures) == pictures && len(m.asked) < askedFaces:
				m.asked = append(m.asked, people.Picture(people.Person()))
			case i >= known-planted*askedFaces:
				d = people.At(m.asked[i%len(m.asked)], 0.8+0.25*float64(i%planted)/planted)
			}
			m.floats = append(m.floats, d...)
			if !yield(fmt.Sprintf("Person %06d/%d.jpg", i/pictures, i%pictures), []faces.Descriptor{d}) {
				return
			}
		}
	})
	m.memory = float64(heap()-before) / float64(4*len(m.floats))
	return m
}

func benchMatching(ctx context.Context, o options, out io.Writer) error {
	m := newMatching(o.matchKnown)
	raw := unsafe.Slice((*byte)(unsafe.Pointer(&m.floats[0])), 4*len(m.floats))
	queries := slices.Concat(m.asked...)
	results := make([]float32, askedFaces*o.matchKnown)
	var err error
	find := func(list []faces.Descriptor) {
		if _, e := m.index.Nearest(ctx, list, processors); e != nil {
			err = e
		}
	}
	next := 0
	one := func() { // another face each time, because some have many neighbours
		find(m.asked[next%askedFaces:][:1])
		next++
	}
	var kept uint64 // or the compiler removes the sum
	times := inTurns(o.rounds,
		func() { kept += sum(raw) },
		func() { bytes.Count(raw, []byte{'x'}) },
		func() { products(kerneltest.FaceSize, queries, m.floats, results) },
		one,
		func() { together(func() { find(m.asked[:1]) }) },
		func() { find(m.asked[:4]) },
		func() { find(m.asked) },
		func() { together(func() { find(m.asked) }) },
	)
	runtime.KeepAlive(&kept)
	if err != nil {
		return err
	}
	read, product := min(times[0], times[1]), times[2]
	fmt.Fprintf(out, "\nMatching against %d known descriptors of %d numbers (%d MiB) with %v, CPU time, medians of %d alternating rounds:\n\n",
		o.matchKnown, kerneltest.FaceSize, len(raw)>>20, kernel.New(), o.rounds)
	fmt.Fprintln(out, "| what | ms | ms per face | of a read | of the product |\n| --- | ---: | ---: | ---: | ---: |")
	for _, row := range []struct {
		what  string
		time  time.Duration
		faces float64
	}{
		{"one sequential read of the descriptors, one core", read, 0},
		{"OpenBLAS's product of 64 faces with all of them, one core", product, 64},
		{"one face, one core", times[3], 1},
		{fmt.Sprintf("one face on each of %d cores", runtime.NumCPU()), times[4], float64(runtime.NumCPU())},
		{"4 faces of one picture, one core", times[5], 4},
		{"a batch of 64, one core", times[6], 64},
		{fmt.Sprintf("a batch of 64 on each of %d cores", runtime.NumCPU()), times[7], float64(64 * runtime.NumCPU())},
	} {
		each := "" // a read has no faces
		if row.faces > 0 {
			each = fmt.Sprintf("%.2f", milliseconds(row.time)/row.faces)
		}
		fmt.Fprintf(out, "| %s | %.1f | %s | %.2f | %.2f |\n", row.what, milliseconds(row.time), each,
			float64(row.time)/float64(read), float64(row.time)/float64(product))
	}
	fmt.Fprintf(out, "\nMemory: %.3f times the descriptors, with names of %d characters.\n", m.memory, len("Person 000000/0.jpg"))
	runtime.KeepAlive(m)
	return nil
}

// inTurns returns the median CPU time of each function. CPU time is more
// reliable than the clock on a loaded machine. The functions alternate, so that
// load on the machine affects all of them.
func inTurns(rounds int, functions ...func()) []time.Duration {
	times := make([][]time.Duration, len(functions))
	for range rounds {
		for i, f := range functions {
			begin := processorTime()
			f()
			times[i] = append(times[i], processorTime()-begin)
		}
	}
	medians := make([]time.Duration, len(functions))
	for i := range times {
		slices.Sort(times[i])
		medians[i] = times[i][len(times[i])/2]
	}
	return medians
}

// processorTime returns the CPU time that this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it cannot fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// together runs a function on every core at the same time.
func together(f func()) {
	var group sync.WaitGroup
	for range runtime.NumCPU() {
		group.Go(f)
	}
	group.Wait()
}

// sum reads all bytes once, eight at a time.
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

// heap returns the bytes in use after a garbage collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func milliseconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e5) / 100 }
