package measure

// This file owns the judgement of names: every picture is asked about with the
// others as the known ones.

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// People is how well faces were named.
type People struct {
	People   int // with one usable picture or more
	Pictures int
	// Unusable pictures show no face, several, or cannot be read. The product
	// would refuse them as known pictures; they are not part of what follows.
	Unusable []Unusable

	Known   Known
	Strange Strange
	Pairs   Pairs
}

// Unusable is a picture without exactly one face.
type Unusable struct {
	Picture string
	Why     string
}

// Known is the answers about people of whom other pictures are known: each
// picture is left out of the known ones and asked about (leave one out).
type Known struct {
	Asked     int
	Rank1     int // the nearest known picture is of the same person, however far
	Right     int // identified, as the right person
	Misnamed  int // identified, as somebody else
	Uncertain int // two people too close to call
	Missed    int // taken for a stranger
}

// FalseRejects are answers that do not name a person who is known.
func (k Known) FalseRejects() int { return k.Uncertain + k.Missed }

// Strange is the answers about people of whom nothing is known: all pictures
// of the person are left out, and each is asked about.
type Strange struct {
	Asked       int
	FalseAccept int // identified as somebody
	Uncertain   int // between two people, who are both wrong
}

// Pairs is what the threshold says of any two pictures, without the margin.
type Pairs struct {
	Same, SameAccepted           int // of one person; nearer than the threshold
	Different, DifferentAccepted int // of two
}

// portrait is a usable picture.
type portrait struct {
	person string
	name   string
	face   faces.Sighting
}

// judge asks about every picture.
func judge(looks []look, m faces.Model) *People {
	p := &People{Pictures: len(looks)}
	var all []portrait
	for _, l := range looks {
		if why := unusable(l); why != "" {
			p.Unusable = append(p.Unusable, Unusable{Picture: l.name, Why: why})
			continue
		}
		all = append(all, portrait{person: path.Base(path.Dir(l.name)), name: l.name, face: l.seen.Sightings[0]})
	}
	count := map[string]int{}
	for _, q := range all {
		count[q.person]++
	}
	p.People = len(count)
	owner := owners(all)
	for i, q := range all {
		near := nearest(all, i)
		if count[q.person] > 1 {
			p.Known.add(q.person, near, decide(q.face, near, m, owner))
		}
		strangers := slices.DeleteFunc(slices.Clone(near), func(n faces.Neighbour) bool {
			person, _ := owner(n.Image)
			return person.Name == q.person
		})
		if len(strangers) > 0 {
			p.Strange.add(decide(q.face, strangers, m, owner))
		}
	}
	p.Pairs = pairs(all, m.Threshold)
	return p
}

func unusable(l look) string {
	switch {
	case l.err != nil:
		return faces.ErrorMessage(l.err)
	case len(l.seen.Sightings) == 0:
		return "no face found"
	case len(l.seen.Sightings) > 1:
		return "several faces found"
	}
	return ""
}

// nearest returns every other picture, nearest first.
func nearest(all []portrait, of int) []faces.Neighbour {
	var near []faces.Neighbour
	for i, other := range all {
		if i != of {
			near = append(near, faces.Neighbour{Image: other.name, Distance: all[of].face.Descriptor.Distance(&other.face.Descriptor)})
		}
	}
	slices.SortFunc(near, func(a, b faces.Neighbour) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), strings.Compare(a.Image, b.Image))
	})
	return near
}

// owners returns who is on a picture.
func owners(all []portrait) func(image string) (faces.Person, bool) {
	ids := map[string]int64{}
	byPicture := map[string]faces.Person{}
	for _, q := range all {
		if ids[q.person] == 0 {
			ids[q.person] = int64(len(ids) + 1)
		}
		byPicture[q.name] = faces.Person{ID: ids[q.person], Name: q.person}
	}
	return func(image string) (faces.Person, bool) {
		p, ok := byPicture[image]
		return p, ok
	}
}

// decide answers as the product does.
func decide(face faces.Sighting, near []faces.Neighbour, m faces.Model, owner func(string) (faces.Person, bool)) faces.Face {
	face.Neighbours = near
	return faces.Decide(faces.Recognition{Sightings: []faces.Sighting{face}, Model: m}, owner).Faces[0]
}

func (k *Known) add(person string, near []faces.Neighbour, got faces.Face) {
	k.Asked++
	if path.Base(path.Dir(near[0].Image)) == person {
		k.Rank1++
	}
	switch {
	case got.Reason == faces.Uncertain:
		k.Uncertain++
	case got.Person == nil:
		k.Missed++
	case got.Person.Name == person:
		k.Right++
	default:
		k.Misnamed++
	}
}

func (s *Strange) add(got faces.Face) {
	s.Asked++
	switch got.Reason {
	case faces.Identified:
		s.FalseAccept++
	case faces.Uncertain:
		s.Uncertain++
	}
}

func pairs(all []portrait, threshold float64) Pairs {
	var p Pairs
	for i := range all {
		for j := range i {
			total, accepted := &p.Different, &p.DifferentAccepted
			if all[i].person == all[j].person {
				total, accepted = &p.Same, &p.SameAccepted
			}
			*total++
			if all[i].face.Descriptor.Distance(&all[j].face.Descriptor) <= threshold {
				*accepted++
			}
		}
	}
	return p
}
