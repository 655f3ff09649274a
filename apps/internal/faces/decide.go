package faces

// This file owns the rule that turns what a recognizer saw into an answer. A
// recognizer knows pictures, not people: folding pictures to people, the
// threshold and the margin are applied here.

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Model names a set of model files and how to read its distances.
type Model struct {
	ID        string
	Size      int     // numbers in a descriptor; 0 where it is not known
	Threshold float64 // Euclidean; a known picture farther than this is a stranger's
	Margin    float64 // the second person must be this much farther than the best
	Official  bool    // false for the lite set: weaker, and made to be replaced
}

// Neighbour is a known picture near a face.
type Neighbour struct {
	Image    string  // relative to KNOWN_PEOPLE
	Distance float64 // Euclidean
}

// Sighting is one face as a recognizer saw it.
type Sighting struct {
	Box        Box
	Landmarks  []Point
	Descriptor Descriptor
	Neighbours []Neighbour // nearest first
	Quality    Quality
}

// Recognition is a recognizer's whole answer for one picture.
type Recognition struct {
	Width, Height int // upright, in pixels
	Sightings     []Sighting
	Model         Model
	Gallery       string // version of the known pictures it was matched against
}

// Outcome is what is stored for an image.
type Outcome struct {
	Reason        Reason // the status follows from it
	Detail        string
	Person        *Person
	Faces         []Face
	Width, Height int
	Model         string
}

// Failure is the outcome of an image that could not be answered.
func Failure(err error) Outcome {
	return Outcome{Reason: ReasonOf(err), Detail: ErrorMessage(err)}
}

// Decide folds what was seen into an outcome. owner names the person whom a
// known picture shows; a picture without an owner is passed over. What people
// said of the image's faces comes before every distance (see Verdicts).
func Decide(seen Recognition, owner func(image string) (Person, bool), corrections ...Correction) Outcome {
	out := Outcome{Width: seen.Width, Height: seen.Height, Model: seen.Model.ID}
	boxes := make([]Box, len(seen.Sightings))
	for i, s := range seen.Sightings {
		boxes[i] = s.Box
	}
	verdicts := Verdicts(boxes, corrections)
	for i, s := range seen.Sightings {
		f := Face{
			Box: s.Box, Landmarks: s.Landmarks, Descriptor: s.Descriptor, Quality: s.Quality,
			Model: seen.Model.ID, Gallery: seen.Gallery,
		}
		out.Faces = append(out.Faces, f.Judge(Candidates(s.Neighbours, owner), seen.Model, verdicts[i]))
	}
	out.Reason, out.Person, out.Detail = Conclude(out.Faces)
	return out
}

// Conclude returns what the decided faces together say of their image. The
// image's person is that of the identified face with the smallest distance; a
// person's word is nearer than any distance.
func Conclude(list []Face) (r Reason, person *Person, detail string) {
	r = NoFace
	var nearest *Face
	for i, f := range list {
		if rank(f.Reason) > rank(r) {
			r = f.Reason
		}
		if f.Reason == Identified && (nearest == nil || f.distance() < nearest.distance()) {
			nearest = &list[i]
		}
	}
	if nearest != nil {
		person = nearest.Person
	}
	return r, person, describe(list)
}

// distance is how far an identified face is from its person.
func (f *Face) distance() float64 {
	if f.Confirmed {
		return -1
	}
	return f.Best.Distance
}

// rank orders the reasons of faces by what they say about their image.
func rank(r Reason) int {
	switch r {
	case Identified:
		return 3
	case Uncertain:
		return 2
	case UnknownPerson:
		return 1
	default:
		return 0
	}
}

// Candidates joins known pictures to the people whom they show. Pictures
// without an owner are passed over.
func Candidates(near []Neighbour, owner func(image string) (Person, bool)) []Candidate {
	list := make([]Candidate, 0, len(near))
	for _, n := range near {
		if p, ok := owner(n.Image); ok {
			list = append(list, Candidate{Person: p, Distance: n.Distance, Image: n.Image})
		}
	}
	return list
}

// Judge returns the face with the decision about it: from the people near it,
// each by one or several of their pictures and in any order, the model set's
// threshold and margin, and what people said of it, which comes first.
func (f Face) Judge(near []Candidate, m Model, v Verdict) Face {
	f.Reason, f.Person, f.Best, f.Second, f.MatchedImage = UnknownPerson, nil, nil, nil, ""
	f.Corrected, f.Confirmed = !v.IsZero(), v.Person != nil
	people := nearestPeople(near, v)
	if v.Person != nil {
		return f.confirm(*v.Person, people)
	}
	if len(people) == 0 {
		return f
	}
	f.Best, f.MatchedImage = &people[0], people[0].Image
	if len(people) > 1 {
		f.Second = &people[1]
	}
	switch {
	case f.Best.Distance > m.Threshold:
		// A stranger, however lonely at that distance.
	case f.Second != nil && f.Second.Distance-f.Best.Distance < m.Margin:
		f.Reason = Uncertain
	default:
		f.Reason = Identified
		person := f.Best.Person
		f.Person = &person
	}
	return f
}

// confirm decides as a person said. The distance, where the person is near,
// is told all the same.
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

// isNearer reports whether c is the better of two pictures of one person.
func (c Candidate) isNearer(other Candidate) bool {
	if c.Distance != other.Distance {
		return c.Distance < other.Distance
	}
	return c.Image < other.Image
}

// nearestPeople returns each person once, at the distance of the nearest of
// their pictures, nearest person first, without those that a verdict excludes.
// Ties go to the smaller person id and the first picture by name, so that the
// same sight always gets the same answer, in whatever order the pictures come.
func nearestPeople(near []Candidate, v Verdict) []Candidate {
	people := make([]Candidate, 0, min(len(near), 4)) // few of the nearest pictures are of many people
	for _, c := range near {
		if math.IsNaN(c.Distance) || v.Excludes(c.Person.ID) {
			continue // NaN is no distance: it would pass for any
		}
		i := slices.IndexFunc(people, func(p Candidate) bool { return p.Person.ID == c.Person.ID })
		switch {
		case i < 0:
			people = append(people, c)
		case c.isNearer(people[i]):
			people[i] = c
		}
	}
	slices.SortFunc(people, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Person.ID, b.Person.ID))
	})
	return people
}

// describe says in one line who is in the picture, or who was close.
func describe(list []Face) string {
	var names []string
	strangers := 0
	for _, f := range list {
		switch f.Reason {
		case Identified:
			names = append(names, f.Person.Name)
		case Uncertain:
			names = append(names, fmt.Sprintf("%s or %s?", f.Best.Person.Name, f.Second.Person.Name))
		default:
			strangers++
		}
	}
	if strangers > 0 && len(names) > 0 {
		names = append(names, fmt.Sprintf("%d unknown", strangers))
	}
	return strings.Join(names, ", ")
}
