package nearest

// Distances come from inner products, |a-b|² = |a|² + |b|² - 2ab, because these
// can be had as fast as memory can be read, and for many faces at once faster.
// But the difference of large numbers is a poor small number: such a distance
// is off by up to a bound that is known, so they only decide who may be among
// the nearest. Those few are measured again, directly and in float64.

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Limit bounds a list of neighbours: the Count nearest, at least one, and all
// that are at most Slack farther than the nearest.
type Limit struct {
	Count int     // 1000 at most
	Slack float64 // Euclidean
	// Within is how near the nearest must be for Slack to count (Euclidean): a
	// stranger is about as far from everybody. 0 is no bound.
	Within float64
}

const (
	// MaxNeighbours bounds every list.
	MaxNeighbours = 1000
	// BatchSize is how many faces are looked for in one pass.
	BatchSize = 256
	// blockProducts is how many products are computed before they are looked
	// at: few enough to stay near a core, with the rows they are of. OpenBLAS does
	// 1.7 times the sums for 256 faces by 1,024 rows that it does for 64 by 512.
	blockProducts = BatchSize * 1024
)

// scratch is what one pass needs besides the index.
type scratch struct {
	queries  []float32
	products []float32
	searches []search
}

var scratches = sync.Pool{New: func() any {
	return &scratch{
		products: make([]float32, blockProducts), searches: make([]search, BatchSize),
	}
}}

// Nearest returns the neighbours of each face within the limit, nearest first;
// ties are in the order of names. A picture counts once, at its nearest
// descriptor. Its error is ctx's, or says that a face has another size than
// the index.
func (x *Index) Nearest(ctx context.Context, list []faces.Descriptor, l Limit) ([][]faces.Neighbour, error) {
	for i, d := range list {
		if len(d) != x.size {
			return nil, fmt.Errorf("descriptor %d has %d numbers, the known ones have %d", i, len(d), x.size)
		}
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	answers := make([][]faces.Neighbour, 0, len(list))
	for batch := range slices.Chunk(list, BatchSize) {
		if err := x.search(ctx, s, batch, l); err != nil {
			return nil, err
		}
		for i := range batch {
			answers = append(answers, s.searches[i].neighbours(x, batch[i]))
		}
	}
	return answers, nil
}

// search passes once through the index for up to BatchSize faces.
func (x *Index) search(ctx context.Context, s *scratch, batch []faces.Descriptor, l Limit) error {
	s.queries = s.queries[:0]
	for i := range batch {
		s.queries = append(s.queries, batch[i]...)
		s.searches[i].begin(x, batch[i], l)
	}
	step := min(chunkRows, blockProducts/len(batch))
	for i, c := range x.chunks {
		if err := ctx.Err(); err != nil {
			return err
		}
		for first := 0; first < len(c.names); first += step {
			end := min(first+step, len(c.names))
			x.kernel.Products(x.size, s.queries, c.vectors[first*x.size:end*x.size], s.products)
			for q := range batch {
				s.searches[q].look(uint32(i<<chunkBits|first), c.halves[first:end], s.products[q*(end-first):])
			}
		}
	}
	return nil
}

// search keeps the rows that may be among a face's nearest.
type search struct {
	limit Limit
	rows  int // so many rows have Count pictures in any case
	most  int // and so many have MaxNeighbours
	norm  float32
	// error is more than any squared distance from products can be off by.
	error float32
	// bound is what a row's score must reach: its product less half the square
	// of its norm, which is less by half the squared distance than norm's half.
	bound float32
	near  []candidate
	room  int // of near, before it is cut
}

// candidate is a row (lower half) and the bits of its squared distance from
// products (upper half). As that is not negative, the nearer is the smaller.
type candidate uint64

func (c candidate) squared() float32 { return math.Float32frombits(uint32(c >> 32)) }

func (s *search) begin(x *Index, query []float32, l Limit) {
	perPicture := max(1, x.perPicture)
	norm := squaredNorm(query)
	s.limit, s.norm, s.near = l, float32(norm), s.near[:0]
	s.rows = min(max(1, l.Count), MaxNeighbours) * perPicture
	s.most = MaxNeighbours * perPicture
	// A sum of size products is off by at most size roundings of |q||n|, and
	// 2|q||n| is at most (|q|+|n|)²/2; norms, sums and bounds add a few more.
	const rounding = 1.0 / (1 << 24)
	reach := math.Sqrt(norm) + x.longest
	s.error = float32((float64(x.size)/2 + 16) * rounding * reach * reach)
	s.bound = float32(math.Inf(-1))
	s.room = 4*s.rows + 8
}

// look goes through the products of some rows. There are many of them: of four
// at a time it is asked first whether there is anything to do.
func (s *search) look(first uint32, halves, products []float32) {
	bound := s.bound
	products = products[:len(halves)]
	for len(halves) >= 4 && len(products) >= 4 { // the same, so that nothing need be checked within
		if products[0]-halves[0] >= bound || products[1]-halves[1] >= bound ||
			products[2]-halves[2] >= bound || products[3]-halves[3] >= bound {
			s.take(first, halves[:4], products)
			bound = s.bound
		}
		first, halves, products = first+4, halves[4:], products[4:]
	}
	s.take(first, halves, products)
}

// take keeps the rows that are near enough.
func (s *search) take(first uint32, halves, products []float32) {
	for i, half := range halves {
		score := products[i] - half
		if score < s.bound {
			continue
		}
		s.near = append(s.near, candidate(math.Float32bits(max(0, s.norm-2*score)))<<32|candidate(first+uint32(i)))
		if len(s.near) >= s.room {
			s.cut()
		}
	}
}

// cut forgets the rows that cannot be in the answer, whatever is still to come.
func (s *search) cut() {
	slices.Sort(s.near)
	if len(s.near) < s.rows {
		return
	}
	nearest := math.Sqrt(float64(s.near[0].squared() + s.error))
	if s.limit.Within > 0 {
		nearest = min(nearest, s.limit.Within) // for one that counts is there at most
	}
	slack := (nearest + s.limit.Slack) * (nearest + s.limit.Slack)
	bound := max(s.near[s.rows-1].squared()+2*s.error, float32(slack)+s.error)
	if len(s.near) >= s.most {
		bound = min(bound, s.near[s.most-1].squared()+2*s.error)
	}
	n := len(s.near)
	for n > 0 && s.near[n-1].squared() > bound {
		n--
	}
	s.near, s.bound = s.near[:n], (s.norm-bound)/2
	s.room = max(s.room, 2*n)
}

// neighbours measures the rows that are left and returns the answer.
func (s *search) neighbours(x *Index, query faces.Descriptor) []faces.Neighbour {
	s.cut()
	all := make([]faces.Neighbour, len(s.near))
	for i, c := range s.near {
		row := uint32(c)
		all[i] = faces.Neighbour{Image: x.name(row), Distance: query.Distance(x.descriptor(row))}
	}
	slices.SortFunc(all, func(a, b faces.Neighbour) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), strings.Compare(a.Image, b.Image))
	})
	return s.limit.of(all)
}

// of returns what a limit leaves of all neighbours in their order, in which a
// picture may appear again.
func (l Limit) of(all []faces.Neighbour) []faces.Neighbour {
	if len(all) == 0 {
		return nil
	}
	farthest := all[0].Distance + l.Slack
	if l.Within > 0 && all[0].Distance > l.Within {
		farthest = all[0].Distance
	}
	told := map[string]bool{}
	list := all[:0]
	for _, n := range all {
		if len(list) >= MaxNeighbours || len(list) >= max(1, l.Count) && n.Distance > farthest {
			break
		}
		if !told[n.Image] {
			told[n.Image] = true
			list = append(list, n)
		}
	}
	return list
}

// farOut is more than any model set's descriptors have, and little enough for
// float32 to square and add.
const farOut = 1e6

// DescriptorFromBytes reads the bytes of a descriptor of size numbers. It
// refuses what no engine makes and what has no distance to anything.
func DescriptorFromBytes(raw []byte, size int) (faces.Descriptor, error) {
	if len(raw) != 4*size {
		return nil, fmt.Errorf("has %d bytes, where the model set's %d numbers have %d", len(raw), size, 4*size)
	}
	d, err := faces.DescriptorFromBytes(raw)
	if err != nil {
		return nil, err
	}
	for _, v := range d {
		if !(math.Abs(float64(v)) <= farOut) { // which NaN is not, either
			return nil, fmt.Errorf("has %v as a value, which is no number or too large", v)
		}
	}
	return d, nil
}
