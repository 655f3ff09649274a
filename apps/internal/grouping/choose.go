package grouping

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// index is a recognizer with the state of its index of stored faces.
type index struct {
	Recognizer
	faces.FaceIndex
	err error
}

// choose returns a recognizer that can be asked: that of the session if it can, so that
// its index need not be compared with the database again.
func (r *Runner) choose(ctx context.Context) (*index, error) {
	list, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	all := r.survey(ctx, list)
	models := map[string]bool{}
	var usable *index
	for _, x := range all {
		if x.err != nil {
			continue
		}
		models[x.Model.ID] = true
		if x.usable() && (usable == nil || r.session.asks(x)) {
			usable = x
		}
	}
	if len(models) > 1 {
		return nil, errWaits{detail: "the recognizers have different model sets; groups wait until all have the same one"}
	}
	if usable == nil {
		return nil, whyNone(all)
	}
	if m := usable.Model; m.GroupDistance == 0 {
		return nil, errWaits{m.ID, fmt.Sprintf("there are no groups with model set %s: its set.json has no group_distance, or the recognizers are of an older release", m.ID)}
	}
	return usable, nil
}

// survey asks all recognizers for their state.
func (r *Runner) survey(ctx context.Context, list []Recognizer) []*index {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Ask)
	defer cancel()
	all := make([]*index, len(list))
	var asking sync.WaitGroup
	for i, one := range list {
		all[i] = &index{Recognizer: one}
		asking.Go(func() { all[i].FaceIndex, _, all[i].err = one.CheckFaces(ctx, "", 0, 0, 0) })
	}
	asking.Wait()
	return all
}

func (x *index) usable() bool {
	return x.err == nil && x.Capacity > 0 && x.Model.Size > 0 && x.Complete && !x.Full
}

// Problems of recognizers. What somebody has to do something about comes first.
const (
	isFull = iota
	isOff
	isOld
	isFilling
	isSilent
)

// whyNone says why no recognizer can be asked.
func whyNone(all []*index) error {
	waits, least := errWaits{detail: "there are no recognizers"}, isSilent+1
	for _, x := range all {
		if x.err == nil {
			waits.model = x.Model.ID
		}
		if problem, detail := x.problem(); problem < least {
			least, waits.detail = problem, detail
		}
	}
	return waits
}

// problem says why a recognizer cannot be asked, also in words for people.
func (x *index) problem() (problem int, detail string) {
	switch {
	case errors.Is(x.err, faces.ErrNotOffered):
		return isOld, "the recognizers are of an older release, which has no index of stored faces"
	case x.err != nil:
		return isSilent, "no recognizer answers"
	case x.Capacity == 0 || x.Model.Size == 0:
		return isOff, "the recognizers keep no index of stored faces; set ROLLCALL_FACE_INDEX_MEMORY of the recognizers above 0"
	case x.Full:
		return isFull, fmt.Sprintf("the index of stored faces is full: it may have %d faces, and more are stored; raise ROLLCALL_FACE_INDEX_MEMORY of the recognizers", x.Capacity)
	default:
		return isFilling, fmt.Sprintf("the index of stored faces is being filled: it has %d faces", x.Faces)
	}
}
