// Package breaker is a circuit breaker. It stops calls to a service that keeps
// failing, pings the service, and lets calls through again once a ping
// succeeds.
//
//	closed ── Failures failed calls in a row ──▶ open
//	open   ── Pause, then Ping fails ──▶ open, with twice the pause (to MaxPause)
//	open   ── Pause, then Ping succeeds ──▶ closed
//
// Unlike the usual half-open state, no real call is used as a probe: Ping is
// the service's own health check.
package breaker

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrOpen is returned by Do while the circuit is open.
var ErrOpen = errors.New("the circuit is open")

// State is the state of the circuit.
type State int

// The states. The numbers are the values of the metric.
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

// Options configures a Breaker. Ping and IsFault are required.
type Options struct {
	// Failures is the number of failed calls in a row that opens the circuit.
	Failures int
	// Pause is the time from opening to the first ping. It doubles with every
	// failed ping, up to MaxPause.
	Pause, MaxPause time.Duration
	// Ping asks the service whether it is healthy. PingTimeout bounds it.
	Ping        func(ctx context.Context) error
	PingTimeout time.Duration
	// IsFault reports whether an error means that the service is at fault. A
	// bad picture, for example, is an error but not a fault.
	IsFault func(err error) bool
	// OnChange is called on every change of state and after every failed ping.
	// The breaker's lock is held: it must not block or call the breaker. It may
	// be nil.
	OnChange func(Change)
}

// Change describes one event of a circuit.
type Change struct {
	State State
	Err   error         // why the circuit opened or stays open; nil when it closes
	Next  time.Duration // until the next ping, while open
	Still bool          // a ping failed and the circuit stays open
}

// Breaker guards calls to one service. It is safe for concurrent use.
type Breaker struct {
	opts Options
	ctx  context.Context // cancelled by Close; bounds pings
	stop context.CancelFunc

	mu         sync.Mutex // guards the fields below
	state      State
	failures   int // in a row
	pause      time.Duration
	generation int           // incremented on every change; marks results of older calls
	closed     chan struct{} // closed while the circuit is closed; replaced when it opens
	status     Status
}

// Status is the state of a circuit, for people.
type Status struct {
	State State
	Since time.Time // of the last change; zero before the first one
	Next  time.Time // of the next ping, while open
	Err   error     // why it is open
}

// New returns a Breaker whose circuit is closed.
func New(opts Options) *Breaker {
	ctx, stop := context.WithCancel(context.Background())
	b := &Breaker{opts: opts, ctx: ctx, stop: stop, closed: make(chan struct{})}
	close(b.closed)
	return b
}

// Close stops the pings. The circuit keeps its state.
func (b *Breaker) Close() { b.stop() }

// State returns the state of the circuit.
func (b *Breaker) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// Status returns the state of the circuit, since when, and when it is tried again.
func (b *Breaker) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}

// Do calls f, or returns ErrOpen if the circuit is open. It returns f's error
// unchanged. A call cancelled by its caller does not count.
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

// WaitClosed waits until the circuit is closed. The error is ctx's.
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

// record counts the result of a call. Results of calls that began before the
// last change of state are ignored.
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

// keepPinging pings until a ping succeeds. One runs while the circuit is open.
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

// pinged records the result of a ping. It closes the circuit and returns 0, or
// returns the pause before the next ping.
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

// changed notes a change and calls OnChange. The caller holds mu.
func (b *Breaker) changed(c Change) {
	now, next := time.Now(), time.Time{}
	if c.State == Open {
		next = now.Add(c.Next)
	}
	since := b.status.Since
	if !c.Still {
		since = now
	}
	b.status = Status{State: c.State, Since: since, Next: next, Err: c.Err}
	if b.opts.OnChange != nil {
		b.opts.OnChange(c)
	}
}
