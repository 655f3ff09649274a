package rematch

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// stream reads pages of faces, decides several pages at the same time, and writes
// the results in the order of the pages.
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

func (r *Rematcher) decidePage(ctx context.Context, j *judge, pg page) (history.Step, error) {
	if len(pg.faces) == 0 {
		return history.Step{}, nil
	}
	changes, err := j.decide(ctx, pg.faces, pg.onlyAdded)
	step := history.Step{Seek: pg.faces[len(pg.faces)-1].ID, Faces: int64(len(pg.faces)), Changes: changes}
	if pg.late {
		step.CaughtUp = answeredByOthers(pg.faces, j.Basis.Gallery)
	}
	return step, err
}

// answeredByOthers returns the ids of the faces that were answered with another
// version of the known people.
func answeredByOthers(list []history.StoredFace, gallery string) []int64 {
	var ids []int64
	for _, f := range list {
		if f.Gallery != gallery {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// writer combines the steps of several pages into one transaction, because most
// pages change little.
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
	w.step.CaughtUp = append(w.step.CaughtUp, s.CaughtUp...)
	for _, c := range s.Changes {
		if i, ok := w.at[c.ImageID]; ok { // its faces are on two pages; both decided the whole image
			w.step.Changes[i] = c
			continue
		}
		w.at[c.ImageID] = len(w.step.Changes)
		w.step.Changes = append(w.step.Changes, c)
	}
	if len(w.step.Changes) < batchSize && time.Since(w.last) < progressEvery {
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
