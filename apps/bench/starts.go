package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// goalStart is the goal for the time from exec to SERVING in seconds.
const goalStart = 3.0

// benchStarts measures the start of a recognizer with new known people, and its
// second start.
func benchStarts(ctx context.Context, o options, out io.Writer) error {
	var first, again []float64
	for range o.rounds {
		cold, warm, err := startTwice(ctx, o)
		if err != nil {
			return err
		}
		first, again = append(first, cold), append(again, warm)
	}
	fmt.Fprintf(out, "\nA recognizer's start, from exec to SERVING, models unpacked before, medians of %d rounds:\n\n", o.rounds)
	fmt.Fprintln(out, "| start | seconds | goal |\n| --- | ---: | --- |")
	fmt.Fprintf(out, "| the first, which describes the known pictures | %.2f | |\n", median(first))
	fmt.Fprintf(out, "| the second, with the gallery's cache | %.2f | < %.0f |\n", median(again), goalStart)
	return nil
}

// startTwice starts a recognizer twice on a new copy of the known people.
func startTwice(ctx context.Context, o options) (first, again float64, err error) {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	known, _, err := o.folders(dir)
	if err != nil {
		return 0, 0, err
	}
	desk := filepath.Join(dir, "desk")
	if err := os.MkdirAll(desk, 0o755); err != nil {
		return 0, 0, err
	}
	for _, seconds := range []*float64{&first, &again} {
		proc, err := startRecognizer(ctx, o, known, desk, 0)
		if err != nil {
			return 0, 0, err
		}
		*seconds = proc.started.Seconds()
		proc.stop()
	}
	return first, again, nil
}
