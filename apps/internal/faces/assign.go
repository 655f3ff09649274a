package faces

import "math"

// assign solves the assignment problem: it pairs each row of a weight matrix with
// at most one column, and each column with at most one row, so that the sum of
// the weights is the largest possible. It returns the column of each row, or -1.
// It never pairs a row and a column whose weight is 0 or less.
//
// It is the Hungarian algorithm with potentials (Kuhn 1955, in the O(rows² ×
// columns) form of Jonker and Volgenant 1987) on a square matrix.
func assign(weights [][]float64, columns int) []int {
	n := max(len(weights), columns)
	weight := func(row, column int) float64 {
		if row < len(weights) && column < columns {
			return max(weights[row][column], 0)
		}
		return 0
	}
	// Rows and columns count from 1; every path starts at column 0.
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

// addRow assigns a column to one more row along the cheapest augmenting path,
// which may reassign other rows. The cost of a pair is its negated weight.
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
