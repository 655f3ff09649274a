// Package breaker is a circuit breaker: it stops calls to a service that keeps
// failing, asks it from time to time whether it is well again, and lets calls
// through once it is.
//
//	closed ── Failures failed calls in a row ──▶ open
//	open   ── Pause, then Ping fails ──▶ open, with twice the pause (to MaxPause)
//	open   ── Pause, then Ping succeeds ──▶ closed
//
// No call is risked to find out: the Ping is the service's own health check.
package breaker

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrOpen is returned by Do while no call goes through.
var ErrOpen = errors.New("the circuit is open")

// State is the state of the circuit.
type State int

// The states. The numbers are what the metric shows.
const (
	Closed State = iota // calls go through
	Open                // no call goes through
)

// String returns the state's name.
func (s State) String() string {
	if s == Open {
		return "open"
	}
	return "closed"
}

// Options say when a circuit opens and closes.
type Options struct {
	// Failures in a row open the circuit.
	Failures int
	// Pause is the time from opening to the first Ping; it doubles with every
	// Ping that fails, up to MaxPause.
	Pause, MaxPause time.Duration
	// Ping asks the service whether it is well. PingTimeout bounds it.
	Ping        func(ctx context.Context) error
	PingTimeout time.Duration
	// IsFault tells a fault of the service from an answer that happens to be an
	// error (a bad picture is not a failure of the service).
	IsFault func(err error) bool
	// OnChange is told of every change of state, and why, and of every Ping
	// that failed, with the pause before the next. It must not block.
	OnChange func(Change)
}

// Change is what happened to a circuit.
type Change struct {
	State State
	Err   error         // the failure that opened it or kept it open; nil on closing
	Next  time.Duration // until the next Ping, while open
	Still bool          // a Ping failed: the circuit stays open
}

// Breaker guards calls to one service. It is safe for concurrent use.
type Breaker struct {
	opts Options
	ctx  context.Context // ends with Close; bounds pings
	stop context.CancelFunc

	mu         sync.Mutex // guards the fields below
	state      State
	failures   int // in a row
	pause      time.Duration
	generation int           // grows with every change: tells old calls' results apart
	closed     chan struct{} // closed while the circuit is; replaced when it opens
}

// New returns a closed Breaker.
func New(opts Options) *Breaker {
	ctx, stop := context.WithCancel(context.Background())
	b := &Breaker{opts: opts, ctx: ctx, stop: stop, closed: make(chan struct{})}
	close(b.closed)
	return b
}

// Close ends the pings. The circuit stays as it is.
func (b *Breaker) Close() { b.stop() }

// State returns the state of the circuit.
func (b *Breaker) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// Do calls f unless the circuit is open; then it returns ErrOpen. An error of
// f is returned as it is. A call that was given up by its caller says nothing
// about the service.
func (b *Breaker) Do(ctx context.Context, f func(ctx context.Context) error) error {
	b.mu.Lock()
	state, generation := b.state, b.generation
	b.mu.Unlock()
	if state == Open {
		return ErrOpen
	}
	err := f(ctx)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	b.record(generation, err)
	return err
}

// WaitClosed returns once the circuit is closed, or ctx's error.
func (b *Breaker) WaitClosed(ctx context.Context) error {
	for {
		b.mu.Lock()
		state, closed := b.state, b.closed
		b.mu.Unlock()
		if state == Closed {
			return nil
		}
		select {
		case <-closed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// record counts the result of a call that began in a generation. A result of
// a generation that is over is old news.
func (b *Breaker) record(generation int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if generation != b.generation {
		return
	}
	if err == nil || !b.opts.IsFault(err) {
		b.failures = 0
		return
	}
	b.failures++
	if b.failures < b.opts.Failures {
		return
	}
	b.state, b.pause, b.closed = Open, b.opts.Pause, make(chan struct{})
	b.generation++
	b.changed(Change{State: Open, Err: err, Next: b.pause})
	go b.keepPinging(b.pause)
}

// keepPinging pings until the service is well. One runs while the circuit is open.
func (b *Breaker) keepPinging(pause time.Duration) {
	for {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-b.ctx.Done():
			timer.Stop()
			return
		}
		err := b.ping()
		if b.ctx.Err() != nil {
			return
		}
		if pause = b.pinged(err); pause == 0 {
			return
		}
	}
}

func (b *Breaker) ping() error {
	ctx, cancel := context.WithTimeout(b.ctx, b.opts.PingTimeout)
	defer cancel()
	return b.opts.Ping(ctx)
}

// pinged closes the circuit where the service is well, else it returns the
// next pause.
func (b *Breaker) pinged(err error) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.pause = min(2*b.pause, b.opts.MaxPause)
		b.changed(Change{State: Open, Err: err, Next: b.pause, Still: true})
		return b.pause
	}
	b.state, b.failures = Closed, 0
	b.generation++
	close(b.closed)
	b.changed(Change{State: Closed})
	return 0
}

func (b *Breaker) changed(c Change) {
	if b.opts.OnChange != nil {
		b.opts.OnChange(c)
	}
}
