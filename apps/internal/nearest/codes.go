package nearest

import "math"

// Let u be a query and w a row, both relative to the index's centre. Their codes
// stand for û = t·p and ŵ = s·r: scales, and vectors of whole numbers, of 8 bits
// for a query and of 6 for a row. Then
//
//	|u-w|² = |u|² + |w|² - 2<u,w>, and
//	<u,w> = t·s·<p,r> + <u-û,ŵ> + <u,w-ŵ>
//
// where <p,r> is exact. What codes lose, |u-û| and |w-ŵ|, is measured when they
// are made. By Cauchy and Schwarz the distance is at least what follows from
//
//	|u-w|² ≥ |u|² + |w|² - 2·t·s·<p,r> - 2·|u-û|·|ŵ| - 2·|u|·|w-ŵ|
//
// so that no row within a distance is overlooked.
//
// The ranges are chosen for processors that multiply 8-bit numbers and add up the
// products in 16 bits: maxRowNorm and maxQueryNorm keep the sum of Step groups
// within them.
const (
	// Lanes is how many rows stand interleaved: 16 times four numbers of each.
	Lanes = 16
	// Group is how many numbers of a row stand together.
	Group = 4
	// Quad is how many groups share their bytes: see pack.
	Quad = 4
	// Step is how many groups are added up in 16 bits.
	Step = 32
	// RowOffset makes the numbers of a row unsigned.
	RowOffset = 32

	maxRowCode   = 31
	maxQueryCode = 127
	// A sum of 16 bits is made of 64 products. The numbers of a row and of a query
	// in it have these Euclidean norms at most. Rounding adds at most √64/2 to each,
	// and (95+4)·(326+4) < 2^15, which by Cauchy and Schwarz bounds the sum.
	maxRowNorm   = 95
	maxQueryNorm = 326
	// minScale bounds the scale of a query, so that its inverse is a float32.
	minScale = 1e-18
)

// Block is some coded rows, as a Kernel reads them.
type Block struct {
	Groups int // of four numbers in a row: a multiple of Quad
	Rows   int // the arrays below have room for the next multiple of Lanes
	// Codes has the numbers of Lanes rows after those of the Lanes before, each plus
	// RowOffset: of every Quad groups, as pack has them.
	Codes  []byte
	Scales []float32 // s
	Norms  []float32 // |w|²
	Losses []float32 // |w-ŵ|
}

// RowBytes returns how many bytes of Codes belong to a row of so many groups.
func RowBytes(groups int) int { return groups * Group * 6 / 8 }

// quadBytes is how many bytes Quad groups of Lanes rows take: 192.
const quadBytes = Quad * Group * Lanes * 6 / 8

// pack puts a number of 6 bits into the bytes of its quad. Number i of a quad's
// 16 belongs to group i/4. Each group of Lanes rows is 64 numbers. The low four
// bits of those of the first two groups share 64 bytes, those of the last two the
// next 64, and the high two bits of all four the last 64.
func pack(quad []byte, row, i int, v byte) {
	group, at := i/Group, row*Group+i%Group
	quad[group/2*64+at] |= v & 15 << (group % 2 * 4)
	quad[128+at] |= v >> 4 << (group * 2)
}

// unpack is the reverse of pack.
func unpack(quad []byte, row, i int) byte {
	group, at := i/Group, row*Group+i%Group
	return quad[group/2*64+at]>>(group%2*4)&15 | quad[128+at]>>(group*2)&3<<4
}

// slice returns the rows from first, a multiple of Lanes, to end.
func (b Block) slice(first, end int) Block {
	full := (end + Lanes - 1) / Lanes * Lanes
	width := RowBytes(b.Groups)
	return Block{
		Groups: b.Groups, Rows: end - first, Codes: b.Codes[first*width : full*width],
		Scales: b.Scales[first:full], Norms: b.Norms[first:full], Losses: b.Losses[first:full],
	}
}

// Queries are some coded queries, as a Kernel reads them.
type Queries struct {
	Groups int    // of four numbers
	Codes  []int8 // query by query, Groups of four numbers each
	// Starts has for each query and each Step groups the negative sums of its first
	// two and of its last two numbers of each group, times RowOffset, as two numbers
	// of 16 bits: what a sum of products with a row begins with.
	Starts []int32
	Sums   []int32 // of each query's numbers
	// Gains, Halves and Bounds say which rows are wanted: those whose score,
	// product·scale + loss·gain - norm·half, is at least the bound.
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
		b.Scales[row], b.Norms[row], b.Losses[row] = float32(coded.scale), float32(coded.norm), float32(coded.lost)
		lanes := b.Codes[row/Lanes*Lanes*width:]
		for i, v := range c.codes {
			pack(lanes[i/(Quad*Group)*quadBytes:], row%Lanes, i%(Quad*Group), byte(v+RowOffset))
		}
	}
	return b
}

// coded is what is known of a coded vector besides its numbers. Its code loses the
// same or less than the vector's norm.
type coded struct {
	scale float64 // a float32
	norm  float64 // square of the vector's norm, relative to the centre
	lost  float64 // how far what the code stands for is from the vector, or a little more
}

// add codes a query.
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

// Add adds a query of codes, filled up to whole quads.
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
	from             []float64 // the vector relative to the centre
	codes            []int32   // filled up to whole quads
}

func newCoder(size int, maxCode, maxNorm float64) *coder {
	return &coder{maxCode: maxCode, maxNorm: maxNorm, from: make([]float64, size), codes: make([]int32, (size+Quad*Group-1)/(Quad*Group)*Quad*Group)}
}

// code fills codes.
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
		scale = float64(float32(along / squares)) // the one that loses least
	}
	var lost float64
	for i, w := range c.from {
		rest := w - scale*float64(c.codes[i])
		lost += rest * rest
	}
	// More than sums in float64 and rounding to float32 can be off by.
	return coded{scale: scale, norm: norm, lost: math.Sqrt(lost) * (1 + 1e-6)}
}

// scale fills from and returns the smallest scale with which codes are in range.
func (c *coder) scale(vector, centre []float32) float64 {
	var longest, most float64
	const step = Group * Step
	for first := 0; first < len(vector); first += step {
		var squares [2]float64
		for i := first; i < min(first+step, len(vector)); i++ {
			w := float64(vector[i]) - float64(centre[i])
			c.from[i] = w
			longest = max(longest, math.Abs(w))
			squares[i%Group/2] += w * w
		}
		most = max(most, squares[0], squares[1])
	}
	return max(longest/c.maxCode, math.Sqrt(most)/c.maxNorm, minScale) * (1 + 1e-12)
}

// allowed is what is subtracted from the square of a distance, so that it is a
// least one: what the query's code has lost, with longest the largest |w|² of the
// rows, and 2^-19 of all squares for at most 20 roundings to float32. 1e-30 stands
// for numbers that are too small for these.
func (q coded) allowed(longest float64) float64 {
	return 2*q.lost*math.Sqrt(longest)*(1+1e-6) + (q.norm+longest)/(1<<19) + 1e-30
}

// bound returns the score that all rows within a distance reach.
func (q coded) bound(within, longest float64) float32 {
	return float32((q.norm - within*within - q.allowed(longest)) / (2 * q.scale))
}

// least returns the square of the least distance of a row with a score.
func (q coded) least(score float32, longest float64) float64 {
	return q.norm - 2*q.scale*float64(score) - q.allowed(longest)
}

// likely returns the score of a row that is at a distance according to its code,
// less what is added for its loss.
func (q coded) likely(distance float64) float32 {
	return float32((q.norm - distance*distance) / (2 * q.scale))
}
