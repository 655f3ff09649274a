// Package chaos tests six promises, whatever dies in between: every accepted image
// ends with exactly one outcome; nobody who is added, merged or deleted is left half
// made; every confirmed correction of a face counts until its undoing is confirmed;
// every accepted upload has its whole file and its row; a re-match of all faces comes to
// its end and changes no answer that is right; and a consumer of events sees every change
// of every image in its order.
//
// Run starts the real receiver, two real processors and the real redeemer with
// a real MariaDB, nsqd and nsqlookupd, each in its own process, and a
// recognizer whose answer is computed from a picture's path. While clients post
// images, upload files, merge people, correct faces and ask for re-matches, these processes are killed, paused and stopped and their connections
// cut, in an order given by a seed. Then Run waits until all work is done and
// checks in the database what became of every image, and how.
package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

// Options configures a run. All fields but Away, Galera and Verbose are required.
type Options struct {
	Images int           // number of paths to post
	Seed   uint64        // decides the order of posts and faults
	Faults time.Duration // how long faults are injected
	// Settle is the maximum time from the last fault to the last outcome.
	Settle time.Duration
	// Away is for how long each consumer of events is stopped, once. 0 is two fifths of
	// the fault time.
	Away time.Duration
	// Galera makes the database a cluster of three nodes, one of which at a time is killed,
	// paused or cut off from the others.
	Galera bool
	// Self is the path of a program that calls Role.
	Self string
	// Dir is an existing folder for the programs, the data and the logs.
	Dir     string
	Verbose bool // print every fault as it happens
}

// away is for how long a consumer is stopped once.
func (o Options) away() time.Duration {
	return cmp.Or(o.Away, time.Duration(float64(o.Faults)*awayShare))
}

const (
	clients   = 6
	injectors = 2 // faults at the same time, on different targets
	// eventsSettle is how long a consumer may be behind when all work is done, beside the
	// pause of a webhook: it waits for the lease of a killed receiver.
	eventsSettle = 4 * time.Minute
	// awayShare is the part of the fault time for which a consumer is away once.
	awayShare = 0.4
	// postShare is the part of the fault time over which the posts are spread.
	postShare = 0.8
)

// Run runs the test and returns its report. An error means that the run could
// not be judged.
func Run(ctx context.Context, opts Options, out io.Writer) (*Report, error) {
	report := newReport(opts)
	sys, err := startSystem(ctx, opts, report)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the system: %w", err), sys.close())
	}
	defer sys.close() //nolint:errcheck // the run is judged by now
	progress(out, "the system is running; posting %d images and injecting faults for %s", opts.Images, opts.Faults)

	posts := newPosts(opts, sys.receiverURL(), sys.root(), report)
	teaching := newTeaching(sys.receiverURL(), sys.database, report)
	others := others{teaching, newCorrecting(teaching, sys.root()), newUploading(sys.receiverURL(), sys.root(), report), newRematching(sys.receiverURL(), report)}
	if err := disturb(ctx, opts, sys, posts, others, report, out); err != nil {
		return nil, err
	}
	report.requireFaults(sys.consumers)
	report.requireLosses(sys.database.nodeFaults())
	begin := time.Now()
	if report.During, err = sys.database.answered(ctx); err != nil {
		return nil, fmt.Errorf("count the outcomes so far: %w", err)
	}
	progress(out, "the last fault is over and %d images have outcomes; waiting up to %s for the others", report.During, opts.Settle)
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
	others.rematching.finish(settleCtx)
	if err := sys.database.judge(ctx, posts, others, report); err != nil {
		return nil, fmt.Errorf("check the outcomes: %w", err)
	}
	if err := sys.judgeEvents(settleCtx, eventsSettle+longestHookPause(opts.away()), others.correcting.confirmed(), report); err != nil {
		return nil, fmt.Errorf("check the events: %w", err)
	}
	if err := others.judge(ctx, sys.database); err != nil {
		return nil, err
	}
	if err := sys.findPanics(); err != nil {
		return nil, err
	}
	report.Took = time.Since(report.begin)
	return report, nil
}

// others are the clients that do not post paths.
type others struct {
	teaching   *teaching
	correcting *correcting
	uploading  *uploading
	rematching *rematching
}

func (o others) judge(ctx context.Context, d *database) error {
	if err := o.teaching.judge(ctx); err != nil {
		return fmt.Errorf("check the people: %w", err)
	}
	if err := o.correcting.judge(ctx); err != nil {
		return fmt.Errorf("check the corrections: %w", err)
	}
	if err := o.uploading.judge(ctx, d); err != nil {
		return fmt.Errorf("check the uploads: %w", err)
	}
	return nil
}

// longestHookPause is how long a webhook waits at most after its target was away: its
// pause doubles, so the last one is about as long as all before it, with jitter.
func longestHookPause(away time.Duration) time.Duration { return min(away*3/2, 15*time.Minute) }

// judgeEvents waits until the consumers have seen all events, and checks them.
func (s *system) judgeEvents(ctx context.Context, atMost time.Duration, confirmed map[int64]bool, report *Report) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), atMost)
	defer cancel()
	if err := errors.Join(s.database.awaitEvents(ctx, s.consumed()), s.database.awaitDelivered(ctx)); err != nil {
		report.violate("events are missing after %s: %v", atMost, err)
	}
	heard, _, errHeard := readTold(s.consumed())
	hooked, _, errHooked := readTold(s.hooked())
	if err := errors.Join(errHeard, errHooked); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	return errors.Join(
		s.database.judgeEvents(ctx, "the stream", heard, true, confirmed, report),
		s.database.judgeEvents(ctx, "the webhook", firsts(hooked), false, confirmed, report))
}

// disturb posts images and injects faults until the time is over. When it
// returns, everything runs again and no link is disturbed.
func disturb(ctx context.Context, opts Options, sys *system, posts *posts, others others, report *Report, out io.Writer) error {
	faultCtx, cancel := context.WithTimeout(ctx, opts.Faults)
	defer cancel()
	var wg sync.WaitGroup
	posts.start(ctx, time.Duration(float64(opts.Faults)*postShare))
	wg.Go(func() { others.teaching.run(faultCtx, opts.Seed) })
	wg.Go(func() { others.correcting.run(faultCtx, opts.Seed) })
	wg.Go(func() { others.uploading.run(faultCtx, opts.Seed) })
	wg.Go(func() { others.rematching.run(faultCtx) })
	inject := func(c card) {
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
	deck := newDeck(rand.New(rand.NewPCG(opts.Seed, 1)), sys.faults())
	for range injectors {
		wg.Go(func() {
			for faultCtx.Err() == nil {
				inject(deck.draw())
			}
		})
	}
	if faults := sys.database.nodeFaults(); len(faults) > 0 {
		nodes := newDeck(rand.New(rand.NewPCG(opts.Seed, 4)), faults)
		wg.Go(func() {
			for faultCtx.Err() == nil {
				inject(nodes.draw())
			}
		})
	}
	for _, c := range sys.consumers {
		consumers := newDeck(rand.New(rand.NewPCG(opts.Seed, 3)), c.faults())
		wg.Go(func() {
			pause(faultCtx, opts.Faults/10)
			for _, first := range c.first(opts.away()) {
				inject(first)
			}
			for faultCtx.Err() == nil {
				inject(consumers.draw())
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// progress prints a line with the time.
func progress(out io.Writer, format string, args ...any) {
	fmt.Fprintf(out, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// pause sleeps for d or until ctx is cancelled. It reports whether d passed.
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

// Self returns the path of the running program, for Options.Self.
func Self() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the path of this program: %w", err)
	}
	return self, nil
}
