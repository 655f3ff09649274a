package schedule

import (
	"iter"
	"math"
	"math/rand/v2"
	"time"
)

// Even returns the times at which requests are due if the distances between them are as
// equal as the rate allows.
func (p Profile) Even() iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		n := -1.0
		p.arrivals(func() float64 { n++; return n }, yield)
	}
}

// Poisson returns the times of requests that come independently of each other, as those
// of many clients do: the distances are exponential.
func (p Profile) Poisson(rng *rand.Rand) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		at := 0.0
		p.arrivals(func() float64 { at += rng.ExpFloat64(); return at }, yield)
	}
}

// arrivals yields the times at which Count reaches the numbers of next, which ascend.
// A Poisson process of one a second becomes one of the profile's rate that way.
func (p Profile) arrivals(next func() float64, yield func(time.Duration) bool) {
	begin, done := time.Duration(0), 0.0 // of the part
	n := next()
	for _, part := range p {
		whole := part.count(part.Over)
		for n-done < whole {
			if !yield(begin + part.when(n-done)) {
				return
			}
			n = next()
		}
		begin, done = begin+part.Over, done+whole
	}
}

// when is the inverse of count.
func (p Part) when(n float64) time.Duration {
	if n <= 0 {
		return 0
	}
	slope := (p.To - p.From) / p.Over.Seconds()
	// The usual formula of a quadratic equation subtracts two numbers that are nearly
	// equal when the slope is small.
	s := 2 * n / (p.From + math.Sqrt(max(0, p.From*p.From+2*slope*n)))
	return min(time.Duration(s*float64(time.Second)), p.Over)
}
