package rematch

// This file owns deciding stored faces anew. The rule is faces.Face.Judge, as
// it is for a face that has just been seen; what is here brings together who
// is near.

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// nearest pictures of a face are always asked for; more where they are
	// within the slack.
	nearest = 2
	// sameDistance is how far two reckonings of one distance may differ.
	sameDistance = 1e-4

	matchTries = 4
	matchPause = 500 * time.Millisecond
)

// judge decides faces by a plan.
type judge struct {
	*plan
	match     func(ctx context.Context, q faces.MatchQuery) ([][]faces.Neighbour, error)
	store     Store
	slack     float64
	corrected map[int64]bool // images of which somebody said something
}

func (r *Rematcher) newJudge(ctx context.Context, p *plan) (*judge, error) {
	ids, err := r.store.CorrectedImages(ctx)
	if err != nil {
		return nil, err
	}
	j := &judge{plan: p, match: r.match, store: r.store, slack: max(r.opts.Slack, p.model.Margin), corrected: make(map[int64]bool, len(ids))}
	for _, id := range ids {
		j.corrected[id] = true
	}
	return j, nil
}

// match asks a few times where a recognizer is away for a moment, or has not
// noticed the newest known people yet.
func (r *Rematcher) match(ctx context.Context, q faces.MatchQuery) (near [][]faces.Neighbour, err error) {
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
		if near, err = r.recognizer.Match(ctx, q); err == nil || ctx.Err() != nil {
			return near, err
		}
	}
	return nil, fmt.Errorf("match %d face(s): %w", len(q.Descriptors), err)
}

// query asks about descriptors as a first answer would be asked about.
func (j *judge) query(descriptors [][]byte, images []string) faces.MatchQuery {
	return faces.MatchQuery{
		Model: j.basis.Model, Gallery: j.basis.Gallery, Descriptors: descriptors, Images: images,
		Count: nearest, Slack: j.slack, Within: j.model.Threshold,
	}
}

// decide returns what the known people make of the images of some faces. With
// onlyAdded, those that nothing touches are matched against the added pictures
// only, and against the candidates that are stored.
func (j *judge) decide(ctx context.Context, page []store.StoredFace, onlyAdded bool) ([]store.Change, error) {
	images := map[int64]bool{} // to look at as a whole
	var quick []store.StoredFace
	for _, f := range page {
		if j.corrected[f.ImageID] || f.Corrected != 0 || onlyAdded && j.touches(f.FaceAnswer) {
			images[f.ImageID] = true
		} else {
			quick = append(quick, f)
		}
	}
	decided := map[int64]store.FaceAnswer{} // what differs
	against := j.owned
	if onlyAdded {
		against = j.added
	}
	near, err := j.near(ctx, quick, against, onlyAdded && len(j.added) == 0)
	if err != nil {
		return nil, err
	}
	for i, f := range quick {
		if onlyAdded && (len(near[i]) == 0 || near[i][0].Distance > j.reach()) {
			continue // too far to matter
		}
		candidates := faces.Candidates(near[i], j.owner)
		if onlyAdded {
			candidates = append(candidates, j.stored(f.FaceAnswer)...)
		}
		if answer := j.answer(f, candidates, faces.Verdict{}); j.differs(f.FaceAnswer, answer) {
			decided[f.ID], images[f.ImageID] = answer, true
		}
	}
	if len(images) == 0 {
		return nil, nil
	}
	ids := make([]int64, 0, len(images))
	for id := range images {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return j.decideImages(ctx, ids, decided)
}

// reach is how far a person may be to be worth telling about.
func (j *judge) reach() float64 { return j.model.Threshold + j.slack }

// near matches faces against some of the known pictures; nil are all.
func (j *judge) near(ctx context.Context, list []store.StoredFace, images []string, none bool) ([][]faces.Neighbour, error) {
	if none || len(list) == 0 || len(j.owners) == 0 {
		return make([][]faces.Neighbour, len(list)), nil
	}
	descriptors := make([][]byte, len(list))
	for i, f := range list {
		descriptors[i] = f.Descriptor
	}
	return j.match(ctx, j.query(descriptors, images))
}

// stored returns the candidates that a face has been given and that are still
// what they were.
func (j *judge) stored(f store.FaceAnswer) []faces.Candidate {
	var list []faces.Candidate
	if j.stillKnown(f.BestImage, f.BestPerson) {
		list = append(list, faces.Candidate{Person: j.owners[f.BestImage], Distance: f.BestDistance, Image: f.BestImage})
	}
	if j.stillKnown(f.SecondImage, f.SecondPerson) {
		list = append(list, faces.Candidate{Person: j.owners[f.SecondImage], Distance: f.SecondDistance, Image: f.SecondImage})
	}
	return list
}

func (j *judge) answer(f store.StoredFace, near []faces.Candidate, v faces.Verdict) store.FaceAnswer {
	return store.AnswerOf(faces.Face{ID: f.ID}.Judge(near, j.model, v))
}

// differs reports whether a new decision is worth writing: who it is, or is
// not, has changed, or what is told of it is not true any more, or somebody
// came within reach. That a stranger is now nearest to another stranger is
// not: those rows are most of all.
func (j *judge) differs(old, now store.FaceAnswer) bool {
	if old.Reason != now.Reason || old.Corrected != now.Corrected {
		return true
	}
	if now.Reason == string(faces.Identified) && old.BestPerson != now.BestPerson {
		return true
	}
	best := now.BestPerson != faces.NoPerson && now.BestDistance <= j.reach()
	second := best && now.SecondPerson != faces.NoPerson && now.SecondDistance <= now.BestDistance+j.slack
	return j.candidateDiffers(old.BestPerson, now.BestPerson, old.BestImage, now.BestImage, old.BestDistance, now.BestDistance, best) ||
		j.candidateDiffers(old.SecondPerson, now.SecondPerson, old.SecondImage, now.SecondImage, old.SecondDistance, now.SecondDistance, second)
}

func (j *judge) candidateDiffers(wasPerson, person int64, wasImage, image string, wasDistance, distance float64, matters bool) bool {
	if wasPerson == person && wasImage == image && math.Abs(wasDistance-distance) <= sameDistance {
		return false
	}
	return matters || wasPerson != faces.NoPerson && !j.stillKnown(wasImage, wasPerson)
}

// decideImages decides all faces of images; decided has those that are done.
func (j *judge) decideImages(ctx context.Context, ids []int64, decided map[int64]store.FaceAnswer) ([]store.Change, error) {
	images, err := j.store.ImagesWithFaces(ctx, ids)
	if err != nil {
		return nil, err
	}
	said, err := j.corrections(ctx, ids)
	if err != nil {
		return nil, err
	}
	var open []openFace
	for _, img := range images {
		if img.Waits {
			continue // it will be answered by whoever is at work on it
		}
		boxes := make([]faces.Box, len(img.Faces))
		for i, f := range img.Faces {
			boxes[i] = f.Box
		}
		for i, v := range faces.Verdicts(boxes, said[img.ID]) {
			f := img.Faces[i]
			if _, done := decided[f.ID]; (!done || !v.IsZero()) && f.Model == j.basis.Model {
				open = append(open, openFace{StoredFace: f, verdict: v})
			}
		}
	}
	answers, err := j.decideOpen(ctx, open)
	if err != nil {
		return nil, err
	}
	var changes []store.Change
	for _, img := range images {
		if c, ok := j.change(img, decided, answers); ok && !img.Waits {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

func (j *judge) corrections(ctx context.Context, ids []int64) (map[int64][]faces.Correction, error) {
	var some []int64
	for _, id := range ids {
		if j.corrected[id] {
			some = append(some, id)
		}
	}
	list, err := j.store.Corrections(ctx, some)
	byImage := map[int64][]faces.Correction{}
	for _, c := range list {
		byImage[c.ImageID] = append(byImage[c.ImageID], c)
	}
	return byImage, err
}

// openFace is a face that is to be matched against all known pictures.
type openFace struct {
	store.StoredFace
	verdict faces.Verdict
}

// decideOpen matches faces against all known pictures but those of people whom
// a verdict excludes: however many pictures these have, the next person is
// seen. A confirmed face is matched against its person's, too, to tell how far
// they are.
func (j *judge) decideOpen(ctx context.Context, open []openFace) (map[int64]store.FaceAnswer, error) {
	near := make([][]faces.Candidate, len(open))
	groups := map[string][]int{}
	for i, f := range open {
		groups[fmt.Sprint("not", f.verdict.Not)] = append(groups[fmt.Sprint("not", f.verdict.Not)], i)
		if f.verdict.Person != nil {
			key := fmt.Sprint("is ", f.verdict.Person.ID)
			groups[key] = append(groups[key], i)
		}
	}
	for key, members := range groups {
		list := make([]store.StoredFace, len(members))
		for n, i := range members {
			list[n] = open[i].StoredFace
		}
		v := open[members[0]].verdict
		against, none := j.owned, false
		switch {
		case key[:2] == "is":
			against = j.picturesOf(func(p int64) bool { return p == v.Person.ID })
			none = len(against) == 0
		case len(v.Not) > 0:
			against = j.picturesOf(func(p int64) bool { return !v.Excludes(p) })
			none = len(against) == 0
		}
		found, err := j.near(ctx, list, against, none)
		if err != nil {
			return nil, err
		}
		for n, i := range members {
			near[i] = append(near[i], faces.Candidates(found[n], j.owner)...)
		}
	}
	answers := make(map[int64]store.FaceAnswer, len(open))
	for i, f := range open {
		if !j.whole && f.ID <= j.mark {
			near[i] = append(near[i], j.stored(f.FaceAnswer)...) // as far as reach went when it was answered
		}
		answers[f.ID] = j.answer(f.StoredFace, near[i], f.verdict)
	}
	return answers, nil
}

func (j *judge) picturesOf(wanted func(person int64) bool) []string {
	var names []string
	for _, p := range j.pictures {
		if p.Person != faces.NoPerson && wanted(p.Person) {
			names = append(names, p.Name)
		}
	}
	return names
}

// change concludes from an image's faces; ok is false where nothing that is
// worth writing has changed.
func (j *judge) change(img store.ImageFaces, decided, answers map[int64]store.FaceAnswer) (c store.Change, ok bool) {
	list := make([]faces.Face, len(img.Faces))
	after := make(map[int64]store.FaceAnswer, len(img.Faces))
	for i, f := range img.Faces {
		answer := f.FaceAnswer
		if a, done := decided[f.ID]; done {
			answer = a
		}
		if a, done := answers[f.ID]; done && j.differs(f.FaceAnswer, a) {
			answer = a
		}
		ok = ok || answer != f.FaceAnswer
		after[f.ID], list[i] = answer, answer.Face(j.name)
	}
	if !ok {
		return c, false
	}
	c = store.Change{ImageID: img.ID, Before: img.Answer}
	reason, person, detail := faces.Conclude(list)
	c.After = store.ImageAnswer{Reason: string(reason), Person: faces.NoPerson, Detail: detail}
	if person != nil {
		c.After.Person = person.ID
	}
	for _, f := range img.Answer.Faces {
		c.After.Faces = append(c.After.Faces, after[f.ID])
	}
	return c, true
}
