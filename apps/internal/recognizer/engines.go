package recognizer

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
)

// pool lends engines. There is one for each core, because an engine works on
// one picture at a time.
type pool struct {
	free chan engine.Engine
	// moved is when an engine was last acquired or released, in nanoseconds
	// since 1970.
	moved atomic.Int64
	// trim returns memory that the engines have freed to the system.
	trim func()
}

// openPool opens n engines concurrently, since each takes a while.
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

// acquire waits for a free engine. If ctx is done it fails even if an engine
// is free.
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

// stuck reports whether no engine has become free for longer than any picture
// takes. The engines hang then, and callers wait in vain.
func (p *pool) stuck(after time.Duration) bool {
	return len(p.free) == 0 && time.Since(time.Unix(0, p.moved.Load())) > after
}

// idleSince returns when the last engine was released. It returns false while
// one is in use.
func (p *pool) idleSince() (time.Time, bool) {
	return time.Unix(0, p.moved.Load()), len(p.free) == cap(p.free)
}

// close waits for every engine and closes them all. Closing an engine while
// it works would crash the process.
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
