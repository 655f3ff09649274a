// Package processor takes image ids from the queue and sees each to an
// outcome: it leases the image, asks a recognizer, decides and records.
//
// Three work lists join its stages, and each stage takes what is there as a
// batch (one image is a batch of one):
//
//	queue ─▶ received ─▶ claim (one statement) ─▶ claimed ─▶ Calls × recognize
//	                                                            │
//	queue ◀─ finish or requeue ◀─ record (one transaction) ◀─ answered
//
// A message is finished only after the outcome of its image is in the database.
// A program makes a Processor with New, calls Start, hands it messages by Take,
// and calls Stop at its end.
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
	"golang.org/x/sync/semaphore"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/breaker"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/worklist"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Store is what a Processor needs of the database.
type Store interface {
	Claim(ctx context.Context, owner string, ids []int64, lease time.Duration) (store.Claim, error)
	Renew(ctx context.Context, leases []store.Lease, lease time.Duration) ([]store.Lease, error)
	Release(ctx context.Context, leases []store.Lease, refund bool) error
	Finish(ctx context.Context, results []store.Result) (stale []int64, err error)
	Owners(ctx context.Context, images []string) (map[string]faces.Person, error)
	Corrections(ctx context.Context, imageIDs []int64) ([]faces.Correction, error)
	CountKnownPeople(ctx context.Context, limit int) (int, error)
	UseModel(ctx context.Context, m faces.Model) error
}

// Recognizer is what a Processor needs of a recognizer.
type Recognizer interface {
	// Recognize looks at a picture, unless its file is still the known one.
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

// Processor sees images to their outcomes. It is safe for concurrent use.
type Processor struct {
	store      Store
	recognizer Recognizer
	opts       Options
	owner      string
	log        *slog.Logger
	breaker    *breaker.Breaker
	metrics    *metrics

	received *worklist.List[received]
	claimed  *worklist.List[task]
	answered *worklist.List[answer]
	// calling has one unit for each caller; whoever calls alone takes all.
	calling *semaphore.Weighted

	// Each context ends before the one above it does.
	writeCtx     context.Context // ends when nothing more can be written down
	cancelWrites context.CancelFunc
	workCtx      context.Context // ends when calls must be given up
	cancelWork   context.CancelFunc
	intakeCtx    context.Context // ends when nothing new may be begun
	cancelIntake context.CancelFunc
	claimer      sync.WaitGroup
	callers      sync.WaitGroup
	writer       sync.WaitGroup
	keeper       sync.WaitGroup

	notedModel faces.Model // the model set that the store knows of; used by the writer only
	dropped    atomic.Int64

	mu        sync.Mutex // guards the fields below
	held      map[store.Lease]context.CancelCauseFunc
	lastModel faces.Model
}

type received struct {
	id      int64
	message Message
}

type task struct {
	store.Claimed
	message Message
	ctx     context.Context // ends with the program's work, or with errLeaseLost
}

// New returns a Processor that waits for Start. owner names this process in
// the leases it takes.
func New(st Store, rec Recognizer, owner string, opts Options, log *slog.Logger, reg prometheus.Registerer) *Processor {
	p := &Processor{
		store: st, recognizer: rec, opts: opts, owner: owner, log: log,
		received: worklist.New[received](opts.InFlight),
		claimed:  worklist.New[task](opts.Calls),
		answered: worklist.New[answer](2 * opts.Batch),
		calling:  semaphore.NewWeighted(int64(opts.Calls)),
		held:     map[store.Lease]context.CancelCauseFunc{},
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

// isServiceFault reports whether an error is a service's fault and not the
// picture's.
func isServiceFault(err error) bool { return !faces.ReasonOf(err).Permanent() }

func (p *Processor) circuitChanged(c breaker.Change) {
	switch {
	case c.State == breaker.Closed:
		p.log.Info("the recognizer is back: circuit closed")
	case c.Still:
		p.log.Warn("the recognizer is still in trouble: images wait", "why", c.Err, "next ping in", c.Next)
		return // not a change
	default:
		p.log.Warn("the recognizer is in trouble: circuit open, images wait", "why", c.Err, "next ping in", c.Next)
	}
	p.metrics.changes.WithLabelValues(c.State.String()).Inc()
}

// Start begins the work.
func (p *Processor) Start() {
	p.claimer.Go(p.claim)
	for range p.opts.Calls {
		p.callers.Go(p.call)
	}
	p.writer.Go(p.record)
	p.keeper.Go(p.keepLeases)
}

// Take hands a message over. It blocks while the work list is full.
func (p *Processor) Take(id int64, m Message) {
	if err := p.received.Push(p.intakeCtx, received{id: id, message: m}); err != nil {
		m.Requeue(0) // stopping: somebody else may have it
	}
}

// Stop hands back what was not begun, lets calls in flight end and records
// them. Where ctx has a deadline, calls are given up and their images handed
// back when three quarters of the time are over; an eighth is left to the
// queue. It is an error where something could not be written down in time:
// those images are taken up again when their leases have run out.
func (p *Processor) Stop(ctx context.Context) error {
	defer callBeforeDeadline(ctx, 4, p.cancelWork)()
	defer callBeforeDeadline(ctx, 8, p.cancelWrites)()
	before := p.dropped.Load()
	p.cancelIntake()
	p.requeue(p.received.Drain(), 0, "stopping")
	p.claimer.Wait()
	p.handBack(p.claimed.Drain())
	p.callers.Wait()
	p.answered.Close()
	p.writer.Wait()
	p.cancelWrites()
	p.keeper.Wait()
	p.breaker.Close()
	if n := p.dropped.Load() - before; n > 0 {
		return fmt.Errorf("%d image(s) could not be handed back; their leases will run out", n)
	}
	return nil
}

// callBeforeDeadline calls f when only one part-th of the time until ctx's deadline is
// left (for part 4, a quarter), or when ctx ends. undo takes the call back.
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

// handBack gives back images that were leased and not started.
func (p *Processor) handBack(list []task) {
	for _, t := range list {
		p.push(answer{task: t, err: errStopping})
	}
}

// Reasons of the processor's own to end a call. They are no fault of the picture
// or of the recognizer.
var (
	errStopping  = errors.New("stopping")
	errLeaseLost = errors.New("the lease has gone to somebody else")
	// errOtherModel rejects the answer of a rescan that comes from another model
	// set than the rescan's: it would replace an answer that may be as good.
	errOtherModel = errors.New("a recognizer of another model set answered")
)

// Info are the facts that /readyz adds: the model set that answered last and
// the state of the circuit.
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
