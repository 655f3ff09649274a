package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// goalIdentify is the goal for the time in which 95 of 100 pictures are answered
	// at once beside a full queue.
	goalIdentify = time.Second
	// queued is how many pictures are queued for each one that is answered at once,
	// so that the queue does not get empty meanwhile.
	queued = 8
)

// benchIdentify measures how long a picture takes that is answered at once, alone
// and beside a full queue.
func benchIdentify(ctx context.Context, o options, out io.Writer) error {
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
	if b.proc, err = startRecognizer(ctx, o, b.known, desk, 0); err != nil {
		return err
	}
	defer b.proc.stop()
	var closeWhole func()
	if b.whole, closeWhole, err = openWhole(ctx, dir, desk, b.proc.address); err != nil {
		return err
	}
	defer closeWhole()
	fmt.Fprintf(out, "Model set: %s. Pictures: %d.\n\nPOST /api/v1/identify, one picture at a time, milliseconds:\n\n", o.models.ID, len(b.photos))
	fmt.Fprintln(out, "| beside | answers | median | p95 | longest | goal for the p95 |\n| --- | ---: | ---: | ---: | ---: | ---: |")
	if err := b.identifyAll(ctx, o, "nothing else", out); err != nil {
		return err
	}
	n, err := b.fillQueue(ctx, o)
	if err != nil {
		return err
	}
	if err := b.identifyAll(ctx, o, fmt.Sprintf("a queue of %d pictures", n), out); err != nil {
		return err
	}
	left := b.whole.Left()
	fmt.Fprintf(out, "\nPictures left in the queue at the end: %d.\n", left)
	if left == 0 {
		return errors.New("the queue was empty before the end; the second row is too good")
	}
	return nil
}

// identifyAll has each picture answered at once and prints a row.
func (b *bench) identifyAll(ctx context.Context, o options, beside string, out io.Writer) error {
	var took []float64
	for range o.rounds {
		for _, p := range b.photos {
			begin := time.Now()
			if err := b.whole.Identify(ctx, p.data); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			took = append(took, inMilliseconds(time.Since(begin)))
		}
	}
	slices.Sort(took)
	p95 := took[(len(took)*95+99)/100-1]
	goal := fmt.Sprintf("≤ %v", goalIdentify)
	if p95 > inMilliseconds(goalIdentify) {
		goal += " (**missed**)"
	}
	_, err := fmt.Fprintf(out, "| %s | %d | %.0f | %.0f | %.0f | %s |\n", beside, len(took), median(took), p95, took[len(took)-1], goal)
	return err
}

// fillQueue queues each picture many times, under new names, and returns how many.
func (b *bench) fillQueue(ctx context.Context, o options) (int, error) {
	var paths []string
	for pass := range queued * o.rounds {
		for _, p := range b.photos {
			path := filepath.Join(filepath.Dir(p.path), fmt.Sprintf("queued-%d-%s", pass, p.name))
			if err := os.Link(p.path, path); err != nil {
				return 0, err
			}
			paths = append(paths, path)
		}
	}
	return len(paths), b.whole.Queue(ctx, paths)
}
