package faces

import (
	"cmp"
	"slices"
)

// Sighting is one face that a recognizer found.
type Sighting struct {
	Box        Box
	Landmarks  []Point
	Descriptor Descriptor
	Neighbours []Neighbour // nearest first
	// Horizon is the distance up to which Neighbours is complete (see
	// NeighbourLimit.Horizon); 0 if unknown.
	Horizon float64
	Quality Quality
}

// Recognition is a recognizer's whole answer for one picture.
type Recognition struct {
	Width, Height int // upright, in pixels
	Sightings     []Sighting
	Omitted       int    // faces beyond the limit for one picture, which were not described
	Warning       string // a fault of the file that did not prevent reading it; empty if none
	Model         Model
	Gallery       string // version of the known pictures it was matched against
	File          File   // the file that was read; zero if the recognizer does not report it
	Unchanged     bool   // the file is the one that the caller knows: it was not recognized again
	// People is the number of people with known pictures (see Nearby.People). The
	// caller sets it: a recognizer knows pictures, not people.
	People int
}

// Outcome is everything that is stored for an image after it was processed.
type Outcome struct {
	Reason        Reason // the status follows from it
	Detail        string // why the image has no answer; empty for an answer (see Describe)
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
// whom a known picture shows; pictures without an owner are ignored. Corrections
// take precedence over all distances and quality floors (see Verdicts), and add the
// faces that users have drawn.
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
	out.Faces = judgeDrawn(withDrawn(out.Faces, corrections), corrections)
	NameOnce(out.Faces)
	out.Reason, out.Person = Conclude(out.Faces, rec.Model)
	return out
}

// judgeDrawn decides the drawn faces among an image's faces, which nobody is near
// to.
func judgeDrawn(list []Face, corrections []Correction) []Face {
	if !slices.ContainsFunc(list, func(f Face) bool { return f.Drawn }) {
		return list
	}
	for i, v := range Verdicts(Boxes(list), corrections) {
		if list[i].Drawn {
			list[i] = list[i].Judge(Nearby{}, Model{}, v)
		}
	}
	return list
}

// Judge returns the face with a decision that ignores the other faces of its
// picture. It applies the face's corrections first, then the rule of the model
// set to the people near it. NameOnce may still change the decision.
func (f Face) Judge(nearby Nearby, m Model, v Verdict) Face {
	f.Reason, f.Person, f.Best, f.Second, f.MatchedImage = UnknownPerson, nil, nil, nil, ""
	f.Corrected, f.Confirmed = !v.IsZero(), v.Person != nil
	if reason := v.Dismissed.reason(); reason != NoReason {
		f.Reason = reason
		return f
	}
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

// confirm decides that the face shows p, because a correction says so. It sets
// Best if p is near, so that the distance is still shown.
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

// NameOnce makes sure that one person is identified only once in a picture. Of
// the faces that Judge identified as the same person, the best keeps the name and
// the others become Uncertain. Confirmed faces always keep their name, because
// one person can really appear twice: in mirrors, collages and photographs within
// the picture.
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

// isBetter orders the faces of one person in one picture: confirmed faces first,
// then by distance, quality and position from left to right. The position makes
// the result independent of the order of the list.
func (f *Face) isBetter(other *Face) bool {
	return cmp.Or(
		cmp.Compare(f.distance(), other.distance()),
		cmp.Compare(other.Quality.Score, f.Quality.Score),
		f.Box.compare(other.Box),
	) < 0
}

// Conclude returns the reason and the person of an image from its decided faces.
// The person is that of the identified face with the smallest distance; confirmed
// faces come before all others. m is the model set of the faces.
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

// imageReason returns the reason of an image that has only this face. A face that
// does not count is none. A face below a quality floor makes the image Uncertain if it is within the threshold
// of somebody.
func (f *Face) imageReason(m Model) Reason {
	switch {
	case f.Reason.IsDismissed():
		return NoFace
	case !f.Reason.BelowFloor():
		return f.Reason
	case f.ResemblesBest(m):
		return Uncertain
	default:
		return UnknownPerson
	}
}

// IsAmbiguous reports whether the face is Uncertain because Best and Second are
// too close to call, and not because of another face (see NameOnce). If the
// margin of the model set m is unknown, any second person makes it ambiguous.
func (f *Face) IsAmbiguous(m Model) bool {
	if f.Reason != Uncertain || f.Best == nil || f.Second == nil {
		return false
	}
	return m.Threshold == 0 || f.Second.Distance-f.Best.Distance < m.Margin
}

// ResemblesBest reports whether the face may well show Best although it is not
// named: it is Uncertain, or below a quality floor and within the threshold.
func (f *Face) ResemblesBest(m Model) bool {
	if f.Best == nil {
		return false
	}
	return f.Reason == Uncertain || f.Reason.BelowFloor() && f.Best.Distance <= m.Threshold
}

// distance returns the distance of an identified face to its person. Confirmed
// faces come before all others.
func (f *Face) distance() float64 {
	if f.Confirmed || f.Best == nil {
		return -1
	}
	return f.Best.Distance
}

// rank returns the precedence of a face's reason for its image.
func rank(r Reason) int {
	return slices.Index([]Reason{NoFace, UnknownPerson, Uncertain, Identified}, r)
}
