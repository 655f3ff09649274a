// Package redeemer gives failed and forgotten images another chance, in one
// pass: it takes back leases that ran out, gives what failed because of a
// service another round, and queues what the queue has lost.
//
// Two passes at once do no harm: rows are locked while they are given a
// round, and an id that is queued twice is claimed once.
package redeemer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Store is what a pass needs of the database.
type Store interface {
	ReclaimExpired(ctx context.Context) (int64, error)
	Retry(ctx context.Context, f store.RetryFilter) ([]int64, error)
	NeverQueued(ctx context.Context, after int64, stored time.Time, limit int) ([]int64, error)
	Queued(ctx context.Context, after int64, before time.Time, limit int) ([]int64, error)
	MarkPublished(ctx context.Context, ids []int64, at time.Time) error
}

// Queue is what a pass needs of NSQ.
type Queue interface {
	Publish(ctx context.Context, ids []int64) error
}

// Depth tells what the queue holds.
type Depth interface {
	Depth(ctx context.Context) (imagequeue.Depth, error)
}

// Request is what a person asks for beyond the usual pass: what any of its
// fields selects.
type Request struct {
	Reasons []faces.Reason // retry images with these outcomes
	IDs     []int64        // retry these images, whatever their outcome
	All     bool           // retry every failed image
}

// filters returns one filter for each field that is set: a filter with several
// selects only what all of them do.
func (r Request) filters() []store.RetryFilter {
	var filters []store.RetryFilter
	if len(r.Reasons) > 0 {
		filters = append(filters, store.RetryFilter{Reasons: r.Reasons})
	}
	if len(r.IDs) > 0 {
		filters = append(filters, store.RetryFilter{IDs: r.IDs})
	}
	if r.All {
		filters = append(filters, store.RetryFilter{All: true})
	}
	return filters
}

// Summary is what a pass did.
type Summary struct {
	Reclaimed int64 // leases that had run out
	Retried   int   // images given another round
	Queued    int   // images put into the queue
	Kept      string
}

// String is the one line that a pass ends with.
func (s Summary) String() string {
	text := fmt.Sprintf("%d lease(s) taken back, %d image(s) given another round, %d image(s) queued",
		s.Reclaimed, s.Retried, s.Queued)
	if s.Kept != "" {
		text += " (" + s.Kept + ")"
	}
	return text
}

const (
	// page is how many images one statement and one publish handle.
	page = 1000
	// fresh is how long a row is left to the request that stored it and is
	// about to queue it: queued by a pass as well, a large post would be in the
	// queue twice.
	fresh = 5 * time.Second
)

// Redeemer makes passes.
type Redeemer struct {
	store Store
	queue Queue
	depth Depth
	opts  Options
	log   *slog.Logger
}

// New returns a Redeemer.
func New(st Store, q Queue, d Depth, opts Options, log *slog.Logger) *Redeemer {
	return &Redeemer{store: st, queue: q, depth: d, opts: opts, log: log}
}

// Run makes one pass. On error the summary tells what was done before it;
// nothing is left half-done that the next pass would not finish.
func (r *Redeemer) Run(ctx context.Context, req Request) (Summary, error) {
	var sum Summary
	var err error
	if sum.Reclaimed, err = r.store.ReclaimExpired(ctx); err != nil {
		return sum, err
	}
	if err := r.retry(ctx, req, &sum); err != nil {
		return sum, err
	}
	return sum, r.publish(ctx, &sum)
}

// retry gives another round: to what is due, and to what a person asked for.
func (r *Redeemer) retry(ctx context.Context, req Request, sum *Summary) error {
	// What is asked for comes first: it starts over, and what is due does not.
	for _, f := range append(req.filters(), store.RetryFilter{Due: true}) {
		f.Limit = page
		for {
			ids, err := r.store.Retry(ctx, f)
			if err != nil {
				return err
			}
			sum.Retried += len(ids)
			if len(ids) < page {
				break
			}
			f.After = ids[len(ids)-1]
		}
	}
	return nil
}

// publish queues what was never queued in its round, and what was but is not
// there any more. The queue is asked before the rows: a row that is queued
// while we look is then too young to count as lost.
func (r *Redeemer) publish(ctx context.Context, sum *Summary) error {
	begin := time.Now()
	lost := begin.Add(-r.opts.Settle)
	depth, unknown := r.depth.Depth(ctx)
	switch {
	case unknown != nil:
		unknown = fmt.Errorf("ask what the queue holds: %w", unknown)
		sum.Kept = "what the queue holds is not known, so what it may have lost was left"
	case !depth.Empty():
		sum.Kept = fmt.Sprintf("the queue is at work: %d waiting, %d in flight, %d deferred",
			depth.Waiting, depth.InFlight, depth.Deferred)
	}
	if sum.Kept != "" {
		lost = begin.Add(-r.opts.Stale)
	}
	if err := r.publishPages(ctx, r.store.NeverQueued, begin.Add(-fresh), sum); err != nil {
		return err
	}
	// Not to know is no reason to do nothing, and none to say that all is well.
	return errors.Join(r.publishPages(ctx, r.store.Queued, lost, sum), unknown)
}

// publishPages queues what list returns, a page at a time.
func (r *Redeemer) publishPages(ctx context.Context,
	list func(ctx context.Context, after int64, before time.Time, limit int) ([]int64, error),
	before time.Time, sum *Summary) error {
	var after int64
	for {
		ids, err := list(ctx, after, before, page)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := r.queue.Publish(ctx, ids); err != nil {
			return err
		}
		if err := r.store.MarkPublished(ctx, ids, time.Now()); err != nil {
			return err
		}
		sum.Queued += len(ids)
		after = ids[len(ids)-1]
	}
}

// ParseReasons reads a comma-separated list of reasons that a person may ask to
// be retried: those of outcomes.
func ParseReasons(list string) ([]faces.Reason, error) {
	var reasons []faces.Reason
	for word := range strings.SplitSeq(list, ",") {
		reason, err := faces.ParseReason(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		if reason == faces.Queued {
			return nil, fmt.Errorf("%s is no outcome: such images are looked at anyway", reason)
		}
		reasons = append(reasons, reason)
	}
	return reasons, nil
}
