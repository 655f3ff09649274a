package processor

// This file owns the stages: claim, call, record, and the keeper of leases.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/breaker"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// databasePause is how long messages wait while the database is away.
	databasePause = 2 * time.Second
	// databaseTimeout bounds one visit to the database; its own time-outs are
	// shorter.
	databaseTimeout = time.Minute
	// circuitPause is how long messages wait while the circuit is open.
	circuitPause = 5 * time.Second
	// stalePause is how long they wait where the lease has gone: whoever has it
	// is about to answer.
	stalePause = 2 * time.Second
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
		// What waits for the circuit is not leased, so no attempt is used up.
		open := !p.circuitCloses()
		switch {
		case p.intake.Err() != nil:
			p.requeue(batch, 0, "stopping")
		case open:
			p.requeue(batch, circuitPause, "circuit open")
		default:
			p.claimBatch(batch)
		}
	}
}

// circuitCloses reports whether the circuit is closed, and waits a little for
// that: a long queue that is only turned over keeps every program busy.
func (p *Processor) circuitCloses() bool {
	ctx, cancel := context.WithTimeout(p.intake, circuitPause)
	defer cancel()
	return p.breaker.WaitClosed(ctx) == nil
}

func (p *Processor) requeue(batch []received, pause time.Duration, why string) {
	for _, r := range batch {
		r.message.Requeue(jitter(pause))
		p.metrics.handedBack.WithLabelValues(why).Inc()
	}
}

// jitter spreads what would come back at once.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + rand.N(d)
}

func (p *Processor) claimBatch(batch []received) {
	messages := make(map[int64]Message, len(batch))
	var ids []int64
	for _, r := range batch {
		if _, twice := messages[r.id]; twice {
			// Not finished: it may be the other one, delivered again.
			p.requeue([]received{r}, stalePause, "twice at once")
			continue
		}
		messages[r.id] = r.message
		ids = append(ids, r.id)
	}
	c, err := p.lease(ids)
	if err != nil {
		p.log.Warn("cannot claim images; they wait", "images", len(ids), "why", err)
		for id, m := range messages {
			p.requeue([]received{{id, m}}, databasePause, "database away")
		}
		pause(p.intake, databasePause) // or the whole queue would be turned over
		return
	}
	for _, id := range c.Settled {
		messages[id].Finish()
	}
	for id, until := range c.Busy {
		// Should its holder die, the lease's end is the time to look again.
		messages[id].Requeue(max(time.Until(until), 0) + jitter(time.Second))
	}
	for _, w := range p.hold(c.Claimed, messages) {
		p.accept(w)
	}
}

func (p *Processor) lease(ids []int64) (c store.Claim, err error) {
	ctx, cancel := context.WithTimeout(p.writing, databaseTimeout)
	defer cancel()
	err = p.guard("claim", func() error {
		c, err = p.store.Claim(ctx, p.owner, ids, p.opts.Lease)
		return err
	})
	return c, err
}

// hold lets the keeper know of leases: of all of a batch at once, because the
// last of it may wait long for a caller.
func (p *Processor) hold(claimed []store.Claimed, messages map[int64]Message) []work {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]work, len(claimed))
	for i, c := range claimed {
		ctx, cancel := context.WithCancelCause(p.work)
		p.held[c.Lease] = cancel
		list[i] = work{Claimed: c, message: messages[c.ImageID], ctx: ctx}
	}
	return list
}

// accept puts a leased image where the callers find it, or ends it where it
// has used up its attempts without an outcome: whoever tried was cut off.
func (p *Processor) accept(w work) {
	if w.Attempts > p.opts.Attempts {
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
		if err != nil {
			return
		}
		p.push(p.ask(w))
	}
}

// ask asks the recognizer about one image. One that was tried before is asked
// about alone: where it is what takes recognizers down, no neighbour's attempt
// goes down with it again.
func (p *Processor) ask(w work) answer {
	a := answer{work: w}
	units := int64(1)
	if w.Attempts > 1 {
		units = int64(p.opts.Calls)
	}
	if a.err = p.calling.Acquire(w.ctx, units); a.err == nil {
		a.err = p.breaker.Do(w.ctx, func(ctx context.Context) error { return p.recognize(ctx, &a) })
		p.calling.Release(units)
	}
	if a.err == nil && !w.wants(a.seen.Model.ID) {
		a.seen, a.err = faces.Recognition{}, errOtherModel
	}
	if a.err != nil && isServiceFault(a.err) && w.ctx.Err() != nil { // cut off by us
		a.err = errStopping
		if errors.Is(context.Cause(w.ctx), errLost) {
			a.err = errLost
		}
	}
	return a
}

func (p *Processor) recognize(ctx context.Context, a *answer) (err error) {
	begin := time.Now()
	defer func() {
		a.took = time.Since(begin)
		p.metrics.seconds.Observe(a.took.Seconds())
	}()
	return p.guard("recognize", func() error {
		a.seen, err = p.recognizer.Recognize(ctx, a.Path, a.known())
		return err
	})
}

func (p *Processor) ping(ctx context.Context) error {
	return p.guard("ping", func() error { return p.recognizer.Ping(ctx) })
}

// guard turns a panic of f into an error: it ends one piece of work, which is
// tried again like any other, and not the program with all that it holds.
func (p *Processor) guard(where string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.metrics.panics.WithLabelValues(where).Inc()
			p.log.Error("panic", "where", where, "panic", v, "stack", string(debug.Stack()))
			err = faces.Fault(faces.Internal, "internal error").WithCause(fmt.Errorf("panic: %v", v))
		}
	}()
	return f()
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
	var done, again, refunded, lost []answer
	for _, a := range batch {
		switch {
		case errors.Is(a.err, errLost):
			lost = append(lost, a)
		case errors.Is(a.err, errStopping), errors.Is(a.err, errOtherModel), errors.Is(a.err, breaker.ErrOpen), errors.Is(a.err, faces.ErrNotAsked):
			refunded = append(refunded, a)
		case a.err != nil && isServiceFault(a.err) && a.Attempts < p.opts.Attempts:
			again = append(again, a)
		default:
			done = append(done, a)
		}
	}
	p.abandon(lost)
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
	var stale []int64
	err := p.untilStored("record outcomes", func(ctx context.Context) error {
		owners, err := p.store.Owners(ctx, neighbours(batch))
		if err != nil {
			return err
		}
		said, err := p.store.Corrections(ctx, imageIDs(batch))
		if err != nil {
			return err
		}
		people, err := p.countPeople(ctx, batch)
		if err != nil {
			return err
		}
		results = p.decide(batch, owners, people, said)
		stale, err = p.store.Finish(ctx, results)
		return err
	})
	if err != nil {
		p.finishRefused(batch, err)
		return
	}
	for i, a := range batch {
		if slices.Contains(stale, a.ImageID) {
			p.abandon(batch[i : i+1])
			continue
		}
		p.report(a, results[i])
		p.letGo(a.Lease)
		a.message.Finish()
	}
	p.noteModel(batch)
}

// finishRefused deals with outcomes that the database does not take: one that
// it will never take must not stand in the way of the others, and is a failed
// attempt.
func (p *Processor) finishRefused(batch []answer, err error) {
	switch {
	case p.writing.Err() != nil, len(batch) == 1 && batch[0].err != nil:
		p.drop(batch, err)
	case len(batch) == 1:
		a := batch[0]
		a.seen, a.err = faces.Recognition{}, faces.Fault(faces.Internal, "the answer could not be stored").WithCause(err)
		p.log.Error("the database does not take an answer", "id", a.ImageID, "path", a.Path, "why", err)
		p.recordBatch([]answer{a})
	default:
		for i := range batch {
			p.finish(batch[i : i+1])
		}
	}
}

// abandon gives back the messages of images whose leases have gone: whoever
// has them answers the images.
func (p *Processor) abandon(batch []answer) {
	for _, a := range batch {
		p.metrics.stale.Inc()
		p.log.Warn("answer dropped: the lease has gone to somebody else", "id", a.ImageID, "path", a.Path)
		p.letGo(a.Lease)
		a.message.Requeue(jitter(stalePause))
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

func imageIDs(batch []answer) []int64 {
	ids := make([]int64, len(batch))
	for i, a := range batch {
		ids[i] = a.ImageID
	}
	return ids
}

// countPeople returns how many people have known pictures, as far as the rule
// asks for it: where a list of neighbours ends before all known pictures are in
// it, another person may be beyond its end.
func (p *Processor) countPeople(ctx context.Context, batch []answer) (int, error) {
	const enough = 100 // more than a face's corrections exclude
	for _, a := range batch {
		for _, s := range a.seen.Sightings {
			if a.seen.Model.FarThreshold > 0 && !math.IsInf(s.Horizon, 1) {
				return p.store.CountKnownPeople(ctx, enough)
			}
		}
	}
	return 0, nil
}

func (p *Processor) decide(batch []answer, owners map[string]faces.Person, people int, said []faces.Correction) []store.Result {
	corrections := map[int64][]faces.Correction{}
	for _, c := range said {
		corrections[c.ImageID] = append(corrections[c.ImageID], c)
	}
	owner := func(image string) (faces.Person, bool) {
		person, ok := owners[image]
		return person, ok
	}
	results := make([]store.Result, len(batch))
	for i, a := range batch {
		err := a.err
		results[i].File, results[i].Unchanged = a.seen.File, err == nil && a.seen.Unchanged
		if err == nil && !a.seen.Unchanged {
			err = p.guard("decide", func() error {
				seen := p.withOverrides(a.seen)
				seen.People = people
				results[i].Outcome = faces.Decide(seen, owner, corrections[a.ImageID]...)
				return nil
			})
		}
		if err != nil {
			results[i].Outcome = faces.Failure(err)
			results[i].RetryAt = retryAt(results[i].Reason, a.Rounds)
		}
		results[i].Lease = a.Lease
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
	seen.Model = seen.Model.WithRule(p.opts.Threshold, p.opts.Margin)
	return seen
}

func (p *Processor) report(a answer, r store.Result) {
	if a.Rescan != nil {
		p.reportRescan(a, r)
		return
	}
	p.metrics.outcomes.WithLabelValues(string(r.Reason)).Inc()
	for _, f := range r.Faces {
		p.metrics.faces.WithLabelValues(string(f.Reason)).Inc()
	}
	p.log.Info("image answered", "id", r.ImageID, "path", a.Path, "status", r.Reason.Status().String(),
		"reason", string(r.Reason), "detail", r.Detail, "faces", len(r.Faces),
		"took", a.took.Round(time.Millisecond), "model", r.Model)
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
	err := p.untilStored("hand images back", func(ctx context.Context) error {
		return p.store.Release(ctx, leases, refund)
	})
	if err != nil {
		p.drop(batch, err)
		return
	}
	for _, a := range batch {
		p.letGo(a.Lease)
		a.message.Requeue(p.pauseFor(a))
	}
}

// pauseFor is how long an image that was handed back stays in the queue.
func (p *Processor) pauseFor(a answer) time.Duration {
	switch {
	case errors.Is(a.err, errStopping):
		p.metrics.handedBack.WithLabelValues("stopping").Inc()
		return 0
	case errors.Is(a.err, errOtherModel):
		p.metrics.handedBack.WithLabelValues("other model set").Inc()
		return jitter(circuitPause)
	case errors.Is(a.err, breaker.ErrOpen):
		p.metrics.handedBack.WithLabelValues("circuit open").Inc()
		return jitter(circuitPause)
	case errors.Is(a.err, faces.ErrNotAsked):
		p.metrics.handedBack.WithLabelValues("recognizer not reached").Inc()
		return jitter(circuitPause)
	default:
		p.metrics.handedBack.WithLabelValues("failed attempt").Inc()
		p.log.Warn("attempt failed; will try again", "id", a.ImageID, "path", a.Path, "attempt", a.Attempts, "why", a.err)
		return jitter(retryPause(a.Attempts))
	}
}

// retryPause is the time between an attempt and the next.
func retryPause(attempt int) time.Duration {
	const doublings = 6 // are enough to reach maxRetryPause
	return min(firstRetryPause<<min(max(attempt-1, 0), doublings), maxRetryPause)
}

// untilStored repeats f while the database is away. It returns an error where
// the database refuses, or when the program must end.
func (p *Processor) untilStored(what string, f func(ctx context.Context) error) error {
	for {
		ctx, cancel := context.WithTimeout(p.writing, databaseTimeout)
		err := p.guard(what, func() error { return f(ctx) })
		cancel()
		if err == nil || p.writing.Err() != nil || faces.ErrorCode(err) != faces.CodeUnavailable {
			return err
		}
		p.log.Warn("cannot "+what+" yet", "why", err)
		pause(p.writing, databasePause)
	}
}

// pause waits, or returns when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// drop forgets images whose rows could not be written: their leases run out
// and their messages come back.
func (p *Processor) drop(batch []answer, why error) {
	p.log.Error("images could not be written down; their leases will run out", "images", len(batch), "why", why)
	p.dropped.Add(int64(len(batch)))
	for _, a := range batch {
		p.letGo(a.Lease)
		a.message.Requeue(jitter(p.opts.Lease))
		p.metrics.handedBack.WithLabelValues("not written").Inc()
	}
}

func (p *Processor) letGo(l store.Lease) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cancel, ok := p.held[l]; ok {
		cancel(nil)
		delete(p.held, l)
	}
}

// noteModel lets the dashboard know which model set answers, and by which rule.
func (p *Processor) noteModel(batch []answer) {
	for _, a := range batch {
		m := p.withOverrides(a.seen).Model
		if a.err != nil || m.ID == "" || m == p.noted {
			continue
		}
		p.mu.Lock()
		p.model = m
		p.mu.Unlock()
		ctx, cancel := context.WithTimeout(p.writing, databaseTimeout)
		err := p.guard("note the model set", func() error { return p.store.UseModel(ctx, m) })
		cancel()
		if err != nil {
			p.log.Warn("cannot note the model set; the next answer will", "why", err)
			return
		}
		p.noted = m
	}
}

// keepLeases renews what is held, well before it runs out. A lease that is
// gone ends its call: the answer could not be written.
func (p *Processor) keepLeases() {
	ticker := time.NewTicker(p.opts.Lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-p.writing.Done():
			return
		case <-ticker.C:
			p.renew()
		}
	}
}

func (p *Processor) renew() {
	p.mu.Lock()
	leases := slices.Collect(maps.Keys(p.held))
	p.mu.Unlock()
	if len(leases) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(p.writing, p.opts.Lease/3)
	defer cancel()
	var held []store.Lease
	err := p.guard("renew", func() (err error) {
		held, err = p.store.Renew(ctx, leases, p.opts.Lease)
		return err
	})
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
			cancel(errLost)
		}
	}
}
