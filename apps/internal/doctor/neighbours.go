package doctor

// This file owns the comparison of every picture with every other. That is the
// one thing here whose time grows with the square of their number, so it goes
// by blocks that stay in the cache, on all cores, and keeps of the distances
// only what somebody asks for later: memory grows with the number of pictures.

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
	// (128 KiB) before the next comes into the cache.
	askBlock   = 16
	knownBlock = 256
	// copyShare of the threshold is the largest distance of two files that show
	// as good as one photograph: scaled, cropped a little or compressed again.
	// Of 95 portraits at hand, such were up to 0.14 of it apart with the default
	// set and up to 0.18 with the lite set of release 0.1.0; the nearest two of one
	// person that differ, 0.32 and 0.20.
	copyShare = 0.19
)

// neighbour is another picture and its distance; at is -1 where there is none.
type neighbour struct {
	at       int
	distance float64
}

func nobody() neighbour { return neighbour{at: -1, distance: math.Inf(1)} }

// near is what one picture, asked about, is close to. A person's distance is
// that of the nearest of their pictures, as everywhere.
type near struct {
	own    neighbour // of the same person, itself left out
	first  neighbour // of the nearest other person
	second neighbour // of the nearest person but these two
	// The mean distances to the other pictures of the same person, and to those
	// of the other person for whom it is least; NaN where there are none.
	ownMean, otherMean float64
	other              int // that person
}

// seen is what is remembered of all distances.
type seen struct {
	near   []near    // of each picture
	copies unionFind // pictures that show the same photograph
	close  closePairs
	pairs  pairs
}

// compare compares every picture with every other.
func compare(ctx context.Context, s *set, opts Options) (*seen, error) {
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
		c.seen.close.merge(&w.close)
		c.seen.pairs.merge(&w.pairs)
	}
	return c.seen, nil
}

// comparison is shared by its workers.
type comparison struct {
	set   *set
	opts  Options
	known []faces.Descriptor   // of all pictures, one picture's side by side
	of    []int                // whose picture each is: an index into set.pictures
	back  [][]faces.Descriptor // of each picture, what it has besides Asked
	reach float64              // how far two people may be apart to be remembered
	copy  float64              // how far two copies may be apart
	next  atomic.Int64         // the first picture that nobody has taken
	done  atomic.Int64
	mu    sync.Mutex // guards seen.copies
	seen  *seen      // each worker writes near of the pictures that it took
}

func newComparison(s *set, opts Options) *comparison {
	m := opts.Model
	c := &comparison{
		set: s, opts: opts, reach: m.Threshold + m.Margin, copy: copyShare * m.Threshold,
		seen: &seen{near: make([]near, len(s.pictures)), copies: newUnionFind(len(s.pictures))},
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

// worker takes blocks of pictures and compares each with all.
type worker struct {
	*comparison
	close closePairs
	pairs pairs
	// Of each picture of the block:
	row [askBlock]row
}

// row gathers the distances of one picture.
type row struct {
	at      int         // the picture
	current neighbour   // the picture whose descriptors are being gone through
	nearest []neighbour // of each person
	sum     []float64   // of the distances to each person's pictures
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
	r.at, r.current = picture, nobody()
	for p := range r.nearest {
		r.nearest[p], r.sum[p] = nobody(), 0
	}
}

// scan goes through a block of descriptors.
func (w *worker) scan(r *row, begin, end int) {
	asked := w.set.pictures[r.at].Asked
	for k := begin; k < end; k++ {
		d := squared(asked, w.known[k])
		if w.of[k] != r.current.at {
			w.take(r)
			r.current = neighbour{at: w.of[k], distance: math.Inf(1)}
		}
		r.current.distance = min(r.current.distance, d)
	}
}

// take enters the picture that the row has just gone through; its distance is
// still squared.
func (w *worker) take(r *row) {
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
	if n.at > r.at { // every pair once, by the nearer of the two ways to ask
		apart := min(n.distance, w.backFrom(n.at, r.at))
		w.pairs.add(apart, who == w.set.person[r.at])
		if apart <= w.copy {
			w.mu.Lock()
			w.seen.copies.join(n.at, r.at)
			w.mu.Unlock()
		}
	}
}

// backFrom is how far a picture, asked about, is from what another has besides
// the descriptor that it is asked about with.
func (w *worker) backFrom(asked, known int) float64 {
	nearest := math.Inf(1)
	for k := range w.back[known] {
		nearest = min(nearest, squared(w.set.pictures[asked].Asked, w.back[known][k]))
	}
	return math.Sqrt(nearest)
}

// finish turns a row into what is remembered of it.
func (w *worker) finish(r *row) {
	w.take(r)
	own := w.set.person[r.at]
	n := near{own: r.nearest[own], first: nobody(), second: nobody(), ownMean: math.NaN(), otherMean: math.NaN(), other: -1}
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
	w.seen.near[r.at] = n
}

// squared is the square of the Euclidean distance.
func squared(a, b faces.Descriptor) float64 {
	var s0, s1, s2, s3 float32 // four sums, so that one need not wait for the other
	if len(a) != len(b) {
		return math.Inf(1) // they are of different model sets
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

// unionFind tells which pictures belong together.
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

// join puts the first of both groups in charge.
func (u unionFind) join(a, b int) {
	a, b = u.find(a), u.find(b)
	u[max(a, b)] = min(a, b)
}

// groups returns the groups of two and more, each in order, by their first.
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
