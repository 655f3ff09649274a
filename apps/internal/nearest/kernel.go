package nearest

// Kernel computes the inner loops of the search. Package nearest/kernel has
// the vectorized ones. A Kernel is safe for concurrent use, and a call uses
// one core.
type Kernel interface {
	// Scan finds the rows of a block whose score reaches each query's bound
	// (see Queries). It writes them, in order, to hits, starting at n·b.Rows
	// for query n. counts[n] is set to their number.
	Scan(b Block, q *Queries, hits []Hit, counts []int32)
	// Squares writes to squares the squared Euclidean distance between the
	// query and each of the given rows of vectors, computed in float64.
	// vectors holds one row after the other, each as long as the query.
	Squares(query, vectors []float32, rows []int32, squares []float64)
}

// Hit is a row whose score reaches a query's bound.
type Hit struct {
	Row   int32
	Score float32 // see Queries
}
