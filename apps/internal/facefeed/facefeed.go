// Package facefeed keeps the recognizers' indexes of stored faces up to date. A
// recognizer reads no database, so the program that holds the re-match lease puts the
// faces into each of them:
//
//	new faces ─▶ behind the mark of each index          every Poll
//	faces of the last minutes ─▶ compare, repair        every Poll
//	all others ─▶ compare a page, repair                every Poll, page after page
//
// An index says up to which id it has all faces: its mark. So a feeder keeps no state
// that matters: a new one, or a recognizer that has restarted, goes on from the mark.
// Faces become visible in the order of their transactions and not of their ids, and
// faces are replaced and deleted; comparing finds what the mark has passed.
package facefeed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
)

// Store is the part of the database that a Feeder uses.
type Store interface {
	NewestFace(ctx context.Context) (int64, error)
	SettledFace(ctx context.Context, before time.Time) (int64, error)
	StoredDescriptors(ctx context.Context, m faces.Model, after, upTo int64, limit int) ([]faces.StoredDescriptor, error)
	SummarizeFaces(ctx context.Context, m faces.Model, after, upTo int64, limit int) (sum faces.FaceSummary, end int64, err error)
}

// Recognizer is one of the recognizers. An error with faces.CodeConflict means that it
// has another model set, or that its index is empty again.
type Recognizer interface {
	Address() string
	CheckFaces(ctx context.Context, model string, after, upTo, newest int64) (faces.FaceIndex, faces.FaceSummary, error)
	PutFaces(ctx context.Context, model string, after, upTo, newest int64, list []faces.StoredDescriptor) (faces.FaceIndex, error)
}

// List returns the recognizers that there are now.
type List[R Recognizer] func(ctx context.Context) ([]R, error)

// Options configures a Feeder.
type Options struct {
	Poll time.Duration // time between two rounds in which there is little to do
	// Settle must be longer than any transaction. All faces older than this are
	// committed and visible.
	Settle time.Duration
	// Page is how many faces are compared at a time. What is sent at a time is at most
	// PageBytes.
	Page, PageBytes int
	// FullPause is the time after which an index that is full is offered more faces:
	// some may have been deleted.
	FullPause time.Duration
	// AwayPause is the time after which a recognizer is asked again that did not answer
	// in time: the others must not wait for it.
	AwayPause time.Duration
}

// Defaults returns the options that suit all deployments. PageBytes fits into the
// smallest ROLLCALL_MAX_MESSAGE.
func Defaults() Options {
	return Options{Poll: 2 * time.Second, Settle: 2 * time.Minute, Page: 5000, PageBytes: 768 << 10, FullPause: time.Minute, AwayPause: 10 * time.Second}
}

// Feeder fills the indexes of stored faces. It works while leads returns true.
type Feeder struct {
	store Store
	list  func(ctx context.Context) ([]Recognizer, error)
	leads func() bool
	opts  Options
	log   *slog.Logger

	metrics *metrics
	loop    *background.Loop

	// Used by the loop only.
	cursors map[string]int64     // model set → id after which faces are compared next
	refused map[string]time.Time // address → when its index was found to be full
	away    map[string]time.Time // address → when it did not answer in time
	repeats background.Repeats
}

// New returns a Feeder, which does nothing before Start. leads says whether this program
// is the one that feeds.
func New[R Recognizer](st Store, list List[R], leads func() bool, opts Options, log *slog.Logger, reg prometheus.Registerer) *Feeder {
	f := &Feeder{
		store: st, leads: leads, opts: opts, log: log, metrics: newMetrics(reg),
		cursors: map[string]int64{}, refused: map[string]time.Time{}, away: map[string]time.Time{},
		list: func(ctx context.Context) ([]Recognizer, error) {
			found, err := list(ctx)
			all := make([]Recognizer, len(found))
			for i, r := range found {
				all[i] = r
			}
			return all, err
		},
	}
	f.loop = background.New(background.Options{What: "feeding recognizers", Poll: opts.Poll, Round: f.runOnce, Paused: background.Half, Log: log})
	return f
}

// Start starts feeding.
func (f *Feeder) Start() { f.loop.Start() }

// Stop ends the feeding. Another program, or this one after its next start, goes on.
func (f *Feeder) Stop(ctx context.Context) error { return f.loop.Stop(ctx) }

// runOnce runs a round, if this program feeds, and reports whether there is more to do.
func (f *Feeder) runOnce(ctx context.Context) (more bool) {
	if !f.leads() {
		f.metrics.recognizers.Reset() // those of the program that feeds count
		return false
	}
	more, err := f.round(ctx)
	if err != nil && ctx.Err() == nil {
		f.logProblem(err)
		return false
	}
	return more
}

// logProblem logs a problem, but the same one at most once a minute.
func (f *Feeder) logProblem(err error) {
	if f.repeats.New(err.Error()) {
		f.log.Warn("cannot bring the index of stored faces up to date", "error", err)
	}
}

// round does the next step for the recognizers of each model set.
func (f *Feeder) round(ctx context.Context) (more bool, err error) {
	newest, err := f.store.NewestFace(ctx) // before the recognizers are asked, so that a mark is not before it by mistake
	if err != nil {
		return false, err
	}
	all, err := f.list(ctx)
	if err != nil {
		return false, err
	}
	var errs []error
	for m, indexes := range f.survey(ctx, all) {
		again, err := f.feed(ctx, m, indexes, newest)
		more = more || again
		errs = append(errs, err)
	}
	return more, errors.Join(errs...)
}

// index is a recognizer with the last known state of its index.
type index struct {
	Recognizer
	faces.FaceIndex
	err error // of the last call
}

// survey asks all recognizers for their state, and returns those that can be fed, by
// model set.
func (f *Feeder) survey(ctx context.Context, all []Recognizer) map[faces.Model][]*index {
	found := make([]*index, len(all))
	for i, r := range all {
		found[i] = &index{Recognizer: r}
		if time.Since(f.away[r.Address()]) < f.opts.AwayPause {
			found[i].err = errAway
		}
	}
	each(found, func(x *index) { x.FaceIndex, _, x.err = x.CheckFaces(ctx, "", 0, 0, 0) })
	states := map[string]int{}
	byModel := map[faces.Model][]*index{}
	for _, x := range found {
		state := x.state()
		states[state]++
		switch state {
		case unreachable:
			if faces.ReasonOf(x.err) == faces.Timeout {
				f.away[x.Address()] = time.Now()
			}
			if ctx.Err() == nil && !errors.Is(x.err, errAway) {
				f.logProblem(fmt.Errorf("recognizer %s: %w", x.Address(), x.err))
			}
		case filling, complete, full:
			byModel[x.Model] = append(byModel[x.Model], x)
		}
	}
	f.metrics.show(states)
	return byModel
}

// errAway is the error of a recognizer that is left alone for a while.
var errAway = errors.New("it did not answer a moment ago")

// States of a recognizer, as metrics show them.
const (
	unreachable = "unreachable"
	old         = "old" // it knows no index
	off         = "off" // it keeps none
	filling     = "filling"
	complete    = "complete"
	full        = "full"
)

func (x *index) state() string {
	switch {
	case errors.Is(x.err, faces.ErrNotOffered):
		return old
	case x.err != nil:
		return unreachable
	case x.Capacity == 0 || x.Model.Size == 0:
		return off
	case x.Full:
		return full
	case x.Complete:
		return complete
	default:
		return filling
	}
}
