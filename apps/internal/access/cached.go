package access

import (
	"context"
	"sync"
	"time"
)

const (
	// loadPause is the shortest time between the starts of two loads: whoever sends
	// wrong keys causes no more work than that.
	loadPause = 100 * time.Millisecond
	// loadTime limits a load. It is shared, so no request's own end ends it.
	loadTime = 10 * time.Second
)

// cached is a value that is loaded when it is asked for and not fresh enough. All
// who ask at once share one load. It is safe for concurrent use.
type cached[T any] struct {
	load func(ctx context.Context) (T, error)

	mu      sync.Mutex // guards the fields below
	value   T
	asOf    time.Time // when the load of value began; zero: never
	begun   time.Time // when the last load began
	loading chan struct{}
	err     error // of the last load
}

// get returns a value whose load began after a time.
func (c *cached[T]) get(ctx context.Context, since time.Time) (T, error) {
	asked := time.Now()
	for {
		c.mu.Lock()
		value, fresh, wait := c.value, c.asOf.After(since), c.loading
		switch {
		case fresh:
			c.mu.Unlock()
			return value, nil
		case wait != nil:
			c.mu.Unlock()
		case c.err != nil && !c.begun.Before(asked):
			err := c.err
			c.mu.Unlock()
			return value, err
		default:
			wait = make(chan struct{})
			c.loading = wait
			pause := time.Until(c.begun.Add(loadPause))
			c.mu.Unlock()
			go c.run(context.WithoutCancel(ctx), pause, wait)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return value, ctx.Err()
		}
	}
}

func (c *cached[T]) run(ctx context.Context, pause time.Duration, done chan struct{}) {
	if pause > 0 {
		time.Sleep(pause)
	}
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	begun := time.Now()
	value, err := c.load(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun, c.err, c.loading = begun, err, nil
	if err == nil {
		c.value, c.asOf = value, begun
	}
	close(done)
}
