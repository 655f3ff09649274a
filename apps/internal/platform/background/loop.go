// Package background runs work that a program does again and again beside its requests:
// a Loop, which starts and stops with the program and outlives a panic; Every, which is no
// more than a ticker and a context; and Repeats, which keeps a problem that lasts from
// filling the log.
package background

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Options says what a Loop does. All but Paused and Panicked are required.
type Options struct {
	What string        // "grouping faces", for logs and errors
	Poll time.Duration // the pause after a round that left nothing to do
	// Round works once, and reports whether there may be more to do.
	Round func(ctx context.Context) (more bool)
	// Paused is the pause after a round that took a time and left more to do. nil means
	// none. See Half.
	Paused func(took time.Duration) time.Duration
	// Panicked is called after a round that panicked. The next round is the next try.
	Panicked func()
	Log      *slog.Logger
}

// Half is a pause as long as the work before it. It leaves half of the time to others.
func Half(took time.Duration) time.Duration { return took }

// Loop calls Round again and again until it is stopped.
type Loop struct {
	opts   Options
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// New returns a Loop, which does nothing before Start.
func New(opts Options) *Loop {
	if opts.Paused == nil {
		opts.Paused = func(time.Duration) time.Duration { return 0 }
	}
	l := &Loop{opts: opts}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Start starts the work.
func (l *Loop) Start() { l.done.Go(l.run) }

// Stop ends the context of the round and waits until the round has returned, or until ctx
// ends, which is an error.
func (l *Loop) Stop(ctx context.Context) error {
	l.cancel()
	ended := make(chan struct{})
	go func() { l.done.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: %w", l.opts.What, ctx.Err())
	}
}

// Stopping reports whether Stop was called.
func (l *Loop) Stopping() bool { return l.ctx.Err() != nil }

func (l *Loop) run() {
	for {
		begin := time.Now()
		pause := l.opts.Poll
		if l.Once(l.ctx) {
			pause = l.opts.Paused(time.Since(begin))
		}
		select {
		case <-l.ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Once works once. A panic is logged, and there is nothing more to do then.
func (l *Loop) Once(ctx context.Context) (more bool) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		l.opts.Log.Error("panic", "where", l.opts.What, "panic", v, "stack", string(debug.Stack()))
		more = false
		if l.opts.Panicked != nil {
			l.opts.Panicked()
		}
	}()
	return l.opts.Round(ctx)
}
