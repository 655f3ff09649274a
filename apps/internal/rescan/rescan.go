// Package rescan looks at old pictures again when a better model set has come
// into use: in the background, newest first, and only while no new pictures
// wait. Each picture takes the way of a new one through a processor, while its
// old answer stands.
//
// One program at a time does so: whoever holds the lease of re-matching. What
// is done is in the database, so that another can go on from there.
package rescan

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// Store is what a Runner needs of the database.
type Store interface {
	AgreeOnModel(ctx context.Context, token int64, m faces.Model, auto bool) (job history.Rescan, started bool, err error)
	NextRescan(ctx context.Context) (job history.Rescan, ok bool, err error)
	BeginRescan(ctx context.Context, token, id int64, model string) (history.Rescan, error)
	NoteRescan(ctx context.Context, token, id int64, detail string) error
	TakeRescanImages(ctx context.Context, token, id int64, most int) (ids []int64, state history.RescanState, err error)
	RescanBacklog(ctx context.Context, id int64, most int) ([]int64, error)
	FinishRescan(ctx context.Context, token, id int64) (history.Rescan, error)
	NewWork(ctx context.Context) (bool, error)
}

// Recognizers tell which model sets are in use.
type Recognizers interface {
	// ModelsInUse returns the model set of every recognizer, and an error where
	// one of them does not answer.
	ModelsInUse(ctx context.Context) ([]faces.Model, error)
}

// Message is an image on its way through a processor, which calls exactly one
// of Finish and Requeue, exactly once.
type Message interface {
	Finish()
	Requeue(delay time.Duration)
}

// Runner works on rescans, a slice of time at each Turn. It is not safe for
// concurrent use.
type Runner struct {
	store       Store
	recognizers Recognizers
	take        func(id int64, m Message)
	opts        Options
	log         *slog.Logger
	metrics     *metrics

	agreed  string              // the model set that the database knows all recognizers to use
	checked time.Time           // when all recognizers were asked last
	all     []string            // the model sets that they use, each once
	rest    time.Time           // until when nothing is handed out
	notYet  map[int64]time.Time // image → the time before which it is not handed out again
	next    time.Time           // when the rate allows the next picture
	noted   string              // what the job is said to wait for
}

// New returns a Runner. take hands an image to a processor.
func New(st Store, rec Recognizers, take func(id int64, m Message), opts Options, log *slog.Logger, reg prometheus.Registerer) *Runner {
	return &Runner{
		store: st, recognizers: rec, take: take, opts: opts, log: log, metrics: newMetrics(reg), notYet: map[int64]time.Time{},
	}
}

// Turn starts a rescan where a new model set has come into use, and works on
// the one that is at work for at most a slice of time. token is that of the
// lease of re-matching; model is the set that recognizers seem to use. It
// reports whether it did something, so that there may be more to do.
func (r *Runner) Turn(ctx context.Context, token int64, model faces.Model) (worked bool, err error) {
	if err := r.agree(ctx, token, model); err != nil {
		return false, err
	}
	job, ok, err := r.store.NextRescan(ctx)
	if err != nil || !ok {
		r.metrics.running.Set(0)
		return false, err
	}
	if time.Now().Before(r.rest) {
		return false, nil
	}
	wanted := cmp.Or(job.Model, model.ID)
	if ready, err := r.allUse(ctx, wanted); err != nil || !ready {
		return false, r.waitsFor(ctx, token, job, wanted, err)
	}
	if job, err = r.store.BeginRescan(ctx, token, job.ID, wanted); err != nil {
		if faces.ErrorCode(err) == faces.CodeConflict { // paused or cancelled just now
			return false, nil
		}
		return false, err
	}
	r.noted = ""
	r.metrics.running.Set(1)
	r.metrics.left.Set(float64(max(job.Total-job.Done, 0)))
	return r.slice(ctx, token, job)
}

// agree lets the database know which model set all recognizers use. That may
// start a rescan.
func (r *Runner) agree(ctx context.Context, token int64, m faces.Model) error {
	if m.ID == r.agreed {
		return nil
	}
	r.checked = time.Time{}
	ready, err := r.allUse(ctx, m.ID)
	if err != nil || !ready {
		return nil // a rollout is under way, or a recognizer is away: next time
	}
	job, started, err := r.store.AgreeOnModel(ctx, token, m, r.opts.Auto)
	if err != nil {
		return err
	}
	r.agreed = m.ID
	if started {
		r.metrics.jobs.WithLabelValues("started").Inc()
		r.log.Info("a new model set is in use: old pictures are looked at again in the background", "rescan", job.ID, "model", m.ID)
	}
	return nil
}

// allUse reports whether every recognizer uses a model set. They are asked from
// time to time only: the answers say, too, who gave them.
func (r *Runner) allUse(ctx context.Context, model string) (bool, error) {
	if time.Since(r.checked) >= r.opts.Check {
		models, err := r.recognizers.ModelsInUse(ctx)
		if err != nil {
			return false, fmt.Errorf("ask all recognizers for their model set: %w", err)
		}
		ids := make([]string, len(models))
		for i, m := range models {
			ids[i] = m.ID
		}
		slices.Sort(ids)
		r.all, r.checked = slices.Compact(ids), time.Now()
	}
	return len(r.all) == 1 && r.all[0] == model, nil
}

// waitsFor says in the job's detail why it does not go on.
func (r *Runner) waitsFor(ctx context.Context, token int64, job history.Rescan, model string, problem error) error {
	r.checked = time.Time{}
	r.metrics.running.Set(0)
	detail := fmt.Sprintf("waits until all recognizers use %s; now they use %s", model, strings.Join(r.all, ", "))
	if problem != nil {
		detail = "waits until all recognizers answer"
	}
	if note := fmt.Sprint(job.ID, detail); note != r.noted {
		r.noted = note
		r.log.Info("rescan waits", "rescan", job.ID, "why", detail, "problem", problem)
		return r.store.NoteRescan(ctx, token, job.ID, detail)
	}
	return nil
}
