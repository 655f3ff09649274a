// Package rematch keeps stored answers up to date with the known people. When
// the known people change, it matches the stored faces again, without their
// pictures, and updates the answers.
//
//	snapshot ─▶ what changed? ─▶ job ─▶ pages of faces ─▶ match, decide ─▶ write, one step at a time
//
// A program makes a Rematcher with New and calls Start and Stop. Only the program
// that holds the lease works. Each step of a job is one transaction, so that
// another program can continue an interrupted job. Package history plans the jobs
// and decides the faces.
package rematch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
)

// Store is the part of the database that a Rematcher uses.
type Store interface {
	LeaseRematch(ctx context.Context, owner string, token int64, lease time.Duration) (newToken int64, ok bool, err error)
	FreeRematch(ctx context.Context, token int64) error

	Reflected(ctx context.Context) (history.Reflected, error)
	ReflectedPictures(ctx context.Context) ([]faces.KnownPicture, error)
	Reflect(ctx context.Context, token int64, basis history.Basis, known []faces.KnownPicture, mark int64) error
	AdvanceFaceMark(ctx context.Context, token, mark int64) error

	AllOwners(ctx context.Context) (map[string]faces.Person, error)
	Withheld(ctx context.Context) (map[int64]bool, error)
	SweepConsents(ctx context.Context, token int64) (more bool, err error)

	SettledFace(ctx context.Context, before time.Time) (int64, error)
	FacesPage(ctx context.Context, model string, after, upTo int64, limit int) ([]history.StoredFace, error)
	FacesByID(ctx context.Context, ids []int64) ([]history.StoredFace, error)
	LateFaces(ctx context.Context, model, gallery string, after int64, limit int) ([]history.StoredFace, error)
	TouchedFaces(ctx context.Context, model string, pictures []faces.KnownPicture) ([]int64, error)
	ImagesWithFaces(ctx context.Context, ids []int64) ([]history.StoredImage, error)
	OtherModels(ctx context.Context, model string) (int64, error)
	SetAnswers(ctx context.Context, token int64, changes []history.Change, caughtUp []int64, gallery string) (skipped []int64, err error)

	Corrections(ctx context.Context, imageIDs []int64) ([]faces.Correction, error)
	CorrectedImages(ctx context.Context) ([]int64, error)
	PendingCorrections(ctx context.Context, limit int) ([]history.PendingCorrection, error)
	SettleCorrections(ctx context.Context, list []history.PendingCorrection) error
	RecheckDismissed(ctx context.Context, token int64) error

	UndescribedFaces(ctx context.Context, token int64, model string, limit int) ([]history.Undescribed, error)
	DescribeDrawn(ctx context.Context, token int64, u history.Undescribed, d faces.Described) (ok bool, err error)
	PostponeDrawn(ctx context.Context, token int64, u history.Undescribed, until time.Time) error
	RecheckDrawn(ctx context.Context, token int64) error

	RequestRematch(ctx context.Context, cause history.Cause, apply, full bool) (history.Job, error)
	NextRematch(ctx context.Context) (job history.Job, ok bool, err error)
	LatestRematchOf(ctx context.Context, fingerprint string) (job history.Job, ok bool, err error)
	Rematch(ctx context.Context, id int64) (history.Job, error)
	RematchSummary(ctx context.Context, id int64, limit int) ([]history.Movement, error)
	BeginRematch(ctx context.Context, token int64, job history.Job) error
	StepRematch(ctx context.Context, token int64, job history.Job, step history.Step) (visible int64, skipped []int64, err error)
	EndRematch(ctx context.Context, token int64, job history.Job, state history.State, detail string, known []faces.KnownPicture, mark int64) error
	BeginApply(ctx context.Context, token int64) error
	ApplyPlanned(ctx context.Context, token int64, job history.Job, limit int) (more bool, err error)
	UndoApplied(ctx context.Context, token int64, job history.Job, limit int) (more bool, err error)
	ForgetRematches(ctx context.Context, token int64, keep int) (more bool, err error)
}

// Recognizer is the part of the recognizers that a Rematcher uses. An error with
// faces.CodeConflict means that one of them uses another model set or other known
// pictures.
type Recognizer interface {
	GalleryInUse(ctx context.Context) (faces.Model, string, error)
	KnownPictures(ctx context.Context) (faces.KnownSet, error)
	Match(ctx context.Context, q faces.MatchQuery) ([][]faces.Neighbour, error)
	DescribeFace(ctx context.Context, path string, box faces.Box, file faces.File) (faces.Described, error)
}

// Rematcher keeps stored answers up to date with the known people.
type Rematcher struct {
	store      Store
	recognizer Recognizer
	owner      string
	opts       Options
	log        *slog.Logger
	metrics    *metrics

	whenIdle func(ctx context.Context, token int64, model faces.Model) (worked bool, err error)

	loop  *background.Loop
	leads atomic.Int64 // token of the lease, for other goroutines

	// Used by the loop only.
	token     int64 // of the lease; 0 if this program does not hold it; see setToken
	watch     watch
	repeats   background.Repeats
	markMoved time.Time     // when the face mark was last moved
	tries     map[int64]int // job → failed tries
	rechecked int64         // token of the lease under which dismissed faces were checked

	swept atomic.Int64 // when consents were last swept, in nanoseconds since 1970

	redrawn      int64     // token of the lease under which drawn faces were checked
	describeFrom time.Time // no drawn face is described before
}

// New returns a Rematcher, which does nothing before Start. owner names this
// process in the lease.
func New(st Store, rec Recognizer, owner string, opts Options, log *slog.Logger, reg prometheus.Registerer) *Rematcher {
	r := &Rematcher{
		store: st, recognizer: rec, owner: owner, opts: opts, log: log, metrics: newMetrics(reg), tries: map[int64]int{},
	}
	r.loop = background.New(background.Options{What: "re-matching", Poll: opts.Poll, Round: r.runOnce, Log: log})
	return r
}

// Start starts watching the known people and working on jobs.
func (r *Rematcher) Start() { r.loop.Start() }

// Stop ends the work after the current step and gives up the lease. Another
// program, or this one after its next start, continues from there.
func (r *Rematcher) Stop(ctx context.Context) error {
	if err := r.loop.Stop(ctx); err != nil {
		return err
	}
	if r.token == 0 {
		return nil
	}
	r.leads.Store(0)
	return r.store.FreeRematch(ctx, r.token)
}

// Leads reports whether this program holds the lease of re-matching, as far as it knows.
// The holder does what one program has to do for all.
func (r *Rematcher) Leads() bool { return r.Token() != 0 }

// Token returns the token of the lease of re-matching, or 0 if this program does not hold
// it, as far as it knows. What is written with it is refused when the lease is lost.
func (r *Rematcher) Token() int64 { return r.leads.Load() }

func (r *Rematcher) setToken(token int64) {
	r.token = token
	r.leads.Store(token)
}

// runOnce takes the lease, works once, and reports whether there may be more to
// do.
func (r *Rematcher) runOnce(stop context.Context) (worked bool) {
	ctx, end, ok := r.lease(stop)
	if !ok {
		return false
	}
	defer end()
	worked, err := r.work(ctx)
	switch {
	case err == nil || stop.Err() != nil:
	case errors.Is(err, history.ErrLeaseLost) || ctx.Err() != nil:
		r.setToken(0)
		r.log.Warn("another program has taken over re-matching")
	default:
		r.logProblem(err)
		worked = false
	}
	return worked
}

// logProblem logs a problem, but the same one at most once a minute, because the
// loop finds it again every few seconds.
func (r *Rematcher) logProblem(err error) {
	if r.repeats.New(err.Error()) {
		r.log.Warn("cannot re-match yet", "error", err)
	}
}

// lease takes or renews the lease and keeps renewing it until end is called. ctx
// is cancelled if the lease is lost.
func (r *Rematcher) lease(stop context.Context) (ctx context.Context, end func(), ok bool) {
	token, ok, err := r.store.LeaseRematch(stop, r.owner, r.token, r.opts.Lease)
	if err != nil || !ok {
		if err != nil && stop.Err() == nil {
			r.logProblem(err)
		}
		r.setToken(0)
		return nil, nil, false
	}
	r.setToken(token)
	ctx, cancel := context.WithCancel(stop)
	var keeper sync.WaitGroup
	keeper.Go(func() { r.keepLease(ctx, token, cancel) })
	r.sweepConsents(ctx, token)
	keeper.Go(func() { r.keepSweeping(ctx, token) })
	return ctx, func() { cancel(); keeper.Wait() }, true
}

// keepLease renews the lease until ctx ends. It calls lost if another program has
// taken the lease, or if it has expired because the database cannot be reached.
func (r *Rematcher) keepLease(ctx context.Context, token int64, lost func()) {
	ticker := time.NewTicker(r.opts.Lease / 3)
	defer ticker.Stop()
	for until := time.Now().Add(r.opts.Lease); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		_, ok, err := r.store.LeaseRematch(ctx, r.owner, token, r.opts.Lease)
		switch {
		case err == nil && ok:
			until = time.Now().Add(r.opts.Lease)
		case err == nil || time.Now().After(until):
			lost()
			return
		}
	}
}

// work does the first of these that is due: the next job, corrections, drawn faces,
// changes of the known people, the idle function.
func (r *Rematcher) work(ctx context.Context) (worked bool, err error) {
	job, found, err := r.store.NextRematch(ctx)
	if err != nil {
		return false, err
	}
	if found && job.State == history.Undoing { // needs no recognizer, so it need not wait for one
		return true, r.undo(ctx, job)
	}
	now, err := r.stablePeople(ctx, found && job.State == history.Requested)
	if err != nil || now == nil {
		return false, err
	}
	if found {
		return true, r.continueJob(ctx, job, now)
	}
	if r.rechecked != r.token {
		// The holder before may have been of a release that does not know them.
		if err := r.store.RecheckDismissed(ctx, r.token); err != nil {
			return false, err
		}
		r.rechecked = r.token
	}
	if refined, err := r.refine(ctx, now); err != nil || refined {
		return refined, err
	}
	if described, err := r.describe(ctx, now); err != nil || described {
		return described, err
	}
	if r.opts.Mode != ModeOff {
		if worked, err := r.follow(ctx, now); err != nil || worked {
			return worked, err
		}
	}
	if r.whenIdle == nil {
		return false, nil
	}
	return r.whenIdle(ctx, r.token, now.Model)
}

// WhenIdle sets a function that is called under the lease of re-matching while
// there is nothing to re-match. f gets the lease's token and the model set that
// recognizers use, and reports whether there may be more to do. Call WhenIdle
// before Start.
func (r *Rematcher) WhenIdle(f func(ctx context.Context, token int64, model faces.Model) (worked bool, err error)) {
	r.whenIdle = f
}
