package faces

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The sum of the pairs that assign chooses is that of the best choice of all.
func TestAssignIsBest(t *testing.T) {
	t.Parallel()
	const seed = 18
	rnd := rand.New(rand.NewPCG(seed, seed))
	for round := range 3000 {
		rows, columns := rnd.IntN(6), rnd.IntN(6)
		weights := make([][]float64, rows)
		for i := range weights {
			weights[i] = make([]float64, columns)
			for j := range weights[i] {
				weights[i][j] = max(float64(rnd.IntN(12)-3)/8, 0) // ties and gaps; sums are exact
			}
		}
		pairs := assign(weights, columns)
		var sum float64
		used := map[int]bool{}
		for row, column := range pairs {
			if column < 0 {
				continue
			}
			if used[column] || weights[row][column] <= 0 {
				t.Fatalf("round %d (seed %d): pairs %v of %v", round, seed, pairs, weights)
			}
			used[column] = true
			sum += weights[row][column]
		}
		if want := bestSum(weights, columns, nil); len(pairs) != rows || sum != want {
			t.Fatalf("round %d (seed %d): pairs %v add up to %v, the best to %v: %v", round, seed, pairs, sum, want, weights)
		}
	}
}

// bestSum tries everything.
func bestSum(weights [][]float64, columns int, used []int) float64 {
	if len(weights) == 0 {
		return 0
	}
	best := bestSum(weights[1:], columns, used)
	for c := range columns {
		if !slices.Contains(used, c) {
			best = max(best, weights[0][c]+bestSum(weights[1:], columns, append(slices.Clone(used), c)))
		}
	}
	return best
}
