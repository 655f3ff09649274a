package doctor

import (
	"context"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Figures count right and wrong answers.
type Figures struct {
	Known   Known   `json:"known"`
	Strange Strange `json:"strangers"`
	Pairs   Pairs   `json:"pairs"`
}

// Known counts the answers about people of whom other pictures are known.
// Each picture is left out in turn and asked about (leave one out).
type Known struct {
	Asked     int `json:"asked"`
	Rank1     int `json:"rank1"`     // the nearest known picture is of the same person, however far
	Right     int `json:"right"`     // identified, as the right person
	Misnamed  int `json:"misnamed"`  // identified, as somebody else
	Uncertain int `json:"uncertain"` // two people too close to call
	Missed    int `json:"missed"`    // taken for a stranger
}

// FalseRejects is the number of answers that do not name a person who is
// known.
func (k Known) FalseRejects() int { return k.Uncertain + k.Missed }

// Strange counts the answers about people of whom no picture is known. All
// pictures of each person are left out in turn and asked about (leave one
// person out).
type Strange struct {
	Asked       int `json:"asked"`
	FalseAccept int `json:"false_accept"` // identified as somebody
	Uncertain   int `json:"uncertain"`    // between two people, who are both wrong
}

// Judge asks about every usable picture with an owner. It is Examine without
// the search for findings.
func Judge(ctx context.Context, pictures []Picture, m faces.Model) (Figures, error) {
	opts := Options{Model: m}
	if err := opts.validate(); err != nil {
		return Figures{}, err
	}
	s := newSet(pictures)
	found, err := compare(ctx, s, opts)
	if err != nil {
		return Figures{}, err
	}
	return ask(view{set: s, distances: found}, m).figures(m.Threshold), nil
}

// answer is the answer to a question at any threshold. Below distance the
// answer is "unknown person". From distance on, reason and person apply; they
// do not depend on the threshold.
type answer struct {
	// distance is the smallest threshold at which the nearest person counts.
	// That is how far the person is. It is less if the second person is so
	// much farther that the far threshold applies, which moves with the
	// threshold.
	distance float64
	reason   faces.Reason // Identified or Uncertain
	person   int          // the person identified; -1 if uncertain
	second   int          // the second person if uncertain; -1 otherwise
	best     int          // the nearest person
}

// at returns the answer's reason at a threshold.
func (a answer) at(threshold float64) faces.Reason {
	if a.distance > threshold {
		return faces.UnknownPerson
	}
	return a.reason
}

// question is one picture that is asked about twice as if it were not known.
// An answer is nil if nobody else is left to compare with.
type question struct {
	picture, person int
	rank1           bool
	known           *answer // with the person's other pictures known
	strange         *answer // with none of the person's pictures known
}

// questions are the questions about all pictures.
type questions struct {
	asked  []question
	people int
	pairs  Pairs
}

// ask asks about every picture.
func ask(v view, m faces.Model) *questions {
	s := v.set
	q := &questions{people: len(s.people), pairs: v.distances.pairs.counts}
	for i, n := range v.distances.near {
		own := s.person[i]
		one := question{picture: i, person: own}
		if n.own.at >= 0 {
			one.known = decide(s, m, n.own, n.first, n.second)
			one.rank1 = one.known.best == own
		}
		if n.first.at >= 0 {
			one.strange = decide(s, m, n.first, n.second)
		}
		q.asked = append(q.asked, one)
	}
	return q
}

// decide answers as the processor does, apart from the threshold. It ignores
// the floors of quality: the questions are about distances, and findings
// report faces that are too small, blurred or turned away.
func decide(s *set, m faces.Model, near ...neighbour) *answer {
	at := map[string]int{}
	sighting := faces.Sighting{Horizon: math.Inf(1)}
	for _, n := range near {
		if n.at >= 0 {
			p := &s.pictures[n.at]
			at[p.Name] = n.at
			sighting.Neighbours = append(sighting.Neighbours, faces.Neighbour{Image: p.Name, Distance: n.distance})
		}
	}
	owner := func(image string) (faces.Person, bool) { return s.owner(at[image]), true }
	anyDistance := faces.Model{Threshold: math.Inf(1), Margin: m.Margin}
	got := faces.Decide(faces.Recognition{Sightings: []faces.Sighting{sighting}, Model: anyDistance}, owner).Faces[0]
	a := &answer{distance: got.Best.Distance, reason: got.Reason, person: -1, second: -1}
	a.best = s.person[at[got.Best.Image]]
	if got.Reason == faces.Identified {
		a.person = a.best
	} else {
		a.second = s.person[at[got.Second.Image]]
	}
	if got.Second != nil && m.FarThreshold > m.Threshold && got.Second.Distance-got.Best.Distance > m.FarMargin {
		a.distance -= m.FarThreshold - m.Threshold
	}
	return a
}

// figures counts the answers at a threshold.
func (q *questions) figures(threshold float64) Figures {
	f := Figures{Pairs: q.pairs}
	for _, one := range q.asked {
		f.Known.add(one, threshold)
		f.Strange.add(one, threshold)
	}
	return f
}

func (k *Known) add(q question, threshold float64) {
	if q.known == nil {
		return
	}
	k.Asked++
	if q.rank1 {
		k.Rank1++
	}
	switch reason := q.known.at(threshold); {
	case reason == faces.Uncertain:
		k.Uncertain++
	case reason == faces.UnknownPerson:
		k.Missed++
	case q.known.person == q.person:
		k.Right++
	default:
		k.Misnamed++
	}
}

func (s *Strange) add(q question, threshold float64) {
	if q.strange == nil {
		return
	}
	s.Asked++
	switch q.strange.at(threshold) {
	case faces.Identified:
		s.FalseAccept++
	case faces.Uncertain:
		s.Uncertain++
	}
}
