package doctor

import (
	"math"
	"slices"
	"sort"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// step is the distance between two thresholds of the curve. A suggested
// threshold is one of them.
const step = 0.01

// Point is a threshold and the answers that it would give.
type Point struct {
	Threshold float64 `json:"threshold"`
	// FalseAccept is the share of questions about strangers that are answered
	// with a name. FalseAcceptMost is its upper confidence bound; see bound.
	FalseAccept     float64 `json:"false_accept"`
	FalseAcceptMost float64 `json:"false_accept_at_most"`
	// FalseReject is the share of questions about known people that are not
	// answered with the right name.
	FalseReject float64 `json:"false_reject"`
	Known       Known   `json:"known"`
	Strange     Strange `json:"strangers"`
}

// curve returns a point for each step, up to the distance beyond which
// nothing changes.
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
		// Divide instead of adding steps: 0.3 must equal the literal 0.3.
		t := float64(i) / math.Round(1/step)
		points = append(points, q.point(t))
		if t >= last {
			return points
		}
	}
}

// point returns the answers at one threshold.
func (q *questions) point(threshold float64) Point {
	f := q.figures(threshold)
	return Point{
		Threshold: threshold, Known: f.Known, Strange: f.Strange,
		FalseAccept:     share(f.Strange.FalseAccept, f.Strange.Asked),
		FalseAcceptMost: q.bound(threshold),
		FalseReject:     share(f.Known.Asked-f.Known.Right, f.Known.Asked),
	}
}

// bound returns the upper end of the confidence interval of the share of
// strangers who get a name. It counts people, not pictures. Pictures of one
// person err together, so a hundred pictures of five people say little more
// than five pictures. Each person counts with the share of their pictures
// that got a name.
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

// wilson returns Wilson's score interval for k of n (E. B. Wilson, 1927). It
// contains the true share with a confidence of 95 %. If k is 0, its upper end
// is about 3.8/n.
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

// Crossing is the threshold at which the share of strangers accepted equals
// that of known people rejected (the equal error rate), and that share.
type Crossing struct {
	Threshold float64 `json:"threshold"`
	Share     float64 `json:"share"`
}

// crossing searches for the threshold with the smallest difference of two
// shares.
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

// equalError returns the equal error rate of the questions. It is nil if
// there were no questions about known people or none about strangers.
func (q *questions) equalError() *Crossing {
	var right, named []float64 // the thresholds from which on they are
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
