package rematch

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// minNeighbours is how many neighbours a match returns at least; every other
	// one within the slack is returned too.
	minNeighbours = 2
	// distanceTolerance bounds the difference between two computations of the
	// same distance.
	distanceTolerance = 1e-4

	matchTries = 4
	matchPause = 500 * time.Millisecond
)

// judge decides stored faces by a plan. The rule is that of the faces package,
// as for a picture that was just recognized: Judge for each face alone, then
// NameOnce and Conclude for all faces of an image together.
type judge struct {
	*plan
	match     func(ctx context.Context, q faces.MatchQuery) ([][]faces.Neighbour, error)
	store     Store
	limit     faces.NeighbourLimit
	corrected map[int64]bool // images with at least one human correction
}

func (r *Rematcher) newJudge(ctx context.Context, p *plan) (*judge, error) {
	ids, err := r.store.CorrectedImages(ctx)
	if err != nil {
		return nil, err
	}
	j := &judge{plan: p, match: r.match, store: r.store, limit: p.model.Limit(minNeighbours), corrected: make(map[int64]bool, len(ids))}
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
		Model: j.basis.Model, Gallery: j.basis.Gallery, Descriptors: descriptors, Images: images, Limit: j.limit,
	}
}

// decide returns what the known people make of the images of some faces. With
// onlyAdded, faces that nothing touches are matched against the added pictures
// only, and against the candidates that are stored. An image is changed as a
// whole, whether all of its faces are on the page or not.
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
	against := j.owned
	if onlyAdded {
		against = j.added
	}
	near, err := j.near(ctx, quick, against, onlyAdded && len(j.added) == 0)
	if err != nil {
		return nil, err
	}
	judged := map[int64]faces.Face{} // those that differ
	for i, f := range quick {
		if onlyAdded && (len(near[i]) == 0 || near[i][0].Distance > j.shown()) {
			continue // too far to matter
		}
		face, sure := j.judgeQuick(f, near[i], onlyAdded)
		if !sure {
			images[f.ImageID] = true
		} else if j.differs(f.FaceAnswer, store.AnswerOf(face)) {
			judged[f.ID], images[f.ImageID] = face, true
		}
	}
	if len(images) == 0 {
		return nil, nil
	}
	return j.decideImages(ctx, slices.Sorted(maps.Keys(images)), judged)
}

// judgeQuick decides a face that nobody corrected. sure is false where only a
// match against all known pictures can tell: added pictures and the stored
// candidates do not show how far the second person is from a far face.
func (j *judge) judgeQuick(f store.StoredFace, found []faces.Neighbour, onlyAdded bool) (face faces.Face, sure bool) {
	near := faces.Nearby{Candidates: faces.Candidates(found, j.owner), People: j.people}
	if !onlyAdded {
		near.Horizon = j.limit.Horizon(found)
		return domainFace(f).Judge(near, j.model, faces.Verdict{}), true
	}
	near.Candidates = append(near.Candidates, j.stored(f.FaceAnswer)...)
	face = domainFace(f).Judge(near, j.model, faces.Verdict{})
	far := face.Best != nil && face.Best.Distance > j.model.Threshold && face.Best.Distance <= j.model.FarThreshold
	return face, !far
}

// domainFace returns what Judge and NameOnce ask of a stored face.
func domainFace(f store.StoredFace) faces.Face {
	return faces.Face{ID: f.ID, Box: f.Box, Model: f.Model, Gallery: f.Gallery, Quality: f.Quality}
}

// shown is the largest distance of a person who is worth showing to people.
func (j *judge) shown() float64 { return j.model.Reach() + j.limit.Slack }

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
func (j *judge) stored(a store.FaceAnswer) []faces.Candidate {
	var list []faces.Candidate
	face := a.Face(j.name)
	for _, c := range []*faces.Candidate{face.Best, face.Second} {
		if c != nil && j.stillKnown(c.Image, c.Person.ID) {
			list = append(list, *c)
		}
	}
	return list
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
	best := now.BestPerson != faces.NoPerson && now.BestDistance <= j.shown()
	second := best && now.SecondPerson != faces.NoPerson && now.SecondDistance <= now.BestDistance+j.limit.Slack
	return j.candidateDiffers(old.BestPerson, now.BestPerson, old.BestImage, now.BestImage, old.BestDistance, now.BestDistance, best) ||
		j.candidateDiffers(old.SecondPerson, now.SecondPerson, old.SecondImage, now.SecondImage, old.SecondDistance, now.SecondDistance, second)
}

func (j *judge) candidateDiffers(wasPerson, person int64, wasImage, image string, wasDistance, distance float64, matters bool) bool {
	if wasPerson == person && wasImage == image && math.Abs(wasDistance-distance) <= distanceTolerance {
		return false
	}
	return matters || wasPerson != faces.NoPerson && !j.stillKnown(wasImage, wasPerson)
}

// decideImages decides all faces of images; judged has those that are done.
func (j *judge) decideImages(ctx context.Context, ids []int64, judged map[int64]faces.Face) ([]store.Change, error) {
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
			if _, done := judged[f.ID]; (!done || !v.IsZero()) && f.Model == j.basis.Model {
				open = append(open, openFace{StoredFace: f, verdict: v})
			}
		}
	}
	again, err := j.judgeOpen(ctx, open)
	if err != nil {
		return nil, err
	}
	for id, f := range judged {
		if _, done := again[id]; !done {
			again[id] = f
		}
	}
	var changes []store.Change
	for _, img := range images {
		if c, ok := j.change(img, again); ok && !img.Waits {
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

// question is a set of known pictures that several faces are matched against.
type question struct {
	isPerson int64   // only the pictures of this person; 0: see not
	not      []int64 // all pictures but those of these people
	members  []int   // indices of faces
}

// questions groups faces by what they are matched against: all known pictures
// but those of the people whom a verdict excludes, so that the next person is
// seen however many pictures these have. A confirmed face is matched against
// its person's pictures too, to tell how far they are.
func questions(open []openFace) []*question {
	var list []*question
	byKey := map[string]*question{}
	ask := func(q question, member int) {
		key := fmt.Sprint(q.isPerson, q.not)
		if byKey[key] == nil {
			byKey[key] = &q
			list = append(list, &q)
		}
		byKey[key].members = append(byKey[key].members, member)
	}
	for i, f := range open {
		ask(question{not: f.verdict.Not}, i)
		if f.verdict.Person != nil {
			ask(question{isPerson: f.verdict.Person.ID}, i)
		}
	}
	return list
}

// judgeOpen matches faces against all known pictures and decides each alone.
func (j *judge) judgeOpen(ctx context.Context, open []openFace) (map[int64]faces.Face, error) {
	near := make([]faces.Nearby, len(open))
	for _, q := range questions(open) {
		list := make([]store.StoredFace, len(q.members))
		for n, i := range q.members {
			list[n] = open[i].StoredFace
		}
		against, none := j.against(q)
		found, err := j.near(ctx, list, against, none)
		if err != nil {
			return nil, err
		}
		for n, i := range q.members {
			near[i].Candidates = append(near[i].Candidates, faces.Candidates(found[n], j.owner)...)
			if q.isPerson == 0 {
				near[i].Horizon, near[i].People = j.limit.Horizon(found[n]), j.people
			}
		}
	}
	judged := make(map[int64]faces.Face, len(open))
	for i, f := range open {
		if !j.whole && f.ID <= j.mark {
			near[i].Candidates = append(near[i].Candidates, j.stored(f.FaceAnswer)...) // as far as the list went when it was answered
		}
		judged[f.ID] = domainFace(f.StoredFace).Judge(near[i], j.model, f.verdict)
	}
	return judged, nil
}

// against returns the pictures that a question is about; nil are all.
func (j *judge) against(q *question) (images []string, none bool) {
	switch {
	case q.isPerson != 0:
		images = j.picturesOf(func(p int64) bool { return p == q.isPerson })
	case len(q.not) > 0:
		images = j.picturesOf(func(p int64) bool { return !slices.Contains(q.not, p) })
	default:
		return j.owned, false
	}
	return images, len(images) == 0
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

// change decides an image from its faces, each judged alone; ok is false where
// nothing that is worth writing has changed. Faces that were not judged, being
// of another model set, keep their answers.
func (j *judge) change(img store.ImageFaces, judged map[int64]faces.Face) (c store.Change, ok bool) {
	list := make([]faces.Face, len(img.Faces))
	for i, f := range img.Faces {
		if face, done := judged[f.ID]; done {
			list[i] = face
		} else {
			list[i] = j.asStored(f)
		}
	}
	faces.NameOnce(list)
	after := make(map[int64]store.FaceAnswer, len(img.Faces))
	for i, f := range img.Faces {
		after[f.ID] = f.FaceAnswer
		if now := store.AnswerOf(list[i]); j.differs(f.FaceAnswer, now) {
			after[f.ID], ok = now, true
		} else {
			list[i] = j.asStored(f)
		}
	}
	if !ok {
		return c, false
	}
	reason, person, detail := faces.Conclude(list, j.model)
	c = store.Change{ImageID: img.ID, Before: img.Answer}
	c.After = store.ImageAnswer{Reason: string(reason), Person: faces.NoPerson, Detail: faces.WithWarning(detail, img.Warning)}
	if person != nil {
		c.After.Person = person.ID
	}
	for _, f := range img.Answer.Faces {
		c.After.Faces = append(c.After.Faces, after[f.ID])
	}
	return c, true
}

// asStored returns a face with the decision that is stored.
func (j *judge) asStored(f store.StoredFace) faces.Face {
	face := f.FaceAnswer.Face(j.name)
	face.Box, face.Model, face.Gallery, face.Quality = f.Box, f.Model, f.Gallery, f.Quality
	return face
}
