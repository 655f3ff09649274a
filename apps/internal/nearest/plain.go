package nearest

// Plain is a Kernel in portable Go. It is the reference that the other
// kernels are tested against, and the fallback for processors that none of
// them supports.
type Plain struct{}

// Scan implements Kernel.
func (Plain) Scan(b Block, q *Queries, hits []Hit, counts []int32) {
	width := b.Groups * Group
	for n := range q.Len() {
		query := q.Codes[n*width : (n+1)*width]
		found := int32(0)
		for row := range b.Rows {
			lanes := b.Codes[row/Lanes*Lanes*RowBytes(b.Groups):]
			product := int32(0)
			for i, v := range query {
				code := unpack(lanes[i/(Quad*Group)*quadBytes:], row%Lanes, i%(Quad*Group))
				product += int32(v) * (int32(code) - RowOffset)
			}
			score := float32(product)*b.Scales[row] + b.Losses[row]*q.Gains[n] - b.Norms[row]*q.Halves[n]
			if score >= q.Bounds[n] {
				hits[n*b.Rows+int(found)] = Hit{Row: int32(row), Score: score}
				found++
			}
		}
		counts[n] = found
	}
}

// Squares implements Kernel.
func (Plain) Squares(query, vectors []float32, rows []int32, squares []float64) {
	for i, row := range rows {
		squares[i] = 0
		for k, v := range vectors[int(row)*len(query) : (int(row)+1)*len(query)] {
			d := float64(v) - float64(query[k])
			squares[i] += d * d
		}
	}
}
