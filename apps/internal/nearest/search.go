package nearest

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

// Limit bounds a list of neighbours. The list has the Count nearest pictures,
// and every other one that is at most Slack farther than the nearest.
type Limit struct {
	Count int     // at least 1, at most faces.MaxNeighbours
	Slack float64 // Euclidean distance
	// Within is the largest distance of the nearest picture at which Slack
	// applies (Euclidean). A stranger is about as far from everybody, so
	// slack would list everybody. 0 means no bound.
	Within float64
}

const (
	// BatchSize is how many faces one pass searches for.
	BatchSize = 256
	// maxHits bounds the pairs of face and row in one call of the kernel.
	maxHits = 1 << 16
	// firstRows is how many rows are scanned first. All of them are measured,
	// because there is no bound on the distance yet.
	firstRows = 64
	// maxDeferred is how many deferred rows are kept before they are measured.
	maxDeferred = 4096
	// tolerance bounds the relative difference between two computations of
	// the same distance in float64.
	tolerance = 1e-11
)

// scratch is the memory that one pass needs in addition to the index.
type scratch struct {
	queries  Queries
	coded    []coded
	searches []search
	hits     []Hit
	counts   []int32
	rows     []int32
	squares  []float64
}

var scratches = sync.Pool{New: func() any {
	return &scratch{
		searches: make([]search, BatchSize), hits: make([]Hit, maxHits),
		counts: make([]int32, BatchSize), rows: make([]int32, 0, chunkRows), squares: make([]float64, chunkRows),
	}
}}

// Nearest returns the neighbours of each face within the limit, nearest first
// and then by name. A picture appears once, at its nearest descriptor.
// Nearest returns ctx's error, or an error if a descriptor does not have the
// index's size.
func (x *Index) Nearest(ctx context.Context, list []faces.Descriptor, l Limit) ([][]faces.Neighbour, error) {
	perPicture := max(1, x.perPicture)
	w := wanted{
		rows: min(max(1, l.Count), faces.MaxNeighbours) * perPicture, maxRows: faces.MaxNeighbours * perPicture,
		slack: l.Slack, within: l.Within, radius: math.Inf(1),
	}
	answers := make([][]faces.Neighbour, 0, len(list))
	err := x.each(ctx, list, w, func(query faces.Descriptor, near []candidate) {
		answers = append(answers, neighbours(x, query, near, l))
	})
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// wanted says which rows a search has to keep.
type wanted struct {
	rows    int // at least this many of the nearest
	maxRows int // not more than this many
	// All that are at most slack farther than the nearest are kept, too, unless
	// the nearest is farther than within; see Limit.
	slack, within float64
	radius        float64 // no row beyond this distance is kept
}

// each searches for faces, in batches, and yields each with the rows that may be in
// its answer, nearest first.
func (t *table[K]) each(ctx context.Context, list []faces.Descriptor, w wanted, yield func(query faces.Descriptor, near []candidate)) error {
	for i, d := range list {
		if len(d) != t.size {
			return fmt.Errorf("descriptor %d has %d numbers, but the index has descriptors of %d", i, len(d), t.size)
		}
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for batch := range slices.Chunk(list, BatchSize) {
		if err := t.search(ctx, s, batch, w); err != nil {
			return err
		}
		for i := range batch {
			at := &s.searches[i]
			t.measureDeferred(s, batch[i], at)
			at.cut()
			yield(batch[i], at.near)
		}
	}
	return nil
}

// search scans the table once for up to BatchSize faces.
func (t *table[K]) search(ctx context.Context, s *scratch, batch []faces.Descriptor, w wanted) error {
	t.begin(s, batch, w)
	maxRows := maxHits / len(batch) / Lanes * Lanes
	step := firstRows
	for i, c := range t.chunks {
		if err := ctx.Err(); err != nil {
			return err
		}
		for first := 0; first < len(c.keys); {
			end := min(first+min(step, maxRows), len(c.keys))
			t.scanRows(s, batch, c, i, first, end)
			first, step = end, min(2*step, chunkRows)
		}
	}
	return nil
}

// begin codes the faces.
func (t *table[K]) begin(s *scratch, batch []faces.Descriptor, w wanted) {
	s.queries.reset()
	s.coded = s.coded[:0]
	coder := newCoder(t.size, maxQueryCode, maxQueryNorm)
	for i := range batch {
		s.searches[i].begin(w)
		if len(t.chunks) > 0 {
			s.coded = append(s.coded, s.queries.add(coder, batch[i], t.centre))
		}
	}
}

// scanRows scans some rows of a chunk. It measures the rows that are likely to be
// among the nearest and defers those that only might be. Most of the deferred
// rows need not be measured once the bound is tighter.
func (t *table[K]) scanRows(s *scratch, batch []faces.Descriptor, c *chunk[K], number, first, end int) {
	for q := range batch {
		s.queries.Bounds[q] = s.coded[q].bound(s.searches[q].bound, c.longest)
	}
	block := c.codes.slice(first, end)
	t.kernel.Scan(block, &s.queries, s.hits, s.counts)
	for q := range batch {
		hits := s.hits[q*(end-first):][:s.counts[q]]
		if len(hits) == 0 {
			continue
		}
		at, coded, gain := &s.searches[q], s.coded[q], s.queries.Gains[q]
		likely := coded.expectedScore(at.bound)
		s.rows = s.rows[:0]
		for _, h := range hits {
			row := int32(first) + h.Row
			if h.Score-block.Losses[h.Row]*gain >= likely {
				s.rows = append(s.rows, row)
			} else {
				least := math.Sqrt(max(0, coded.lowerBound(h.Score, c.longest)))
				at.deferred = append(at.deferred, candidate{least, uint32(number)<<chunkBits | uint32(row)})
			}
		}
		t.measure(s, batch[q], at, uint32(number))
		if len(at.deferred) >= maxDeferred {
			t.measureDeferred(s, batch[q], at)
		}
	}
}

// measureDeferred measures the deferred rows that are still within the bound.
func (t *table[K]) measureDeferred(s *scratch, query faces.Descriptor, at *search) {
	at.cut()
	for first, end := 0, 0; first < len(at.deferred); first = end {
		number := at.deferred[first].row >> chunkBits
		s.rows = s.rows[:0]
		for ; end < len(at.deferred) && at.deferred[end].row>>chunkBits == number; end++ {
			if at.deferred[end].distance <= at.bound {
				s.rows = append(s.rows, int32(at.deferred[end].row%chunkRows))
			}
		}
		t.measure(s, query, at, number)
	}
	at.deferred = at.deferred[:0]
}

// measure measures the rows of a chunk that are in s.rows.
func (t *table[K]) measure(s *scratch, query faces.Descriptor, at *search, number uint32) {
	if len(s.rows) > 0 {
		t.kernel.Squares(query, t.chunks[number].vectors, s.rows, s.squares)
		at.keep(number<<chunkBits, s.rows, s.squares)
	}
}

// search keeps the rows that may be among a face's nearest.
type search struct {
	wanted
	// bound is the Euclidean distance beyond which no row can be in the
	// answer.
	bound    float64
	near     []candidate // measured, with their distances
	deferred []candidate // deferred, with lower bounds of their distances
	room     int         // length at which near is cut
}

// candidate is a row with a Euclidean distance.
type candidate struct {
	distance float64
	row      uint32
}

func (s *search) begin(w wanted) {
	s.wanted, s.near, s.deferred = w, s.near[:0], s.deferred[:0]
	s.bound = w.radius * (1 + tolerance)
	s.room = roomFor(s.rows)
}

// roomFor returns how many candidates are collected before they are cut back
// to n. It is small on purpose: the earlier the bound gets tight, the fewer
// rows are measured.
func roomFor(n int) int { return n + n/2 + 8 }

// keep keeps the rows within the bound.
func (s *search) keep(first uint32, rows []int32, squares []float64) {
	for i, row := range rows {
		distance := math.Sqrt(squares[i])
		if distance > s.bound {
			continue
		}
		s.near = append(s.near, candidate{distance, first + uint32(row)})
		if len(s.near) >= s.room {
			s.cut()
		}
	}
}

// cut drops the rows that cannot be in the answer and tightens the bound.
func (s *search) cut() {
	slices.SortFunc(s.near, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	if len(s.near) < s.rows {
		return
	}
	nearest := s.near[0].distance
	if s.within > 0 {
		nearest = min(nearest, s.within) // slack is counted from within at most
	}
	bound := max(s.near[s.rows-1].distance, nearest+s.slack)
	if len(s.near) >= s.maxRows {
		bound = min(bound, s.near[s.maxRows-1].distance)
	}
	s.bound = bound * (1 + tolerance)
	n := len(s.near)
	for n > 0 && s.near[n-1].distance > s.bound {
		n--
	}
	s.near = s.near[:n]
	s.room = roomFor(n)
}

// neighbours returns the answer, with distances computed by faces.Descriptor.
func neighbours(x *Index, query faces.Descriptor, near []candidate, l Limit) []faces.Neighbour {
	all := make([]faces.Neighbour, len(near))
	for i, c := range near {
		all[i] = faces.Neighbour{Image: x.key(c.row), Distance: query.Distance(x.descriptor(c.row))}
	}
	slices.SortFunc(all, func(a, b faces.Neighbour) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), strings.Compare(a.Image, b.Image))
	})
	return l.apply(all)
}

// apply applies a limit to all neighbours, sorted by distance. A picture may
// occur in them more than once.
func (l Limit) apply(all []faces.Neighbour) []faces.Neighbour {
	if len(all) == 0 {
		return nil
	}
	farthest := all[0].Distance + l.Slack
	if l.Within > 0 && all[0].Distance > l.Within {
		farthest = all[0].Distance
	}
	listed := map[string]bool{}
	list := all[:0]
	for _, n := range all {
		if len(list) >= faces.MaxNeighbours || len(list) >= max(1, l.Count) && n.Distance > farthest {
			break
		}
		if !listed[n.Image] {
			listed[n.Image] = true
			list = append(list, n)
		}
	}
	return list
}
