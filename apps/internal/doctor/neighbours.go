package doctor

// This is the only part of the package whose time grows with the square of
// the number of pictures. It therefore works in blocks that fit in the cache,
// uses all cores, and keeps only those distances that are needed later, so
// that memory grows with the number of pictures.

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	// askBlock pictures are compared with a block of knownBlock descriptors
	// (128 KiB) before the next block is loaded into the cache.
	askBlock   = 16
	knownBlock = 256
	// copyShare times the threshold is the largest distance of two copies of
	// one photograph: scaled, cropped a little or compressed again. Among 95
	// portraits such copies were up to 0.14 of the threshold apart with the
	// default set, and up to 0.18 with the lite set of release 0.1.0. The
	// nearest two different photographs of one person were 0.32 and 0.20
	// apart.
	copyShare = 0.19
)

// neighbour is another picture and its distance. at is -1 if there is none.
type neighbour struct {
	at       int
	distance float64
}

func noNeighbour() neighbour { return neighbour{at: -1, distance: math.Inf(1)} }

// near describes what one picture is close to. A person's distance is that of
// the nearest of their pictures.
type near struct {
	own    neighbour // another picture of the same person
	first  neighbour // picture of the nearest other person
	second neighbour // picture of the nearest person besides these two
	// Mean distances to the other pictures of the same person, and to those
	// of the other person for whom the mean is smallest. NaN if there are
	// none.
	ownMean, otherMean float64
	other              int // that other person
}

// distances is what is kept of all distances.
type distances struct {
	near   []near    // one for each picture
	copies unionFind // groups of pictures that show the same photograph
	close  closePairs
	pairs  pairs
}

// compare compares every picture with every other.
func compare(ctx context.Context, s *set, opts Options) (*distances, error) {
	c := newComparison(s, opts)
	group, ctx := errgroup.WithContext(ctx)
	workers := make([]*worker, opts.Workers)
	for w := range workers {
		workers[w] = c.newWorker()
		group.Go(func() error { return workers[w].run(ctx) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, w := range workers {
		c.distances.close.merge(&w.close)
		c.distances.pairs.merge(&w.pairs)
	}
	return c.distances, nil
}

// comparison is shared by its workers.
type comparison struct {
	set       *set
	opts      Options
	known     []faces.Descriptor   // descriptors of all pictures; those of one picture are adjacent
	of        []int                // picture of each descriptor: an index into set.pictures
	back      [][]faces.Descriptor // for each picture, its descriptors other than Asked
	reach     float64              // largest distance at which pairs of people are kept
	copy      float64              // largest distance of two copies
	next      atomic.Int64         // the first picture that no worker has taken
	done      atomic.Int64
	mu        sync.Mutex // guards seen.copies
	distances *distances // each worker writes near for the pictures that it took
}

func newComparison(s *set, opts Options) *comparison {
	m := opts.Model
	c := &comparison{
		set: s, opts: opts, reach: m.Threshold + m.Margin, copy: copyShare * m.Threshold,
		distances: &distances{near: make([]near, len(s.pictures)), copies: newUnionFind(len(s.pictures))},
	}
	for i := range s.pictures {
		c.back = append(c.back, nil)
		for _, d := range s.pictures[i].Known {
			c.known, c.of = append(c.known, d), append(c.of, i)
			if !slices.Equal(d, s.pictures[i].Asked) {
				c.back[i] = append(c.back[i], d)
			}
		}
	}
	return c
}

// worker takes blocks of pictures and compares each picture with all others.
type worker struct {
	*comparison
	close closePairs
	pairs pairs
	// One row for each picture of the block.
	row [askBlock]row
}

// row collects the distances of one picture.
type row struct {
	at      int         // index of the picture
	current neighbour   // the picture whose descriptors are being compared
	nearest []neighbour // for each person, their nearest picture
	sum     []float64   // for each person, the sum of the distances to their pictures
}

func (c *comparison) newWorker() *worker {
	w := &worker{comparison: c}
	w.pairs.limit = c.opts.Model.Threshold
	for i := range w.row {
		w.row[i] = row{nearest: make([]neighbour, len(c.set.people)), sum: make([]float64, len(c.set.people))}
	}
	return w
}

func (w *worker) run(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		first := int(w.next.Add(askBlock)) - askBlock
		if first >= len(w.set.pictures) {
			return nil
		}
		rows := w.row[:min(askBlock, len(w.set.pictures)-first)]
		for i := range rows {
			rows[i].reset(first + i)
		}
		for begin := 0; begin < len(w.known); begin += knownBlock {
			end := min(begin+knownBlock, len(w.known))
			for i := range rows {
				w.scan(&rows[i], begin, end)
			}
		}
		for i := range rows {
			w.finish(&rows[i])
		}
		w.opts.Progress(int(w.done.Add(int64(len(rows)))), len(w.set.pictures))
	}
}

func (r *row) reset(picture int) {
	r.at, r.current = picture, noNeighbour()
	for p := range r.nearest {
		r.nearest[p], r.sum[p] = noNeighbour(), 0
	}
}

// scan compares the row's picture with a block of descriptors.
func (w *worker) scan(r *row, begin, end int) {
	asked := w.set.pictures[r.at].Asked
	for k := begin; k < end; k++ {
		d := squared(asked, w.known[k])
		if w.of[k] != r.current.at {
			w.record(r)
			r.current = neighbour{at: w.of[k], distance: math.Inf(1)}
		}
		r.current.distance = min(r.current.distance, d)
	}
}

// record records the distance to the picture that scan has just completed. That
// distance is still squared.
func (w *worker) record(r *row) {
	n := r.current
	if n.at < 0 || n.at == r.at {
		return
	}
	n.distance = math.Sqrt(n.distance)
	who := w.set.person[n.at]
	r.sum[who] += n.distance
	if n.distance < r.nearest[who].distance {
		r.nearest[who] = n
	}
	if n.at > r.at { // each pair once, by the smaller of the two distances
		apart := min(n.distance, w.reverseDistance(n.at, r.at))
		w.pairs.add(apart, who == w.set.person[r.at])
		if apart <= w.copy {
			w.mu.Lock()
			w.distances.copies.join(n.at, r.at)
			w.mu.Unlock()
		}
	}
}

// reverseDistance returns the distance between the descriptor that a picture is
// asked about with and the other descriptors of a known picture.
func (w *worker) reverseDistance(asked, known int) float64 {
	nearest := math.Inf(1)
	for k := range w.back[known] {
		nearest = min(nearest, squared(w.set.pictures[asked].Asked, w.back[known][k]))
	}
	return math.Sqrt(nearest)
}

// finish summarizes a row.
func (w *worker) finish(r *row) {
	w.record(r)
	own := w.set.person[r.at]
	n := near{own: r.nearest[own], first: noNeighbour(), second: noNeighbour(), ownMean: math.NaN(), otherMean: math.NaN(), other: -1}
	if others := w.set.count[own] - 1; others > 0 {
		n.ownMean = r.sum[own] / float64(others)
	}
	for p, c := range r.nearest {
		if p == own || c.at < 0 {
			continue
		}
		switch {
		case c.distance < n.first.distance:
			n.first, n.second = c, n.first
		case c.distance < n.second.distance:
			n.second = c
		}
		if mean := r.sum[p] / float64(w.set.count[p]); n.other < 0 || mean < n.otherMean {
			n.otherMean, n.other = mean, p
		}
		if c.distance <= w.reach {
			w.close.add(newClosePair(own, p, r.at, c.at, c.distance))
		}
	}
	w.distances.near[r.at] = n
}

// squared returns the squared Euclidean distance.
func squared(a, b faces.Descriptor) float64 {
	var s0, s1, s2, s3 float32 // four independent sums, for instruction-level parallelism
	if len(a) != len(b) {
		return math.Inf(1) // from different model sets
	}
	for ; len(a) >= 4 && len(b) >= 4; a, b = a[4:], b[4:] {
		d0, d1, d2, d3 := a[0]-b[0], a[1]-b[1], a[2]-b[2], a[3]-b[3]
		s0 += d0 * d0
		s1 += d1 * d1
		s2 += d2 * d2
		s3 += d3 * d3
	}
	for i := range a {
		s0 += (a[i] - b[i]) * (a[i] - b[i])
	}
	return float64(s0 + s1 + s2 + s3)
}

// unionFind groups pictures that belong together (disjoint-set forest).
type unionFind []int

func newUnionFind(n int) unionFind {
	u := make(unionFind, n)
	for i := range u {
		u[i] = i
	}
	return u
}

func (u unionFind) find(i int) int {
	for u[i] != i {
		u[i] = u[u[i]]
		i = u[i]
	}
	return i
}

// join merges two groups. The smaller index represents the merged group.
func (u unionFind) join(a, b int) {
	a, b = u.find(a), u.find(b)
	u[max(a, b)] = min(a, b)
}

// groups returns the groups with at least two members, each in order, sorted
// by their first member.
func (u unionFind) groups() [][]int {
	members := make([][]int, len(u))
	for i := range u {
		first := u.find(i)
		members[first] = append(members[first], i)
	}
	var groups [][]int
	for _, g := range members {
		if len(g) > 1 {
			groups = append(groups, g)
		}
	}
	return groups
}
