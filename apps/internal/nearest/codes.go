package nearest

import "math"

// Let u be a query and w a row, both relative to the index's centre. Their
// codes stand for û = t·p and ŵ = s·r: scales t and s, and integer vectors p
// (8 bits a number, for queries) and r (6 bits, for rows). Then
//
//	|u-w|² = |u|² + |w|² - 2<u,w>, and
//	<u,w> = t·s·<p,r> + <u-û,ŵ> + <u,w-ŵ>
//
// where <p,r> is computed exactly. The losses |u-û| and |w-ŵ| are computed
// while coding. By the Cauchy-Schwarz inequality
//
//	|u-w|² ≥ |u|² + |w|² - 2·t·s·<p,r> - 2·|u-û|·|ŵ| - 2·|u|·|w-ŵ|
//
// This lower bound lets the search skip a row without missing a neighbour.
//
// The ranges suit processors that multiply 8-bit numbers and add the products
// in 16 bits: maxRowNorm and maxQueryNorm keep the sum over Step groups in
// range.
const (
	// Lanes is how many rows are interleaved, four numbers of each at a time.
	Lanes = 16
	// Group is how many adjacent numbers of a row are stored together.
	Group = 4
	// Quad is how many groups share their bytes; see pack.
	Quad = 4
	// Step is how many groups are summed in 16 bits.
	Step = 32
	// RowOffset is added to the numbers of a row to make them unsigned.
	RowOffset = 32

	maxRowCode   = 31
	maxQueryCode = 127
	// A 16-bit sum has 64 products. maxRowNorm and maxQueryNorm bound the
	// Euclidean norms of the numbers of a row and of a query in it. Rounding
	// adds at most √64/2 to each norm, and (95+4)·(326+4) < 2^15. By
	// Cauchy-Schwarz that bounds the sum.
	maxRowNorm   = 95
	maxQueryNorm = 326
	// minScale bounds a query's scale from below, so that its inverse fits in
	// a float32.
	minScale = 1e-18
)

// Block is a range of coded rows, in the layout that a Kernel reads.
type Block struct {
	Groups int // groups per row, a multiple of Quad
	Rows   int // number of rows; the slices below are padded to a multiple of Lanes
	// Codes holds Lanes rows after Lanes rows. Each number has RowOffset
	// added, and pack lays out every Quad groups.
	Codes  []byte
	Scales []float32 // s
	Norms  []float32 // |w|²
	Losses []float32 // |w-ŵ|
}

// RowBytes returns how many bytes of Block.Codes a row of that many groups
// takes.
func RowBytes(groups int) int { return groups * Group * 6 / 8 }

// quadBytes is the size in bytes of Quad groups of Lanes rows: 192.
const quadBytes = Quad * Group * Lanes * 6 / 8

// pack stores a 6-bit number in the bytes of its quad. Number i, 0 to 15, of
// a row belongs to group i/4. A group of Lanes rows has 64 numbers. The low
// four bits of the first two groups share 64 bytes, those of the last two
// share the next 64. The high two bits of all four groups share the last 64.
func pack(quad []byte, row, i int, v byte) {
	group, at := i/Group, row*Group+i%Group
	quad[group/2*64+at] |= v & 15 << (group % 2 * 4)
	quad[128+at] |= v >> 4 << (group * 2)
}

// unpack reverses pack.
func unpack(quad []byte, row, i int) byte {
	group, at := i/Group, row*Group+i%Group
	return quad[group/2*64+at]>>(group%2*4)&15 | quad[128+at]>>(group*2)&3<<4
}

// slice returns the rows from first to end. first is a multiple of Lanes.
func (b Block) slice(first, end int) Block {
	full := (end + Lanes - 1) / Lanes * Lanes
	width := RowBytes(b.Groups)
	return Block{
		Groups: b.Groups, Rows: end - first, Codes: b.Codes[first*width : full*width],
		Scales: b.Scales[first:full], Norms: b.Norms[first:full], Losses: b.Losses[first:full],
	}
}

// Queries are coded queries, in the layout that a Kernel reads.
type Queries struct {
	Groups int    // groups per query
	Codes  []int8 // one query after the other, Groups of four numbers each
	// Starts holds the initial values of the 16-bit sums, for each query and
	// each Step groups. A value packs two 16-bit numbers: minus RowOffset
	// times the sum of the first two, and of the last two, numbers of each
	// group. It compensates for the rows' RowOffset.
	Starts []int32
	Sums   []int32 // sum of each query's numbers
	// Gains, Halves and Bounds define which rows a scan returns: those with
	// product·scale + loss·gain - norm·half, the score, of at least the
	// bound.
	Gains  []float32 // |u|/t
	Halves []float32 // 1/2t
	Bounds []float32
}

// Len returns the number of queries.
func (q *Queries) Len() int { return len(q.Sums) }

// encode codes vectors relative to a centre.
func encode(vectors, centre []float32) Block {
	size := len(centre)
	c := newCoder(size, maxRowCode, maxRowNorm)
	groups, rows := len(c.codes)/Group, len(vectors)/size
	full := (rows + Lanes - 1) / Lanes * Lanes
	width := RowBytes(groups)
	b := Block{
		Groups: groups, Rows: rows, Codes: make([]byte, full*width),
		Scales: make([]float32, full), Norms: make([]float32, full), Losses: make([]float32, full),
	}
	for row := range rows {
		coded := c.code(vectors[row*size:(row+1)*size], centre)
		b.Scales[row], b.Norms[row], b.Losses[row] = float32(coded.scale), float32(coded.norm), float32(coded.loss)
		lanes := b.Codes[row/Lanes*Lanes*width:]
		for i, v := range c.codes {
			pack(lanes[i/(Quad*Group)*quadBytes:], row%Lanes, i%(Quad*Group), byte(v+RowOffset))
		}
	}
	return b
}

// coded describes a coded vector apart from its numbers. loss is never larger
// than the vector's norm.
type coded struct {
	scale float64 // a float32
	norm  float64 // square of the vector's norm, relative to the centre
	loss  float64 // upper bound of the distance between the vector and what its code stands for
}

// add codes a query and adds it.
func (q *Queries) add(c *coder, query, centre []float32) coded {
	coded := c.code(query, centre)
	coded.scale = max(coded.scale, minScale)
	codes := make([]int8, len(c.codes))
	for i, v := range c.codes {
		codes[i] = int8(v)
	}
	q.Add(codes, float32(math.Sqrt(coded.norm)/coded.scale), float32(1/(2*coded.scale)), float32(math.Inf(-1)))
	return coded
}

// Add adds a coded query. codes is padded to whole quads. See Queries for
// gain, half and bound.
func (q *Queries) Add(codes []int8, gain, half, bound float32) {
	q.Groups = len(codes) / Group
	q.Codes = append(q.Codes, codes...)
	sum := int32(0)
	var pair [2]int32
	for i, v := range codes {
		sum += int32(v)
		pair[i%Group/2] += int32(v)
		if (i+1)%(Group*Step) == 0 || i+1 == len(codes) {
			q.Starts = append(q.Starts, int32(uint32(uint16(-RowOffset*pair[0]))|uint32(uint16(-RowOffset*pair[1]))<<16))
			pair = [2]int32{}
		}
	}
	q.Sums = append(q.Sums, sum)
	q.Gains, q.Halves, q.Bounds = append(q.Gains, gain), append(q.Halves, half), append(q.Bounds, bound)
}

func (q *Queries) reset() {
	q.Codes, q.Starts, q.Sums = q.Codes[:0], q.Starts[:0], q.Sums[:0]
	q.Gains, q.Halves, q.Bounds = q.Gains[:0], q.Halves[:0], q.Bounds[:0]
}

// coder codes vectors of one size.
type coder struct {
	maxCode, maxNorm float64
	from             []float64 // the vector, relative to the centre
	codes            []int32   // padded to whole quads
}

func newCoder(size int, maxCode, maxNorm float64) *coder {
	return &coder{maxCode: maxCode, maxNorm: maxNorm, from: make([]float64, size), codes: make([]int32, (size+Quad*Group-1)/(Quad*Group)*Quad*Group)}
}

// code codes a vector into c.codes.
func (c *coder) code(vector, centre []float32) coded {
	inverse := 1 / c.scale(vector, centre)
	var norm, squares, along float64
	for i, w := range c.from {
		v := math.RoundToEven(w * inverse)
		c.codes[i] = int32(v)
		norm += w * w
		squares += v * v
		along += w * v
	}
	scale := 0.0
	if squares > 0 {
		scale = float64(float32(along / squares)) // least squares: the smallest loss
	}
	var loss float64
	for i, w := range c.from {
		rest := w - scale*float64(c.codes[i])
		loss += rest * rest
	}
	// The factor covers the errors of float64 sums and rounding to float32.
	return coded{scale: scale, norm: norm, loss: math.Sqrt(loss) * (1 + 1e-6)}
}

// scale computes c.from and returns the smallest scale that keeps codes in
// range.
func (c *coder) scale(vector, centre []float32) float64 {
	var longest, largest float64
	const step = Group * Step
	for first := 0; first < len(vector); first += step {
		var squares [2]float64
		for i := first; i < min(first+step, len(vector)); i++ {
			w := float64(vector[i]) - float64(centre[i])
			c.from[i] = w
			longest = max(longest, math.Abs(w))
			squares[i%Group/2] += w * w
		}
		largest = max(largest, squares[0], squares[1])
	}
	return max(longest/c.maxCode, math.Sqrt(largest)/c.maxNorm, minScale) * (1 + 1e-12)
}

// allowance is subtracted from a squared distance to make it a lower bound. It
// covers the loss of the query's code, where longest is the largest |w|² of
// the rows, and 2^-19 of all squares for up to 20 roundings to float32. 1e-30
// covers numbers too small for that.
func (q coded) allowance(longest float64) float64 {
	return 2*q.loss*math.Sqrt(longest)*(1+1e-6) + (q.norm+longest)/(1<<19) + 1e-30
}

// bound returns the score that every row within a distance reaches at least.
func (q coded) bound(within, longest float64) float32 {
	return float32((q.norm - within*within - q.allowance(longest)) / (2 * q.scale))
}

// lowerBound returns a lower bound of the squared distance of a row with that
// score.
func (q coded) lowerBound(score float32, longest float64) float64 {
	return q.norm - 2*q.scale*float64(score) - q.allowance(longest)
}

// expectedScore returns the score, without the allowance for its loss, of a row
// whose code is at a distance.
func (q coded) expectedScore(distance float64) float32 {
	return float32((q.norm - distance*distance) / (2 * q.scale))
}
