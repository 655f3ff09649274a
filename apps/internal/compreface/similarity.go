package compreface

import (
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	// steepness is c1 times the threshold. 8.7 × 0.90 is the maximum of the likelihood
	// of the distances of 355 pairs of pictures of one person (docs/accuracy.md), with
	// c0 at the threshold of 0.90; TestSteepness computes it. As a product it holds for
	// model sets whose distances have another scale, too.
	steepness = 7.8
	// leastNamed and mostUnnamed keep the promise that clients rely on: a similarity of
	// 0.5 or more means that Rollcall gives the face this name.
	leastNamed  = 0.5
	mostUnnamed = 0.49
	// digits is how many decimal digits a number has in an answer.
	digits = 1e5
)

// scale turns distances into similarities.
type scale struct{ c0, c1 float64 }

// scaleOf returns the scale of a model set's rule.
func scaleOf(m faces.Model) scale {
	if m.Threshold <= 0 {
		return scale{}
	}
	return scale{c0: m.Threshold, c1: steepness / m.Threshold}
}

// of returns the similarity of two faces at a distance, from 0 to 1. At the threshold
// it is 0.5.
func (s scale) of(distance float64) float64 {
	v := (math.Tanh((s.c0-distance)*s.c1) + 1) / 2
	if math.IsNaN(v) {
		return 0
	}
	return round(v)
}

// decided returns the similarity for a face that got a name, or did not. Without it
// the number could contradict the name: beyond the threshold where nobody else is
// near, or within it where two people are.
func (s scale) decided(distance float64, named bool) float64 {
	if named {
		return max(s.of(distance), leastNamed)
	}
	return min(s.of(distance), mostUnnamed)
}

func round(v float64) float64 { return math.Round(v*digits) / digits }
