package faces

import (
	"cmp"
	"slices"
)

// Sighting is one face as a recognizer saw it.
type Sighting struct {
	Box        Box
	Landmarks  []Point
	Descriptor Descriptor
	Neighbours []Neighbour // nearest first
	// Horizon is how far Neighbours surely reaches (see NeighbourLimit.Horizon);
	// 0 where that is not known.
	Horizon float64
	Quality Quality
}

// Recognition is a recognizer's whole answer for one picture.
type Recognition struct {
	Width, Height int // upright, in pixels
	Sightings     []Sighting
	Omitted       int    // faces beyond the limit for one picture, which were not described
	Warning       string // what is wrong with the file though it could be read; empty where nothing is
	Model         Model
	Gallery       string // version of the known pictures it was matched against
	File          File   // what was looked at; zero where the recognizer does not say
	Unchanged     bool   // the file is the one that the caller knows: it was not looked at again
	// People is how many people have known pictures (see Nearby.People). The
	// caller fills it in: a recognizer knows pictures, not people.
	People int
}

// Outcome is all of what is stored for an image that was looked at.
type Outcome struct {
	Reason        Reason // the status follows from it
	Detail        string // why the image has no answer; empty for an answer: see Describe
	Person        *Person
	Faces         []Face
	Omitted       int
	Warning       string
	Width, Height int
	Model         string
}

// Failure is the outcome of an image that could not be answered.
func Failure(err error) Outcome {
	return Outcome{Reason: ReasonOf(err), Detail: ErrorMessage(err)}
}

// Decide turns a recognizer's answer into an outcome. owner returns the person
// that a known picture shows; a picture without an owner is ignored. Corrections
// take precedence over every distance and every floor of quality (see Verdicts).
func Decide(rec Recognition, owner func(image string) (Person, bool), corrections ...Correction) Outcome {
	out := Outcome{Width: rec.Width, Height: rec.Height, Model: rec.Model.ID, Omitted: rec.Omitted, Warning: rec.Warning}
	boxes := make([]Box, len(rec.Sightings))
	for i, s := range rec.Sightings {
		boxes[i] = s.Box
	}
	verdicts := Verdicts(boxes, corrections)
	for i, s := range rec.Sightings {
		f := Face{
			Box: s.Box, Landmarks: s.Landmarks, Descriptor: s.Descriptor, Quality: s.Quality,
			Model: rec.Model.ID, Gallery: rec.Gallery,
		}
		nearby := Nearby{Candidates: Candidates(s.Neighbours, owner), Horizon: s.Horizon, People: rec.People}
		out.Faces = append(out.Faces, f.Judge(nearby, rec.Model, verdicts[i]))
	}
	NameOnce(out.Faces)
	out.Reason, out.Person = Conclude(out.Faces, rec.Model)
	return out
}

// Judge returns the face, decided by itself: from the corrections of it, which
// take precedence, the people near it and the model set's rule. The other faces
// of its picture may still change the decision: see NameOnce.
func (f Face) Judge(nearby Nearby, m Model, v Verdict) Face {
	f.Reason, f.Person, f.Best, f.Second, f.MatchedImage = UnknownPerson, nil, nil, nil, ""
	f.Corrected, f.Confirmed = !v.IsZero(), v.Person != nil
	people := nearestPeople(nearby.Candidates, v)
	if v.Person != nil {
		return f.confirm(*v.Person, people)
	}
	if len(people) > 0 {
		f.Best, f.MatchedImage = &people[0], people[0].Image
	}
	if len(people) > 1 {
		f.Second = &people[1]
	}
	if s, failed := m.Floors.Shortfall(f.Quality); failed {
		f.Reason = s.Reason
		return f
	}
	if f.Best == nil {
		return f
	}
	f.Reason = m.decide(f.Best.Distance, f.Second, nearby.secondAtLeast(people, len(v.Not)))
	if f.Reason == Identified {
		person := f.Best.Person
		f.Person = &person
	}
	return f
}

// confirm decides that the face is p's, as a person said. Best is p if p is near,
// so that the distance is still shown.
func (f Face) confirm(p Person, people []Candidate) Face {
	f.Reason, f.Person = Identified, &p
	for i, c := range people {
		switch {
		case c.Person.ID == p.ID:
			f.Best, f.MatchedImage = &people[i], c.Image
		case f.Second == nil:
			f.Second = &people[i]
		}
	}
	return f
}

// NameOnce gives no person two faces of one picture: of the faces that Judge
// identified as one person the best keeps the name, and the others become
// Uncertain. Faces that somebody confirmed always keep it, all of them: people
// know of mirrors, collages and photographs within the picture.
func NameOnce(list []Face) {
	best := map[int64]int{} // person → index of their best face
	for i := range list {
		if list[i].Reason != Identified || list[i].Person == nil {
			continue
		}
		other, taken := best[list[i].Person.ID]
		if !taken || list[i].isBetter(&list[other]) {
			best[list[i].Person.ID] = i
		}
	}
	for i := range list {
		f := &list[i]
		if f.Reason == Identified && !f.Confirmed && f.Person != nil && best[f.Person.ID] != i {
			f.Reason, f.Person = Uncertain, nil
		}
	}
}

// isBetter orders the faces of one person in one picture: a confirmed face is
// the best, then the nearest, then the one of the better quality, then the one
// that lies first from left to right, so that the order of the list does not
// matter.
func (f *Face) isBetter(other *Face) bool {
	return cmp.Or(
		cmp.Compare(f.distance(), other.distance()),
		cmp.Compare(other.Quality.Score, f.Quality.Score),
		f.Box.compare(other.Box),
	) < 0
}

// Conclude returns what the decided faces together say of their image. The
// image's person is that of the identified face with the smallest distance; a
// confirmed face is nearer than any. m is the model set of the faces.
func Conclude(list []Face, m Model) (r Reason, person *Person) {
	r = NoFace
	var nearest *Face
	for i := range list {
		if reason := list[i].imageReason(m); rank(reason) > rank(r) {
			r = reason
		}
		if list[i].Reason == Identified && (nearest == nil || list[i].distance() < nearest.distance()) {
			nearest = &list[i]
		}
	}
	if nearest != nil {
		person = nearest.Person
	}
	return r, person
}

// imageReason returns the reason that the face alone would give its image. A face
// below a floor of quality makes the image Uncertain where it is within the
// threshold of somebody.
func (f *Face) imageReason(m Model) Reason {
	switch {
	case !f.Reason.BelowFloor():
		return f.Reason
	case f.ResemblesBest(m):
		return Uncertain
	default:
		return UnknownPerson
	}
}

// IsAmbiguous reports whether the face is Uncertain because Best and Second
// are too close to call, and not because of another face (see NameOnce). Where
// the margin of the model set m is not known, every second person counts.
func (f *Face) IsAmbiguous(m Model) bool {
	if f.Reason != Uncertain || f.Best == nil || f.Second == nil {
		return false
	}
	return m.Threshold == 0 || f.Second.Distance-f.Best.Distance < m.Margin
}

// ResemblesBest reports whether the face is not named though it may well be Best: it
// is Uncertain, or below a floor of quality and within the threshold.
func (f *Face) ResemblesBest(m Model) bool {
	if f.Best == nil {
		return false
	}
	return f.Reason == Uncertain || f.Reason.BelowFloor() && f.Best.Distance <= m.Threshold
}

// distance is how far an identified face is from its person.
func (f *Face) distance() float64 {
	if f.Confirmed || f.Best == nil {
		return -1
	}
	return f.Best.Distance
}

// rank orders the reasons by what they say about an image.
func rank(r Reason) int {
	return slices.Index([]Reason{NoFace, UnknownPerson, Uncertain, Identified}, r)
}
