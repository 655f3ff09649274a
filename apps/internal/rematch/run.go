package rematch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

const (
	// batchSize is the largest number of images that one transaction changes.
	batchSize = 500
	// progressEvery is how often a job stores its progress, even if it changes
	// nothing.
	progressEvery = time.Second
	// keepJobs is the number of jobs whose changes are kept, to show and undo them.
	keepJobs = 100
	// failedPause is the time between a failed job and the next automatic one.
	failedPause = 5 * time.Minute
)

// follow requests a job if the stored answers do not reflect the current known
// people. Otherwise it catches up with faces that were answered with older ones.
func (r *Rematcher) follow(ctx context.Context, now *history.KnownPeople) (worked bool, err error) {
	state, err := r.store.Reflected(ctx)
	if err != nil {
		return false, err
	}
	if state.Fingerprint == now.Basis.Fingerprint && !state.Dirty {
		return r.catchUp(ctx, state, now)
	}
	before, err := r.store.ReflectedPictures(ctx)
	if err != nil {
		return false, err
	}
	p := history.NewPlan(state, before, now, false)
	none, err := r.noFaces(ctx)
	if err != nil {
		return false, err
	}
	if none || p.IsEmpty() {
		return false, r.store.Reflect(ctx, r.token, now.Basis, now.Pictures, state.FaceMark)
	}
	apply := r.opts.Mode == ModeAuto
	if apply && p.IsSuspicious(len(before)) {
		apply = false
		defer func() {
			if worked {
				r.log.Warn("most known pictures were removed; answers stay as they are until somebody applies the preview (POST /api/v1/rematches/ID/apply)",
					"pictures removed", len(p.Removed), "pictures left", len(now.Pictures))
			}
		}()
	}
	if last, ok, err := r.store.LatestRematchOf(ctx, now.Basis.Fingerprint); err != nil || ok && isDealtWith(last) {
		return false, err
	}
	job, err := r.store.RequestRematch(ctx, p.Cause, apply, false)
	if err != nil {
		return false, err
	}
	r.log.Info("the known people changed; stored faces are matched again", "rematch", job.ID, "scope", p.Scope,
		"pictures added", len(p.Added), "pictures removed", len(p.Removed), "preview", !apply)
	return true, nil
}

// isDealtWith reports whether the last job for the same known people makes an
// automatic one unnecessary.
func isDealtWith(last history.Job) bool {
	switch last.State {
	case history.Ready:
		return true
	case history.Failed:
		return time.Since(last.Finished) < failedPause
	default:
		return false
	}
}

func (r *Rematcher) noFaces(ctx context.Context) (bool, error) {
	newest, err := r.newestFace(ctx)
	return newest == 0, err
}

// newestFace returns the largest id of a face. It asks for faces until tomorrow,
// so that a difference between the clocks of two machines hides none.
func (r *Rematcher) newestFace(ctx context.Context) (int64, error) {
	return r.store.SettledFace(ctx, time.Now().Add(24*time.Hour))
}

// continueJob continues a job from its current state.
func (r *Rematcher) continueJob(ctx context.Context, job history.Job, now *history.KnownPeople) error {
	r.metrics.running.Set(1)
	defer r.metrics.running.Set(0)
	if job.Cause == history.CauseTrial {
		now = now.WithRule(job.Basis.Threshold, job.Basis.Margin)
	}
	if job.State != history.Requested && job.Basis.Fingerprint != now.Basis.Fingerprint {
		return r.end(ctx, job, history.Outdated, "the known people changed before the job was done; a new job follows them", nil, 0)
	}
	step := r.runJob
	if job.State == history.Applying {
		step = r.apply
	}
	err := step(ctx, job, now)
	if err == nil || ctx.Err() != nil || isTransient(err) {
		return err
	}
	if r.tries[job.ID]++; r.tries[job.ID] < jobTries {
		return err
	}
	r.log.Error("re-match failed", "rematch", job.ID, "error", err)
	return r.end(ctx, job, history.Failed, faces.ErrorMessage(err), nil, 0)
}

// jobTries is the number of tries before a job fails.
const jobTries = 5

// isTransient reports whether a later try of the same job can succeed without any
// change.
func isTransient(err error) bool {
	switch faces.ErrorCode(err) {
	case faces.CodeUnavailable, faces.CodeConflict, faces.CodeOf(faces.RecognizerUnavailable), faces.CodeOf(faces.Timeout):
		return true
	default:
		return errors.Is(err, history.ErrLeaseLost)
	}
}

// runJob starts or resumes a job: it matches the faces of its plan and writes the
// changes.
func (r *Rematcher) runJob(ctx context.Context, job history.Job, now *history.KnownPeople) error {
	state, err := r.store.Reflected(ctx)
	if err != nil {
		return err
	}
	before, err := r.store.ReflectedPictures(ctx)
	if err != nil {
		return err
	}
	// The answers are dirty because of this very job, so it keeps its scope.
	resumed := job.State == history.Running
	if resumed {
		state.Dirty = job.Scope == history.ScopeFull
	}
	p := history.NewPlan(state, before, now, job.Full)
	mark, err := r.store.SettledFace(ctx, time.Now().Add(-r.opts.Settle))
	if err != nil {
		return err
	}
	if !resumed {
		job.Scope, job.Basis, job.Added, job.Removed, job.Seek = p.Scope, now.Basis, len(p.Added), len(p.Removed), 0
		if job.Cause != history.CauseRequest && job.Cause != history.CauseTrial {
			job.Cause = p.Cause
		}
		if err := r.store.BeginRematch(ctx, r.token, job); err != nil {
			return err
		}
	}
	begin := time.Now()
	if err := r.stream(ctx, p, &job); err != nil {
		return err
	}
	return r.finish(ctx, job, now, max(mark, state.FaceMark), begin)
}

func (r *Rematcher) finish(ctx context.Context, job history.Job, now *history.KnownPeople, mark int64, begin time.Time) error {
	movements, err := r.store.RematchSummary(ctx, job.ID, 100)
	if err != nil {
		return err
	}
	if done, err := r.store.Rematch(ctx, job.ID); err == nil {
		job.Faces, job.Images, job.Skipped = done.Faces, done.Images, done.Skipped
	}
	detail := history.Summarize(job.Images, movements)
	if others, err := r.store.OtherModels(ctx, job.Basis.Model); err != nil {
		return err
	} else if others > 0 {
		detail += fmt.Sprintf("; %d faces of other model sets stay as they are", others)
	}
	endState := history.Applied
	if !job.Apply && job.State != history.Applying {
		endState = history.Ready
	}
	if err := r.end(ctx, job, endState, detail, now.Pictures, mark); err != nil {
		return err
	}
	took := time.Since(begin)
	r.metrics.seconds.Observe(took.Seconds())
	r.log.Info("re-match ended", "rematch", job.ID, "state", endState, "scope", job.Scope, "faces", job.Faces, "images", job.Images,
		"skipped", job.Skipped, "took", took.Round(time.Millisecond))
	for {
		more, err := r.store.ForgetRematches(ctx, r.token, keepJobs)
		if err != nil || !more {
			return err
		}
	}
}

func (r *Rematcher) end(ctx context.Context, job history.Job, state history.State, detail string, pictures []faces.KnownPicture, mark int64) error {
	if err := r.store.EndRematch(ctx, r.token, job, state, detail, pictures, mark); err != nil {
		return err
	}
	r.metrics.jobs.WithLabelValues(string(state)).Inc()
	if state == history.Outdated {
		r.log.Info("re-match ended", "rematch", job.ID, "state", state, "detail", detail)
	}
	return nil
}

// apply applies a preview. Faces that are newer than the preview are matched
// later, by catchUp.
func (r *Rematcher) apply(ctx context.Context, job history.Job, now *history.KnownPeople) error {
	begin := time.Now()
	state, err := r.store.Reflected(ctx)
	if err != nil {
		return err
	}
	if err := r.store.BeginApply(ctx, r.token); err != nil {
		return err
	}
	if job, err = r.inParts(ctx, job, r.store.ApplyPlanned); err != nil {
		return err
	}
	mark, err := r.store.SettledFace(ctx, job.Started.Add(-r.opts.Settle))
	if err != nil {
		return err
	}
	return r.finish(ctx, job, now, max(mark, state.FaceMark), begin)
}

// undo reverts the changes of a job in all images that nobody else has changed
// since.
func (r *Rematcher) undo(ctx context.Context, job history.Job) error {
	job, err := r.inParts(ctx, job, r.store.UndoApplied)
	if err != nil {
		return err
	}
	detail := "undone"
	if job.Skipped > 0 {
		detail = fmt.Sprintf("undone; %d images have changed since and stay as they are", job.Skipped)
	}
	if err := r.end(ctx, job, history.Undone, detail, nil, 0); err != nil {
		return err
	}
	r.log.Info("re-match undone", "rematch", job.ID, "skipped", job.Skipped)
	return nil
}

// inParts calls f until there is nothing more, and returns the job as stored.
func (r *Rematcher) inParts(ctx context.Context, job history.Job,
	f func(ctx context.Context, token int64, job history.Job, limit int) (bool, error)) (history.Job, error) {
	for {
		more, err := f(ctx, r.token, job, batchSize)
		if err != nil {
			return job, err
		}
		if job, err = r.store.Rematch(ctx, job.ID); err != nil || !more {
			return job, err
		}
	}
}
