package rematch

// This file owns what a change of the known people means: which faces it can
// touch, and whether it may be carried out unasked.

import (
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// plan is what a job has to look at.
type plan struct {
	*known
	scope   string
	cause   string
	added   []string             // pictures that are new, or whose content or person is
	gone    []store.KnownPicture // pictures that are gone, or were other ones, as they were
	changed map[string]bool      // pictures under a name that had another content
	mark    int64                // faces up to this one reflect what was before
	whole   bool
}

const (
	// fullShare of the pictures being new, or gone, makes looking at all faces
	// as quick as looking for those that are touched.
	fullShare = 0.5
	// Losing half of the known pictures, and not just a few, looks more like a
	// volume that is not there than like a wish.
	lossShare = 0.5
	fewLost   = 10
)

// newPlan compares what stored answers reflect with what is known now.
func newPlan(state store.RematchState, before []store.KnownPicture, now *known, whole bool) *plan {
	p := &plan{known: now, scope: store.ScopeFull, cause: store.CauseKnown, mark: state.FaceMark, changed: map[string]bool{}}
	p.compare(before)
	otherRule := state.Model != now.basis.Model || state.Threshold != now.basis.Threshold || state.Margin != now.basis.Margin ||
		state.Rule != now.basis.Rule
	if otherRule && state.Fingerprint != "" {
		p.cause = store.CauseModel
	}
	many := float64(len(p.added)) > fullShare*float64(len(now.pictures)) || float64(len(p.gone)) > fullShare*float64(len(before))
	switch {
	case whole || otherRule || state.Dirty || state.Fingerprint == "" || many:
		p.whole, p.mark = true, math.MaxInt64
	case len(p.added) > 0:
		p.scope = store.ScopeAdded
	default:
		p.scope = store.ScopeTouched
	}
	return p
}

// compare walks both lists, which are sorted by name.
func (p *plan) compare(before []store.KnownPicture) {
	old := make(map[string]store.KnownPicture, len(before))
	for _, b := range before {
		old[b.Name] = b
	}
	for _, n := range p.pictures {
		b, ok := old[n.Name]
		delete(old, n.Name)
		if ok && b == n {
			continue
		}
		if ok && b.Content != n.Content {
			p.changed[n.Name] = true
		}
		if ok && b.Person != faces.NoPerson {
			p.gone = append(p.gone, b)
		}
		if n.Person != faces.NoPerson {
			p.added = append(p.added, n.Name)
		}
	}
	for _, b := range before {
		if _, ok := old[b.Name]; ok && b.Person != faces.NoPerson {
			p.gone = append(p.gone, b)
		}
	}
}

// isEmpty reports whether nothing changed that an answer could depend on.
func (p *plan) isEmpty() bool { return !p.whole && len(p.added)+len(p.gone) == 0 }

// isSuspicious reports whether so much is gone that a person should look first.
func (p *plan) isSuspicious(before int) bool {
	nothingLeft := len(p.owners) == 0 && before > 0
	return nothingLeft || len(p.gone) >= fewLost && float64(len(p.gone)-len(p.added)) > lossShare*float64(before)
}

// stillKnown reports whether a stored candidate is what it was: the picture is
// there, the same one, of the same person.
func (p *plan) stillKnown(image string, person int64) bool {
	return p.isOf(image, person) && !p.changed[image]
}

// touches reports whether a face is near a picture that is not what it was.
func (p *plan) touches(f store.FaceAnswer) bool {
	return f.BestPerson != faces.NoPerson && !p.stillKnown(f.BestImage, f.BestPerson) ||
		f.SecondPerson != faces.NoPerson && !p.stillKnown(f.SecondImage, f.SecondPerson)
}
