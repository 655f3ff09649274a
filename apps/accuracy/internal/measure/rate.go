package measure

import (
	"fmt"
	"math"
)

// Rate counts how often something happened.
type Rate struct{ Events, Of int }

// Add counts one case.
func (r *Rate) Add(happened bool) {
	r.Of++
	if happened {
		r.Events++
	}
}

// Share returns the share of cases, or 0 without cases.
func (r Rate) Share() float64 {
	if r.Of == 0 {
		return 0
	}
	return float64(r.Events) / float64(r.Of)
}

// Interval returns the 95 % confidence interval of the true share: Wilson's
// (1927), which also holds for small numbers. If nothing or everything
// happened, it is the rule of three (Hanley and Lippman-Hand, 1983): the true
// share is at most 3/n. Without cases it is 0 to 1.
//
// Both assume independent cases. Several pictures of one person are not
// independent, so the true interval can be wider.
func (r Rate) Interval() (low, high float64) {
	n := float64(r.Of)
	switch {
	case r.Of == 0:
		return 0, 1
	case r.Events == 0:
		return 0, min(1, 3/n)
	case r.Events == r.Of:
		return max(0, 1-3/n), 1
	}
	const z = 1.959964 // the 97.5 % quantile of the normal distribution
	p := r.Share()
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, middle-half), min(1, middle+half)
}

// String returns the rate for a table: share, events, cases and interval.
func (r Rate) String() string {
	if r.Of == 0 {
		return "–"
	}
	low, high := r.Interval()
	return fmt.Sprintf("%s %% (%d of %d; %s–%s)", percent(r.Share()), r.Events, r.Of, percent(low), percent(high))
}

func percent(share float64) string { return fmt.Sprintf("%.1f", 100*share) }
