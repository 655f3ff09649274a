// Package rescan recognizes old pictures again when a new model set comes into
// use: in the background, newest first, and only while no new pictures wait. A
// processor handles each picture like a new one; its old answer stands until the
// new one is stored.
//
// A Runner works only under the lease of re-matching, so only one program works
// at a time: pass its Work method to rematch.Rematcher.WhenIdle. The progress is
// in the database, so that another program can continue.
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

// Store is the part of the database that a Runner uses.
type Store interface {
	AgreeOnModel(ctx context.Context, token int64, m faces.Model, auto bool) (job history.Rescan, started bool, err error)
	NextRescan(ctx context.Context) (job history.Rescan, ok bool, err error)
	BeginRescan(ctx context.Context, token, id int64, model string) (history.Rescan, error)
	NoteRescan(ctx context.Context, token, id int64, detail string) error
	TakeRescanImages(ctx context.Context, token, id int64, limit int) (ids []int64, state history.RescanState, err error)
	RescanBacklog(ctx context.Context, id int64, limit int) ([]int64, error)
	FinishRescan(ctx context.Context, token, id int64) (history.Rescan, error)
	NewWork(ctx context.Context) (bool, error)
}

// Recognizers reports which model sets are in use.
type Recognizers interface {
	// ModelsInUse returns the model set of every recognizer. It fails if one of
	// them does not answer.
	ModelsInUse(ctx context.Context) ([]faces.Model, error)
}

// Message is one image for a processor, which calls exactly one of Finish and
// Requeue, exactly once.
type Message interface {
	Finish()
	Requeue(delay time.Duration)
}

// Runner works on rescans, for a limited time per call of Work. It is not safe
// for concurrent use.
type Runner struct {
	store       Store
	recognizers Recognizers
	process     func(id int64, m Message)
	opts        Options
	log         *slog.Logger
	metrics     *metrics

	agreedModel string              // the model set that the store was told all recognizers use
	checkedAt   time.Time           // when all recognizers were last asked
	modelsInUse []string            // their model sets, without duplicates
	restUntil   time.Time           // no image is handed out before
	notBefore   map[int64]time.Time // image → it is not handed out again before
	nextAt      time.Time           // the rate allows no picture before
	lastNote    string              // the last detail that noteWaiting stored
}

// New returns a Runner. process hands an image to a processor and may block.
func New(st Store, rec Recognizers, process func(id int64, m Message), opts Options, log *slog.Logger, reg prometheus.Registerer) *Runner {
	return &Runner{
		store: st, recognizers: rec, process: process, opts: opts, log: log, metrics: newMetrics(reg), notBefore: map[int64]time.Time{},
	}
}

// Work starts a rescan if a new model set has come into use, and works on the
// current rescan for at most Options.Slice. token is the token of the lease of
// re-matching; model is the set that some recognizers report.
// worked reports whether there may be more to do.
func (r *Runner) Work(ctx context.Context, token int64, model faces.Model) (worked bool, err error) {
	if err := r.agree(ctx, token, model); err != nil {
		return false, err
	}
	job, ok, err := r.store.NextRescan(ctx)
	if err != nil || !ok {
		r.metrics.running.Set(0)
		return false, err
	}
	if time.Now().Before(r.restUntil) {
		return false, nil
	}
	wanted := cmp.Or(job.Model, model.ID)
	if ready, err := r.allUse(ctx, wanted); err != nil || !ready {
		return false, r.noteWaiting(ctx, token, job, wanted, err)
	}
	if job, err = r.store.BeginRescan(ctx, token, job.ID, wanted); err != nil {
		if faces.ErrorCode(err) == faces.CodeConflict { // paused or cancelled just now
			return false, nil
		}
		return false, err
	}
	r.lastNote = ""
	r.metrics.running.Set(1)
	r.metrics.left.Set(float64(max(job.Total-job.Done, 0)))
	return r.runSlice(ctx, token, job)
}

// agree tells the store which model set all recognizers use. That may start a
// rescan.
func (r *Runner) agree(ctx context.Context, token int64, m faces.Model) error {
	if m.ID == r.agreedModel {
		return nil
	}
	r.checkedAt = time.Time{}
	ready, err := r.allUse(ctx, m.ID)
	if err != nil || !ready {
		return nil // a rollout is under way, or a recognizer does not answer: try next time
	}
	job, started, err := r.store.AgreeOnModel(ctx, token, m, r.opts.Auto)
	if err != nil {
		return err
	}
	r.agreedModel = m.ID
	if started {
		r.metrics.jobs.WithLabelValues("started").Inc()
		r.log.Info("a new model set is in use; old pictures are rescanned in the background", "rescan", job.ID, "model", m.ID)
	}
	return nil
}

// allUse reports whether every recognizer uses a model set. It asks them only
// once per Options.Check, because each answer names its model set, too.
func (r *Runner) allUse(ctx context.Context, model string) (bool, error) {
	if time.Since(r.checkedAt) >= r.opts.Check {
		models, err := r.recognizers.ModelsInUse(ctx)
		if err != nil {
			return false, fmt.Errorf("ask all recognizers for their model set: %w", err)
		}
		ids := make([]string, len(models))
		for i, m := range models {
			ids[i] = m.ID
		}
		slices.Sort(ids)
		r.modelsInUse, r.checkedAt = slices.Compact(ids), time.Now()
	}
	return len(r.modelsInUse) == 1 && r.modelsInUse[0] == model, nil
}

// noteWaiting stores in the job's detail why it cannot continue.
func (r *Runner) noteWaiting(ctx context.Context, token int64, job history.Rescan, model string, problem error) error {
	r.checkedAt = time.Time{}
	r.metrics.running.Set(0)
	detail := fmt.Sprintf("waits until all recognizers use %s; now they use %s", model, strings.Join(r.modelsInUse, ", "))
	if problem != nil {
		detail = "waits until all recognizers answer"
	}
	if note := fmt.Sprint(job.ID, detail); note != r.lastNote {
		r.lastNote = note
		r.log.Info("rescan waits", "rescan", job.ID, "reason", detail, "error", problem)
		return r.store.NoteRescan(ctx, token, job.ID, detail)
	}
	return nil
}
