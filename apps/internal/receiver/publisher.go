package receiver

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Rows is what a Publisher needs of the database.
type Rows interface {
	MarkPublished(ctx context.Context, ids []int64, at time.Time) error
	Unpublished(ctx context.Context, after int64, before time.Time, limit int) ([]int64, error)
}

// Producer is what a Publisher needs of the queue.
type Producer interface {
	Publish(ctx context.Context, ids []int64) error
}

const (
	markEvery    = 50 * time.Millisecond // published ids are noted in batches
	catchUpEvery = time.Second           // while ids are known to be left behind
	sweepEvery   = time.Minute           // for those of a process that died
	page         = 1000
	markTimeout  = 30 * time.Second
	// settle is how old a row must be before a sweep takes it: the request that
	// stored it is about to queue it.
	settle = 5 * time.Second
)

// Publisher queues images and notes that it did. The row is the truth: what
// cannot be queued now is queued as soon as nsqd is back. It is safe for
// concurrent use.
type Publisher struct {
	rows     Rows
	producer Producer
	log      *slog.Logger
	failures prometheus.Counter

	behind       atomic.Bool        // ids are left behind: the queue did not take them
	stop         context.CancelFunc // ends the loops after their current turn
	writeCtx     context.Context    // of the turns' writes
	cancelWrites context.CancelFunc // ends writeCtx
	loops        sync.WaitGroup

	mu     sync.Mutex // guards queued
	queued []int64    // published, not yet noted
}

// NewPublisher returns a Publisher that waits for Start.
func NewPublisher(rows Rows, producer Producer, log *slog.Logger, reg prometheus.Registerer) *Publisher {
	p := &Publisher{rows: rows, producer: producer, log: log, failures: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "rollcall_publish_failures_total", Help: "Times the queue did not take images.",
	})}
	reg.MustRegister(p.failures)
	return p
}

// Publish queues the ids and reports whether it could. While the queue is
// known to be away it does not keep the caller waiting. A caller that goes away
// changes nothing: the rows are stored and belong into the queue.
func (p *Publisher) Publish(ctx context.Context, ids []int64) bool {
	if p.behind.Load() {
		return false
	}
	if err := p.producer.Publish(context.WithoutCancel(ctx), ids); err != nil {
		p.refused(err)
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queued = append(p.queued, ids...)
	return true
}

// refused counts an attempt to queue images that failed, and tells of the
// first: from then on requests do not ask the queue.
func (p *Publisher) refused(err error) {
	p.failures.Inc()
	if !p.behind.Swap(true) {
		p.log.Warn("the queue does not take images; they are stored and will be queued later", "why", err)
	}
}

// Start begins to note what was queued and to queue what was left behind.
func (p *Publisher) Start() {
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.writeCtx, p.cancelWrites = context.WithCancel(context.Background())
	p.loops.Go(func() { p.every(ctx, markEvery, func() { p.mark(p.writeCtx) }) })
	p.loops.Go(func() {
		p.sweep(ctx)
		swept := time.Now()
		p.every(ctx, catchUpEvery, func() {
			if p.behind.Load() || time.Since(swept) >= sweepEvery {
				swept = time.Now()
				p.sweep(ctx)
			}
		})
	})
}

// Stop ends the loops and notes what was queued, unless ctx ends first.
func (p *Publisher) Stop(ctx context.Context) {
	p.stop()
	defer context.AfterFunc(ctx, p.cancelWrites)()
	p.loops.Wait()
	p.mark(p.writeCtx)
	p.cancelWrites()
}

func (p *Publisher) every(ctx context.Context, pause time.Duration, f func()) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}

// mark notes what was queued. If it cannot, the ids are queued once more some
// day, which does no harm.
func (p *Publisher) mark(ctx context.Context) {
	p.mu.Lock()
	ids := p.queued
	p.queued = nil
	p.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, markTimeout)
	defer cancel()
	if err := p.rows.MarkPublished(ctx, ids, time.Now()); err != nil {
		p.log.Warn("cannot note that images were queued", "images", len(ids), "why", err)
	}
}

// sweep queues what was stored and never queued.
func (p *Publisher) sweep(ctx context.Context) {
	wasBehind := p.behind.Load()
	if !p.sweepOnce(ctx, wasBehind) {
		return
	}
	if wasBehind {
		// From here on requests queue their own. Those that were told
		// meanwhile that the queue is away have stored their rows already.
		p.behind.Store(false)
		p.sweepOnce(ctx, true)
	}
}

// sweepOnce reports whether nothing is left. While ids are known to be left
// behind none is about to be queued by its request, so that age does not count.
func (p *Publisher) sweepOnce(ctx context.Context, behind bool) bool {
	before := time.Now()
	if !behind {
		before = before.Add(-settle)
	}
	var after int64
	for total := 0; ctx.Err() == nil; {
		ids, err := p.rows.Unpublished(ctx, after, before, page)
		if err != nil {
			p.log.Debug("cannot look for images that were never queued", "why", err)
			return false
		}
		if len(ids) == 0 {
			if total > 0 {
				p.log.Info("queued images that were left behind", "images", total)
			}
			return true
		}
		if err := p.producer.Publish(ctx, ids); err != nil {
			if !errors.Is(err, context.Canceled) { // which is our own end
				p.refused(err)
			}
			return false
		}
		if err := p.rows.MarkPublished(ctx, ids, time.Now()); err != nil {
			p.log.Warn("cannot note that images were queued", "images", len(ids), "why", err)
		}
		after = ids[len(ids)-1]
		total += len(ids)
	}
	return false
}
