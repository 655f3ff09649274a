package faces

// This file owns the rule that turns what a recognizer saw into an answer. A
// recognizer knows pictures, not people: folding pictures to people, the
// threshold and the margin are applied here.

import (
	"fmt"
	"math"
	"sort"
	"strings"
)

// Model names a set of model files and how to read its distances.
type Model struct {
	ID        string
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
// known picture shows; a picture without an owner is passed over. The image's
// person is that of the identified face with the smallest distance.
func Decide(seen Recognition, owner func(image string) (Person, bool)) Outcome {
	out := Outcome{
		Reason: NoFace, Width: seen.Width, Height: seen.Height, Model: seen.Model.ID,
	}
	best := 0.0
	for _, s := range seen.Sightings {
		f := decideFace(s, seen.Model, owner)
		out.Faces = append(out.Faces, f)
		if rank(f.Reason) > rank(out.Reason) {
			out.Reason = f.Reason
		}
		if f.Reason == Identified && (out.Person == nil || f.Best.Distance < best) {
			out.Person, best = f.Person, f.Best.Distance
		}
	}
	out.Detail = describe(out)
	return out
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

func decideFace(s Sighting, m Model, owner func(string) (Person, bool)) Face {
	f := Face{
		Box: s.Box, Landmarks: s.Landmarks, Descriptor: s.Descriptor, Quality: s.Quality,
		Model: m.ID, Reason: UnknownPerson,
	}
	people := foldToPeople(s.Neighbours, owner)
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

// isNearer reports whether c is the better of two pictures of one person.
func (c Candidate) isNearer(other Candidate) bool {
	if c.Distance != other.Distance {
		return c.Distance < other.Distance
	}
	return c.Image < other.Image
}

// foldToPeople returns each person once, at the distance of the nearest of
// their pictures, nearest person first. Ties go to the smaller person id and
// the first picture by name, so that the same sight always gets the same
// answer, in whatever order the pictures come.
func foldToPeople(near []Neighbour, owner func(string) (Person, bool)) []Candidate {
	byID := make(map[int64]int)
	var people []Candidate
	for _, n := range near {
		p, ok := owner(n.Image)
		if !ok || math.IsNaN(n.Distance) {
			continue // NaN is no distance: it would pass for any
		}
		c := Candidate{Person: p, Distance: n.Distance, Image: n.Image}
		i, seen := byID[p.ID]
		switch {
		case !seen:
			byID[p.ID] = len(people)
			people = append(people, c)
		case c.isNearer(people[i]):
			people[i] = c
		}
	}
	sort.Slice(people, func(i, j int) bool {
		if people[i].Distance != people[j].Distance {
			return people[i].Distance < people[j].Distance
		}
		return people[i].Person.ID < people[j].Person.ID
	})
	return people
}

// describe says in one line who is in the picture, or who was close.
func describe(out Outcome) string {
	var names []string
	strangers := 0
	for _, f := range out.Faces {
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
