package measure

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go" // exact to a given number of digits over the whole range, in bounded memory
)

// curveTicks is how many points a curve has for each halving of the rest.
const curveTicks = 5

// longest is the longest time that is told apart from longer ones.
const longest = time.Hour

// The digits of the histograms: those of the whole run, and those of a window, of which
// there are many.
const (
	digits       = 3
	windowDigits = 2
)

func newHistogram(digits int) *hdrhistogram.Histogram {
	return hdrhistogram.New(1, longest.Microseconds(), digits)
}

// record adds a time to a histogram.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	d = min(max(d, time.Microsecond), longest)
	_ = h.RecordValue(d.Microseconds()) // fails only outside of the range
}

// recordIn is record for the histogram of a window.
func recordIn(h **hdrhistogram.Histogram, d time.Duration) {
	if *h == nil {
		*h = newHistogram(windowDigits)
	}
	record(*h, d)
}

// Percentiles are times by the share of those that took no longer.
type Percentiles struct {
	Count                          int64
	P50, P90, P99, P999, Max, Mean time.Duration
}

func percentiles(h *hdrhistogram.Histogram) Percentiles {
	if h == nil {
		return Percentiles{}
	}
	at := func(percent float64) time.Duration {
		return min(time.Duration(h.ValueAtPercentile(percent))*time.Microsecond, longest)
	}
	p := Percentiles{Count: h.TotalCount()}
	if p.Count > 0 {
		p.P50, p.P90, p.P99, p.P999, p.Max = at(50), at(90), at(99), at(99.9), at(100)
		p.Mean = time.Duration(h.Mean()) * time.Microsecond
	}
	return p
}

// Point says that a share of the times was no longer than one.
type Point struct {
	Share float64 // 0 to 1
	Time  time.Duration
}

// Distribution is all of a histogram that a plot needs.
type Distribution struct {
	Percentiles
	Curve []Point // ascending
}

func distribution(h *hdrhistogram.Histogram) Distribution {
	d := Distribution{Percentiles: percentiles(h)}
	if d.Count == 0 {
		return d
	}
	for _, b := range h.CumulativeDistributionWithTicks(curveTicks) {
		d.Curve = append(d.Curve, Point{b.Quantile / 100, time.Duration(b.ValueAt) * time.Microsecond})
	}
	return d
}
