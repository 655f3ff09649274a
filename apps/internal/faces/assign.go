package faces

import "math"

// assign pairs each row of a table of weights with at most one column, and each
// column with at most one row, so that the sum of the weights is the largest
// possible. It returns the column of each row, or -1. A weight of 0 or less is
// no pair.
//
// It is the Hungarian algorithm with potentials (Kuhn 1955, in the O(rows² ×
// columns) form of Jonker and Volgenant 1987) on a square table.
func assign(weights [][]float64, columns int) []int {
	n := max(len(weights), columns)
	weight := func(row, column int) float64 {
		if row < len(weights) && column < columns {
			return max(weights[row][column], 0)
		}
		return 0
	}
	// Rows and columns count from 1; column 0 is where a row starts from.
	rowPotential, columnPotential := make([]float64, n+1), make([]float64, n+1)
	rowOf := make([]int, n+1)
	for row := 1; row <= n; row++ {
		addRow(row, n, weight, rowPotential, columnPotential, rowOf)
	}
	pairs := make([]int, len(weights))
	for i := range pairs {
		pairs[i] = -1
	}
	for column := 1; column <= columns; column++ {
		if row := rowOf[column]; row <= len(weights) && weight(row-1, column-1) > 0 {
			pairs[row-1] = column - 1
		}
	}
	return pairs
}

// addRow gives one more row a column: along the cheapest path on which others
// change theirs. The cost of a pair is its weight, negated.
func addRow(row, n int, weight func(row, column int) float64, rowPotential, columnPotential []float64, rowOf []int) {
	cheapest, from, done := make([]float64, n+1), make([]int, n+1), make([]bool, n+1)
	for i := range cheapest {
		cheapest[i] = math.Inf(1)
	}
	rowOf[0] = row
	column := 0
	for rowOf[column] != 0 {
		done[column] = true
		current, step, next := rowOf[column], math.Inf(1), 0
		for c := 1; c <= n; c++ {
			if done[c] {
				continue
			}
			if cost := -weight(current-1, c-1) - rowPotential[current] - columnPotential[c]; cost < cheapest[c] {
				cheapest[c], from[c] = cost, column
			}
			if cheapest[c] < step {
				step, next = cheapest[c], c
			}
		}
		for c := range n + 1 {
			if done[c] {
				rowPotential[rowOf[c]] += step
				columnPotential[c] -= step
			} else {
				cheapest[c] -= step
			}
		}
		column = next
	}
	for column != 0 {
		rowOf[column] = rowOf[from[column]]
		column = from[column]
	}
}
