package events

import (
	"context"
	"errors"
	"slices"
	"sort"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Newest makes a listener begin with the next event.
const Newest int64 = -1

// Listener goes through events. It is for one goroutine.
type Listener struct {
	feed  *Feed
	types []faces.EventType // none: all
	seen  faces.EventPosition
	era   int // in which the database has said that seen was the newest; 0 for none
}

// Listen returns a listener for the events after the last one that it has seen: an
// id, 0 for all that are kept, or Newest. Close it.
func (f *Feed) Listen(ctx context.Context, seen faces.EventPosition, types []faces.EventType) (*Listener, error) {
	if seen.ID == Newest {
		var err error
		if seen, err = f.newest(ctx); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	f.listeners++
	return &Listener{feed: f, types: types, seen: seen}, nil
}

// newest returns the position of the newest event.
func (f *Feed) newest(ctx context.Context) (faces.EventPosition, error) {
	has, err := f.store.EventRange(ctx)
	if err != nil {
		return faces.EventPosition{}, err
	}
	page, err := f.store.Events(ctx, has.Newest, nil, 1)
	return faces.EventPosition{ID: has.Newest, Check: page.Before}, err
}

// Close ends the listening.
func (l *Listener) Close() {
	l.feed.mu.Lock()
	defer l.feed.mu.Unlock()
	l.feed.listeners--
}

// Seen returns the position up to which the listener was given all events of its types.
func (l *Listener) Seen() faces.EventPosition { return l.seen }

// Next waits for events and returns them in order. If events are missing, it returns
// a *GoneError, and goes on with the oldest event that is kept.
func (l *Listener) Next(ctx context.Context) ([]faces.Event, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		list, inMemory, changed, err := l.fromMemory()
		if err == nil && !inMemory {
			list, err = l.fromDatabase(ctx)
			changed = nil
		}
		if err != nil || len(list) > 0 {
			return list, err
		}
		if changed == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

// fromMemory returns the events that the feed holds. If there are none yet, changed
// is closed when there may be some.
func (l *Listener) fromMemory() (list []faces.Event, ok bool, changed <-chan struct{}, err error) {
	f := l.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return nil, false, nil, ErrClosed
	case l.era != f.era || f.to >= 0 && l.seen.ID < f.from:
		return nil, false, nil, nil
	case l.seen.ID >= f.to:
		return nil, true, f.changed, nil
	}
	first := sort.Search(len(f.memory), func(i int) bool { return f.memory[i].ID > l.seen.ID })
	l.seen = faces.EventPosition{ID: f.to, Check: f.last}
	return l.wanted(f.memory[first:]), true, nil, nil
}

func (l *Listener) wanted(list []faces.Event) []faces.Event {
	if len(l.types) == 0 {
		return slices.Clone(list)
	}
	var wanted []faces.Event
	for _, e := range list {
		if slices.Contains(l.types, e.Type) {
			wanted = append(wanted, e)
		}
	}
	return wanted
}

// fromDatabase returns events that the feed does not hold. If none are left there,
// the listener goes on in the memory.
func (l *Listener) fromDatabase(ctx context.Context) ([]faces.Event, error) {
	era := l.feed.currentEra()
	page, err := l.feed.Page(ctx, l.seen, l.types, batch)
	var gone *GoneError
	if errors.As(err, &gone) {
		l.seen = faces.EventPosition{ID: gone.Has.After}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	l.seen = faces.EventPosition{ID: page.Next, Check: page.Last}
	if page.Next >= page.Has.Newest {
		l.era = era
	}
	return page.Events, nil
}

func (f *Feed) currentEra() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.era
}
