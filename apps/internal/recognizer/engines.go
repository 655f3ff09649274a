package recognizer

// This file owns the engines: a pool with one for each core, because one
// engine works on one picture at a time.

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
)

// pool lends engines to one caller at a time.
type pool struct {
	free chan engine.Engine
	// moved is when an engine was last lent or given back, in nanoseconds
	// since 1970.
	moved atomic.Int64
	// trim gives memory that the engines have freed back to the system.
	trim func()
}

// openPool opens n engines at once, since each takes a while.
func openPool(n int, open func() (engine.Engine, error)) (*pool, error) {
	p := &pool{free: make(chan engine.Engine, n), trim: func() {}}
	var group errgroup.Group
	for range n {
		group.Go(func() error {
			e, err := open()
			if err == nil {
				p.free <- e
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		close(p.free)
		for e := range p.free {
			e.Close()
		}
		return nil, fmt.Errorf("open engines: %w", err)
	}
	e := <-p.free
	if t, ok := e.(engine.Trimmer); ok {
		p.trim = t.Trim
	}
	p.free <- e
	return p, nil
}

// acquire waits for a free engine. A caller who has given up gets none, also
// where one is free.
func (p *pool) acquire(ctx context.Context) (engine.Engine, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("wait for a free engine: %w", err)
	}
	select {
	case e := <-p.free:
		p.moved.Store(time.Now().UnixNano())
		return e, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a free engine: %w", ctx.Err())
	}
}

func (p *pool) release(e engine.Engine) {
	p.moved.Store(time.Now().UnixNano())
	p.free <- e
}

// stuck reports whether every engine has been with its picture for longer than
// any picture takes: they hang, and whoever asks waits in vain.
func (p *pool) stuck(after time.Duration) bool {
	return len(p.free) == 0 && time.Since(time.Unix(0, p.moved.Load())) > after
}

// idleSince returns when the last engine came back; false while one is lent.
func (p *pool) idleSince() (time.Time, bool) {
	return time.Unix(0, p.moved.Load()), len(p.free) == cap(p.free)
}

// close waits until every engine is back and closes them all. An engine that
// is closed while it works would take the process down.
func (p *pool) close(ctx context.Context) error {
	for range cap(p.free) {
		e, err := p.acquire(ctx)
		if err != nil {
			return err
		}
		e.Close()
	}
	return nil
}
