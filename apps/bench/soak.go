package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// soakWorkers is the number of the recognizer's workers.
	soakWorkers = 2
	// goalPeak and goalLevel are the goals for the resident memory in MiB: the
	// maximum at any moment, and the median.
	goalPeak, goalLevel = 900.0, 500.0
	// sampleEvery is how often the memory is read.
	sampleEvery = 100 * time.Millisecond
	// parts is the number of rows in the table.
	parts = 10
)

// benchSoak sends pictures of all sizes and formats through a recognizer with
// two workers and records the memory of all its processes.
func benchSoak(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	known, unknown, err := o.folders(dir)
	if err != nil {
		return err
	}
	desk := filepath.Join(dir, "desk")
	photos, err := readPhotos(unknown, filepath.Join(unknown, "people"), desk)
	if err != nil {
		return err
	}
	m, err := newMix(photos, desk, o.extra)
	if err != nil {
		return fmt.Errorf("make the mix of pictures: %w", err)
	}
	proc, err := startRecognizer(ctx, o, known, desk, soakWorkers)
	if err != nil {
		return err
	}
	defer proc.stop()
	s := &soak{proc: proc, paths: m.paths, workers: map[int]bool{}, refused: map[string]int{}}
	stop := s.watch(ctx)
	defer stop()
	begin := time.Now()
	if err := s.send(ctx, o.soak); err != nil {
		return err
	}
	took := time.Since(begin)
	s.done.Store(-1) // later samples are of the idle recognizer
	if err := wait(ctx, 15*time.Second); err != nil {
		return err
	}
	stop()
	fmt.Fprintf(out, "\nSoak: %d pictures through a recognizer with %d workers, %s; %d different files: %s.\n\n",
		o.soak, soakWorkers, took.Round(time.Second), len(m.paths), m)
	s.print(out, o.soak)
	return nil
}

// soak is one soak test.
type soak struct {
	proc  *process
	paths []string
	done  atomic.Int64 // number of answered pictures; -1 when all are

	mu      sync.Mutex // guards the fields below
	samples []sample
	workers map[int]bool   // process ids of all workers so far
	refused map[string]int // number of refused pictures, by format and message
}

// sample is the memory at one moment.
type sample struct {
	done int64 // number of answered pictures at that moment
	mib  float64
	once float64 // MiB in which a page of several processes counts once; 0 if it was not read
}

// watch samples the memory until stop is called. stop waits for its end.
func (s *soak) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		ticker := time.NewTicker(sampleEvery)
		defer ticker.Stop()
		var pids []int
		for n := 0; ctx.Err() == nil; n++ {
			if n%10 == 0 { // a worker may have been replaced
				pids = s.proc.family()
			}
			now := sample{done: s.done.Load(), mib: residentMiB(pids)}
			if n%10 == 5 { // the kernel walks all pages for it
				now.once = proportionalMiB(pids)
			}
			s.mu.Lock()
			for _, pid := range pids[1:] {
				s.workers[pid] = true
			}
			s.samples = append(s.samples, now)
			s.mu.Unlock()
			select {
			case <-ctx.Done():
			case <-ticker.C:
			}
		}
	})
	return func() {
		cancel()
		watcher.Wait()
	}
}

// send sends n pictures, two per worker at a time. It counts refused pictures.
// An error of the service ends the run.
func (s *soak) send(ctx context.Context, n int) error {
	_, _, err := onAllCores(ctx, n, 2*soakWorkers, func(_, i int) (int, error) {
		// Another order in each pass: 7919 is prime to the number of files.
		path := s.paths[i*7919%len(s.paths)]
		_, err := s.proc.ask(ctx, path)
		s.done.Add(1)
		switch code := status.Code(err); code {
		case codes.OK:
		case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange, codes.ResourceExhausted, codes.Unimplemented, codes.DataLoss:
			s.mu.Lock()
			s.refused[formatOf(path)+": "+status.Convert(err).Message()]++
			s.mu.Unlock()
		default:
			return 0, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		return 1, nil
	})
	return err
}

// print writes the memory of each tenth of the run.
func (s *soak) print(out io.Writer, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(out, "| pictures | median MiB resident | peak MiB | median MiB, shared pages once |\n| ---: | ---: | ---: | ---: |")
	peak, levels := 0.0, []float64{}
	for part := range int64(parts) {
		first, last := part*int64(n)/parts, (part+1)*int64(n)/parts
		of, once := s.memory(func(done int64) bool { return done >= first && (done < last || part == parts-1) })
		if len(of) == 0 {
			continue // the run was too short for a sample
		}
		peak, levels = max(peak, slices.Max(of)), append(levels, median(of))
		fmt.Fprintf(out, "| %d | %.0f | %.0f | %.0f |\n", last, median(of), slices.Max(of), median(once))
	}
	rest, once := s.memory(func(done int64) bool { return done < 0 })
	if len(rest) > 0 {
		fmt.Fprintf(out, "| idle, %d s after the last | %.0f | %.0f | %.0f |\n", len(rest)/10, rest[len(rest)-1], slices.Max(rest), median(once))
	}
	if len(levels) > 0 {
		fmt.Fprintf(out, "\nPeak: %.0f MiB (goal: at most %.0f). Level: %.0f MiB in the first part, %.0f in the last, %.0f at most (goal: flat, at most %.0f).\n",
			peak, goalPeak, levels[0], levels[len(levels)-1], slices.Max(levels), goalLevel)
	}
	fmt.Fprintf(out, "Workers that were replaced: %d.\n", max(0, len(s.workers)-soakWorkers))
	for what, count := range s.refused {
		fmt.Fprintf(out, "Refused, %d times: %s.\n", count, strings.TrimSuffix(what, "."))
	}
}

// memory returns the memory of the selected samples: the sum of all processes,
// and, where it was read, with shared pages counted once.
func (s *soak) memory(chosen func(done int64) bool) (sums, once []float64) {
	for _, one := range s.samples {
		if !chosen(one.done) {
			continue
		}
		sums = append(sums, one.mib)
		if one.once > 0 {
			once = append(once, one.once)
		}
	}
	return sums, once
}

// wait waits for d. The error is ctx's.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
