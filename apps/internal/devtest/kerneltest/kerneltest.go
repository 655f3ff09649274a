// Package kerneltest tests a kernel of the nearest-neighbour search. With the
// kernel, an index must give the same answers as brute force in float64. Each
// kernel's tests call Test.
package kerneltest

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// Known holds the descriptors of known pictures, by the picture's name.
type Known map[string][]faces.Descriptor

// All returns the pictures in the order of their names.
func (k Known) All() iter.Seq2[string, []faces.Descriptor] {
	return func(yield func(string, []faces.Descriptor) bool) {
		names := make([]string, 0, len(k))
		for name := range k {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if !yield(name, k[name]) {
				return
			}
		}
	}
}

// BruteForce returns the neighbours of a descriptor within a Limit, computed in
// the simplest way.
func BruteForce(known Known, asked faces.Descriptor, l nearest.Limit) []faces.Neighbour {
	var all []faces.Neighbour
	for name, list := range known {
		n := faces.Neighbour{Image: name, Distance: math.Inf(1)}
		for i := range list {
			n.Distance = min(n.Distance, asked.Distance(list[i]))
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b faces.Neighbour) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Image, b.Image))
	})
	if len(all) == 0 {
		return nil
	}
	slack := l.Slack
	if l.Within > 0 && all[0].Distance > l.Within {
		slack = 0
	}
	var near []faces.Neighbour
	for i, n := range all {
		if i < 1000 && (i < max(1, l.Count) || n.Distance <= all[0].Distance+slack) {
			near = append(near, n)
		}
	}
	return near
}

// Test runs all tests of a kernel.
func Test(t *testing.T, kernel nearest.Kernel) {
	t.Run("as the plain one", func(t *testing.T) { t.Parallel(); testScan(t, kernel) })
	t.Run("squares", func(t *testing.T) { t.Parallel(); testSquares(t, kernel) })
	for name, test := range map[string]struct {
		size int
		make func(*rand.Rand, int, int) Known
	}{
		"like a model's":             {128, scattered(1, 0.1)},
		"of people":                  {FaceSize, people},
		"long and close together":    {FaceSize, scattered(100, 1e-4)}, // codes hardly differ
		"short":                      {128, scattered(1e-10, 1e-10)},
		"of very different lengths":  {FaceSize, uneven},
		"as large as they may be":    {FaceSize, scattered(1e6, 1e5)},
		"often at the same distance": {128, coarse},
		"all the same":               {128, scattered(1, 0)},
		"all numbers alike":          {FaceSize, signs}, // the worst case for 16-bit sums
		"nearly all zero":            {FaceSize, sparse},
		"of few numbers":             {3, scattered(1, 0.1)},
		"of one number":              {1, scattered(1, 0.1)},
		"of an odd size":             {77, scattered(1, 0.1)},
		"of the largest size":        {faces.MaxDescriptorSize, scattered(1, 0.1)},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); testNearest(t, kernel, test.size, test.make) })
	}
	t.Run("many at once", func(t *testing.T) { t.Parallel(); testTogether(t, kernel) })
	t.Run("after changes", func(t *testing.T) { t.Parallel(); testChanges(t, kernel) })
	t.Run("stored faces", func(t *testing.T) { t.Parallel(); testStoredFaces(t, kernel) })
}

// testScan compares the scores of a kernel with those of the plain one. All
// factors are whole numbers, so scores are exact, and a bound must cut at the
// same row.
func testScan(t *testing.T, kernel nearest.Kernel) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, groups := range []int{4, 8, 32, 36, 80, 256} {
		for _, rows := range []int{1, 15, 16, 17, 64, 100} {
			for _, queries := range []int{1, 2, 3, 4, 5, 6, 7, 8, 13, 22} {
				b, q := randomScan(rng, groups, rows, queries)
				for range 3 {
					want, got := scan(nearest.Plain{}, b, q), scan(kernel, b, q)
					if diff := gocmp.Diff(want, got); diff != "" {
						t.Fatalf("%d groups, %d rows, %d queries (-plain +kernel):\n%s", groups, rows, queries, diff)
					}
					for n, hits := range want {
						if len(hits) > 0 { // a bound equal to a score includes it
							q.Bounds[n] = hits[rng.IntN(len(hits))].Score
						}
					}
				}
			}
		}
	}
}

// randomScan returns rows of random codes. The queries have many small numbers
// and a few of the largest, as many as 16-bit sums allow.
func randomScan(rng *rand.Rand, groups, rows, queries int) (nearest.Block, *nearest.Queries) {
	full := (rows + nearest.Lanes - 1) / nearest.Lanes * nearest.Lanes
	b := nearest.Block{
		Groups: groups, Rows: rows, Codes: make([]byte, full*nearest.RowBytes(groups)),
		Scales: make([]float32, full), Norms: make([]float32, full), Losses: make([]float32, full),
	}
	for i := range b.Codes {
		b.Codes[i] = byte(rng.Uint32())
	}
	for i := range rows {
		b.Scales[i], b.Norms[i], b.Losses[i] = float32(1+rng.IntN(3)), float32(rng.IntN(1000)), float32(rng.IntN(10))
	}
	q := &nearest.Queries{Groups: groups}
	for range queries {
		codes := make([]int8, groups*nearest.Group)
		for i := range codes {
			codes[i] = int8(rng.IntN(9) - 4)
			if i%nearest.Step == rng.IntN(nearest.Step) && rng.IntN(4) == 0 {
				codes[i] = int8(254*rng.IntN(2) - 127)
			}
		}
		q.Add(codes, float32(rng.IntN(5)), float32(rng.IntN(2)), float32(math.Inf(-1)))
	}
	return b, q
}

// scan returns the hits of each query.
func scan(kernel nearest.Kernel, b nearest.Block, q *nearest.Queries) [][]nearest.Hit {
	hits, counts := make([]nearest.Hit, q.Len()*b.Rows), slices.Repeat([]int32{-1}, q.Len())
	kernel.Scan(b, q, hits, counts)
	list := make([][]nearest.Hit, q.Len())
	for n := range list {
		list[n] = hits[n*b.Rows:][:counts[n]]
	}
	return list
}

func testSquares(t *testing.T, kernel nearest.Kernel) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 3, 8, 77, 128, 320} {
		values := make([]float32, 20*size)
		for i := range values {
			values[i] = float32(rng.NormFloat64())
		}
		query, vectors := values[:size], values[size:]
		rows := []int32{18, 0, 7, 7, 3}
		got := make([]float64, len(rows)+1)
		got[len(rows)] = -1
		kernel.Squares(query, vectors, rows, got)
		for i, row := range rows {
			distance := faces.Descriptor(query).Distance(vectors[int(row)*size : (int(row)+1)*size])
			if want := distance * distance; !(math.Abs(got[i]-want) <= 1e-12*want) {
				t.Errorf("size %d, row %d: %v, want %v", size, row, got[i], want)
			}
		}
		if got[len(rows)] != -1 {
			t.Errorf("size %d: written beyond the end", size)
		}
	}
}

// scattered returns pictures around one point at a distance of length from
// zero.
func scattered(length, spread float64) func(*rand.Rand, int, int) Known {
	return func(rng *rand.Rand, size, n int) Known {
		return pictures(rng, size, n, func(d faces.Descriptor) {
			for i := range d {
				d[i] = float32(length/math.Sqrt(float64(size)) + spread*rng.NormFloat64())
			}
		})
	}
}

// uneven returns descriptors of very different lengths.
func uneven(rng *rand.Rand, size, n int) Known {
	return pictures(rng, size, n, func(d faces.Descriptor) {
		length := math.Pow(10, 8*rng.Float64()-4)
		for i := range d {
			d[i] = float32(length * rng.NormFloat64())
		}
	})
}

// coarse returns descriptors whose distances have no rounding error.
func coarse(rng *rand.Rand, size, n int) Known {
	return pictures(rng, size, n, func(d faces.Descriptor) {
		for range 6 {
			d[rng.IntN(len(d))] = float32(rng.IntN(4)) / 4
		}
	})
}

// sparse returns descriptors with at most one number that is not zero. Codes
// cannot represent it and smaller numbers together.
func sparse(rng *rand.Rand, size, n int) Known {
	return pictures(rng, size, n, func(d faces.Descriptor) {
		if rng.IntN(3) > 0 {
			d[rng.IntN(len(d))] = float32(rng.NormFloat64())
		}
	})
}

// signs returns descriptors whose numbers differ only in their signs.
func signs(rng *rand.Rand, size, n int) Known {
	return pictures(rng, size, n, func(d faces.Descriptor) {
		for i := range d {
			d[i] = float32(2*rng.IntN(2) - 1)
		}
	})
}

// people returns pictures of people, about four per person.
func people(rng *rand.Rand, size, n int) Known {
	p := NewPeople(rng.Uint64())
	var person faces.Descriptor
	return pictures(rng, size, n, func(d faces.Descriptor) {
		if person == nil || rng.IntN(4) == 0 {
			person = p.Person()
		}
		copy(d, p.Picture(person))
	})
}

// pictures returns n pictures with one to three descriptors each.
func pictures(rng *rand.Rand, size, n int, fill func(faces.Descriptor)) Known {
	known := Known{}
	for i := range n {
		list := make([]faces.Descriptor, 1+rng.IntN(3))
		for j := range list {
			list[j] = make(faces.Descriptor, size)
			fill(list[j])
		}
		known[fmt.Sprintf("%02d/%05d.jpg", rng.IntN(50), i)] = list
	}
	return known
}

var limits = []nearest.Limit{
	{}, {Count: 1}, {Count: 16}, {Count: 2, Slack: 0.05}, {Slack: 0.5}, {Count: 3, Slack: 1e-4}, {Count: 3, Slack: 1e9},
	{Count: 16, Slack: 0.3, Within: 0.4}, {Count: 1, Slack: 1, Within: 1e-3}, {Count: 2, Slack: 0.25, Within: 100}, {Count: 999}, {Count: 1000},
}

func testNearest(t *testing.T, kernel nearest.Kernel, size int, makeKnown func(*rand.Rand, int, int) Known) {
	sizes := []int{0, 1, 40, 2600} // the last fills more than one chunk
	if testing.Short() || size > FaceSize {
		sizes[3] = 300
	}
	for seed, n := range sizes {
		rng := rand.New(rand.NewPCG(uint64(seed), 99))
		known := makeKnown(rng, size, n)
		x := nearest.NewIndex(kernel, size, known.All())
		if x.Pictures() != n {
			t.Fatalf("%d pictures, want %d", x.Pictures(), n)
		}
		// Ask for two known pictures, a stranger, a neighbour of the first, the
		// zero vector, and one far away from all.
		var asked []faces.Descriptor
		for _, list := range known {
			if asked = append(asked, list[0]); len(asked) == 2 {
				break
			}
		}
		for _, list := range makeKnown(rng, size, 1) {
			asked = append(asked, list[0])
		}
		far := make(faces.Descriptor, size)
		far[0] = 3e5
		asked = append(asked, NewPeople(7).At(asked[0], 0.9), make(faces.Descriptor, size), far)
		check(t, x, known, asked, limits)
	}
}

// check compares the answers of an index with brute force.
func check(t *testing.T, x *nearest.Index, known Known, asked []faces.Descriptor, limits []nearest.Limit) {
	t.Helper()
	for _, l := range limits {
		got, err := x.Nearest(t.Context(), asked, l)
		if err != nil || len(got) != len(asked) {
			t.Fatalf("%d pictures, %+v: %d answers, error %v", len(known), l, len(got), err)
		}
		for i := range asked {
			if want := BruteForce(known, asked[i], l); !slices.Equal(want, got[i]) {
				t.Fatalf("%d pictures, %+v, face %d (-want +got):\n%s", len(known), l, i, gocmp.Diff(want, got[i]))
			}
		}
	}
}

// testTogether runs searches for one and for many descriptors at the same time.
func testTogether(t *testing.T, kernel nearest.Kernel) {
	rng := rand.New(rand.NewPCG(5, 6))
	known := people(rng, FaceSize, 2500)
	x := nearest.NewIndex(kernel, FaceSize, known.All())
	var asked []faces.Descriptor
	for _, list := range people(rng, FaceSize, 70) {
		asked = append(asked, list...)
	}
	l := nearest.Limit{Count: 2}
	var calls sync.WaitGroup
	for _, n := range []int{1, 1, 2, 63, 64, 65, len(asked)} {
		calls.Go(func() {
			got, err := x.Nearest(t.Context(), asked[:n], l)
			if err != nil || len(got) != n {
				t.Errorf("%d answers to %d, error %v", len(got), n, err)
				return
			}
			for i := range got {
				if want := BruteForce(known, asked[i], l); !slices.Equal(want, got[i]) {
					t.Errorf("%d of %d (-want +got):\n%s", i, n, gocmp.Diff(want, got[i]))
					return
				}
			}
		})
	}
	calls.Wait()
}

// testChanges adds unusual pictures to an index and removes some. The new index
// shares chunks with the old one, and codes are relative to one centre.
func testChanges(t *testing.T, kernel nearest.Kernel) {
	rng := rand.New(rand.NewPCG(8, 9))
	known := scattered(1, 0.1)(rng, 128, 4000)
	x := nearest.NewIndex(kernel, 128, known.All())
	for round := range 4 {
		kept := Known{}
		for name, list := range known {
			if rng.IntN(1500) > 0 {
				kept[name] = list
			}
		}
		b := x.Change(func(name string) bool { return kept[name] != nil })
		var asked []faces.Descriptor
		for name, list := range scattered(float64(10*round), 0.2)(rng, 128, 300) {
			name = fmt.Sprintf("round %d/%s", round, name)
			kept[name] = list
			b.Add(name, list)
			if len(asked) < 3 {
				asked = append(asked, list[0])
			}
		}
		x, known = b.Finish(), kept
		check(t, x, known, asked, []nearest.Limit{{Count: 16, Slack: 0.02, Within: 0.9}})
		var names []string
		for name := range known {
			if names = append(names, name); len(names) == 50 {
				break
			}
		}
		some := Known{}
		for _, name := range names {
			some[name] = known[name]
		}
		check(t, x.Only(names), some, asked, []nearest.Limit{{Count: 3}})
	}
}
