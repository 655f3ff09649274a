package history

import (
	"fmt"
	"math"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	// minNeighbours is how many neighbours a match returns at least; every other
	// one within the slack is returned too.
	minNeighbours = 2
	// distanceTolerance bounds the difference between two computations of the
	// same distance.
	distanceTolerance = 1e-4
)

// Judge decides stored faces again, as a plan says. Its caller gets the
// neighbours of the faces from recognizers. The rule is the same as for new
// pictures: faces.Face.Judge for each face, then faces.NameOnce and
// faces.Conclude for all faces of an image.
type Judge struct {
	*Plan
	limit faces.NeighbourLimit
}

// NewJudge returns a judge for a plan.
func NewJudge(p *Plan) Judge { return Judge{Plan: p, limit: p.Model.Limit(minNeighbours)} }

// Pictures is a set of known pictures to match faces against.
type Pictures struct {
	Names []string // nil means all
	None  bool     // the set is empty, so no face has a neighbour
}

// Matchable returns all known pictures that have an owner.
func (j Judge) Matchable() Pictures { return Pictures{Names: j.owned, None: j.KnownPeople.IsEmpty()} }

// OnlyAdded returns the known pictures that were added.
func (j Judge) OnlyAdded() Pictures {
	return Pictures{Names: j.Added, None: len(j.Added) == 0 || j.KnownPeople.IsEmpty()}
}

// Query returns the query for the neighbours of faces. It has the same limits as
// the query for a new picture.
func (j Judge) Query(list []StoredFace, against Pictures) faces.MatchQuery {
	descriptors := make([][]byte, len(list))
	for i, f := range list {
		descriptors[i] = f.Descriptor
	}
	return faces.MatchQuery{
		Model: j.Basis.Model, Gallery: j.Basis.Gallery, Descriptors: descriptors, Images: against.Names, Limit: j.limit,
	}
}

// maxShown returns the largest distance of a candidate that is shown to users.
func (j Judge) maxShown() float64 { return j.Model.Reach() + j.limit.Slack }

// IsOutOfReach reports whether even the nearest neighbour is too far to matter.
func (j Judge) IsOutOfReach(found []faces.Neighbour) bool {
	return len(found) == 0 || found[0].Distance > j.maxShown()
}

// Quick decides a face without corrections from one match: against all known
// pictures, or, with onlyAdded, against the added ones and the stored candidates.
// sure is false if only a match against all known pictures can tell. That is so
// between the threshold and the far threshold, where the rule depends on the distance
// of the second person.
func (j Judge) Quick(f StoredFace, found []faces.Neighbour, onlyAdded bool) (face faces.Face, sure bool) {
	nearby := faces.Nearby{Candidates: faces.Candidates(found, j.owner), People: j.people}
	if !onlyAdded {
		nearby.Horizon = j.limit.Horizon(found)
		return f.undecided().Judge(nearby, j.Model, faces.Verdict{}), true
	}
	nearby.Candidates = append(nearby.Candidates, j.storedCandidates(f.FaceAnswer)...)
	face = f.undecided().Judge(nearby, j.Model, faces.Verdict{})
	far := face.Best != nil && face.Best.Distance > j.Model.Threshold && face.Best.Distance <= j.Model.FarThreshold
	return face, !far
}

// storedCandidates returns the candidates of a stored answer whose pictures have
// not changed.
func (j Judge) storedCandidates(a FaceAnswer) []faces.Candidate {
	var list []faces.Candidate
	face := a.Face(nil)
	for _, c := range []*faces.Candidate{face.Best, face.Second} {
		if c != nil && j.stillKnown(c.Image, c.Person.ID) {
			list = append(list, *c)
		}
	}
	return list
}

// Differs reports whether a new decision must be written: the person or the
// reason changed, a stored candidate no longer exists, or a candidate came within
// reach. It ignores changes among candidates that are too far away, because they
// would touch nearly all rows.
func (j Judge) Differs(old, now FaceAnswer) bool {
	if old.Reason != now.Reason || old.Corrected != now.Corrected {
		return true
	}
	if now.Reason == faces.Identified && old.BestPerson != now.BestPerson {
		return true
	}
	best := now.BestPerson != faces.NoPerson && now.BestDistance <= j.maxShown()
	second := best && now.SecondPerson != faces.NoPerson && now.SecondDistance <= now.BestDistance+j.limit.Slack
	return j.candidateDiffers(old.BestPerson, now.BestPerson, old.BestImage, now.BestImage, old.BestDistance, now.BestDistance, best) ||
		j.candidateDiffers(old.SecondPerson, now.SecondPerson, old.SecondImage, now.SecondImage, old.SecondDistance, now.SecondDistance, second)
}

func (j Judge) candidateDiffers(wasPerson, person int64, wasImage, image string, wasDistance, distance float64, matters bool) bool {
	if wasPerson == person && wasImage == image && math.Abs(wasDistance-distance) <= distanceTolerance {
		return false
	}
	return matters || wasPerson != faces.NoPerson && !j.stillKnown(wasImage, wasPerson)
}

// OpenFace is a face that must be matched against all known pictures.
type OpenFace struct {
	StoredFace
	Verdict faces.Verdict
}

// Open returns the faces of an image that must be matched against all known
// pictures: those that are not judged yet, and those with corrections. It leaves
// out faces of another model set, which cannot be matched.
func (j Judge) Open(img StoredImage, corrections []faces.Correction, judged map[int64]faces.Face) []OpenFace {
	var open []OpenFace
	for i, v := range faces.Verdicts(img.boxes(), corrections) {
		f := img.Faces[i]
		if _, done := judged[f.ID]; (!done || !v.IsZero()) && f.Model == j.Basis.Model {
			open = append(open, OpenFace{StoredFace: f, Verdict: v})
		}
	}
	return open
}

// Comparison is a set of known pictures that several faces are matched against.
type Comparison struct {
	Members []int // indices of faces

	person int64   // only the pictures of this person; 0 means that except applies
	except []int64 // all pictures except those of these people
}

// Comparisons groups faces by the known pictures that they are matched against.
// The pictures of excluded people are left out; otherwise they could fill the
// list of neighbours and hide the next person. A confirmed face is also matched
// against its person's pictures, to show their distance. A face that does not count
// is not matched.
func Comparisons(open []OpenFace) []*Comparison {
	var list []*Comparison
	byKey := map[string]*Comparison{}
	add := func(c Comparison, member int) {
		key := fmt.Sprint(c.person, c.except)
		if byKey[key] == nil {
			byKey[key] = &c
			list = append(list, &c)
		}
		byKey[key].Members = append(byKey[key].Members, member)
	}
	for i, f := range open {
		if f.Verdict.Dismissed != faces.AboutPerson {
			continue // it has nobody near it
		}
		add(Comparison{except: f.Verdict.Not}, i)
		if f.Verdict.Person != nil {
			add(Comparison{person: f.Verdict.Person.ID}, i)
		}
	}
	return list
}

// Against returns the known pictures of a comparison.
func (j Judge) Against(c *Comparison) Pictures {
	var names []string
	switch {
	case c.person != 0:
		names = j.picturesOf(func(p int64) bool { return p == c.person })
	case len(c.except) > 0:
		names = j.picturesOf(func(p int64) bool { return !slices.Contains(c.except, p) })
	default:
		return j.Matchable()
	}
	return Pictures{Names: names, None: len(names) == 0}
}

// Add adds the neighbours that a comparison found for a face to nearby.
func (j Judge) Add(nearby *faces.Nearby, c *Comparison, found []faces.Neighbour) {
	nearby.Candidates = append(nearby.Candidates, faces.Candidates(found, j.owner)...)
	if c.person == 0 {
		nearby.Horizon, nearby.People = j.limit.Horizon(found), j.people
	}
}

// Decide decides an open face from the results of all its comparisons.
func (j Judge) Decide(f OpenFace, nearby faces.Nearby) faces.Face {
	if !j.Full && f.ID <= j.Mark {
		nearby.Candidates = append(nearby.Candidates, j.storedCandidates(f.FaceAnswer)...) // complete up to the limit of that time
	}
	return f.undecided().Judge(nearby, j.Model, f.Verdict)
}

// Change decides an image from its judged faces. Faces that were not judged,
// because they are of another model set, keep their answers. ok is false if
// nothing must be written (see Differs).
func (j Judge) Change(img StoredImage, judged map[int64]faces.Face) (c Change, ok bool) {
	return img.decide(judged, j.Model, j.Differs)
}
