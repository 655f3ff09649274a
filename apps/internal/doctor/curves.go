package doctor

// This file owns how answers change with the threshold.

import (
	"math"
	"slices"
	"sort"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// step is between two thresholds of the curve, and those that are suggested.
const step = 0.01

// Point is a threshold and what the answers would be with it.
type Point struct {
	Threshold float64 `json:"threshold"`
	// FalseAccept is the share of questions about strangers that get a name.
	// FalseAcceptMost is how large it may be in truth (see bound).
	FalseAccept     float64 `json:"false_accept"`
	FalseAcceptMost float64 `json:"false_accept_at_most"`
	// FalseReject is the share of questions about known people that do not get
	// the right name: somebody else's, or none.
	FalseReject float64 `json:"false_reject"`
	Known       Known   `json:"known"`
	Strange     Strange `json:"strangers"`
}

// curve returns a point for each step, from the first up to the distance from
// which nothing changes any more.
func (q *questions) curve() []Point {
	last := 0.0
	for _, one := range q.asked {
		for _, a := range []*answer{one.known, one.strange} {
			if a != nil {
				last = max(last, a.distance)
			}
		}
	}
	var points []Point
	for i := 1; ; i++ {
		// Not a sum of steps: 0.3 must be the 0.3 that people write.
		t := float64(i) / math.Round(1/step)
		points = append(points, q.point(t))
		if t >= last {
			return points
		}
	}
}

// point is the answers with one threshold.
func (q *questions) point(threshold float64) Point {
	f := q.figures(threshold)
	return Point{
		Threshold: threshold, Known: f.Known, Strange: f.Strange,
		FalseAccept:     share(f.Strange.FalseAccept, f.Strange.Asked),
		FalseAcceptMost: q.bound(threshold),
		FalseReject:     share(f.Known.Asked-f.Known.Right, f.Known.Asked),
	}
}

// bound is the upper end of the confidence interval of the share of strangers
// who get a name. Its unit is the person: several pictures of one person err
// together, so that a hundred pictures of five people say little more than
// five would. Each person counts with the share of their pictures that got a
// name.
func (q *questions) bound(threshold float64) float64 {
	asked, named := make([]int, q.people), make([]int, q.people)
	for _, one := range q.asked {
		if one.strange != nil {
			asked[one.person]++
			if one.strange.at(threshold) == faces.Identified {
				named[one.person]++
			}
		}
	}
	sum, people := 0.0, 0
	for p := range asked {
		if asked[p] > 0 {
			sum += share(named[p], asked[p])
			people++
		}
	}
	_, upper := wilson(sum, people)
	return upper
}

// wilson is Wilson's score interval, which holds the true share in 95 of 100
// cases: of the n that were seen, k did it. Where none did, its upper end is
// about 3.8/n.
func wilson(k float64, n int) (lower, upper float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959964 // of the normal distribution, 2.5 % on either side
	count := float64(n)
	p, zz := k/count, z*z/count
	middle := p + zz/2
	width := z * math.Sqrt(p*(1-p)/count+zz/(4*count))
	return max(0, (middle-width)/(1+zz)), min(1, (middle+width)/(1+zz))
}

// Crossing is the threshold at which as many strangers are accepted as known
// people are rejected, and that share.
type Crossing struct {
	Threshold float64 `json:"threshold"`
	Share     float64 `json:"share"`
}

// crossing looks for the threshold at which two shares differ least.
type crossing struct {
	Crossing
	apart float64
}

func newCrossing() crossing { return crossing{apart: math.Inf(1)} }

func (c *crossing) try(threshold, accept, reject float64) {
	if apart := math.Abs(accept - reject); apart < c.apart {
		c.apart, c.Crossing = apart, Crossing{Threshold: threshold, Share: (accept + reject) / 2}
	}
}

// equalError is where as large a share of strangers is named as of known
// people is not; nil where one of the kinds was not asked about.
func (q *questions) equalError() *Crossing {
	var right, named []float64 // the distances from which on they are
	known, strangers := 0, 0
	for _, one := range q.asked {
		if one.known != nil {
			known++
			if one.known.person == one.person {
				right = append(right, one.known.distance)
			}
		}
		if one.strange != nil {
			strangers++
			if one.strange.reason == faces.Identified {
				named = append(named, one.strange.distance)
			}
		}
	}
	if known == 0 || strangers == 0 {
		return nil
	}
	slices.Sort(right)
	slices.Sort(named)
	best := newCrossing()
	thresholds := slices.Concat(right, named)
	slices.Sort(thresholds)
	for _, t := range thresholds {
		best.try(t, share(upTo(named, t), strangers), 1-share(upTo(right, t), known))
	}
	if math.IsInf(best.apart, 1) {
		return nil // nobody is ever named
	}
	return &best.Crossing
}

// upTo counts the values that are at most limit.
func upTo(sorted []float64, limit float64) int {
	return sort.Search(len(sorted), func(i int) bool { return sorted[i] > limit })
}
