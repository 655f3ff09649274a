package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	firstPause = 200 * time.Millisecond // between two starts that failed; it doubles
	maxPause   = 10 * time.Second
	// maxResent is the largest file that is kept after Look, in bytes: each worker
	// keeps one, beyond every budget of its caller.
	maxResent = 16 << 20
)

// errClosed is what a worker returns after Close.
var errClosed = errors.New("the worker is closed")

// proxy is an engine.Engine whose work is done by a child process.
type proxy struct {
	opts   Options
	budget budget
	stop   context.CancelFunc
	keeper sync.WaitGroup

	mu      sync.Mutex
	child   *child        // nil while there is none
	problem error         // why there is none, where that is known
	changed chan struct{} // closed when child or problem change
	busy    bool
	used    time.Time // when the last call ended
	heavy   int       // pictures in a row that left the child above RestMemory
	last    *picture
}

// picture is what Look saw last, kept for Reexamine on another child.
type picture struct {
	file    []byte // nil once the worker was at rest, or if it is large
	purpose engine.Purpose
	box     *faces.Box // that was described; nil after Look
	child   *child     // that looked at it
}

// seenBy has a child look at the picture.
func (p *picture) seenBy(ctx context.Context, c *child, b budget, file []byte) (engine.Seen, error) {
	if p.box != nil {
		return c.describe(ctx, b, file, *p.box)
	}
	return c.look(ctx, b, file, p.purpose)
}

// Start starts a child and returns the engine that it runs. ctx bounds the
// start only; Close ends the child. An engine that cannot be opened makes Start
// fail with the engine's own message.
//
// The engine returns what the child's engine returns, and besides:
//   - a fault faces.ImageTooLarge where the picture exceeded its budget;
//   - a fault faces.CorruptImage where the picture crashed two children;
//   - ctx's error where ctx ended, which is no fault of the picture;
//   - another error where no child can be had, where the engine fails on the
//     probe too, or where children were killed from outside.
func Start(ctx context.Context, opts Options) (engine.Engine, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	c, err := start(ctx, opts)
	if err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.Background())
	p := &proxy{
		opts: opts, budget: budget{opts.PictureTimeout, opts.PictureMemory, opts.CancelGrace},
		stop: stop, child: c, changed: make(chan struct{}), used: time.Now(),
	}
	p.keeper.Go(func() { p.keep(life, c) })
	return p, nil
}

// Look implements engine.Engine.
func (p *proxy) Look(ctx context.Context, file []byte, purpose engine.Purpose) (engine.Seen, error) {
	return p.see(ctx, file, picture{purpose: purpose})
}

// DescribeBox implements engine.BoxDescriber.
func (p *proxy) DescribeBox(ctx context.Context, file []byte, box faces.Box) (engine.Seen, error) {
	return p.see(ctx, file, picture{box: &box})
}

func (p *proxy) see(ctx context.Context, file []byte, what picture) (engine.Seen, error) {
	p.begin()
	defer p.finish()
	p.last = nil
	if len(file) > MaxFile {
		return engine.Seen{}, faces.Fault(faces.ImageTooLarge, "the file is larger than %d MiB", MaxFile>>20)
	}
	var seen engine.Seen
	err := p.attempt(ctx, func(c *child) (err error) {
		seen, err = what.seenBy(ctx, c, p.budget, file)
		p.last = &picture{purpose: what.purpose, box: what.box, child: c}
		if len(file) <= maxResent {
			p.last.file = file
		}
		return err
	})
	if err != nil {
		p.last = nil
		return engine.Seen{}, err
	}
	return seen, nil
}

// Reexamine implements engine.Engine. Where the child that looked at the picture
// has ended, the next one looks at it first.
func (p *proxy) Reexamine(ctx context.Context, numbers []int) ([]faces.Descriptor, error) {
	p.begin()
	defer p.finish()
	if p.last == nil {
		return nil, errors.New("reexamine faces: no picture was looked at before")
	}
	if len(numbers) == 0 {
		return nil, nil
	}
	var list []faces.Descriptor
	err := p.attempt(ctx, func(c *child) (err error) {
		if p.last.child != c {
			if p.last.file == nil {
				return errors.New("reexamine faces: the worker that looked at the picture has been replaced since")
			}
			if _, err := p.last.seenBy(ctx, c, p.budget, p.last.file); err != nil {
				return err
			}
			p.last.child = c
		}
		list, err = c.reexamine(ctx, p.budget, numbers)
		return err
	})
	return list, err
}

// Render implements engine.Renderer.
func (p *proxy) Render(ctx context.Context, file []byte, r faces.Rendering) (faces.Rendered, error) {
	p.begin()
	defer p.finish()
	p.last = nil
	if len(file) > MaxFile {
		return faces.Rendered{}, faces.Fault(faces.ImageTooLarge, "the file is larger than %d MiB", MaxFile>>20)
	}
	var rendered faces.Rendered
	err := p.attempt(ctx, func(c *child) (err error) {
		rendered, err = c.render(ctx, p.budget, file, r)
		return err
	})
	if err != nil {
		return faces.Rendered{}, err
	}
	return rendered, nil
}

// Close ends the child.
func (p *proxy) Close() {
	p.stop()
	p.keeper.Wait()
}

// attempt runs a task on a child. If the child crashes, the task runs once more
// on another: the crash may have been the machine's.
func (p *proxy) attempt(ctx context.Context, task func(*child) error) error {
	for crashes := 0; ; {
		c, err := p.acquire(ctx)
		if err != nil {
			return err
		}
		err = task(c)
		var e *ending
		if !errors.As(err, &e) {
			return err
		}
		p.opts.Log.Warn("a worker process ended while it looked at a picture", "cause", e.cause, "how", e.how)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case e.cause == Recycle:
			continue // the worker is being closed, and acquire says so
		case e.cause == Crash && crashes == 0:
			crashes++
			continue
		case e.outside && e.peak < p.opts.RestMemory:
			return fmt.Errorf("worker processes were killed from outside twice: %w", e)
		}
		return p.blame(ctx, p.fault(e))
	}
}

// fault says what a picture did to its child.
func (p *proxy) fault(e *ending) *faces.Error {
	switch {
	case e.cause == Time:
		return faces.Fault(faces.ImageTooLarge, "looking at the picture took more than %v; a smaller copy of it will do", p.opts.PictureTimeout)
	case e.cause == Memory:
		return faces.Fault(faces.ImageTooLarge, "looking at the picture took more than %d MiB of memory; a smaller copy of it will do", p.opts.PictureMemory>>20)
	case e.outside:
		return faces.Fault(faces.ImageTooLarge, "the system ran out of memory while it looked at the picture, twice; a smaller copy of it will do").WithCause(e)
	default:
		return faces.Fault(faces.CorruptImage, "the picture makes the recognizer crash; it is damaged or hostile").WithCause(e)
	}
}

// blame returns the fault, unless the engine fails on the probe as well.
func (p *proxy) blame(ctx context.Context, fault *faces.Error) error {
	if len(p.opts.Probe) == 0 {
		return fault
	}
	c, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	_, err = c.look(ctx, p.budget, p.opts.Probe, engine.Ask)
	switch {
	case err == nil:
		return fault
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return fmt.Errorf("the recognizer fails on its own test picture too: %w", err)
	}
}

// acquire waits for a child that is fit for use.
func (p *proxy) acquire(ctx context.Context) (*child, error) {
	for {
		p.mu.Lock()
		c, problem, changed := p.child, p.problem, p.changed
		p.mu.Unlock()
		if problem != nil {
			return nil, problem
		}
		if c != nil {
			if _, ended := c.ended(); !ended {
				return c, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// begin marks the worker as in use.
func (p *proxy) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = true
}

// finish marks the worker as free. A child that stayed too large for too many
// pictures in a row is ended: a worker under load is never at rest.
func (p *proxy) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy, p.used = false, time.Now()
	if p.child == nil {
		return
	}
	if p.child.memory() <= p.opts.RestMemory {
		p.heavy = 0
		return
	}
	if p.heavy++; p.heavy >= p.opts.RestPictures {
		p.child.end(Recycle)
	}
}

// set stores the present child, or why there is none.
func (p *proxy) set(c *child, problem error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.child, p.problem, p.heavy = c, problem, 0
	close(p.changed)
	p.changed = make(chan struct{})
}

// keep replaces the child each time it ends, until ctx does. The next child
// starts when the last has gone, so that the memory of two is never needed.
func (p *proxy) keep(ctx context.Context, c *child) {
	ticker := time.NewTicker(p.opts.RestAfter / 2)
	defer ticker.Stop()
	for c != nil {
		select {
		case <-ctx.Done():
			c.end(Recycle)
			<-c.gone
			p.set(nil, errClosed)
			return
		case <-ticker.C:
			p.rest()
		case <-c.gone:
			p.set(nil, nil)
			c.end(Crash) // unless there was another cause
			cause, _ := c.ended()
			p.opts.Replaced(cause)
			p.opts.Log.Info("a worker process is replaced", "cause", cause, "how", c.cmd.ProcessState.String())
			c = p.restart(ctx)
		}
	}
	p.set(nil, errClosed)
}

// restart starts the next child, however often that takes. It returns nil once
// ctx has ended.
func (p *proxy) restart(ctx context.Context) *child {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		c, err := start(ctx, p.opts)
		if err == nil {
			p.set(c, nil)
			return c
		}
		if ctx.Err() != nil {
			return nil
		}
		p.set(nil, err)
		p.opts.Log.Error("a worker process cannot be started; trying again", "error", err, "in", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// rest ends a child that is idle and still large, after it had the time to trim
// itself.
func (p *proxy) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy || p.child == nil || time.Since(p.used) < p.opts.RestAfter {
		return
	}
	if p.last != nil {
		p.last.file = nil // the child still has it
	}
	if p.child.memory() > p.opts.RestMemory {
		p.child.end(Recycle)
	}
}
