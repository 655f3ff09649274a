package processor

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/breaker"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/stages"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// What is being done, in the log and in the count of panics.
const (
	doRecord    = "record outcomes"
	doHandBack  = "hand images back"
	doNoteModel = "note the model set"
)

// record is the loop that writes outcomes, one transaction per batch, and then
// finishes or requeues the messages.
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
	var done, retried, suspected, refunded, lost []answer
	for _, a := range batch {
		switch {
		case errors.Is(a.err, errLeaseLost):
			lost = append(lost, a)
		case errors.Is(a.err, errStopping), errors.Is(a.err, errOtherModel), errors.Is(a.err, errCrowded),
			errors.Is(a.err, breaker.ErrOpen), errors.Is(a.err, faces.ErrNotAsked):
			refunded = append(refunded, a)
		case a.err == nil || !isServiceFault(a.err) || a.Attempts >= p.opts.Attempts:
			done = append(done, a)
		case faces.ReasonOf(a.err) == faces.RecognizerUnavailable: // it went away after it had the request
			suspected = append(suspected, a)
			if a.Rescan != nil {
				p.suspects.add(a.ImageID) // the row of a rescan has no room for it
			}
		default:
			retried = append(retried, a)
		}
	}
	p.abandon(lost)
	p.release(refunded, func(ctx context.Context, l []store.Lease) error { return p.store.Release(ctx, l, true) })
	p.release(retried, func(ctx context.Context, l []store.Lease) error { return p.store.Release(ctx, l, false) })
	p.release(suspected, p.store.ReleaseSuspects)
	p.finish(done)
}

// finish writes outcomes. It waits while the database cannot be reached, because
// the work is done and nobody else can take the leases meanwhile.
func (p *Processor) finish(batch []answer) {
	if len(batch) == 0 {
		return
	}
	var results []store.Result
	var stale []int64
	spans := spansOf(batch)
	err := p.untilStored(doRecord, func(ctx context.Context) (err error) {
		if results, err = p.outcomes(ctx, batch, spans); err != nil {
			return err
		}
		ctx, end := tracing.Together(ctx, "store", spans, tracing.Images.Int(len(batch)))
		stale, err = p.store.Finish(ctx, results)
		end(err)
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
		p.forget(a.Lease)
		a.message.Finish()
	}
	p.noteModel(batch)
}

// outcomes decides who is in the pictures of a batch.
func (p *Processor) outcomes(ctx context.Context, batch []answer, spans []trace.Span) (results []store.Result, err error) {
	ctx, end := tracing.Together(ctx, "decide", spans, tracing.Images.Int(len(batch)))
	defer func() { end(err) }()
	deciding, err := faces.PrepareDeciding(ctx, p.store, recognitions(batch)...)
	if err != nil {
		return nil, err
	}
	corrections, err := p.store.Corrections(ctx, imageIDs(batch))
	if err != nil {
		return nil, err
	}
	return p.decide(batch, deciding, corrections), nil
}

// finishRefused handles a batch that the database rejects. It writes each outcome
// alone, so that a bad one does not block the others. The bad one counts as a
// failed attempt.
func (p *Processor) finishRefused(batch []answer, err error) {
	switch {
	case p.writeCtx.Err() != nil, len(batch) == 1 && batch[0].err != nil:
		p.drop(batch, err)
	case len(batch) == 1:
		a := batch[0]
		a.recognition, a.err = faces.Recognition{}, faces.Fault(faces.Internal, "the answer could not be stored").WithCause(err)
		p.log.ErrorContext(a.ctx, "the database rejected an answer", "id", a.ImageID, "path", a.Path, "error", err)
		p.recordBatch([]answer{a})
	default:
		for i := range batch {
			p.finish(batch[i : i+1])
		}
	}
}

// abandon requeues the messages of images whose leases were lost. The new holders
// of the leases answer them.
func (p *Processor) abandon(batch []answer) {
	for _, a := range batch {
		p.metrics.stale.Inc()
		p.log.WarnContext(a.ctx, "answer dropped: another processor holds the lease now and answers the image", "id", a.ImageID, "path", a.Path)
		a.endAttempt("lease lost", nil)
		p.forget(a.Lease)
		a.message.Requeue(jitter(stalePause))
	}
}

func recognitions(batch []answer) []faces.Recognition {
	list := make([]faces.Recognition, len(batch))
	for i, a := range batch {
		list[i] = a.recognition
	}
	return list
}

func imageIDs(batch []answer) []int64 {
	ids := make([]int64, len(batch))
	for i, a := range batch {
		ids[i] = a.ImageID
	}
	return ids
}

func (p *Processor) decide(batch []answer, deciding faces.Deciding, corrections []faces.Correction) []store.Result {
	ofImage := faces.CorrectionsByImage(corrections)
	results := make([]store.Result, len(batch))
	for i, a := range batch {
		err := a.err
		results[i].File, results[i].Unchanged = a.recognition.File, err == nil && a.recognition.Unchanged
		if err == nil && !a.recognition.Unchanged {
			begin := time.Now()
			err = p.guard("decide", func() error {
				results[i].Outcome = deciding.Decide(p.withOverrides(a.recognition), ofImage[a.ImageID]...)
				return nil
			})
			p.metrics.stages.Observe(stages.Decide, time.Since(begin))
		}
		if err != nil {
			results[i].Outcome = faces.Failure(err)
			results[i].RetryAt = retryAt(results[i].Reason, a.Rounds)
		}
		results[i].Lease = a.Lease
	}
	return results
}

// retryAt returns when the redeemer may retry an image. Zero means never.
func retryAt(r faces.Reason, rounds int) time.Time {
	pauses := RetryPauses()
	if !r.Transient() || rounds >= len(pauses) {
		return time.Time{}
	}
	return time.Now().Add(pauses[rounds])
}

// withOverrides returns the answer with the deployment's threshold and margin.
func (p *Processor) withOverrides(rec faces.Recognition) faces.Recognition {
	rec.Model = rec.Model.WithRule(p.opts.Threshold, p.opts.Margin)
	return rec
}

// report counts and logs an outcome that is stored.
func (p *Processor) report(a answer, r store.Result) {
	if !a.ended.IsZero() {
		p.metrics.stages.Observe(stages.Store, time.Since(a.ended))
		p.metrics.attempt(a.err)
	}
	if a.Rescan != nil {
		p.reportRescan(a, r)
		return
	}
	p.metrics.outcomes.WithLabelValues(string(r.Reason)).Inc()
	p.tally.Add(r.ImageID, r.Reason, a.took)
	for _, f := range r.Faces {
		p.metrics.faces.WithLabelValues(string(f.Reason)).Inc()
		if f.Best != nil {
			p.metrics.distance.Observe(f.Best.Distance)
		}
	}
	p.log.InfoContext(a.ctx, "image answered", "id", r.ImageID, "path", a.Path, "status", r.Reason.Status().String(),
		"reason", string(r.Reason), "detail", r.Detail, "faces", len(r.Faces),
		"took", a.took.Round(time.Millisecond), "model", r.Model)
	a.endAnswered(r)
}

// release hands images back to the queue. write changes their rows.
func (p *Processor) release(batch []answer, write func(context.Context, []store.Lease) error) {
	if len(batch) == 0 {
		return
	}
	leases := make([]store.Lease, len(batch))
	for i, a := range batch {
		leases[i] = a.Lease
	}
	err := p.untilStored(doHandBack, func(ctx context.Context) error {
		return write(ctx, leases)
	})
	if err != nil {
		p.drop(batch, err)
		return
	}
	for _, a := range batch {
		p.forget(a.Lease)
		a.message.Requeue(p.pauseFor(a))
	}
}

// pauseFor returns the pause of an image that was handed back, and counts and logs
// why it was.
func (p *Processor) pauseFor(a answer) time.Duration {
	why, pause := "failed attempt", retryPause(a.Attempts)
	switch {
	case errors.Is(a.err, errStopping):
		why, pause = "stopping", 0
	case errors.Is(a.err, errOtherModel):
		why, pause = "other model set", circuitPause
	case errors.Is(a.err, errCrowded):
		why, pause = "too many retries", busyPause
	case errors.Is(a.err, breaker.ErrOpen):
		why, pause = "circuit open", circuitPause
	case errors.Is(a.err, faces.ErrNotAsked):
		why, pause = "recognizer not reached", circuitPause
	default:
		p.metrics.attempt(a.err)
		p.log.WarnContext(a.ctx, "attempt failed; will try again", "id", a.ImageID, "path", a.Path, "attempt", a.Attempts, "error", a.err)
	}
	p.metrics.handedBack.WithLabelValues(why).Inc()
	a.endAttempt(why, a.err)
	return jitter(pause)
}

// retryPause returns the pause after an attempt.
func retryPause(attempt int) time.Duration {
	const doublings = 6 // are enough to reach maxRetryPause
	return min(firstRetryPause<<min(max(attempt-1, 0), doublings), maxRetryPause)
}

// untilStored repeats f while the database cannot be reached. It returns an error
// if the database rejects the data, or if the program must end.
func (p *Processor) untilStored(what string, f func(ctx context.Context) error) error {
	for {
		ctx, cancel := context.WithTimeout(p.writeCtx, databaseTimeout)
		err := p.guard(what, func() error { return f(ctx) })
		cancel()
		if err == nil || p.writeCtx.Err() != nil || faces.ErrorCode(err) != faces.CodeUnavailable {
			return err
		}
		p.log.Warn("cannot "+what+" yet", "error", err)
		pause(p.writeCtx, databasePause)
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// drop gives up images whose rows could not be written. After their leases expire,
// their messages are delivered again.
func (p *Processor) drop(batch []answer, why error) {
	p.log.Error("images could not be written; their leases will expire", "images", len(batch), "error", why)
	p.dropped.Add(int64(len(batch)))
	for _, a := range batch {
		a.endAttempt("not written", why)
		p.forget(a.Lease)
		a.message.Requeue(jitter(p.opts.Lease))
		p.metrics.handedBack.WithLabelValues("not written").Inc()
	}
}

// noteModel stores the model set that answers, with its rule, for the dashboard.
func (p *Processor) noteModel(batch []answer) {
	for _, a := range batch {
		m := p.withOverrides(a.recognition).Model
		if a.err != nil || m.ID == "" || m == p.notedModel {
			continue
		}
		p.mu.Lock()
		p.lastModel = m
		p.mu.Unlock()
		ctx, cancel := context.WithTimeout(p.writeCtx, databaseTimeout)
		err := p.guard(doNoteModel, func() error { return p.store.UseModel(ctx, m) })
		cancel()
		if err != nil {
			p.log.Warn("cannot store the model set; the next answer tries again", "error", err)
			return
		}
		p.notedModel = m
	}
}
