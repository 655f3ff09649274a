package compreface

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// pairs are the distances of pairs of pictures of one person, as docs/accuracy.md
// counts them: how many of 355 are lost at which threshold.
var pairs = []struct {
	threshold float64
	lost      int
}{{0.4, 355}, {0.6, 164}, {0.7, 100}, {0.8, 53}, {0.85, 36}, {0.875, 27}, {0.9, 21}, {0.925, 13}, {0.95, 11}, {1, 6}, {1.05, 2}, {1.1, 0}}

// The steepness is that at which the distances of one person's pictures are the most
// likely, if the similarity is the chance that two faces show one person.
func TestSteepness(t *testing.T) {
	t.Parallel()
	const threshold = 0.9
	report, err := os.ReadFile("../../../docs/accuracy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs[1:] {
		if row := fmt.Sprintf("| %.3f |", p.threshold); !strings.Contains(string(report), row) || !strings.Contains(string(report), fmt.Sprintf("(%d of 355;", p.lost)) {
			t.Errorf("docs/accuracy.md has no threshold %.3f at which %d of 355 pairs are lost: measure the steepness again", p.threshold, p.lost)
		}
	}
	likelihood := func(c1 float64) (sum float64) {
		for i, p := range pairs[1:] {
			before := pairs[i]
			middle := (before.threshold + p.threshold) / 2
			sum += float64(before.lost-p.lost) * math.Log((math.Tanh((threshold-middle)*c1)+1)/2)
		}
		return sum
	}
	best := 1.0
	for c1 := best; c1 < 30; c1 += 0.01 {
		if likelihood(c1) > likelihood(best) {
			best = c1
		}
	}
	if got := best * threshold; math.Abs(got-steepness) > 0.1 {
		t.Errorf("the steepness is %.2f, want %.2f", steepness, got)
	}
}

// The page for users has the numbers that the code computes.
func TestSimilarityTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/compreface.md")
	if err != nil {
		t.Fatal(err)
	}
	rollcall, dlib := scaleOf(faces.Model{Threshold: 0.9}), scaleOf(faces.Model{Threshold: 0.55})
	for _, share := range []float64{0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 1, 1.05, 1.1, 1.2, 1.4} {
		row := fmt.Sprintf("| %.3f | %.3f | %.2f |", 0.9*share, 0.55*share, rollcall.of(0.9*share))
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/compreface.md lacks the row %s", row)
		}
		if a, b := rollcall.of(0.9*share), dlib.of(0.55*share); math.Abs(a-b) > 1e-4 {
			t.Errorf("at %.2f of the threshold: %.5f and %.5f", share, a, b)
		}
	}
}

func TestDecidedSimilarity(t *testing.T) {
	t.Parallel()
	s := scaleOf(faces.Model{Threshold: 0.9})
	for _, c := range []struct {
		name     string
		distance float64
		named    bool
		low, top float64
	}{
		{"the same picture", 0, true, 0.99, 1},
		{"at the threshold", 0.9, true, 0.5, 0.5},
		{"named beyond the threshold", 1, true, 0.5, 0.5},
		{"near, but two people are", 0.3, false, 0.49, 0.49},
		{"a stranger", 1.2, false, 0, 0.1},
		{"no number", math.NaN(), false, 0, 0},
		{"no comparison", math.Inf(1), false, 0, 0},
	} {
		if got := s.decided(c.distance, c.named); got < c.low || got > c.top {
			t.Errorf("%s: %v, want %v to %v", c.name, got, c.low, c.top)
		}
	}
	if got := (scale{}).of(0); got != 0.5 {
		t.Errorf("of a model set whose threshold is not known: %v", got)
	}
}
