// Package rematch lets history follow the known people: when they change, the
// stored faces are matched again, without their pictures, and the answers
// follow.
//
//	look ─▶ what changed? ─▶ job ─▶ pages of faces ─▶ match, decide ─▶ write, a part at a time
//
// One program at a time does so, by a lease. What it does is written in parts,
// each whole or not at all, so that another can go on where it was cut off.
//
// This file owns the life of a Rematcher. known.go owns what is known of the
// known people, plan.go what a change of them means, run.go the jobs, judge.go
// the decisions.
package rematch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// Store is what a Rematcher needs of the database.
type Store interface {
	LeaseRematch(ctx context.Context, owner string, token int64, lease time.Duration) (newToken int64, ok bool, err error)
	FreeRematch(ctx context.Context, token int64) error

	Reflected(ctx context.Context) (history.Reflected, error)
	ReflectedPictures(ctx context.Context) ([]faces.KnownPicture, error)
	Reflect(ctx context.Context, token int64, basis history.Basis, known []faces.KnownPicture, mark int64) error
	AdvanceFaceMark(ctx context.Context, token, mark int64) error

	AllOwners(ctx context.Context) (map[string]faces.Person, error)

	SettledFace(ctx context.Context, before time.Time) (int64, error)
	FacesPage(ctx context.Context, model string, after, upTo int64, most int) ([]history.StoredFace, error)
	FacesByID(ctx context.Context, ids []int64) ([]history.StoredFace, error)
	LateFaces(ctx context.Context, model, gallery string, after int64, most int) ([]history.StoredFace, error)
	TouchedFaces(ctx context.Context, model string, pictures []faces.KnownPicture) ([]int64, error)
	ImagesWithFaces(ctx context.Context, ids []int64) ([]history.StoredImage, error)
	OtherModels(ctx context.Context, model string) (int64, error)
	SetAnswers(ctx context.Context, token int64, changes []history.Change, caught []int64, gallery string) (skipped []int64, err error)

	Corrections(ctx context.Context, imageIDs []int64) ([]faces.Correction, error)
	CorrectedImages(ctx context.Context) ([]int64, error)
	PendingCorrections(ctx context.Context, most int) ([]history.PendingCorrection, error)
	SettleCorrections(ctx context.Context, list []history.PendingCorrection) error

	RequestRematch(ctx context.Context, cause history.Cause, apply, whole bool) (history.Job, error)
	NextRematch(ctx context.Context) (job history.Job, ok bool, err error)
	LatestRematchOf(ctx context.Context, fingerprint string) (job history.Job, ok bool, err error)
	Rematch(ctx context.Context, id int64) (history.Job, error)
	RematchSummary(ctx context.Context, id int64, most int) ([]history.Movement, error)
	BeginRematch(ctx context.Context, token int64, job history.Job) error
	StepRematch(ctx context.Context, token int64, job history.Job, step history.Step) (visible int64, skipped []int64, err error)
	EndRematch(ctx context.Context, token int64, job history.Job, state history.State, detail string, known []faces.KnownPicture, mark int64) error
	BeginApply(ctx context.Context, token int64) error
	ApplyPlanned(ctx context.Context, token int64, job history.Job, most int) (more bool, err error)
	UndoApplied(ctx context.Context, token int64, job history.Job, most int) (more bool, err error)
	ForgetRematches(ctx context.Context, token int64, keep int) (more bool, err error)
}

// Recognizer is what a Rematcher needs of the recognizers. An error with
// faces.CodeConflict says that one of them uses another model set or other
// known pictures.
type Recognizer interface {
	GalleryInUse(ctx context.Context) (faces.Model, string, error)
	KnownPictures(ctx context.Context) (faces.KnownSet, error)
	Match(ctx context.Context, q faces.MatchQuery) ([][]faces.Neighbour, error)
}

// Rematcher lets history follow the known people.
type Rematcher struct {
	store      Store
	recognizer Recognizer
	owner      string
	opts       Options
	log        *slog.Logger
	metrics    *metrics

	whenIdle func(ctx context.Context, token int64, model faces.Model) (worked bool, err error)

	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup

	// The loop's own.
	token       int64 // of the lease; 0 where another has it
	watch       watch
	silentUntil map[string]time.Time // problem → until when it is not logged again
	marked      time.Time            // when the mark was last moved
	tries       map[int64]int        // of jobs that went wrong
}

// New returns a Rematcher that waits for Start. owner names this process in
// the lease that it takes.
func New(st Store, rec Recognizer, owner string, opts Options, log *slog.Logger, reg prometheus.Registerer) *Rematcher {
	r := &Rematcher{
		store: st, recognizer: rec, owner: owner, opts: opts, log: log, metrics: newMetrics(reg), silentUntil: map[string]time.Time{}, tries: map[int64]int{},
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Start begins to watch and to work.
func (r *Rematcher) Start() { r.done.Go(r.loop) }

// Stop ends what is going on at the next part's end; another program, or the
// next start, goes on from there.
func (r *Rematcher) Stop(ctx context.Context) error {
	r.cancel()
	ended := make(chan struct{})
	go func() { r.done.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		return fmt.Errorf("stop re-matching: %w", ctx.Err())
	}
	if r.token == 0 {
		return nil
	}
	return r.store.FreeRematch(ctx, r.token)
}

func (r *Rematcher) loop() {
	for {
		pause := r.opts.Poll
		if r.turn() {
			pause = 0 // there may be more to do
		}
		select {
		case <-r.ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// turn does what there is to do and reports whether it did something.
func (r *Rematcher) turn() (worked bool) {
	defer func() {
		if v := recover(); v != nil {
			r.log.Error("panic", "where", "re-match", "panic", v, "stack", string(debug.Stack()))
			worked = false
		}
	}()
	ctx, end, ok := r.lease()
	if !ok {
		return false
	}
	defer end()
	worked, err := r.work(ctx)
	switch {
	case err == nil || r.ctx.Err() != nil:
	case errors.Is(err, history.ErrLeaseLost) || ctx.Err() != nil:
		r.token = 0
		r.log.Warn("another program has taken over re-matching")
	default:
		r.logProblem(err)
		worked = false
	}
	return worked
}

// complain logs a problem, and the same one not again for a while: whatever is
// in the way is asked every few seconds.
func (r *Rematcher) logProblem(err error) {
	const again = time.Minute
	text := err.Error()
	if time.Now().Before(r.silentUntil[text]) {
		return
	}
	clear(r.silentUntil)
	r.silentUntil[text] = time.Now().Add(again)
	r.log.Warn("cannot re-match yet", "why", err)
}

// lease takes or renews the lease and keeps it until end is called. The
// context ends when it is lost.
func (r *Rematcher) lease() (ctx context.Context, end func(), ok bool) {
	token, ok, err := r.store.LeaseRematch(r.ctx, r.owner, r.token, r.opts.Lease)
	if err != nil || !ok {
		if err != nil && r.ctx.Err() == nil {
			r.logProblem(err)
		}
		r.token = 0
		return nil, nil, false
	}
	r.token = token
	ctx, cancel := context.WithCancel(r.ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() {
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
				cancel()
				return
			}
		}
	})
	return ctx, func() { cancel(); keeper.Wait() }, true
}

// work does one thing: what was asked for, or what the known people ask for.
func (r *Rematcher) work(ctx context.Context) (worked bool, err error) {
	job, asked, err := r.store.NextRematch(ctx)
	if err != nil {
		return false, err
	}
	if asked && job.State == history.Undoing { // needs no recognizer
		return true, r.undo(ctx, job)
	}
	now, err := r.stablePeople(ctx, asked && job.State == history.Requested)
	if err != nil || now == nil {
		return false, err
	}
	if asked {
		return true, r.do(ctx, job, now)
	}
	if refined, err := r.refine(ctx, now); err != nil || refined {
		return refined, err
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

// WhenIdle lets f work under the lease of re-matching while there is nothing to
// re-match. It is told the lease's token and the model set that the recognizers
// use, and reports whether there may be more to do. It must be set before
// Start.
func (r *Rematcher) WhenIdle(f func(ctx context.Context, token int64, model faces.Model) (worked bool, err error)) {
	r.whenIdle = f
}
