// Package groupcommit lets concurrent callers share a commit. Items that come while
// batches are being committed wait, and the next batch takes all of them: batches
// grow with the load, and an item that comes alone is committed at once. There is no
// timer. Databases commit their log in this way; see "group commit" in
// DeWitt et al., Implementation Techniques for Main Memory Database Systems (1984).
//
//	group := groupcommit.New(groupcommit.Options[Post, Stored]{Commit: storeAll, …})
//	stored, err := group.Do(ctx, post)
package groupcommit

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// Options configures a Group. Commit is required, the other fields have defaults.
type Options[In, Out any] struct {
	// Commit commits a batch, all of it or nothing. It returns one result for each
	// item, in their order.
	Commit func(ctx context.Context, batch []In) ([]Out, error)
	// Shared reports whether an error would meet each item of a batch, such as that of
	// a database that is away. After any other error each item is committed alone, so
	// that only those at fault fail. nil: no error is shared.
	Shared func(err error) bool
	// Most is the largest batch. The default is 256.
	Most int
	// AtOnce is the number of batches that are committed at once. The default is 2:
	// one is prepared while the other waits for the disk.
	AtOnce int
	// Timeout is the longest time of a batch. The default is 30 seconds.
	Timeout time.Duration
}

// Group commits items in batches. It is safe for concurrent use. It has no
// goroutines while nothing is being committed.
type Group[In, Out any] struct {
	opts Options[In, Out]
	runs sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	waiting []*item[In, Out]
	running int // goroutines that commit
}

// item is what one caller wants to be committed. done is closed after the results
// are set.
type item[In, Out any] struct {
	in   In
	out  Out
	err  error
	done chan struct{}
}

// New returns a Group.
func New[In, Out any](opts Options[In, Out]) *Group[In, Out] {
	if opts.Most == 0 {
		opts.Most = 256
	}
	if opts.AtOnce == 0 {
		opts.AtOnce = 2
	}
	if opts.Timeout == 0 {
		opts.Timeout = 30 * time.Second
	}
	if opts.Shared == nil {
		opts.Shared = func(error) bool { return false }
	}
	return &Group[In, Out]{opts: opts}
}

// Do commits in, together with what others bring at the same time, and returns its
// result. If ctx ends first, Do returns its error; in may be committed nevertheless.
func (g *Group[In, Out]) Do(ctx context.Context, in In) (Out, error) {
	mine := &item[In, Out]{in: in, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, mine)
	if g.running < g.opts.AtOnce {
		g.running++
		g.runs.Go(g.run)
	}
	g.mu.Unlock()
	select {
	case <-mine.done:
		return mine.out, mine.err
	case <-ctx.Done():
		var none Out
		return none, context.Cause(ctx)
	}
}

// Wait waits until nothing is being committed. Nobody may call Do meanwhile.
func (g *Group[In, Out]) Wait() { g.runs.Wait() }

// run commits batches until nothing waits.
func (g *Group[In, Out]) run() {
	for batch := g.take(); len(batch) > 0; batch = g.take() {
		g.commit(batch)
		for _, i := range batch {
			close(i.done)
		}
	}
}

// take takes the next batch. If nothing waits, the caller has to end.
func (g *Group[In, Out]) take() []*item[In, Out] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.running--
		return nil
	}
	n := min(len(g.waiting), g.opts.Most)
	batch := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	return batch
}

// commit commits a batch and sets the results of its items.
func (g *Group[In, Out]) commit(batch []*item[In, Out]) {
	err := g.try(batch)
	if err == nil {
		return
	}
	if len(batch) == 1 || g.opts.Shared(err) {
		for _, i := range batch {
			i.err = err
		}
		return
	}
	for n, i := range batch {
		i.err = g.try(batch[n : n+1])
	}
}

// try commits a batch once and sets the results of its items if that succeeds.
func (g *Group[In, Out]) try(batch []*item[In, Out]) (err error) {
	// The callers' contexts differ, and those who stay must not fail with one who goes.
	ctx, cancel := context.WithTimeout(context.Background(), g.opts.Timeout)
	defer cancel()
	defer func() { // outside the callers' goroutines, a panic would end the program
		if p := recover(); p != nil {
			err = fmt.Errorf("commit a batch of %d: panic: %v\n%s", len(batch), p, debug.Stack())
		}
	}()
	ins := make([]In, len(batch))
	for n, i := range batch {
		ins[n] = i.in
	}
	outs, err := g.opts.Commit(ctx, ins)
	if err != nil {
		return err
	}
	if len(outs) != len(batch) {
		return fmt.Errorf("commit a batch of %d: it has %d results", len(batch), len(outs))
	}
	for n, i := range batch {
		i.out = outs[n]
	}
	return nil
}
