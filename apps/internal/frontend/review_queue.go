package frontend

import (
	"context"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// reviewBatch is how many places of the queue are read at a time, and reviewSteps how
	// often: a page takes little time whatever is in the way.
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
	held   bool   // a question was passed over because another reviewer has it
	steps  int
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
// skipped. It returns nil if there is none.
func (q *reviewQueue) next(after *reviewPlace) (*reviewPlace, error) {
	found, err := q.walk(after, after)
	if found != nil || err != nil {
		return found, err
	}
	if after != nil {
		if found, err = q.walk(nil, after); found != nil || err != nil {
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

// walk returns the first question after a place that is not to be passed over.
func (q *reviewQueue) walk(after, but *reviewPlace) (*reviewPlace, error) {
	q.steps = 0
	begun := after == nil
	for _, kind := range reviewKinds(q.trail.Only) {
		at := (*reviewPlace)(nil)
		if !begun {
			if kind != after.kind {
				continue
			}
			begun, at = true, after
		}
		for more := true; more && q.steps < reviewSteps; q.steps++ {
			list, last, err := q.places(kind, at)
			if err != nil {
				return nil, err
			}
			for i, p := range list {
				if but != nil && p.question() == but.question() || q.trail.has(p.question()) || q.isHeld(p) {
					continue
				}
				return &list[i], nil
			}
			at, more = last, last != nil
		}
	}
	return nil, nil
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

// certaintyShift is where the certainty begins in the Next of a list of uncertain images.
const certaintyShift = 42

// uncertain returns the faces that make images uncertain, the most certain image first.
func (q *reviewQueue) uncertain(after *reviewPlace) (list []reviewPlace, last *reviewPlace, err error) {
	f := store.Filter{Reason: faces.Uncertain, UncertainFirst: true, Limit: reviewBatch}
	if after != nil {
		f.After = after.order<<certaintyShift | (after.image + 1) // the image itself may have more faces
	}
	page, err := q.server.store.PageOfImages(q.ctx, f)
	if err != nil {
		return nil, nil, err
	}
	for _, img := range page.Images {
		certainty := int64(faces.Certainty(img.Faces, func(id string) faces.Model { return q.models[id] }))
		for _, face := range img.Faces {
			passed := after != nil && img.ID == after.image && face.ID <= after.id
			if passed || !q.isDoubted(face) {
				continue
			}
			if key, err := q.server.store.GroupOfFace(q.ctx, q.model.ID, face.ID); err != nil || key != 0 {
				if err != nil {
					return nil, nil, err
				}
				continue // its group is asked about
			}
			list = append(list, reviewPlace{kind: askUncertain, order: certainty, image: img.ID, id: face.ID})
		}
		last = &reviewPlace{kind: askUncertain, order: certainty, image: img.ID, id: 1<<62 - 1}
	}
	if page.Next == 0 {
		last = nil
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
		key, err := q.server.store.GroupOfFace(q.ctx, q.model.ID, p.id)
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
