package history

import (
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Plan is what a change of the known people means for the stored faces: which
// of them a job has to look at, and against which pictures.
type Plan struct {
	*KnownPeople
	Scope   Scope
	Cause   Cause
	Added   []string             // pictures that are new, or whose content or owner is
	Removed []faces.KnownPicture // pictures that are not there any more, or were other ones, as they were
	Mark    int64                // faces up to this one reflect what was before
	Full    bool                 // all faces are looked at

	changed map[string]bool // pictures under a name that had another content
}

const (
	// fullShare is the share of added or removed pictures from which looking at
	// all faces is as quick as looking for those that are touched.
	fullShare = 0.5
	// A loss of more than lossShare of the known pictures, and of at least minLoss,
	// looks more like a volume that is not mounted than like a wish.
	lossShare = 0.5
	minLoss   = 10
)

// NewPlan compares the pictures that the stored answers reflect with the people
// who are known now. With whole, all faces are looked at.
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

// IsEmpty reports whether nothing changed that an answer could depend on.
func (p *Plan) IsEmpty() bool { return !p.Full && len(p.Added)+len(p.Removed) == 0 }

// IsSuspicious reports whether so many of the pictures that were known before
// are missing that a person should look first.
func (p *Plan) IsSuspicious(before int) bool {
	nothingLeft := p.KnownPeople.IsEmpty() && before > 0
	return nothingLeft || len(p.Removed) >= minLoss && float64(len(p.Removed)-len(p.Added)) > lossShare*float64(before)
}

// stillKnown reports whether a stored candidate is what it was: the picture is
// there, the same one, of the same person.
func (p *Plan) stillKnown(image string, person int64) bool {
	return p.isOf(image, person) && !p.changed[image]
}

// Touches reports whether a face is near a picture that is not what it was.
func (p *Plan) Touches(f FaceAnswer) bool {
	return f.BestPerson != faces.NoPerson && !p.stillKnown(f.BestImage, f.BestPerson) ||
		f.SecondPerson != faces.NoPerson && !p.stillKnown(f.SecondImage, f.SecondPerson)
}
