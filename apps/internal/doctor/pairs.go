package doctor

// This file owns what is kept of pairs: histograms of pictures' distances, and
// the closest people.

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Pairs is what the threshold says of any two pictures, without the margin.
type Pairs struct {
	Same              int `json:"same"`          // of one person
	SameAccepted      int `json:"same_accepted"` // of these, not farther than the threshold
	Different         int `json:"different"`     // of two people
	DifferentAccepted int `json:"different_accepted"`
}

const (
	// binWidth is how finely the distances of pairs are told apart.
	binWidth = 0.001
	bins     = 2001 // the last one has all that is farther
	// maxPairs bounds the pairs of people that are remembered.
	maxPairs = 10_000
)

// pairs counts distances.
type pairs struct {
	limit           float64
	counts          Pairs
	same, different [bins]int
}

func (p *pairs) add(distance float64, same bool) {
	total, accepted, histogram := &p.counts.Different, &p.counts.DifferentAccepted, &p.different
	if same {
		total, accepted, histogram = &p.counts.Same, &p.counts.SameAccepted, &p.same
	}
	*total++
	if distance <= p.limit {
		*accepted++
	}
	histogram[min(bins-1, int(math.Ceil(distance/binWidth)))]++
}

func (p *pairs) merge(other *pairs) {
	p.counts.Same += other.counts.Same
	p.counts.SameAccepted += other.counts.SameAccepted
	p.counts.Different += other.counts.Different
	p.counts.DifferentAccepted += other.counts.DifferentAccepted
	for i := range p.same {
		p.same[i] += other.same[i]
		p.different[i] += other.different[i]
	}
}

// equalError is where as many pairs of one person are told apart as pairs of
// two are taken for one; nil where one of the kinds is missing.
func (p *pairs) equalError() *Crossing {
	if p.counts.Same == 0 || p.counts.Different == 0 {
		return nil
	}
	same, different := 0, 0
	best := newCrossing()
	for i := range p.same {
		same, different = same+p.same[i], different+p.different[i]
		best.try(float64(i)*binWidth, share(different, p.counts.Different), 1-share(same, p.counts.Same))
	}
	return &best.Crossing
}

// closePair is two people, and the two of their pictures that are nearest to
// each other.
type closePair struct {
	people   [2]int // the smaller index first
	pictures [2]int // in the same order
	distance float64
}

// ordered is how two people are looked up.
func ordered(a, b int) [2]int { return [2]int{min(a, b), max(a, b)} }

func newClosePair(person, other, picture, otherPicture int, distance float64) closePair {
	if person > other {
		person, other, picture, otherPicture = other, person, otherPicture, picture
	}
	return closePair{people: [2]int{person, other}, pictures: [2]int{picture, otherPicture}, distance: distance}
}

// compare puts the closest first; ties are in the order of people and names.
func (p closePair) compare(other closePair) int {
	return cmp.Or(cmp.Compare(p.distance, other.distance),
		slices.Compare(p.people[:], other.people[:]), slices.Compare(p.pictures[:], other.pictures[:]))
}

// closePairs holds the closest pairs of people, maxPairs at most. Its zero
// value is ready.
type closePairs struct {
	held map[[2]int]closePair
	cut  float64 // farther pairs are not among the closest; set once some were dropped
}

// add remembers a pair, or two closer pictures of a pair that is held.
func (c *closePairs) add(p closePair) {
	if c.held == nil {
		c.held = map[[2]int]closePair{}
	}
	if c.cut > 0 && p.distance > c.cut {
		return
	}
	if old, ok := c.held[p.people]; ok && p.compare(old) >= 0 {
		return
	}
	c.held[p.people] = p
	// A pair that is dropped here is farther than maxPairs others, and may come
	// back only farther still: those that are left in the end are the closest.
	if len(c.held) >= 2*maxPairs {
		kept := c.sorted()[:maxPairs]
		clear(c.held)
		c.cut = kept[maxPairs-1].distance
		for _, p := range kept {
			c.held[p.people] = p
		}
	}
}

func (c *closePairs) merge(other *closePairs) {
	for _, p := range other.held {
		c.add(p)
	}
}

// sorted returns the pairs, closest first.
func (c *closePairs) sorted() []closePair {
	list := slices.SortedFunc(maps.Values(c.held), closePair.compare)
	return list[:min(len(list), maxPairs)]
}

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}
