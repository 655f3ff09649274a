package history

import (
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Plan says which stored faces a job must match after a change of the known
// people, and against which pictures.
type Plan struct {
	*KnownPeople
	Scope   Scope
	Cause   Cause
	Added   []string             // pictures that are new, or have a new content or owner
	Removed []faces.KnownPicture // the old versions of pictures that were removed or changed
	Mark    int64                // faces up to this id reflect the state before
	Full    bool                 // all faces are matched

	changed map[string]bool // pictures whose content changed
}

const (
	// Above this share of added or removed pictures, matching all faces takes no
	// longer than finding the affected ones.
	fullShare = 0.5
	// If more than lossShare of the known pictures, and at least minLoss, are gone,
	// the volume is probably not mounted.
	lossShare = 0.5
	minLoss   = 10
)

// NewPlan compares the known pictures that the stored answers reflect with the
// current known people. With full, the plan covers all faces.
func NewPlan(state Reflected, before []faces.KnownPicture, now *KnownPeople, full bool) *Plan {
	p := &Plan{KnownPeople: now, Scope: ScopeFull, Cause: CauseKnown, Mark: state.FaceMark, changed: map[string]bool{}}
	p.compare(before)
	otherRule := state.Model != now.Basis.Model || state.Threshold != now.Basis.Threshold || state.Margin != now.Basis.Margin ||
		state.Rule != now.Basis.Rule
	if otherRule && state.Fingerprint != "" {
		p.Cause = CauseModel
	}
	many := float64(len(p.Added)) > fullShare*float64(len(now.Pictures)) || float64(len(p.Removed)) > fullShare*float64(len(before))
	switch {
	case full || otherRule || state.Dirty || state.Fingerprint == "" || many:
		p.Full, p.Mark = true, math.MaxInt64
	case len(p.Added) > 0:
		p.Scope = ScopeAdded
	default:
		p.Scope = ScopeTouched
	}
	return p
}

func (p *Plan) compare(before []faces.KnownPicture) {
	old := make(map[string]faces.KnownPicture, len(before))
	for _, b := range before {
		old[b.Image] = b
	}
	for _, n := range p.Pictures {
		b, ok := old[n.Image]
		delete(old, n.Image)
		if ok && b == n {
			continue
		}
		if ok && b.Content != n.Content {
			p.changed[n.Image] = true
		}
		if ok && b.Person != faces.NoPerson {
			p.Removed = append(p.Removed, b)
		}
		if n.Person != faces.NoPerson {
			p.Added = append(p.Added, n.Image)
		}
	}
	for _, b := range before {
		if _, ok := old[b.Image]; ok && b.Person != faces.NoPerson {
			p.Removed = append(p.Removed, b)
		}
	}
}

// IsEmpty reports whether nothing changed that could affect an answer.
func (p *Plan) IsEmpty() bool { return !p.Full && len(p.Added)+len(p.Removed) == 0 }

// IsSuspicious reports whether so many known pictures are missing that a person
// should confirm the change. before is the number of known pictures before it.
func (p *Plan) IsSuspicious(before int) bool {
	lost := 0
	for _, r := range p.Removed {
		if !p.withheld[r.Person] { // whose consent has ended is not lost
			lost++
		}
	}
	nothingLeft := p.KnownPeople.IsEmpty() && lost > 0
	return nothingLeft || lost >= minLoss && float64(lost-len(p.Added)) > lossShare*float64(before)
}

// stillKnown reports whether the picture of a stored candidate has neither
// changed nor lost its owner.
func (p *Plan) stillKnown(image string, person int64) bool {
	return p.isOf(image, person) && !p.changed[image]
}

// Touches reports whether a stored candidate of a face was removed or changed.
func (p *Plan) Touches(f FaceAnswer) bool {
	return f.BestPerson != faces.NoPerson && !p.stillKnown(f.BestImage, f.BestPerson) ||
		f.SecondPerson != faces.NoPerson && !p.stillKnown(f.SecondImage, f.SecondPerson)
}
