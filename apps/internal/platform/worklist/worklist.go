// Package worklist is a bounded queue between producers and workers, built on
// one sync.Cond.
//
// The state is items and closed. mu guards both and is also the Cond's lock.
// Every waiter checks its condition in a loop. Every change of state broadcasts
// while holding the lock. Nothing that could block is called under the lock.
package worklist

import (
	"context"
	"errors"
	"sync"
)

// ErrClosed is returned by Push after Close, and by Pop and PopBatch once the
// list is closed and empty.
var ErrClosed = errors.New("work list is closed")

// List is a bounded first-in, first-out list. It is safe for concurrent use.
type List[T any] struct {
	mu     sync.Mutex // guards the fields below
	cond   *sync.Cond // L is &mu; broadcast on every change of the fields below
	items  []T
	limit  int
	closed bool
}

// New returns a List that holds at most limit items. A limit below 1 means 1.
func New[T any](limit int) *List[T] {
	l := &List[T]{limit: max(limit, 1)}
	l.cond = sync.NewCond(&l.mu)
	return l
}

// Push appends v. It blocks while the list is full, which slows down the
// producers. It returns ErrClosed after Close, or ctx's error.
func (l *List[T]) Push(ctx context.Context, v T) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.wait(ctx, func() bool { return l.closed || len(l.items) < l.limit }); err != nil {
		return err
	}
	if l.closed {
		return ErrClosed
	}
	l.items = append(l.items, v)
	l.cond.Broadcast()
	return nil
}

// Pop removes and returns the oldest item. It waits while the list is empty. It
// returns ErrClosed once the list is closed and empty, or ctx's error.
func (l *List[T]) Pop(ctx context.Context) (T, error) {
	batch, err := l.PopBatch(ctx, 1)
	if err != nil {
		var none T
		return none, err
	}
	return batch[0], nil
}

// PopBatch removes and returns the oldest items, at most limit. It waits only
// while the list is empty, never to fill a batch. It returns ErrClosed once the
// list is closed and empty, or ctx's error.
func (l *List[T]) PopBatch(ctx context.Context, limit int) ([]T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.wait(ctx, func() bool { return l.closed || len(l.items) > 0 }); err != nil {
		return nil, err
	}
	if len(l.items) == 0 {
		return nil, ErrClosed
	}
	n := min(max(limit, 1), len(l.items))
	batch := make([]T, n)
	copy(batch, l.items)
	rest := copy(l.items, l.items[n:])
	clear(l.items[rest:]) // release the references
	l.items = l.items[:rest]
	l.cond.Broadcast()
	return batch, nil
}

// Close makes Push fail. The items in the list can still be taken.
func (l *List[T]) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.cond.Broadcast()
}

// Drain closes the list, empties it and returns its items, oldest first.
func (l *List[T]) Drain() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	items := l.items
	l.items = nil
	l.cond.Broadcast()
	return items
}

// Len returns the number of waiting items.
func (l *List[T]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.items)
}

// wait returns nil once ready reports true, or ctx's error. The caller holds mu.
func (l *List[T]) wait(ctx context.Context, ready func() bool) error {
	if ready() {
		return nil
	}
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock() // or the broadcast could fall between a check and its Wait
		defer l.mu.Unlock()
		l.cond.Broadcast()
	})
	defer stop()
	for !ready() {
		if err := ctx.Err(); err != nil {
			return err
		}
		l.cond.Wait()
	}
	return nil
}
