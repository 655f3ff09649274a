// Package chaos tests a promise: every accepted image ends with an outcome,
// exactly one, whatever dies in between.
//
// It runs the real receiver, two real processors and the real redeemer with a
// real MariaDB, nsqd and nsqlookupd, each a process of its own, and a
// recognizer whose answer follows from a picture's path. While clients post
// images, everything is killed, paused, stopped and cut off in an order that a
// seed decides. Then it waits until nothing is left to do and reads, in the
// database, what became of every image and how it came about.
//
// This file owns the run and its phases. system.go owns what runs, faults.go
// what goes wrong, clients.go who posts, audit.go the judgement, and report.go
// the words.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

// Options say how much of everything.
type Options struct {
	Images int           // paths to post
	Seed   uint64        // decides the order of posts and faults
	Faults time.Duration // how long things go wrong
	// Settle is the longest that the last outcome may take after the last fault.
	Settle time.Duration
	// Self is the program that takes parts of its own (see Role).
	Self string
	// Dir is for the programs, the data and the logs; it must be there.
	Dir     string
	Verbose bool // tell of every fault as it happens
}

const (
	clients   = 6
	injectors = 2 // faults at the same time, on different targets
	// postShare is how much of the time of the faults the posts are spread over.
	postShare = 0.8
)

// Run makes one run and returns what it found. The error says why there was
// nothing to judge.
func Run(ctx context.Context, opts Options, out io.Writer) (*Report, error) {
	report := newReport(opts)
	sys, err := startSystem(ctx, opts.Dir, opts.Self, report)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the system: %w", err), sys.close())
	}
	defer sys.close() //nolint:errcheck // what dies here is judged already
	progress(out, "everything runs; posting %d images while things go wrong for %s", opts.Images, opts.Faults)

	posts := newPosts(opts, sys.receiverURL(), report)
	if err := disturb(ctx, opts, sys, posts, report, out); err != nil {
		return nil, err
	}
	begin := time.Now()
	if report.During, err = sys.database.answered(ctx); err != nil {
		return nil, fmt.Errorf("count the outcomes so far: %w", err)
	}
	progress(out, "the last fault is over, %d images have outcomes; waiting for the others, at most %s", report.During, opts.Settle)
	settleCtx, cancel := context.WithTimeout(ctx, opts.Settle)
	defer cancel()
	sys.redeemer.askForFailed()
	posts.finish(settleCtx)
	err = sys.awaitQuiet(settleCtx, out)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		report.violate("not settled within %s: %v", opts.Settle, err)
	}
	report.Settled = time.Since(begin)
	if err := sys.database.judge(ctx, posts, report); err != nil {
		return nil, fmt.Errorf("judge: %w", err)
	}
	if err := sys.findPanics(); err != nil {
		return nil, err
	}
	report.Took = time.Since(report.begin)
	return report, nil
}

// disturb posts and injects faults until the time is over. When it returns,
// everything runs again, and every link lets everything through.
func disturb(ctx context.Context, opts Options, sys *system, posts *posts, report *Report, out io.Writer) error {
	faultCtx, cancel := context.WithTimeout(ctx, opts.Faults)
	defer cancel()
	var wg sync.WaitGroup
	posts.start(ctx, time.Duration(float64(opts.Faults)*postShare))
	deck := newDeck(rand.New(rand.NewPCG(opts.Seed, 1)), sys.faults())
	for range injectors {
		wg.Go(func() {
			for faultCtx.Err() == nil {
				c := deck.draw()
				if opts.Verbose {
					progress(out, "%s %s for %s", c.kind, c.target, c.lasts)
				}
				if err := c.inject(ctx); err != nil && ctx.Err() == nil {
					report.violate("%s %s: %v", c.kind, c.target, err)
				} else {
					report.countFault(c.kind, c.target)
				}
				pause(faultCtx, c.gap)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

func progress(out io.Writer, format string, args ...any) {
	fmt.Fprintf(out, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// pause waits, and ends with ctx. It reports whether it waited to the end.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Self returns the path of this program, which takes parts of the run, too.
func Self() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return self, nil
}
