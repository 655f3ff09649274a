// Package report writes the row by which the dashboard knows how a program is, every few
// seconds: a Reporter. It also has the looks around that several programs do for it: at
// the recognizers, the queue and the volumes.
package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Store is the part of the database that a Reporter uses.
type Store interface {
	NoteProgram(ctx context.Context, program, instance string, state []byte) error
	ForgetProgram(ctx context.Context, program, instance string) error
	NoteOutcomes(ctx context.Context, instance string, list []store.MinuteOutcome) error
	SampleTotals(ctx context.Context) (bool, error)
	SweepOperations(ctx context.Context, silent, samples time.Time) error
}

const (
	// silentKept is how long the row of a silent program is shown.
	silentKept   = 10 * time.Minute
	writeTimeout = 5 * time.Second // of a database that hangs
	sampleWithin = 30 * time.Second
	sampleEvery  = 10 * time.Second // between two looks whether the minute has its totals
	// sampleShare is how many times longer than a count took there is none: counting
	// many millions of images must not keep the database busy. But the chart needs totals.
	sampleShare  = 100
	sampleAtMost = 5 * time.Minute
	sweepEvery   = 10 * time.Minute
	waitForStop  = 3 * time.Second
)

// Options configures a Reporter.
type Options struct {
	Program  string // such as "processor"
	Instance string // which of them
	// Say returns what the program says about itself. It must return soon after ctx ends.
	Say   func(ctx context.Context) operations.State
	Tally *operations.Tally // of a processor; nil for none
	// Samples makes the Reporter sample how many images there are, and sweep old rows.
	Samples bool
	Log     *slog.Logger
	Every   time.Duration // 0 means operations.Every
}

// Reporter writes what a program says about itself. Nothing depends on it: if the
// database is away, the next try follows.
type Reporter struct {
	store   Store
	opts    Options
	tallied string // names the rows of this process; those of a restart are others
	stop    context.CancelFunc
	done    chan struct{}
	failing bool
}

// New returns a Reporter, which does nothing before it is started.
func New(st Store, opts Options) *Reporter {
	if opts.Every == 0 {
		opts.Every = operations.Every
	}
	return &Reporter{store: st, opts: opts, tallied: fmt.Sprintf("%s@%d", opts.Instance, time.Now().UnixNano()), done: make(chan struct{})}
}

// Part returns the part of a program that reports.
func (r *Reporter) Part() lifecycle.Part {
	return lifecycle.Part{Name: "operations", Start: func(context.Context, func(error)) error {
		r.Start()
		return nil
	}, Stop: r.Stop}
}

// Start starts to report. Samples are taken beside that: a slow count must not make a
// program look as if it were gone.
func (r *Reporter) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	var work sync.WaitGroup
	work.Go(func() {
		for r.report(ctx); pause(ctx, r.opts.Every); r.report(ctx) {
		}
		r.end(context.WithoutCancel(ctx))
	})
	if r.opts.Samples {
		work.Go(func() { r.keepSampling(ctx) })
	}
	go func() {
		work.Wait()
		close(r.done)
	}()
}

// pause reports whether the time passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Stop stores what was counted, takes the program's row away, and ends.
func (r *Reporter) Stop(ctx context.Context) error {
	r.stop()
	ctx, cancel := context.WithTimeout(ctx, waitForStop)
	defer cancel()
	select {
	case <-r.done:
	case <-ctx.Done(): // a database that hangs: only figures are lost
	}
	return nil
}

// end stores what was counted, and takes the row away: a program that ends is not one
// that is not heard from.
func (r *Reporter) end(ctx context.Context) {
	r.storeTally(ctx)
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	note(ctx, r.opts.Log, &r.failing, "take its row away", r.store.ForgetProgram(ctx, r.opts.Program, r.opts.Instance))
}

func (r *Reporter) report(ctx context.Context) {
	note(ctx, r.opts.Log, &r.failing, "say how it is", Note(ctx, r.store, r.opts.Program, r.opts.Instance, r.say(ctx)))
	r.storeTally(ctx)
}

func (r *Reporter) say(ctx context.Context) operations.State {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return r.opts.Say(ctx)
}

func (r *Reporter) storeTally(ctx context.Context) {
	if r.opts.Tally == nil {
		return
	}
	list := r.opts.Tally.Take()
	if len(list) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := r.store.NoteOutcomes(ctx, r.tallied, list)
	if err != nil {
		r.opts.Tally.GiveBack(list)
	}
	note(ctx, r.opts.Log, &r.failing, "store its counts", err)
}

// keepSampling samples how many images there are, and sweeps old rows, until ctx ends.
func (r *Reporter) keepSampling(ctx context.Context) {
	var failing bool
	var sweep time.Time // when that is due
	for {
		begin := time.Now()
		err := r.sample(ctx)
		next := pauseAfter(time.Since(begin), err)
		note(ctx, r.opts.Log, &failing, "sample the totals", err)
		if now := time.Now(); !now.Before(sweep) {
			sweep = now.Add(sweepEvery)
			note(ctx, r.opts.Log, &failing, "sweep samples", r.sweep(ctx, now))
		}
		if !pause(ctx, next) {
			return
		}
	}
}

func (r *Reporter) sample(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sampleWithin)
	defer cancel()
	_, err := r.store.SampleTotals(ctx)
	return err
}

func (r *Reporter) sweep(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, sampleWithin)
	defer cancel()
	return r.store.SweepOperations(ctx, now.Add(-silentKept), now.Add(-operations.SamplesKept))
}

// pauseAfter returns how long there is no count after one that took a time. After an
// error the next try comes soon, because the chart has a gap; but counts that run out of
// time must not follow each other without a rest.
func pauseAfter(took time.Duration, err error) time.Duration {
	share := time.Duration(sampleShare)
	if err != nil {
		share = 2
	}
	return min(max(sampleEvery, share*took), sampleAtMost)
}

// note logs the first of several failures.
func note(ctx context.Context, log *slog.Logger, failing *bool, what string, err error) {
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return
	}
	if err != nil && !*failing {
		log.WarnContext(ctx, "the page of operations is not up to date: cannot "+what, "error", err)
	}
	*failing = err != nil
}

// Note stores what a program says about itself, once.
func Note(ctx context.Context, st interface {
	NoteProgram(ctx context.Context, program, instance string, state []byte) error
}, program, instance string, state operations.State) error {
	text, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("write what a program says about itself: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return st.NoteProgram(ctx, program, instance, text)
}
