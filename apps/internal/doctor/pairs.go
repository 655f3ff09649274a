package doctor

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Pairs counts what the threshold alone, without the margin, says about any
// two pictures.
type Pairs struct {
	Same              int `json:"same"`          // pairs of one person
	SameAccepted      int `json:"same_accepted"` // of these, those within the threshold
	Different         int `json:"different"`     // pairs of two people
	DifferentAccepted int `json:"different_accepted"`
}

const (
	// binWidth is the width of the histograms' bins, as a distance.
	binWidth = 0.001
	bins     = 2001 // the last one has all larger distances
	// maxPairs bounds the number of pairs of people that are kept.
	maxPairs = 10_000
)

// pairs counts the distances of pairs of pictures.
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

// equalError returns the equal error rate of pairs. It is nil if there are no
// pairs of one person or none of two people.
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

// closePair is two people and their two pictures that are nearest to each
// other.
type closePair struct {
	people   [2]int // indexes, the smaller one first
	pictures [2]int // in the same order
	distance float64
}

// ordered returns the key of a pair of people.
func ordered(a, b int) [2]int { return [2]int{min(a, b), max(a, b)} }

func newClosePair(person, other, picture, otherPicture int, distance float64) closePair {
	if person > other {
		person, other, picture, otherPicture = other, person, otherPicture, picture
	}
	return closePair{people: [2]int{person, other}, pictures: [2]int{picture, otherPicture}, distance: distance}
}

// compare sorts by distance, then by people and by pictures.
func (p closePair) compare(other closePair) int {
	return cmp.Or(cmp.Compare(p.distance, other.distance),
		slices.Compare(p.people[:], other.people[:]), slices.Compare(p.pictures[:], other.pictures[:]))
}

// closePairs keeps the closest pairs of people, at most maxPairs. The zero
// value is ready to use.
type closePairs struct {
	held map[[2]int]closePair
	cut  float64 // pairs beyond this distance are not among the closest; 0 until some were dropped
}

// add adds a pair, unless a closer pair of pictures of the same people is
// held.
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
	// A pair dropped here is farther than maxPairs others. If it is added
	// again it can only be farther. So the pairs left at the end are the
	// closest ones.
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
