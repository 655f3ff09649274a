package rematch

// This file owns the jobs: what was asked for, what the known people ask for,
// and the stream of faces through both.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

const (
	// part is how many images one transaction changes, where there are so many.
	part = 500
	// progressEvery is how often a job that changes nothing says how far it is.
	progressEvery = time.Second
	// keepJobs can be looked at and undone.
	keepJobs = 100
	// failedPause is how long a change that could not be followed rests.
	failedPause = 5 * time.Minute
)

// follow makes a job where the known people are not those that the answers
// reflect, else it looks after answers that older ones gave.
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
				r.log.Warn("most known pictures are gone: the answers stay until somebody applies the preview",
					"pictures gone", len(p.Removed), "pictures left", len(now.Pictures))
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
		"pictures added", len(p.Added), "gone", len(p.Removed), "preview", !apply)
	return true, nil
}

// isDealtWith reports whether a job about the same known people leaves nothing
// to do unasked.
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

// newestFace returns the largest id, whatever the database's clock says.
func (r *Rematcher) newestFace(ctx context.Context) (int64, error) {
	return r.store.SettledFace(ctx, time.Now().Add(24*time.Hour))
}

// do carries a job on from where it is.
func (r *Rematcher) do(ctx context.Context, job history.Job, now *history.KnownPeople) error {
	r.metrics.running.Set(1)
	defer r.metrics.running.Set(0)
	if job.State != history.Requested && job.Basis.Fingerprint != now.Basis.Fingerprint {
		return r.end(ctx, job, history.Outdated, "the known people changed before it was done", nil, 0)
	}
	carryOn := r.run
	if job.State == history.Applying {
		carryOn = r.apply
	}
	err := carryOn(ctx, job, now)
	if err == nil || ctx.Err() != nil || isPassing(err) {
		return err
	}
	if r.tries[job.ID]++; r.tries[job.ID] < jobTries {
		return err
	}
	r.log.Error("re-match failed", "rematch", job.ID, "why", err)
	return r.end(ctx, job, history.Failed, faces.ErrorMessage(err), nil, 0)
}

// jobTries are enough for what is wrong only once.
const jobTries = 5

// isPassing reports whether an error is about something that comes back.
func isPassing(err error) bool {
	switch faces.ErrorCode(err) {
	case faces.CodeUnavailable, faces.CodeConflict, faces.CodeOf(faces.RecognizerUnavailable), faces.CodeOf(faces.Timeout):
		return true
	default:
		return errors.Is(err, history.ErrLeaseLost)
	}
}

// run looks at the faces that a job is about.
func (r *Rematcher) run(ctx context.Context, job history.Job, now *history.KnownPeople) error {
	state, err := r.store.Reflected(ctx)
	if err != nil {
		return err
	}
	before, err := r.store.ReflectedPictures(ctx)
	if err != nil {
		return err
	}
	// A job that is taken up again looks at what it looked at before: it is
	// what made the answers dirty.
	resumed := job.State == history.Running
	if resumed {
		state.Dirty = job.Scope == history.ScopeFull
	}
	p := history.NewPlan(state, before, now, job.Whole)
	mark, err := r.store.SettledFace(ctx, time.Now().Add(-r.opts.Settle))
	if err != nil {
		return err
	}
	if !resumed {
		job.Scope, job.Basis, job.Added, job.Removed, job.Seek = p.Scope, now.Basis, len(p.Added), len(p.Removed), 0
		if job.Cause != history.CauseRequest {
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
		"skipped", job.Skipped, "detail", detail, "took", took.Round(time.Millisecond))
	for {
		more, err := r.store.ForgetRematches(ctx, r.token, keepJobs)
		if err != nil || !more {
			return err
		}
	}
}

func (r *Rematcher) end(ctx context.Context, job history.Job, state history.State, detail string, pictures []history.KnownPicture, mark int64) error {
	if err := r.store.EndRematch(ctx, r.token, job, state, detail, pictures, mark); err != nil {
		return err
	}
	r.metrics.jobs.WithLabelValues(string(state)).Inc()
	if state == history.Outdated {
		r.log.Info("re-match ended", "rematch", job.ID, "state", state, "detail", detail)
	}
	return nil
}

// page is a part of the faces that a job looks at.
type page struct {
	faces     []history.StoredFace
	onlyAdded bool
	late      bool // newer than the mark: other known people may have answered them
}

// stream reads pages in order, decides several at the same time, and writes
// them in order.
func (r *Rematcher) stream(ctx context.Context, p *history.Plan, job *history.Job) error {
	j, err := r.newJudge(ctx, p)
	if err != nil {
		return err
	}
	type outcome struct {
		step history.Step
		err  error
	}
	group, ctx := errgroup.WithContext(ctx)
	order := make(chan chan outcome, max(r.opts.Ahead-1, 0))
	group.Go(func() error {
		defer close(order)
		return r.pages(ctx, p, job.Seek, func(pg page) error {
			ready := make(chan outcome, 1)
			select {
			case order <- ready:
			case <-ctx.Done():
				return ctx.Err()
			}
			group.Go(func() error {
				step, err := r.decidePage(ctx, j, pg)
				ready <- outcome{step, err}
				return err
			})
			return nil
		})
	})
	group.Go(func() error {
		w := writer{Rematcher: r, job: job, last: time.Now()}
		for ready := range order {
			var out outcome
			select {
			case out = <-ready:
			case <-ctx.Done():
				return ctx.Err()
			}
			if out.err != nil {
				return out.err
			}
			if err := w.add(ctx, out.step); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return w.flush(ctx)
	})
	return group.Wait()
}

// pages reads the faces that a plan is about, after one, in the order of ids.
func (r *Rematcher) pages(ctx context.Context, p *history.Plan, after int64, yield func(page) error) error {
	if p.Scope == history.ScopeTouched {
		ids, err := r.store.TouchedFaces(ctx, p.Basis.Model, p.Removed)
		if err != nil {
			return err
		}
		for len(ids) > 0 {
			some := ids[:min(r.opts.Page, len(ids))]
			ids = ids[len(some):]
			if some[len(some)-1] <= after || some[0] > p.Mark {
				continue
			}
			list, err := r.store.FacesByID(ctx, some)
			if err != nil {
				return err
			}
			if err := yield(page{faces: list}); err != nil {
				return err
			}
		}
	} else if err := r.pagesUpTo(ctx, p, after, p.Mark, page{onlyAdded: p.Scope == history.ScopeAdded}, yield); err != nil {
		return err
	}
	if p.Mark == math.MaxInt64 {
		return nil
	}
	return r.pagesUpTo(ctx, p, max(after, p.Mark), math.MaxInt64, page{late: true}, yield)
}

const (
	// readers are how many pages are read at the same time: while the database
	// gets one together, another is taken in.
	readers = 2
	// maxSpans bounds the questions about ids where most are not there.
	maxSpans = 2000
)

// pagesUpTo reads the faces with ids after one and up to another, in order.
func (r *Rematcher) pagesUpTo(ctx context.Context, p *history.Plan, after, upTo int64, like page, yield func(page) error) error {
	newest, err := r.newestFace(ctx)
	if err != nil {
		return err
	}
	end := max(after, min(newest, upTo))
	if err := r.readTogether(ctx, p, after, end, like, yield); err != nil {
		return err
	}
	return r.read(ctx, p, end, upTo, like, yield) // what came meanwhile
}

// span is a part of the faces on its way from its reader.
type span chan struct {
	page
	err error
}

// readTogether divides faces into spans of ids, which are read at the same time
// and yielded in order.
func (r *Rematcher) readTogether(ctx context.Context, p *history.Plan, after, end int64, like page, yield func(page) error) error {
	group, ctx := errgroup.WithContext(ctx)
	spans := make(chan span, readers-1)
	size := max(int64(r.opts.Page), (end-after)/maxSpans+1)
	group.Go(func() error {
		defer close(spans)
		for from := after; from < end; from += size {
			s := make(span, 1)
			select {
			case spans <- s:
			case <-ctx.Done():
				return ctx.Err()
			}
			group.Go(func() error { return r.readSpan(ctx, p, from, min(from+size, end), like, s) })
		}
		return nil
	})
	group.Go(func() error {
		for s := range spans {
			for part := range s {
				if part.err != nil {
					return part.err
				}
				if err := yield(part.page); err != nil {
					return err
				}
			}
			if ctx.Err() != nil { // it may have ended early, and what follows would hide that
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

func (r *Rematcher) readSpan(ctx context.Context, p *history.Plan, from, to int64, like page, into span) error {
	defer close(into)
	send := func(pg page, err error) error {
		select {
		case into <- struct {
			page
			err error
		}{pg, err}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := r.read(ctx, p, from, to, like, func(pg page) error { return send(pg, nil) }); err != nil {
		return send(page{}, err)
	}
	return nil
}

// read reads faces page by page.
func (r *Rematcher) read(ctx context.Context, p *history.Plan, after, upTo int64, like page, yield func(page) error) error {
	for after < upTo {
		list, err := r.store.FacesPage(ctx, p.Basis.Model, after, upTo, r.opts.Page)
		if err != nil || len(list) == 0 {
			return err
		}
		after = list[len(list)-1].ID
		like.faces = list
		if err := yield(like); err != nil {
			return err
		}
		if len(list) < r.opts.Page {
			return nil
		}
	}
	return nil
}

func (r *Rematcher) decidePage(ctx context.Context, j *judge, pg page) (history.Step, error) {
	if len(pg.faces) == 0 {
		return history.Step{}, nil
	}
	changes, err := j.decide(ctx, pg.faces, pg.onlyAdded)
	step := history.Step{Seek: pg.faces[len(pg.faces)-1].ID, Faces: int64(len(pg.faces)), Changes: changes}
	if pg.late {
		step.Caught = caught(pg.faces, j.Basis.Gallery)
	}
	return step, err
}

// caught returns the faces that other known people answered.
func caught(list []history.StoredFace, gallery string) []int64 {
	var ids []int64
	for _, f := range list {
		if f.Gallery != gallery {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// writer gathers small parts: most pages change little.
type writer struct {
	*Rematcher
	job  *history.Job
	step history.Step
	at   map[int64]int // image → its change in the step
	last time.Time
}

func (w *writer) add(ctx context.Context, s history.Step) error {
	if s.Faces == 0 {
		return nil
	}
	if w.at == nil {
		w.at = map[int64]int{}
	}
	w.step.Seek, w.step.Faces = s.Seek, w.step.Faces+s.Faces
	w.step.Caught = append(w.step.Caught, s.Caught...)
	for _, c := range s.Changes {
		if i, ok := w.at[c.ImageID]; ok { // its faces lie on two pages, and both decided all
			w.step.Changes[i] = c
			continue
		}
		w.at[c.ImageID] = len(w.step.Changes)
		w.step.Changes = append(w.step.Changes, c)
	}
	if len(w.step.Changes) < part && time.Since(w.last) < progressEvery {
		return nil
	}
	return w.flush(ctx)
}

func (w *writer) flush(ctx context.Context) error {
	if w.step.Faces == 0 {
		return nil
	}
	visible, skipped, err := w.store.StepRematch(ctx, w.token, *w.job, w.step)
	if err != nil {
		return err
	}
	w.metrics.faces.Add(float64(w.step.Faces))
	w.metrics.images.Add(float64(max(visible, 0)))
	w.metrics.skipped.Add(float64(len(skipped)))
	w.job.Seek, w.step, w.last = w.step.Seek, history.Step{}, time.Now()
	clear(w.at)
	return nil
}

// apply carries out a preview. Faces that came since are caught up afterwards.
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

// undo takes back what a job changed, where it is still as the job left it.
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

func (r *Rematcher) inParts(ctx context.Context, job history.Job,
	f func(ctx context.Context, token int64, job history.Job, most int) (bool, error)) (history.Job, error) {
	for {
		more, err := f(ctx, r.token, job, part)
		if err != nil {
			return job, err
		}
		if job, err = r.store.Rematch(ctx, job.ID); err != nil || !more {
			return job, err
		}
	}
}

// catchUp matches faces again that other known people than those of now
// answered, and moves the mark up to which there are none.
func (r *Rematcher) catchUp(ctx context.Context, state history.Reflected, now *history.KnownPeople) (worked bool, err error) {
	settled, err := r.store.SettledFace(ctx, time.Now().Add(-r.opts.Settle))
	if err != nil {
		return false, err
	}
	late, err := r.store.LateFaces(ctx, now.Basis.Model, now.Basis.Gallery, state.FaceMark, r.opts.Page)
	if err != nil {
		return false, err
	}
	if len(late) == 0 {
		if settled > state.FaceMark && time.Since(r.marked) > r.opts.Settle/2 {
			r.marked = time.Now()
			return false, r.store.AdvanceFaceMark(ctx, r.token, settled)
		}
		return false, nil
	}
	if r.opts.Mode != ModeAuto {
		return false, nil
	}
	p := history.NewPlan(state, now.Pictures, now, true)
	j, err := r.newJudge(ctx, p)
	if err != nil {
		return false, err
	}
	changes, err := j.decide(ctx, late, false)
	if err != nil {
		return false, err
	}
	skipped, err := r.store.SetAnswers(ctx, r.token, changes, caught(late, now.Basis.Gallery), now.Basis.Gallery)
	if err != nil {
		return false, err
	}
	r.metrics.caught.Add(float64(len(late)))
	r.log.Info("answers of older known people caught up", "faces", len(late), "images", len(changes)-len(skipped), "skipped", len(skipped))
	return true, nil
}

// refine asks recognizers about images of which somebody said something: only
// they know who comes after a person whom a face is not.
func (r *Rematcher) refine(ctx context.Context, now *history.KnownPeople) (worked bool, err error) {
	pending, err := r.store.PendingCorrections(ctx, part)
	if err != nil || len(pending) == 0 {
		return false, err
	}
	state, err := r.store.Reflected(ctx)
	if err != nil {
		return false, err
	}
	j, err := r.newJudge(ctx, history.NewPlan(state, now.Pictures, now, true))
	if err != nil {
		return false, err
	}
	ids := map[int64]bool{}
	var images []int64
	for _, c := range pending {
		j.corrected[c.ImageID] = true // also where the last of them was undone
		if !ids[c.ImageID] {
			ids[c.ImageID] = true
			images = append(images, c.ImageID)
		}
	}
	changes, err := j.decideImages(ctx, images, nil)
	if err != nil {
		return false, err
	}
	skipped, err := r.store.SetAnswers(ctx, r.token, changes, nil, "")
	if err != nil {
		return false, err
	}
	settled, err := r.settled(ctx, pending, images, skipped)
	if err != nil || len(settled) == 0 {
		return false, err
	}
	if err := r.store.SettleCorrections(ctx, settled); err != nil {
		return false, err
	}
	r.log.Info("corrected images matched again", "corrections", len(settled), "images changed", len(changes)-len(skipped))
	return true, nil
}

// settled returns those of the corrections whose images were at rest.
func (r *Rematcher) settled(ctx context.Context, pending []history.PendingCorrection, images, skipped []int64) ([]history.PendingCorrection, error) {
	busy := map[int64]bool{}
	for _, id := range skipped {
		busy[id] = true
	}
	list, err := r.store.ImagesWithFaces(ctx, images)
	if err != nil {
		return nil, err
	}
	for _, img := range list {
		switch faces.Reason(img.Answer.Reason) {
		case faces.NoReason, faces.Queued: // at work, or about to be
			busy[img.ID] = true
		}
	}
	var done []history.PendingCorrection
	for _, c := range pending {
		if !busy[c.ImageID] {
			done = append(done, c)
		}
	}
	return done, nil
}
