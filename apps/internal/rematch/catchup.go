package rematch

import (
	"context"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// catchUp matches the faces beyond the face mark that were answered with older
// known people. If there are none, it moves the mark, because all faces up to it
// reflect the current known people.
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
		if settled > state.FaceMark && time.Since(r.markMoved) > r.opts.Settle/2 {
			r.markMoved = time.Now()
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
	skipped, err := r.store.SetAnswers(ctx, r.token, changes, answeredByOthers(late, now.Basis.Gallery), now.Basis.Gallery)
	if err != nil {
		return false, err
	}
	r.metrics.caught.Add(float64(len(late)))
	r.log.Info("faces of older known people matched again", "faces", len(late), "images", len(changes)-len(skipped), "skipped", len(skipped))
	return true, nil
}

// refine matches images with new corrections again. After a correction excludes a
// person, only a recognizer knows who the next nearest person is.
func (r *Rematcher) refine(ctx context.Context, now *history.KnownPeople) (worked bool, err error) {
	pending, err := r.store.PendingCorrections(ctx, batchSize)
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
		j.corrected[c.ImageID] = true // even if its last correction was undone
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

// settled returns the corrections whose images are done: neither skipped nor
// queued nor being processed.
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
		case faces.NoReason, faces.Queued: // being processed, or queued
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
