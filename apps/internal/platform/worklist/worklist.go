// Package worklist hands work from those who receive it to those who do it:
// a bounded list guarded by one sync.Cond.
//
// The state is two values, items and closed, and both are guarded by mu, which
// is also the Cond's lock. Whoever waits checks its condition in a loop;
// whoever changes the state broadcasts while holding the lock; nothing is
// called that could block while the lock is held.
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

// New returns a List that holds at most limit items, at least one.
func New[T any](limit int) *List[T] {
	l := &List[T]{limit: max(limit, 1)}
	l.cond = sync.NewCond(&l.mu)
	return l
}

// Push appends v. It blocks while the list is full, which is how those who do
// the work slow down those who bring it.
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

// Pop removes the oldest item and waits for one where there is none.
func (l *List[T]) Pop(ctx context.Context) (T, error) {
	batch, err := l.PopBatch(ctx, 1)
	if err != nil {
		var none T
		return none, err
	}
	return batch[0], nil
}

// PopBatch removes what is there, oldest first and at most limit items; it
// waits where there is nothing. One item is a batch of one: it never waits to
// fill a batch.
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
	clear(l.items[rest:]) // let go of what was handed out
	l.items = l.items[:rest]
	l.cond.Broadcast()
	return batch, nil
}

// Close lets Push fail at once. What is in the list can still be taken.
func (l *List[T]) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.cond.Broadcast()
}

// Drain closes the list and returns what was in it.
func (l *List[T]) Drain() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	items := l.items
	l.items = nil
	l.cond.Broadcast()
	return items
}

// Len returns how many items wait.
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
		l.mu.Lock() // so that the broadcast cannot fall between a check and its Wait
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
