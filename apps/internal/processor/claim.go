package processor

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/stages"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// databasePause is the pause while the database cannot be reached.
	databasePause = 2 * time.Second
	// databaseTimeout limits one operation on the database. The timeouts of the
	// store are shorter.
	databaseTimeout = time.Minute
	// circuitPause is the pause of messages while the circuit is open.
	circuitPause = 5 * time.Second
	// stalePause is the pause of messages whose lease was lost. The new holder is
	// about to answer.
	stalePause = 2 * time.Second
	// busyPause is the maximum pause of messages whose image somebody else has
	// leased. The lease may be long, but its holder may be done soon, and the
	// redeemer looks for lost images only while the queue is empty.
	busyPause = 30 * time.Second
	// firstRetryPause is the pause after the first attempt. It doubles with every
	// attempt, up to maxRetryPause.
	firstRetryPause = time.Second
	maxRetryPause   = time.Minute
)

// claim is the loop that leases the images of received messages, one statement
// per batch.
func (p *Processor) claim() {
	defer p.claimed.close()
	for {
		batch, err := p.received.PopBatch(p.intakeCtx, p.opts.Batch)
		if err != nil {
			return
		}
		// Images are not leased while the circuit is open: they would lose an attempt.
		closed := p.waitForCircuit()
		switch {
		case p.intakeCtx.Err() != nil:
			p.requeue(batch, 0, "stopping")
		case !closed:
			p.requeue(batch, circuitPause, "circuit open")
		default:
			p.claimBatch(batch)
		}
	}
}

// waitForCircuit waits up to circuitPause for the circuit to close and reports
// whether it is closed. Without the wait, a long queue would be requeued over and
// over.
func (p *Processor) waitForCircuit() bool {
	ctx, cancel := context.WithTimeout(p.intakeCtx, circuitPause)
	defer cancel()
	return p.breaker.WaitClosed(ctx) == nil
}

func (p *Processor) requeue(batch []received, pause time.Duration, why string) {
	for _, r := range batch {
		r.message.Requeue(jitter(pause))
		p.metrics.handedBack.WithLabelValues(why).Inc()
	}
}

// jitter returns a random duration between d/2 and 3d/2, so that messages do not
// all come back at once.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + rand.N(d)
}

func (p *Processor) claimBatch(batch []received) {
	messages, since := make(map[int64]Message, len(batch)), make(map[int64]time.Time, len(batch))
	var ids []int64
	for _, r := range batch {
		if _, twice := messages[r.id]; twice {
			// Not finished: it may be a redelivery of the same message.
			p.requeue([]received{r}, stalePause, "twice at once")
			continue
		}
		messages[r.id], since[r.id] = r.message, r.at
		ids = append(ids, r.id)
	}
	claiming := time.Now()
	c, err := p.lease(ids)
	if err != nil {
		p.log.Warn("cannot claim images; they wait", "images", len(ids), "error", err)
		for id, m := range messages {
			p.requeue([]received{{id: id, message: m}}, databasePause, "database away")
		}
		pause(p.intakeCtx, databasePause) // otherwise the whole queue would be requeued
		return
	}
	p.metrics.takeovers.Add(float64(c.TakenOver))
	for _, id := range c.Settled {
		messages[id].Finish()
	}
	for id, until := range c.Busy {
		// Come back when the lease expires, in case its holder has died.
		messages[id].Requeue(min(max(time.Until(until), 0), busyPause) + jitter(time.Second))
	}
	for _, t := range p.hold(c.Claimed, messages, claiming) {
		p.metrics.stages.Observe(stages.Claim, time.Since(since[t.ImageID]))
		p.accept(t)
	}
}

func (p *Processor) lease(ids []int64) (c store.Claim, err error) {
	ctx, cancel := context.WithTimeout(p.writeCtx, databaseTimeout)
	defer cancel()
	err = p.guard("claim", func() error {
		c, err = p.store.Claim(ctx, p.owner, ids, p.opts.Lease)
		return err
	})
	return c, err
}

// accept passes a leased image to the callers. An image without attempts left
// fails: all of them were interrupted.
func (p *Processor) accept(t task) {
	if t.Attempts > p.opts.Attempts {
		p.push(answer{task: t, err: faces.Fault(faces.Internal,
			"given up after %d attempts: each was cut off before it ended", p.opts.Attempts)})
		return
	}
	switch err := p.claimed.push(p.intakeCtx, t, p.laneOf(t)); {
	case errors.Is(err, errCrowded):
		p.push(answer{task: t, err: errCrowded})
	case err != nil:
		p.push(answer{task: t, err: errStopping})
	}
}

func (p *Processor) laneOf(t task) lane {
	switch {
	case t.Suspect, p.suspects.take(t.ImageID):
		return alone
	case t.Attempts > 1:
		return retry
	default:
		return fresh
	}
}
