// Package redeemer gives failed and lost images another chance. One pass
// reclaims expired leases, starts a new round for images that failed because of
// a service, and queues images that the queue has lost.
//
// Two passes at the same time are harmless: rows are locked while they get a
// new round, and an id that is queued twice is claimed once.
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

// Store is the part of the database that a pass uses.
type Store interface {
	ReclaimExpired(ctx context.Context) (int64, error)
	Retry(ctx context.Context, f store.RetryFilter) ([]int64, error)
	NeverQueued(ctx context.Context, after int64, stored time.Time, limit int) ([]int64, error)
	Queued(ctx context.Context, after int64, before time.Time, limit int) ([]int64, error)
	MarkPublished(ctx context.Context, ids []int64, at time.Time) error
}

// Queue publishes image ids. Publishing an id twice is harmless.
type Queue interface {
	Publish(ctx context.Context, ids []int64) error
}

// Depth reports how many messages the queue holds.
type Depth interface {
	Depth(ctx context.Context) (imagequeue.Depth, error)
}

// Request is what an operator asks for in addition to the usual pass. An image
// is retried if any of the fields selects it.
type Request struct {
	Reasons []faces.Reason // retry images with these outcomes
	IDs     []int64        // retry these images, whatever their outcome
	All     bool           // retry every failed image
}

// filters returns one filter per field that is set. One filter with several
// fields would select only the images that match all of them.
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

// Summary counts what a pass did.
type Summary struct {
	Reclaimed int64  // expired leases
	Retried   int    // images given a new round
	Queued    int    // images published
	Kept      string // why images that may be lost were left alone; "" if they were queued
}

// String returns the one line that the program prints after a pass.
func (s Summary) String() string {
	text := fmt.Sprintf("%d expired lease(s) reclaimed, %d image(s) given a new round, %d image(s) queued",
		s.Reclaimed, s.Retried, s.Queued)
	if s.Kept != "" {
		text += " (" + s.Kept + ")"
	}
	return text
}

const (
	// page is the number of images per statement and per publish.
	page = 1000
	// fresh is the minimum age of a row that the pass queues. The request that
	// stored a younger row is about to queue it itself.
	fresh = 5 * time.Second
)

// Redeemer runs passes over the database.
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

// Run runs one pass. If it fails, the summary counts what was done before; the
// next pass continues from there.
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

// retry starts a new round for images that are due and for those requested.
func (r *Redeemer) retry(ctx context.Context, req Request, sum *Summary) error {
	// Requested images come first: their rounds start over from zero, those of
	// due images do not.
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

// publish queues the images that were never queued in their round and those
// that the queue has lost. The queue is asked before the rows are read, so that
// a row queued in between is too young to count as lost.
func (r *Redeemer) publish(ctx context.Context, sum *Summary) error {
	begin := time.Now()
	lost := begin.Add(-r.opts.Settle)
	depth, unknown := r.depth.Depth(ctx)
	switch {
	case unknown != nil:
		unknown = fmt.Errorf("get the queue's depth: %w", unknown)
		sum.Kept = "the queue's depth is unknown, so images that it may have lost were left alone"
	case !depth.Empty():
		sum.Kept = fmt.Sprintf("the queue is not empty: %d waiting, %d in flight, %d deferred",
			depth.Waiting, depth.InFlight, depth.Deferred)
	}
	if sum.Kept != "" {
		lost = begin.Add(-r.opts.Stale)
	}
	if err := r.publishPages(ctx, r.store.NeverQueued, begin.Add(-fresh), sum); err != nil {
		return err
	}
	// An unknown depth does not stop the pass, but the pass still fails.
	return errors.Join(r.publishPages(ctx, r.store.Queued, lost, sum), unknown)
}

// publishPages publishes the ids that list returns, one page at a time.
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

// ParseReasons parses a comma-separated list of reasons to retry. Only reasons
// of outcomes are valid: "queued" is not.
func ParseReasons(list string) ([]faces.Reason, error) {
	var reasons []faces.Reason
	for word := range strings.SplitSeq(list, ",") {
		reason, err := faces.ParseReason(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		if reason == faces.Queued {
			return nil, fmt.Errorf("%s is not an outcome; queued images are processed without a retry", reason)
		}
		reasons = append(reasons, reason)
	}
	return reasons, nil
}
