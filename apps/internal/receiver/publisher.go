package receiver

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
)

// Rows is the part of the database that a Publisher uses.
type Rows interface {
	MarkPublished(ctx context.Context, ids []int64, at time.Time) error
	Unpublished(ctx context.Context, after int64, before time.Time, limit int) ([]int64, error)
}

// Producer publishes to the queue.
type Producer interface {
	Publish(ctx context.Context, ids []int64) error
}

const (
	markEvery    = 50 * time.Millisecond // published ids are stored in batches
	catchUpEvery = time.Second           // between sweeps while the queue is known to refuse ids
	sweepEvery   = time.Minute           // between sweeps otherwise, for ids of a process that died
	page         = 1000
	markTimeout  = 30 * time.Second
	// settle is the minimum age of a row for a sweep. The request that stored a
	// younger row is about to publish it itself.
	settle = 5 * time.Second
)

// Publisher publishes image ids to the queue and stores that it did. Ids that the
// queue refuses are published from their rows as soon as nsqd is back. It is safe
// for concurrent use.
type Publisher struct {
	rows     Rows
	producer Producer
	log      *slog.Logger
	failures prometheus.Counter
	seconds  *prometheus.HistogramVec

	behind       atomic.Bool        // the queue refused ids, which are still to be published
	stop         context.CancelFunc // ends the loops after their current iteration
	writeCtx     context.Context    // for the loops' writes
	cancelWrites context.CancelFunc // ends writeCtx
	loops        sync.WaitGroup

	mu     sync.Mutex // guards queued
	queued []int64    // published, but not yet marked in the database
}

// NewPublisher returns a Publisher. Call Start before Publish.
func NewPublisher(rows Rows, producer Producer, log *slog.Logger, reg prometheus.Registerer) *Publisher {
	p := &Publisher{
		rows: rows, producer: producer, log: log,
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_publish_failures_total", Help: "Times the queue did not take images.",
		}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_publish_seconds", Help: "Time of publishing a batch of images to the queue, by result: ok, failed.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 12), // to 12 s
		}, []string{"result"}),
	}
	reg.MustRegister(p.failures, p.seconds)
	for _, result := range []string{"ok", "failed"} {
		p.seconds.WithLabelValues(result)
	}
	return p
}

// publish publishes ids and measures how long that takes.
func (p *Publisher) publish(ctx context.Context, ids []int64) error {
	begin, result := time.Now(), "ok"
	err := p.producer.Publish(ctx, ids)
	if err != nil {
		result = "failed"
	}
	p.seconds.WithLabelValues(result).Observe(time.Since(begin).Seconds())
	return err
}

// Publish publishes the ids and reports whether it succeeded. While the queue is
// known to refuse ids, it returns false at once. It ignores the cancellation of
// ctx, because the rows are stored and must be queued even if the client has gone.
func (p *Publisher) Publish(ctx context.Context, ids []int64) bool {
	if p.behind.Load() {
		return false
	}
	if err := p.publish(context.WithoutCancel(ctx), ids); err != nil {
		p.refused(err)
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queued = append(p.queued, ids...)
	return true
}

// refused counts a failed attempt to publish and logs the first. Afterwards
// requests do not ask the queue until a sweep has succeeded.
func (p *Publisher) refused(err error) {
	p.failures.Inc()
	if !p.behind.Swap(true) {
		p.log.Warn("the queue does not take images; they are stored and will be queued later", "error", err)
	}
}

// Start starts the loops that mark published ids and sweep up unpublished ones.
func (p *Publisher) Start() {
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.writeCtx, p.cancelWrites = context.WithCancel(context.Background())
	p.loops.Go(func() { background.Every(ctx, markEvery, func(context.Context) { p.mark(p.writeCtx) }) })
	p.loops.Go(func() {
		p.sweep(ctx)
		swept := time.Now()
		background.Every(ctx, catchUpEvery, func(ctx context.Context) {
			if p.behind.Load() || time.Since(swept) >= sweepEvery {
				swept = time.Now()
				p.sweep(ctx)
			}
		})
	})
}

// Stop ends the loops and marks the remaining published ids, unless ctx ends first.
func (p *Publisher) Stop(ctx context.Context) {
	p.stop()
	defer context.AfterFunc(ctx, p.cancelWrites)()
	p.loops.Wait()
	p.mark(p.writeCtx)
	p.cancelWrites()
}

// Part returns the publisher as a part of a program. closeProducer is called
// when nothing is published any more.
func (p *Publisher) Part(closeProducer func()) lifecycle.Part {
	return lifecycle.Part{
		Name:  "publisher",
		Start: func(context.Context, func(error)) error { p.Start(); return nil },
		Stop: func(ctx context.Context) error {
			p.Stop(ctx)
			closeProducer()
			return nil
		},
	}
}

// mark stores which ids were published. If it fails, a sweep publishes them again,
// which is harmless.
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
		p.log.Warn("cannot mark images as published", "images", len(ids), "error", err)
	}
}

// sweep publishes images that were stored and never published.
func (p *Publisher) sweep(ctx context.Context) {
	wasBehind := p.behind.Load()
	if !p.sweepOnce(ctx, wasBehind) {
		return
	}
	if wasBehind {
		// From now on requests publish their own ids. The second sweep publishes
		// the rows that requests have stored since the first.
		p.behind.Store(false)
		p.sweepOnce(ctx, true)
	}
}

// sweepOnce publishes all unpublished images and reports whether none is left. With
// behind, it ignores their age, because no request is about to publish them.
func (p *Publisher) sweepOnce(ctx context.Context, behind bool) bool {
	before := time.Now()
	if !behind {
		before = before.Add(-settle)
	}
	var after int64
	for total := 0; ctx.Err() == nil; {
		ids, err := p.rows.Unpublished(ctx, after, before, page)
		if err != nil {
			p.log.Debug("cannot list unpublished images", "error", err)
			return false
		}
		if len(ids) == 0 {
			if total > 0 {
				p.log.Info("published images that were left behind", "images", total)
			}
			return true
		}
		if err := p.publish(ctx, ids); err != nil {
			if !errors.Is(err, context.Canceled) { // cancelled by Stop
				p.refused(err)
			}
			return false
		}
		if err := p.rows.MarkPublished(ctx, ids, time.Now()); err != nil {
			p.log.Warn("cannot mark images as published", "images", len(ids), "error", err)
		}
		after = ids[len(ids)-1]
		total += len(ids)
	}
	return false
}
