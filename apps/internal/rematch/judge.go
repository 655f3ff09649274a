package rematch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

const (
	matchTries = 4
	matchPause = 500 * time.Millisecond
)

// judge decides stored faces as a plan says. It reads what history.Judge needs
// from recognizers and from the database.
type judge struct {
	history.Judge
	match     func(ctx context.Context, q faces.MatchQuery) ([][]faces.Neighbour, error)
	store     Store
	corrected map[int64]bool // images with at least one human correction
}

func (r *Rematcher) newJudge(ctx context.Context, p *history.Plan) (*judge, error) {
	ids, err := r.store.CorrectedImages(ctx)
	if err != nil {
		return nil, err
	}
	j := &judge{Judge: history.NewJudge(p), match: r.match, store: r.store, corrected: make(map[int64]bool, len(ids))}
	for _, id := range ids {
		j.corrected[id] = true
	}
	return j, nil
}

// match asks a recognizer. It retries for a short time, because a recognizer may
// be restarting or may not have loaded the newest known people yet.
func (r *Rematcher) match(ctx context.Context, q faces.MatchQuery) (neighbours [][]faces.Neighbour, err error) {
	if len(q.Descriptors) == 0 {
		return nil, nil
	}
	for i := range matchTries {
		if i > 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(matchPause << (i - 1)):
			}
		}
		if neighbours, err = r.recognizer.Match(ctx, q); err == nil || ctx.Err() != nil {
			return neighbours, err
		}
	}
	return nil, fmt.Errorf("match %d face(s): %w", len(q.Descriptors), err)
}

// decide decides the images of a page of faces again and returns the changes.
// With onlyAdded, a face whose stored candidates have not changed is compared
// with those and the added pictures only. An image is always decided from all of
// its faces, even if only some are on the page.
func (j *judge) decide(ctx context.Context, page []history.StoredFace, onlyAdded bool) ([]history.Change, error) {
	images := map[int64]bool{} // images that must be decided from all of their faces
	var quick []history.StoredFace
	for _, f := range page {
		if j.corrected[f.ImageID] || f.Corrected != history.NotCorrected || onlyAdded && j.Touches(f.FaceAnswer) {
			images[f.ImageID] = true
		} else {
			quick = append(quick, f)
		}
	}
	against := j.Matchable()
	if onlyAdded {
		against = j.OnlyAdded()
	}
	found, err := j.neighbours(ctx, quick, against)
	if err != nil {
		return nil, err
	}
	judged := map[int64]faces.Face{} // faces whose decision changed
	for i, f := range quick {
		if onlyAdded && j.IsOutOfReach(found[i]) {
			continue
		}
		face, sure := j.Quick(f, found[i], onlyAdded)
		if !sure {
			images[f.ImageID] = true
		} else if j.Differs(f.FaceAnswer, history.AnswerOf(face)) {
			judged[f.ID], images[f.ImageID] = face, true
		}
	}
	if len(images) == 0 {
		return nil, nil
	}
	return j.decideImages(ctx, slices.Sorted(maps.Keys(images)), judged)
}

// neighbours returns the neighbours of each face among the given known pictures.
func (j *judge) neighbours(ctx context.Context, list []history.StoredFace, against history.Pictures) ([][]faces.Neighbour, error) {
	if against.None || len(list) == 0 {
		return make([][]faces.Neighbour, len(list)), nil
	}
	return j.match(ctx, j.Query(list, against))
}

// decideImages decides all faces of images. judged has the faces that are decided
// already.
func (j *judge) decideImages(ctx context.Context, ids []int64, judged map[int64]faces.Face) ([]history.Change, error) {
	images, err := j.store.ImagesWithFaces(ctx, ids)
	if err != nil {
		return nil, err
	}
	corrections, err := j.corrections(ctx, ids)
	if err != nil {
		return nil, err
	}
	var open []history.OpenFace
	for _, img := range images {
		if img.Waits {
			continue // the processor that works on it answers it
		}
		open = append(open, j.Open(img, corrections[img.ID], judged)...)
	}
	rejudged, err := j.judgeOpen(ctx, open)
	if err != nil {
		return nil, err
	}
	for id, f := range judged {
		if _, done := rejudged[id]; !done {
			rejudged[id] = f
		}
	}
	var changes []history.Change
	for _, img := range images {
		if c, ok := j.Change(img, rejudged); ok && !img.Waits {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

func (j *judge) corrections(ctx context.Context, ids []int64) (map[int64][]faces.Correction, error) {
	var withCorrections []int64
	for _, id := range ids {
		if j.corrected[id] {
			withCorrections = append(withCorrections, id)
		}
	}
	list, err := j.store.Corrections(ctx, withCorrections)
	return faces.CorrectionsByImage(list), err
}

// judgeOpen matches faces against all known pictures and judges each of them.
func (j *judge) judgeOpen(ctx context.Context, open []history.OpenFace) (map[int64]faces.Face, error) {
	nearby := make([]faces.Nearby, len(open))
	for _, c := range history.Comparisons(open) {
		list := make([]history.StoredFace, len(c.Members))
		for n, i := range c.Members {
			list[n] = open[i].StoredFace
		}
		found, err := j.neighbours(ctx, list, j.Against(c))
		if err != nil {
			return nil, err
		}
		for n, i := range c.Members {
			j.Add(&nearby[i], c, found[n])
		}
	}
	judged := make(map[int64]faces.Face, len(open))
	for i, f := range open {
		judged[f.ID] = j.Decide(f, nearby[i])
	}
	return judged, nil
}
