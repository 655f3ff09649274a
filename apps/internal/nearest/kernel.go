package nearest

// Kernel is the arithmetic of the search. nearest/kernel has the ones that ship.
// It is safe for concurrent use, and a call keeps one core busy.
type Kernel interface {
	// Scan finds the rows of a block that each query wants (see Queries). It writes
	// them, in order, from hits[n·b.Rows] for query n, and how many there are to
	// counts[n].
	Scan(b Block, q *Queries, hits []Hit, counts []int32)
	// Squares writes the square of the Euclidean distance of a query to each of
	// some vectors, computed in float64. Vectors stand one after the other, each as
	// long as the query.
	Squares(query, vectors []float32, rows []int32, squares []float64)
}

// Hit is a row that a query wants.
type Hit struct {
	Row   int32
	Score float32 // see Queries
}
