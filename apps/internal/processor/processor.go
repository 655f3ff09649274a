// Package processor takes image ids from the queue and gives each image an
// outcome: it leases the image, asks a recognizer, decides, and records.
//
// Three work lists connect its stages. Claim and record take everything on their
// list as one batch; claimed has lanes, so that images that failed before do not
// delay new ones:
//
//	queue ─▶ received ─▶ claim (one statement) ─▶ claimed ─▶ Calls × recognize
//	                                                            │
//	queue ◀─ finish or requeue ◀─ record (one transaction) ◀─ answered
//
// A message is finished only after the outcome of its image is in the database.
// A program makes a Processor with New, calls Start, passes messages to Take, and
// calls Stop at its end.
package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/breaker"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/worklist"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Store is the part of the database that a Processor uses.
type Store interface {
	Claim(ctx context.Context, owner string, ids []int64, lease time.Duration) (store.Claim, error)
	Renew(ctx context.Context, leases []store.Lease, lease time.Duration) ([]store.Lease, error)
	Release(ctx context.Context, leases []store.Lease, refund bool) error
	ReleaseSuspects(ctx context.Context, leases []store.Lease) error
	Finish(ctx context.Context, results []store.Result) (stale []int64, err error)
	Owners(ctx context.Context, images []string) (map[string]faces.Person, error)
	Corrections(ctx context.Context, imageIDs []int64) ([]faces.Correction, error)
	CountKnownPeople(ctx context.Context, limit int) (int, error)
	UseModel(ctx context.Context, m faces.Model) error
}

// Recognizer is the part of a recognizer that a Processor uses.
type Recognizer interface {
	// Recognize recognizes a picture, unless its file is still the known one.
	Recognize(ctx context.Context, path string, known faces.File) (faces.Recognition, error)
	Ping(ctx context.Context) error
}

// Message is one image id from the queue. The Processor calls exactly one of
// Finish and Requeue, exactly once.
type Message interface {
	Finish()
	Requeue(delay time.Duration)
}

// RetryPauses returns the redeemer's back-off schedule for images that failed
// because of a service. An image that fails after the last pause stays failed.
func RetryPauses() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 12 * time.Hour}
}

const pingTimeout = 5 * time.Second

// Processor gives images their outcomes. It is safe for concurrent use.
type Processor struct {
	store      Store
	recognizer Recognizer
	opts       Options
	owner      string
	log        *slog.Logger
	breaker    *breaker.Breaker
	metrics    *metrics
	tally      *operations.Tally

	received *worklist.List[received]
	claimed  *lanes
	answered *worklist.List[answer]
	suspects suspects

	// Each context is derived from the one above it.
	writeCtx     context.Context // ends when nothing may be written to the database any more
	cancelWrites context.CancelFunc
	workCtx      context.Context // ends when calls to recognizers must be given up
	cancelWork   context.CancelFunc
	intakeCtx    context.Context // ends when no new images may be started
	cancelIntake context.CancelFunc
	claimer      sync.WaitGroup
	callers      sync.WaitGroup
	writer       sync.WaitGroup
	keeper       sync.WaitGroup

	notedModel faces.Model // the model set that noteModel stored last; used by the writer only
	dropped    atomic.Int64

	mu        sync.Mutex // guards the fields below
	held      map[store.Lease]context.CancelCauseFunc
	lastModel faces.Model
}

type received struct {
	id      int64
	message Message
	at      time.Time
}

type task struct {
	store.Claimed
	message Message
	ctx     context.Context // derived from workCtx; cancelled with errLeaseLost
}

// New returns a Processor, which does nothing before Start. owner names this
// process in its leases.
func New(st Store, rec Recognizer, owner string, opts Options, log *slog.Logger, reg prometheus.Registerer) *Processor {
	p := &Processor{
		store: st, recognizer: rec, opts: opts, owner: owner, log: log,
		received: worklist.New[received](opts.InFlight),
		claimed:  newLanes(opts.Calls, opts.InFlight/4),
		answered: worklist.New[answer](2 * opts.Batch), tally: operations.NewTally(nil),
		held: map[store.Lease]context.CancelCauseFunc{},
	}
	p.writeCtx, p.cancelWrites = context.WithCancel(context.Background())
	p.workCtx, p.cancelWork = context.WithCancel(p.writeCtx)
	p.intakeCtx, p.cancelIntake = context.WithCancel(p.workCtx)
	p.breaker = breaker.New(breaker.Options{
		Failures: opts.Breaker.Failures, Pause: opts.Breaker.Pause, MaxPause: opts.Breaker.MaxPause,
		Ping: p.ping, PingTimeout: pingTimeout, IsFault: isServiceFault, OnChange: p.circuitChanged,
	})
	p.metrics = newMetrics(reg, p)
	return p
}

// isServiceFault reports whether an error is the fault of a service and not of the
// picture.
func isServiceFault(err error) bool { return !faces.ReasonOf(err).Permanent() }

func (p *Processor) circuitChanged(c breaker.Change) {
	switch {
	case c.State == breaker.Closed:
		p.log.Info("the recognizer is back: circuit closed")
	case c.Still:
		p.log.Warn("the recognizer is still in trouble: images wait", "error", c.Err, "next ping in", c.Next)
		return // not a change
	default:
		p.log.Warn("the recognizer is in trouble: circuit open, images wait", "error", c.Err, "next ping in", c.Next)
	}
	p.metrics.changes.WithLabelValues(c.State.String()).Inc()
}

// Start starts the stages.
func (p *Processor) Start() {
	p.claimer.Go(p.claim)
	for range p.opts.Calls {
		p.callers.Go(p.call)
	}
	p.writer.Go(p.record)
	p.keeper.Go(p.keepLeases)
}

// Take passes a message to the Processor. It blocks while the work list is full.
func (p *Processor) Take(id int64, m Message) {
	if err := p.received.Push(p.intakeCtx, received{id: id, message: m, at: time.Now()}); err != nil {
		m.Requeue(0) // stopping: another processor can take it
	}
}

// Stop hands back the images that were not started, waits for the calls in
// flight, and records their outcomes. If ctx has a deadline, Stop gives up the
// calls after three quarters of the time and hands back their images; after seven
// eighths it ends all writes, to leave the rest to the queue. It returns an error
// if images could not be written in time. They are processed again after their
// leases expire.
func (p *Processor) Stop(ctx context.Context) error {
	defer callBeforeDeadline(ctx, 4, p.cancelWork)()
	defer callBeforeDeadline(ctx, 8, p.cancelWrites)()
	before := p.dropped.Load()
	p.cancelIntake()
	p.requeue(p.received.Drain(), 0, "stopping")
	p.claimer.Wait()
	p.handBack(p.claimed.drain())
	p.callers.Wait()
	p.answered.Close()
	p.writer.Wait()
	p.cancelWrites()
	p.keeper.Wait()
	p.breaker.Close()
	if n := p.dropped.Load() - before; n > 0 {
		return fmt.Errorf("%d image(s) could not be handed back; their leases will expire", n)
	}
	return nil
}

// callBeforeDeadline calls f when 1/part of the time until ctx's deadline is left,
// or when ctx ends. undo cancels the call.
func callBeforeDeadline(ctx context.Context, part int, f func()) (undo func()) {
	end, ok := ctx.Deadline()
	if !ok {
		stop := context.AfterFunc(ctx, f)
		return func() { stop() }
	}
	early, cancel := context.WithDeadline(ctx, end.Add(-time.Until(end)/time.Duration(part)))
	stop := context.AfterFunc(early, f)
	return func() {
		stop()
		cancel()
	}
}

// handBack returns images to the queue that were leased and not started.
func (p *Processor) handBack(list []task) {
	for _, t := range list {
		p.push(answer{task: t, err: errStopping})
	}
}

// Errors of calls that the processor itself ends. Neither the picture nor the
// recognizer is at fault.
var (
	errStopping  = errors.New("stopping")
	errLeaseLost = errors.New("the lease was lost to another processor")
	// errOtherModel rejects an answer from another model set than the rescan's. It
	// could replace a better answer.
	errOtherModel = errors.New("a recognizer of another model set answered")
)

// Info returns what /readyz shows in addition: the model set that answered last
// and the state of the circuit.
func (p *Processor) Info() map[string]any {
	p.mu.Lock()
	m := p.lastModel
	p.mu.Unlock()
	info := map[string]any{"circuit": p.breaker.State().String()}
	if m.ID != "" {
		info["model"] = m.ID
	}
	return info
}

// Tally counts the images that p finished.
func (p *Processor) Tally() *operations.Tally { return p.tally }

// Operations returns how p is, for the page of operations.
func (p *Processor) Operations() *operations.Processor {
	p.mu.Lock()
	held := len(p.held)
	p.mu.Unlock()
	circuit := p.breaker.Status()
	now := &operations.Processor{
		Open: circuit.State == breaker.Open, Since: circuit.Since, NextTry: circuit.Next,
		InFlight: held, Received: p.received.Len(), Slowest: p.tally.Slowest(),
	}
	if circuit.Err != nil {
		now.Why = string(faces.ReasonOf(circuit.Err)) // its words can name a picture
	}
	return now
}
