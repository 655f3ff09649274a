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

// MaxNeighbours is the largest number of neighbours of one face that a
// recognizer sends.
const MaxNeighbours = 1000

// NeighbourLimit bounds the list of neighbours of a face: the Count nearest,
// and all that are at most Slack farther than the nearest, but never more than
// MaxNeighbours. Count is at least 1.
type NeighbourLimit struct {
	Count int
	Slack float64 // Euclidean
	// Within limits Slack to faces whose nearest neighbour is at most this far
	// away: without it, the list of a stranger, who is about equally far from
	// everybody, would be long. 0 means no limit.
	Within float64
}

// Limit returns the limit to request a face's neighbours with, so that the list
// reaches as far as the rule needs. count is the minimum number of neighbours.
func (m Model) Limit(count int) NeighbourLimit {
	// Distances are sent as float32. Rounding must not make the list too short for
	// the rule.
	const tolerance = 0.01
	const minSlack = 0.1 // shows people who else is near, even if the margins are small
	return NeighbourLimit{Count: count, Slack: max(m.Margin+m.FarMargin+tolerance, minSlack), Within: m.Reach() + tolerance}
}

// Widen returns a limit whose list contains the lists of both limits.
func (l NeighbourLimit) Widen(other NeighbourLimit) NeighbourLimit {
	within := max(l.Within, other.Within)
	if l.Within == 0 || other.Within == 0 {
		within = 0
	}
	return NeighbourLimit{Count: max(l.Count, other.Count), Slack: max(l.Slack, other.Slack), Within: within}
}

// Horizon returns the distance up to which a list with this limit is complete:
// every known picture that is nearer is in the list. It returns +Inf if the list
// has all known pictures. A list that was cut at MaxNeighbours is complete up to
// its last neighbour only, whatever the slack.
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

// Nearby describes the people near a face.
type Nearby struct {
	// Candidates has one entry per known picture, in any order. A person may
	// appear several times. The two nearest people are among them.
	Candidates []Candidate
	// Horizon is a lower bound for the distance of everybody who is not among the
	// candidates: +Inf if there is nobody else, 0 if unknown. It is needed if the
	// candidates are pictures of one person only: the second person may be just
	// beyond the end of the list.
	Horizon float64
	// People is the number of people with known pictures; 0 if unknown.
	People int
}

// secondAtLeast returns a lower bound for the distance of the second person. It
// returns -Inf if there is no bound or no second person: the far threshold needs
// somebody to compare with. people is the result of nearestPeople; excluded is
// the number of people whom a verdict excludes.
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

// Candidates joins known pictures with the people whom they show. It skips
// pictures without an owner.
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

// nearestPeople returns each person once, with their nearest picture, nearest
// person first. It leaves out the people whom the verdict excludes. Ties go to
// the smaller person id and the first picture by name, so that the order of the
// candidates does not change the answer.
func nearestPeople(candidates []Candidate, v Verdict) []Candidate {
	people := make([]Candidate, 0, min(len(candidates), 4)) // the nearest pictures show few people
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

// NearestPeople returns each person once, with their nearest picture, nearest person
// first.
func NearestPeople(candidates []Candidate) []Candidate { return nearestPeople(candidates, Verdict{}) }
