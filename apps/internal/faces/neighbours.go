package faces

import (
	"cmp"
	"math"
	"slices"
)

// Neighbour is a known picture near a face.
type Neighbour struct {
	Image    string  // relative to KNOWN_PEOPLE
	Distance float64 // Euclidean
	Parts    Parts
}

// MaxNeighbours is the most neighbours of one face that a recognizer sends.
const MaxNeighbours = 1000

// NeighbourLimit bounds the list of neighbours of a face: the Count nearest,
// and all that are at most Slack farther than the nearest, but never more than
// MaxNeighbours. Count is at least 1.
type NeighbourLimit struct {
	Count int
	Slack float64 // Euclidean
	// Slack counts only where the nearest neighbour is at most Within away: a
	// stranger is about as far from everybody. 0 is no bound.
	Within float64
}

// Limit returns the limit with which the neighbours of a face are asked for,
// so that the list reaches as far as the rule needs to see. count is the least
// number of neighbours.
func (m Model) Limit(count int) NeighbourLimit {
	// Distances travel as float32, and one more or less must not decide whether
	// the rule can see far enough.
	const room = 0.01
	const leastSlack = 0.1 // shows people who was close, also where the margins are small
	return NeighbourLimit{Count: count, Slack: max(m.Margin+m.FarMargin+room, leastSlack), Within: m.Reach() + room}
}

// Widen returns the limit with which a list has all that lists within both
// limits have.
func (l NeighbourLimit) Widen(other NeighbourLimit) NeighbourLimit {
	within := max(l.Within, other.Within)
	if l.Within == 0 || other.Within == 0 {
		within = 0
	}
	return NeighbourLimit{Count: max(l.Count, other.Count), Slack: max(l.Slack, other.Slack), Within: within}
}

// Horizon returns how far a list within the limit surely reaches: every known
// picture that is nearer is in the list. It is +Inf where all known pictures
// are in it. A list that was cut at MaxNeighbours reaches to its last
// neighbour only, whatever the slack.
func (l NeighbourLimit) Horizon(list []Neighbour) float64 {
	n := len(list)
	if n < max(l.Count, 1) {
		return math.Inf(1)
	}
	nearest, farthest := list[0].Distance, list[n-1].Distance
	if n < MaxNeighbours && (l.Within == 0 || nearest <= l.Within) {
		return max(farthest, nearest+l.Slack)
	}
	return farthest
}

// Nearby is what is known of the people near a face.
type Nearby struct {
	// Candidates are people by one or several of their pictures, in any order.
	// The two people who are nearest among them are the nearest of all.
	Candidates []Candidate
	// Horizon is a distance that no picture of another person than the
	// candidates is nearer than; +Inf where there is nobody else, 0 where
	// nothing is known. It matters where only one person is among the
	// candidates: the second may be just beyond the list's end.
	Horizon float64
	// People is how many people have known pictures at all; 0 where nobody
	// counted.
	People int
}

// secondAtLeast returns a distance that the second person is not nearer than.
// It is -Inf where that is not known and where there is no second person:
// nobody can be told apart from nobody. people are the candidates as
// nearestPeople folds them, excluded is how many people a verdict excludes.
func (n Nearby) secondAtLeast(people []Candidate, excluded int) float64 {
	switch {
	case len(people) > 1:
		return people[1].Distance
	case n.People-excluded > 1 && !math.IsInf(n.Horizon, 1):
		return n.Horizon
	default:
		return math.Inf(-1)
	}
}

// Candidates joins known pictures to the people whom they show. Pictures
// without an owner are passed over.
func Candidates(neighbours []Neighbour, owner func(image string) (Person, bool)) []Candidate {
	list := make([]Candidate, 0, len(neighbours))
	for _, n := range neighbours {
		if p, ok := owner(n.Image); ok {
			list = append(list, Candidate{Person: p, Distance: n.Distance, Image: n.Image, Parts: n.Parts})
		}
	}
	return list
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
// same candidates always get the same answer, in whatever order they come.
func nearestPeople(candidates []Candidate, v Verdict) []Candidate {
	people := make([]Candidate, 0, min(len(candidates), 4)) // few of the nearest pictures are of many people
	for _, c := range candidates {
		if math.IsNaN(c.Distance) || v.Excludes(c.Person.ID) {
			continue // NaN is no distance: every comparison with it fails
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
