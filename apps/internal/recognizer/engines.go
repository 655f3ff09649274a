package recognizer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
)

// pool lends engines. There is one for each core, because an engine works on
// one picture at a time.
type pool struct {
	size int
	// moved is when an engine was last acquired or released, in nanoseconds
	// since 1970.
	moved atomic.Int64
	// trim returns memory that the engines have freed to the system.
	trim func()

	mu   sync.Mutex // guards the fields below
	free []engine.Engine
	// waiting are the callers that wait, the longest first, by their urgency. A
	// caller gets its engine through its channel, which has room for it.
	waiting [urgencies][]chan engine.Engine
	streak  int // urgent callers that were served in a row while patient ones waited
}

// maxStreak keeps those who are urgent from having all engines for ever.
const maxStreak = 3

// urgency is who gets the next free engine.
type urgency int

const (
	urgent  urgency = iota // somebody waits for the answer
	patient                // such as a picture of a queue
	urgencies
)

// openPool opens n engines concurrently, since each takes a while.
func openPool(n int, open func() (engine.Engine, error)) (*pool, error) {
	p := &pool{size: n, trim: func() {}}
	var group errgroup.Group
	for range n {
		group.Go(func() error {
			e, err := open()
			if err == nil {
				p.release(e)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		for _, e := range p.free {
			e.Close()
		}
		return nil, fmt.Errorf("open engines: %w", err)
	}
	if t, ok := p.free[0].(engine.Trimmer); ok {
		p.trim = t.Trim
	}
	return p, nil
}

// acquire waits for a free engine. If ctx is done it fails even if an engine
// is free.
func (p *pool) acquire(ctx context.Context, u urgency) (engine.Engine, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("wait for a free engine: %w", err)
	}
	p.mu.Lock()
	if len(p.free) > 0 {
		e := p.free[0]
		p.free = append(p.free[:0], p.free[1:]...)
		p.mu.Unlock()
		p.moved.Store(time.Now().UnixNano())
		return e, nil
	}
	place := make(chan engine.Engine, 1)
	p.waiting[u] = append(p.waiting[u], place)
	p.mu.Unlock()
	select {
	case e := <-place:
		p.moved.Store(time.Now().UnixNano())
		return e, nil
	case <-ctx.Done():
		p.leave(u, place)
		return nil, fmt.Errorf("wait for a free engine: %w", ctx.Err())
	}
}

// leave ends the waiting of a caller that has given up. It passes on an engine
// that the caller was given at the same moment.
func (p *pool) leave(u urgency, place chan engine.Engine) {
	p.mu.Lock()
	if i := slices.Index(p.waiting[u], place); i >= 0 {
		p.waiting[u] = slices.Delete(p.waiting[u], i, i+1)
	}
	p.mu.Unlock()
	select {
	case e := <-place:
		p.release(e)
	default:
	}
}

// release gives an engine back to the caller whose turn it is.
func (p *pool) release(e engine.Engine) {
	p.moved.Store(time.Now().UnixNano())
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.next()
	if len(p.waiting[u]) == 0 {
		p.free = append(p.free, e)
		return
	}
	place := p.waiting[u][0]
	p.waiting[u] = slices.Delete(p.waiting[u], 0, 1)
	place <- e
}

// next returns whose turn it is: that of the urgent callers, if any wait, but after
// maxStreak of them that of a patient one. The caller holds mu.
func (p *pool) next() urgency {
	switch {
	case len(p.waiting[patient]) == 0:
		p.streak = 0
		return urgent
	case len(p.waiting[urgent]) == 0 || p.streak >= maxStreak:
		p.streak = 0
		return patient
	default:
		p.streak++
		return urgent
	}
}

func (p *pool) freeEngines() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free)
}

// stuck reports whether no engine has become free for longer than any picture
// takes. The engines hang then, and callers wait in vain.
func (p *pool) stuck(after time.Duration) bool {
	return p.freeEngines() == 0 && time.Since(time.Unix(0, p.moved.Load())) > after
}

// idleSince returns when the last engine was released. It returns false while
// one is in use.
func (p *pool) idleSince() (time.Time, bool) {
	return time.Unix(0, p.moved.Load()), p.freeEngines() == p.size
}

// close waits for every engine and closes them all. Closing an engine while
// it works would crash the process.
func (p *pool) close(ctx context.Context) error {
	for range p.size {
		e, err := p.acquire(ctx, patient)
		if err != nil {
			return err
		}
		e.Close()
	}
	return nil
}
