package frontend

import (
	"context"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// reviewBatch is how many places of the queue are read at a time, and reviewSteps how
	// often, of each kind: a page takes little time whatever is in the way.
	reviewBatch = 12
	reviewSteps = 12
)

// reviewQueue finds questions for one reviewer.
type reviewQueue struct {
	server *Server
	ctx    context.Context //nolint:containedctx // it lives as long as one request
	models map[string]faces.Model
	model  faces.Model // in use, with its rule
	trail  reviewTrail
	by     string // the reviewer
	holds  bool   // questions are kept for the reviewer
	held   bool   // a question was passed over because another reviewer has it
	// stopped is where the queue was given up before its end; nil if it was not. There may
	// be more questions after it.
	stopped *reviewPlace
}

func (s *Server) newReviewQueue(ctx context.Context, t reviewTrail, by string) (*reviewQueue, error) {
	q := &reviewQueue{server: s, ctx: ctx, trail: t, by: by}
	var err error
	if q.models, err = s.store.Models(ctx); err != nil {
		return nil, err
	}
	if q.model, _, err = s.store.ModelInUse(ctx); err != nil {
		return nil, err
	}
	if rule, ok := q.models[q.model.ID]; ok {
		q.model = rule
	}
	return q, nil
}

// next returns the question to ask after a place, or first of all if it is nil: the next
// one in the queue, then those before it that were only passed, then those that were
// skipped. It returns nil if there is none, or if q.stopped: then those come first that
// are after that place.
func (q *reviewQueue) next(after *reviewPlace) (*reviewPlace, error) {
	found, stopped, err := q.walk(after, after)
	if q.stopped = stopped; found != nil || stopped != nil || err != nil {
		return found, err
	}
	if after != nil {
		if found, _, err = q.walk(nil, after); found != nil || err != nil {
			return found, err
		}
	}
	for i, p := range q.trail.skipped {
		if after != nil && p.question() == after.question() || q.isHeld(p) {
			continue
		}
		if open, err := q.isOpen(p); open || err != nil {
			return &q.trail.skipped[i], err
		}
	}
	return nil, nil
}

// walk returns the first question after a place that is not to be passed over. If it
// finds none, stopped is where it gave up first, and nil if there is none.
func (q *reviewQueue) walk(after, but *reviewPlace) (found, stopped *reviewPlace, err error) {
	kinds := reviewKinds(q.trail.Only)
	begun := after == nil || !slices.Contains(kinds, after.kind)
	for _, kind := range kinds {
		at := (*reviewPlace)(nil)
		if !begun {
			if kind != after.kind {
				continue
			}
			begun, at = true, after
		}
		found, at, err = q.walkKind(kind, at, but)
		if found != nil || err != nil {
			return found, nil, err
		}
		if stopped == nil {
			stopped = at
		}
	}
	return nil, stopped, nil
}

// walkKind is walk for the questions of one kind.
func (q *reviewQueue) walkKind(kind reviewKind, at, but *reviewPlace) (found, stopped *reviewPlace, err error) {
	for range reviewSteps {
		list, last, err := q.places(kind, at)
		if err != nil {
			return nil, nil, err
		}
		for i, p := range list {
			if but != nil && p.question() == but.question() || q.trail.has(p.question()) || q.isHeld(p) {
				continue
			}
			return &list[i], nil, nil
		}
		if at = last; at == nil {
			return nil, nil, nil
		}
	}
	return nil, at, nil
}

// hold keeps a question for the reviewer.
func (q *reviewQueue) hold(p reviewPlace) {
	if q.holds {
		q.server.holds.take(p.question(), q.by)
	}
}

func (q *reviewQueue) isHeld(p reviewPlace) bool {
	held := !q.trail.Anyway && q.server.holds.isHeld(p.question(), q.by)
	q.held = q.held || held
	return held
}

// places returns questions of a kind after a place, and where to look further; that is
// nil if there are no more.
func (q *reviewQueue) places(kind reviewKind, after *reviewPlace) ([]reviewPlace, *reviewPlace, error) {
	switch kind {
	case askGroup:
		return q.groups(after)
	case askUncertain:
		return q.uncertain(after)
	case askDoubtful:
		return q.loose(kind, faces.Uncertain, after)
	default:
		return q.loose(kind, faces.UnknownPerson, after)
	}
}

func (q *reviewQueue) groups(after *reviewPlace) (list []reviewPlace, last *reviewPlace, err error) {
	var from store.GroupCursor
	if after != nil {
		from = store.GroupCursor{Faces: after.order, Key: after.id}
	}
	found, err := q.server.store.LargestGroups(q.ctx, q.model.ID, from, reviewBatch)
	for _, g := range found {
		list = append(list, reviewPlace{kind: askGroup, order: g.Faces, id: g.Key})
	}
	return list, lastOf(list, len(found)), err
}

// lastOf returns the last place of a full batch.
func lastOf(list []reviewPlace, read int) *reviewPlace {
	if read < reviewBatch || len(list) == 0 {
		return nil
	}
	return &list[len(list)-1]
}

// uncertain returns the faces that make images uncertain, the most certain image first.
// Their places have the stored certainty, by which the images are found: after a change of
// the rule, another one is computed.
func (q *reviewQueue) uncertain(after *reviewPlace) (list []reviewPlace, last *reviewPlace, err error) {
	from := store.UncertainImage{}
	if after != nil {
		from = store.UncertainImage{Certainty: after.order, ID: after.image + 1} // the image itself may have more faces
	}
	found, err := q.server.store.UncertainImages(q.ctx, from, reviewBatch)
	if err != nil {
		return nil, nil, err
	}
	ids := make([]int64, len(found))
	certainty := make(map[int64]int64, len(found))
	for i, at := range found {
		ids[i], certainty[at.ID] = at.ID, at.Certainty
	}
	images, err := q.server.store.SomeImages(q.ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	for _, img := range images {
		if img.Reason != faces.Uncertain { // it has been answered meanwhile
			continue
		}
		for _, face := range img.Faces {
			passed := after != nil && img.ID == after.image && face.ID <= after.id
			if passed || !q.isDoubted(face) {
				continue
			}
			if key, err := q.server.store.GroupOf(q.ctx, q.model.ID, face.ID); err != nil || key != 0 {
				if err != nil {
					return nil, nil, err
				}
				continue // its group is asked about
			}
			list = append(list, reviewPlace{kind: askUncertain, order: certainty[img.ID], image: img.ID, id: face.ID})
		}
	}
	if len(found) == reviewBatch {
		end := found[len(found)-1]
		last = &reviewPlace{kind: askUncertain, order: end.Certainty, image: end.ID, id: 1<<62 - 1}
	}
	return list, last, nil
}

// isDoubted reports whether a face may show the person who is nearest.
func (q *reviewQueue) isDoubted(f faces.Face) bool {
	return isUnsettled(f) && f.ResemblesBest(q.models[f.Model])
}

// isUnsettled reports whether nobody, and no rule, has said who a face is, or that it
// does not count.
func isUnsettled(f faces.Face) bool {
	return f.Reason != faces.Identified && !f.Confirmed && !f.Reason.IsDismissed()
}

// loose returns faces with a reason that are in no group.
func (q *reviewQueue) loose(kind reviewKind, reason faces.Reason, after *reviewPlace) (list []reviewPlace, last *reviewPlace, err error) {
	var from *store.LooseFace
	if after != nil {
		from = &store.LooseFace{PersonID: after.order - 1, ImageID: after.image, FaceID: after.id}
	}
	found, next, err := q.server.store.LooseFaces(q.ctx, reason, from, reviewBatch)
	if err != nil {
		return nil, nil, err
	}
	ids := make([]int64, len(found))
	for i, f := range found {
		ids[i] = f.FaceID
	}
	stored, err := q.server.store.FoundFaces(q.ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range found {
		if face, ok := stored[f.FaceID]; ok && q.isAsked(kind, face) {
			list = append(list, reviewPlace{kind: kind, order: f.PersonID + 1, image: f.ImageID, id: f.FaceID})
		}
	}
	if next != nil {
		last = &reviewPlace{kind: kind, order: next.PersonID + 1, image: next.ImageID, id: next.FaceID}
	}
	return list, last, nil
}

// isAsked reports whether a face in no group is a question of a kind: one that can be seen
// well enough, and that was not asked before.
func (q *reviewQueue) isAsked(kind reviewKind, f store.FoundFace) bool {
	if isWaiting(f.Image) || !isUnsettled(f.Face) {
		return false
	}
	if kind == askDoubtful {
		return f.Image.Reason != faces.Uncertain // those of uncertain images come before
	}
	_, poor := q.models[f.Model].Floors.Shortfall(f.Quality)
	return f.Drawn || !poor
}

// isOpen reports whether a question still is one.
func (q *reviewQueue) isOpen(p reviewPlace) (bool, error) {
	if p.kind == askGroup {
		key, err := q.server.store.GroupOf(q.ctx, q.model.ID, p.id)
		return key != 0, err
	}
	_, _, ok, err := q.face(p)
	return ok, err
}

// face returns the face of a question and its image; ok is false if it is settled, or not
// there any more.
func (q *reviewQueue) face(p reviewPlace) (img faces.Image, at int, ok bool, err error) {
	img, err = q.server.store.Image(q.ctx, p.image)
	if faces.ErrorCode(err) == faces.CodeMissing {
		return img, 0, false, nil
	}
	if err != nil || isWaiting(img) {
		return img, 0, false, err
	}
	for i, f := range img.Faces {
		if f.ID == p.id {
			return img, i, isUnsettled(f), nil
		}
	}
	return img, 0, false, nil
}
