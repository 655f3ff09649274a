package processor

// This file owns the stages: claim, call, record, and the keeper of leases.

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/breaker"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/worklist"
)

const (
	// databasePause is how long messages wait while the database is away.
	databasePause = 2 * time.Second
	// circuitPause is how long they wait while the circuit is open.
	circuitPause = 5 * time.Second
	// firstRetryPause doubles with every attempt, up to maxRetryPause.
	firstRetryPause = time.Second
	maxRetryPause   = time.Minute
)

// claim leases what the queue has brought, a batch in one statement.
func (p *Processor) claim() {
	defer p.claimed.Close()
	for {
		batch, err := p.received.PopBatch(p.intake, p.opts.Batch)
		if err != nil {
			return
		}
		if p.breaker.State() == breaker.Open {
			// Not leased, so no attempt is used up.
			p.requeue(batch, circuitPause, "circuit open")
			continue
		}
		p.claimBatch(batch)
	}
}

func (p *Processor) requeue(batch []received, pause time.Duration, why string) {
	for _, r := range batch {
		r.message.Requeue(jitter(pause))
		p.metrics.handedBack.WithLabelValues(why).Inc()
	}
}

// jitter spreads what would come back at once.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }

func (p *Processor) claimBatch(batch []received) {
	messages := make(map[int64]Message, len(batch))
	var ids []int64
	for _, r := range batch {
		if _, twice := messages[r.id]; twice {
			r.message.Finish() // the other message stands for the image
			continue
		}
		messages[r.id] = r.message
		ids = append(ids, r.id)
	}
	c, err := p.store.Claim(p.work, p.owner, ids, p.opts.Lease)
	if err != nil {
		p.log.Warn("cannot claim images; they wait", "images", len(ids), "why", err)
		for _, m := range messages {
			m.Requeue(jitter(databasePause))
		}
		return
	}
	for _, id := range c.Settled {
		messages[id].Finish()
	}
	for id, until := range c.Busy {
		// Should its holder die, the lease's end is the time to look again.
		messages[id].Requeue(max(time.Until(until), 0) + jitter(time.Second))
	}
	for _, claimed := range c.Claimed {
		p.accept(claimed, messages[claimed.ImageID])
	}
}

// accept puts a leased image where the callers find it, or ends it where it
// has used up its attempts without an outcome: whoever tried was cut off.
func (p *Processor) accept(c store.Claimed, m Message) {
	ctx, cancel := context.WithCancel(p.work)
	w := work{Claimed: c, message: m, ctx: ctx}
	p.mu.Lock()
	p.held[c.Lease] = cancel
	p.mu.Unlock()
	if c.Attempts > p.opts.Attempts {
		p.push(answer{work: w, err: faces.Fault(faces.Internal,
			"given up after %d attempts: each was cut off before it ended", p.opts.Attempts)})
		return
	}
	if err := p.claimed.Push(p.intake, w); err != nil {
		p.push(answer{work: w, err: errStopping})
	}
}

// answer is what became of one call.
type answer struct {
	work
	seen faces.Recognition
	err  error
	took time.Duration
}

// push never fails: the list of answers is closed after all who push ended.
func (p *Processor) push(a answer) {
	if err := p.answered.Push(context.WithoutCancel(p.work), a); err != nil {
		p.log.Error("an answer came after the end; its lease will run out", "id", a.ImageID, "why", err)
	}
}

// call asks the recognizer about one image after the other.
func (p *Processor) call() {
	for {
		w, err := p.claimed.Pop(context.WithoutCancel(p.work))
		if errors.Is(err, worklist.ErrClosed) {
			return
		}
		a := answer{work: w}
		begin := time.Now()
		a.err = p.breaker.Do(w.ctx, func(ctx context.Context) error {
			var err error
			a.seen, err = p.recognizer.Recognize(ctx, w.Path)
			return err
		})
		a.took = time.Since(begin)
		p.metrics.seconds.Observe(a.took.Seconds())
		if p.work.Err() != nil && a.err != nil {
			a.err = errStopping
		}
		p.push(a)
	}
}

// record writes outcomes, a batch in one transaction, and then answers their
// messages.
func (p *Processor) record() {
	for {
		batch, err := p.answered.PopBatch(context.Background(), p.opts.Batch)
		if err != nil {
			return
		}
		p.recordBatch(batch)
	}
}

func (p *Processor) recordBatch(batch []answer) {
	var done, again, refunded []answer
	for _, a := range batch {
		switch {
		case errors.Is(a.err, errStopping), errors.Is(a.err, breaker.ErrOpen):
			refunded = append(refunded, a)
		case a.err != nil && isServiceFault(a.err) && a.Attempts < p.opts.Attempts:
			again = append(again, a)
		default:
			done = append(done, a)
		}
	}
	p.release(refunded, true)
	p.release(again, false)
	p.finish(done)
}

// finish records outcomes. It does not give up while the database is away:
// the work is done, and the leases are held as long as nobody can take them.
func (p *Processor) finish(batch []answer) {
	if len(batch) == 0 {
		return
	}
	var results []store.Result
	if !p.untilStored("record outcomes", func(ctx context.Context) error {
		owners, err := p.store.Owners(ctx, neighbours(batch))
		if err != nil {
			return err
		}
		results = p.decide(batch, owners)
		stale, err := p.store.Finish(ctx, results)
		if err != nil {
			return err
		}
		p.report(batch, results, stale)
		return nil
	}) {
		p.drop(batch)
		return
	}
	p.noteModel(batch)
	for _, a := range batch {
		p.letGo(a.Lease)
		a.message.Finish()
	}
}

func neighbours(batch []answer) []string {
	var names []string
	for _, a := range batch {
		for _, s := range a.seen.Sightings {
			for _, n := range s.Neighbours {
				names = append(names, n.Image)
			}
		}
	}
	return names
}

func (p *Processor) decide(batch []answer, owners map[string]faces.Person) []store.Result {
	owner := func(image string) (faces.Person, bool) {
		person, ok := owners[image]
		return person, ok
	}
	results := make([]store.Result, len(batch))
	for i, a := range batch {
		results[i].Lease = a.Lease
		if a.err != nil {
			results[i].Outcome = faces.Failure(a.err)
			results[i].RetryAt = retryAt(results[i].Reason, a.Rounds)
			continue
		}
		results[i].Outcome = faces.Decide(p.withOverrides(a.seen), owner)
	}
	return results
}

// retryAt is when the redeemer may try again; zero for never.
func retryAt(r faces.Reason, rounds int) time.Time {
	pauses := RetryPauses()
	if !r.Transient() || rounds >= len(pauses) {
		return time.Time{}
	}
	return time.Now().Add(pauses[rounds])
}

// withOverrides applies the deployment's own threshold and margin.
func (p *Processor) withOverrides(seen faces.Recognition) faces.Recognition {
	if p.opts.Threshold > 0 {
		seen.Model.Threshold = p.opts.Threshold
	}
	if p.opts.Margin > 0 {
		seen.Model.Margin = p.opts.Margin
	}
	return seen
}

func (p *Processor) report(batch []answer, results []store.Result, stale []int64) {
	lost := make(map[int64]bool, len(stale))
	for _, id := range stale {
		lost[id] = true
	}
	for i, r := range results {
		if lost[r.ImageID] {
			p.metrics.stale.Inc()
			p.log.Warn("outcome dropped: the lease has gone to somebody else", "id", r.ImageID)
			continue
		}
		p.metrics.outcomes.WithLabelValues(string(r.Reason)).Inc()
		p.log.Info("image answered", "id", r.ImageID, "path", batch[i].Path, "status", r.Reason.Status().String(),
			"reason", string(r.Reason), "detail", r.Detail, "faces", len(r.Faces),
			"took", batch[i].took.Round(time.Millisecond), "model", r.Model)
	}
}

// release hands images back to the queue: for a later attempt, or, with
// refund, as if they had not been begun.
func (p *Processor) release(batch []answer, refund bool) {
	if len(batch) == 0 {
		return
	}
	leases := make([]store.Lease, len(batch))
	for i, a := range batch {
		leases[i] = a.Lease
	}
	if !p.untilStored("hand images back", func(ctx context.Context) error {
		return p.store.Release(ctx, leases, refund)
	}) {
		p.drop(batch)
		return
	}
	for _, a := range batch {
		p.letGo(a.Lease)
		a.message.Requeue(p.pause(a))
	}
}

// pause is how long an image that was handed back stays in the queue.
func (p *Processor) pause(a answer) time.Duration {
	switch {
	case errors.Is(a.err, errStopping):
		p.metrics.handedBack.WithLabelValues("stopping").Inc()
		return 0
	case errors.Is(a.err, breaker.ErrOpen):
		p.metrics.handedBack.WithLabelValues("circuit open").Inc()
		return jitter(circuitPause)
	default:
		p.metrics.handedBack.WithLabelValues("failed attempt").Inc()
		p.log.Warn("attempt failed; will try again", "id", a.ImageID, "path", a.Path, "attempt", a.Attempts, "why", a.err)
		return jitter(min(firstRetryPause<<(a.Attempts-1), maxRetryPause))
	}
}

// untilStored repeats f while the database is away, and reports whether it
// was done. It ends when the program must.
func (p *Processor) untilStored(what string, f func(ctx context.Context) error) bool {
	for {
		// A call that was begun is not cut off by a stop: its own time-outs bound it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(p.work), time.Minute)
		err := f(ctx)
		cancel()
		switch {
		case err == nil:
			return true
		case p.work.Err() != nil || faces.ErrorCode(err) != faces.CodeUnavailable:
			p.log.Error("cannot "+what+"; their leases will run out", "why", err)
			return false
		}
		p.log.Warn("cannot "+what+" yet", "why", err)
		select {
		case <-p.work.Done():
		case <-time.After(databasePause):
		}
	}
}

// drop forgets images whose rows could not be written: their leases run out
// and their messages come back.
func (p *Processor) drop(batch []answer) {
	for _, a := range batch {
		p.letGo(a.Lease)
		a.message.Requeue(jitter(p.opts.Lease))
	}
}

func (p *Processor) letGo(l store.Lease) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cancel, ok := p.held[l]; ok {
		cancel()
		delete(p.held, l)
	}
}

// noteModel lets the dashboard know which model set answers.
func (p *Processor) noteModel(batch []answer) {
	for _, a := range batch {
		m := a.seen.Model
		p.mu.Lock()
		news := a.err == nil && m != p.model
		if news {
			p.model = m
		}
		p.mu.Unlock()
		if !news {
			continue
		}
		if err := p.store.UseModel(p.work, m); err != nil {
			p.log.Warn("cannot note the model set", "why", err)
		}
	}
}

// keepLeases renews what is held, well before it runs out. A lease that is
// gone ends its call: the answer could not be written.
func (p *Processor) keepLeases() {
	ticker := time.NewTicker(p.opts.Lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-p.stopKeeper:
			return
		case <-ticker.C:
			p.renew()
		}
	}
}

func (p *Processor) renew() {
	p.mu.Lock()
	leases := make([]store.Lease, 0, len(p.held))
	for l := range p.held {
		leases = append(leases, l)
	}
	p.mu.Unlock()
	if len(leases) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(p.work, p.opts.Lease/3)
	defer cancel()
	held, err := p.store.Renew(ctx, leases, p.opts.Lease)
	if err != nil {
		p.log.Warn("cannot renew leases", "images", len(leases), "why", err)
		return
	}
	still := make(map[store.Lease]bool, len(held))
	for _, l := range held {
		still[l] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range leases {
		if cancel, ok := p.held[l]; ok && !still[l] {
			cancel()
		}
	}
}
