// Package events gives the changes of the database to those who listen.
//
// A Feed numbers committed events, deletes old ones, and reads new ones once for all
// listeners of its process. A Listener goes through the events one after another from
// an id on. What the Feed still holds in memory costs a listener nothing; older events
// it reads from the database.
//
//	feed := events.New(db, events.Options{…}, log, registry)
//	program.Add(feed.Part())
//	listener := feed.Listen(after, nil)
//	for {
//		list, err := listener.Next(ctx)
//		…
//	}
package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Store is the part of the database that a Feed uses.
type Store interface {
	SequenceEvents(ctx context.Context, limit int) (int, error)
	Events(ctx context.Context, after int64, types []faces.EventType, limit int) (store.EventPage, error)
	EventRange(ctx context.Context) (faces.EventRange, error)
	EventBacklog(ctx context.Context, limit int) (n int, since time.Time, err error)
	SweepEvents(ctx context.Context, keep store.EventLimits) (more bool, err error)
}

// Options configures a Feed.
type Options struct {
	Poll time.Duration // between two looks for new events; 0 is 500 ms
	Keep store.EventLimits
}

const (
	defaultPoll = 500 * time.Millisecond
	slowPoll    = 5 * time.Second // while the database cannot be reached
	batch       = 500             // events per read
	held        = 2000            // events in memory
	catchUps    = 2               // listeners that read from the database at once
	sweepEvery  = time.Minute
	countUpTo   = 10_000 // events without an id are counted so far
)

// ErrClosed is why Next ends: the process is stopping.
var ErrClosed = errors.New("the process is stopping")

// GoneError says that events are missing which a listener has not seen.
type GoneError struct {
	Seen int64 // the last event that the listener has seen
	Has  faces.EventRange
	// Other means that another event has this id now.
	Other bool
}

// Error implements error.
func (e *GoneError) Error() string {
	if e.Other {
		return fmt.Sprintf("event %d is not the one that was seen: the database was restored, or is another one", e.Seen)
	}
	if e.Seen > e.Has.Newest {
		return fmt.Sprintf("there is no event %d yet, the newest is %d: the database was restored, or is another one", e.Seen, e.Has.Newest)
	}
	return fmt.Sprintf("the events from %d to %d are not kept any more", e.Seen+1, e.Has.After)
}

// Feed is the events of a database. It is safe for concurrent use.
type Feed struct {
	store   Store
	opts    Options
	log     *slog.Logger
	metrics metrics
	reading chan struct{} // a place for each listener that reads from the database

	mu        sync.Mutex // guards the fields below
	listeners int
	era       int           // grows when the memory cannot be continued; listeners then ask the database
	from, to  int64         // memory has the events with ids above from, up to to
	last      string        // the check of the event with the id to; "" if it is not known
	memory    []faces.Event // in ascending order
	changed   chan struct{} // is closed when the fields above change
	closed    bool
}

// New returns a Feed. It registers its metrics in reg.
func New(st Store, opts Options, log *slog.Logger, reg prometheus.Registerer) *Feed {
	if opts.Poll == 0 {
		opts.Poll = defaultPoll
	}
	f := &Feed{
		store: st, opts: opts, log: log, reading: make(chan struct{}, catchUps), changed: make(chan struct{}),
		era: 1, from: -1, to: -1, // nothing is known yet
	}
	f.metrics = newMetrics(reg, f.countListeners)
	return f
}

// Part returns the Feed as a part of a program.
func (f *Feed) Part() lifecycle.Part {
	var cancel context.CancelFunc
	var loops sync.WaitGroup
	return lifecycle.Part{Name: "events", Start: func(ctx context.Context, _ func(error)) error {
		ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
		loops.Go(func() { f.poll(ctx) })
		loops.Go(func() { f.sweep(ctx) })
		return nil
	}, Stop: func(context.Context) error {
		f.Close()
		cancel()
		loops.Wait()
		return nil
	}}
}

// Close ends all listeners.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		close(f.changed)
	}
}

func (f *Feed) countListeners() float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return float64(f.listeners)
}

// poll numbers and reads new events until ctx ends.
func (f *Feed) poll(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		err := f.Poll(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			f.log.Warn("events are late", "error", err)
		}
		failing = err != nil
		pause := f.opts.Poll
		if failing {
			pause = slowPoll
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// Poll numbers the events that were committed, and reads them if somebody listens.
func (f *Feed) Poll(ctx context.Context) error {
	waiting, since, err := f.store.EventBacklog(ctx, 1)
	if err != nil {
		return err
	}
	f.metrics.observe(since)
	for waiting > 0 {
		n, err := f.store.SequenceEvents(ctx, batch)
		if err != nil {
			return err
		}
		f.metrics.sequenced.Add(float64(n))
		if waiting = n; n < batch {
			break
		}
	}
	return f.fetch(ctx)
}

// fetch reads new events into the memory.
func (f *Feed) fetch(ctx context.Context) error {
	for {
		f.mu.Lock()
		idle, after, last := f.listeners == 0, f.to, f.last
		if idle {
			f.forget()
		}
		f.mu.Unlock()
		if idle {
			return nil
		}
		if after < 0 {
			has, err := f.store.EventRange(ctx)
			if err != nil {
				return err
			}
			f.remember(has.Newest, has.Newest, "", nil)
			return nil
		}
		page, err := f.store.Events(ctx, after, nil, batch)
		if err != nil {
			return err
		}
		isOther := !faces.EventPosition{ID: after, Check: last}.Is(page.Before)
		if !page.Has.Has(after) || isOther { // a database was restored, or this process stood still for long
			f.log.Warn("the events do not go on where they were; was the database restored?", "seen", after, "newest", page.Has.Newest)
			f.mu.Lock()
			f.forget()
			f.mu.Unlock()
			continue
		}
		f.remember(after, page.Next, page.Last, page.Events)
		if len(page.Events) < batch {
			return nil
		}
	}
}

// forget empties the memory. The caller holds the lock.
func (f *Feed) forget() {
	f.era++
	f.from, f.to, f.last, f.memory = -1, -1, "", nil
}

// remember adds events to the memory, which then has all up to an id. last is the check
// of the event with that id.
func (f *Feed) remember(after, to int64, last string, list []faces.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	if f.to == to && len(list) == 0 {
		f.last = last
		return
	}
	if f.to != after {
		f.from, f.memory = after, nil
	}
	f.memory = append(slices.Clone(f.memory), list...) // listeners may hold parts of the old one
	if extra := len(f.memory) - held; extra > 0 {
		f.from = f.memory[extra-1].ID
		f.memory = f.memory[extra:]
	}
	f.to, f.last = to, last
	close(f.changed)
	f.changed = make(chan struct{})
}

// sweep deletes old events until ctx ends.
func (f *Feed) sweep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepEvery):
		}
		if err := f.Sweep(ctx); err != nil && ctx.Err() == nil {
			f.log.Warn("old events were not deleted", "error", err)
		}
	}
}

// Sweep deletes the events that the limits do not keep.
func (f *Feed) Sweep(ctx context.Context) error {
	n, _, err := f.store.EventBacklog(ctx, countUpTo)
	if err != nil {
		return err
	}
	f.metrics.backlog.Set(float64(n))
	for more := true; more && err == nil && ctx.Err() == nil; {
		more, err = f.store.SweepEvents(ctx, f.opts.Keep)
	}
	return err
}

// Page returns a page of events from the database, or a *GoneError. A seen of 0
// begins with the oldest event that is kept.
func (f *Feed) Page(ctx context.Context, seen faces.EventPosition, types []faces.EventType, limit int) (store.EventPage, error) {
	select {
	case f.reading <- struct{}{}:
	case <-ctx.Done():
		return store.EventPage{}, ctx.Err()
	}
	defer func() { <-f.reading }()
	page, err := f.store.Events(ctx, seen.ID, types, limit)
	if err != nil || seen.ID == 0 {
		return page, err
	}
	switch {
	case !page.Has.Has(seen.ID):
		err = &GoneError{Seen: seen.ID, Has: page.Has}
	case !seen.Is(page.Before):
		err = &GoneError{Seen: seen.ID, Has: page.Has, Other: true}
	}
	return page, err
}
