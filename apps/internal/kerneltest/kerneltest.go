// Package kerneltest is what every kernel of the search for neighbours must
// pass: with it, an index answers what brute force in float64 answers.
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

// size is how many numbers the descriptors have.
const size = 128

// Known are known pictures by name, with their descriptors.
type Known map[string][]faces.Descriptor

// All yields the pictures by name.
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

// BruteForce is what a Limit means, written down as plainly as can be.
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

// Test runs the suite.
func Test(t *testing.T, kernel nearest.Kernel) {
	t.Run("products", func(t *testing.T) { t.Parallel(); testProducts(t, kernel) })
	for name, make := range map[string]func(*rand.Rand, int) Known{
		"like a model's":             scattered(1, 0.1),
		"long and close together":    scattered(100, 1e-4), // where products say little
		"short":                      scattered(1e-10, 1e-10),
		"of very different lengths":  uneven,
		"often at the same distance": coarse,
		"all the same":               scattered(1, 0),
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); testNearest(t, kernel, make) })
	}
	t.Run("many at once", func(t *testing.T) { t.Parallel(); testTogether(t, kernel) })
}

func testProducts(t *testing.T, kernel nearest.Kernel) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := func(n int) []float32 {
		list := make([]float32, n*size)
		for i := range list {
			list[i] = rng.Float32() - 0.5
		}
		return list
	}
	for _, n := range [][2]int{{0, 0}, {0, 3}, {3, 0}, {1, 1}, {1, 7}, {2, 1}, {5, 9}, {64, 513}} {
		queries, rows := values(n[0]), values(n[1])
		products := slices.Repeat([]float32{float32(math.NaN())}, n[0]*n[1]+1) // what is there before must not matter
		kernel.Products(size, queries, rows, products)
		for q := range n[0] {
			for r := range n[1] {
				var want float64
				for i := range size {
					want += float64(queries[q*size+i]) * float64(rows[r*size+i])
				}
				if got := float64(products[q*n[1]+r]); !(math.Abs(got-want) < 1e-5) {
					t.Fatalf("%d x %d: product of %d and %d is %v, want %v", n[0], n[1], q, r, got, want)
				}
			}
		}
		if !math.IsNaN(float64(products[len(products)-1])) {
			t.Fatalf("%d x %d: written beyond the end", n[0], n[1])
		}
	}
}

// scattered returns pictures around one point that is far from zero.
func scattered(length, spread float64) func(*rand.Rand, int) Known {
	return func(rng *rand.Rand, n int) Known {
		return pictures(rng, n, func(d faces.Descriptor) {
			for i := range d {
				d[i] = float32(length/math.Sqrt(size) + spread*rng.NormFloat64())
			}
		})
	}
}

func uneven(rng *rand.Rand, n int) Known {
	return pictures(rng, n, func(d faces.Descriptor) {
		length := math.Pow(10, 8*rng.Float64()-4)
		for i := range d {
			d[i] = float32(length * rng.NormFloat64())
		}
	})
}

// coarse returns descriptors whose distances have no rounding errors.
func coarse(rng *rand.Rand, n int) Known {
	return pictures(rng, n, func(d faces.Descriptor) {
		for range 6 {
			d[rng.IntN(len(d))] = float32(rng.IntN(4)) / 4
		}
	})
}

// pictures returns n pictures with one to three descriptors each.
func pictures(rng *rand.Rand, n int, fill func(faces.Descriptor)) Known {
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

func testNearest(t *testing.T, kernel nearest.Kernel, makeKnown func(*rand.Rand, int) Known) {
	for seed, n := range []int{0, 1, 40, 2600} { // the last has more than one chunk
		rng := rand.New(rand.NewPCG(uint64(seed), 99))
		known := makeKnown(rng, n)
		x := nearest.NewIndex(kernel, size, known.All())
		if x.Pictures() != n {
			t.Fatalf("%d pictures, want %d", x.Pictures(), n)
		}
		// Two who are known, a stranger, and somebody far away.
		var asked []faces.Descriptor
		for _, list := range known {
			if asked = append(asked, list[0]); len(asked) == 2 {
				break
			}
		}
		for _, list := range makeKnown(rng, 1) {
			asked = append(asked, list[0])
		}
		asked = append(asked, faces.Descriptor{0: 3e5, size - 1: 0})
		for _, l := range limits {
			got, err := x.Nearest(t.Context(), asked, l)
			if err != nil || len(got) != len(asked) {
				t.Fatalf("%d pictures, %+v: %d answers, error %v", n, l, len(got), err)
			}
			for i := range asked {
				if want := BruteForce(known, asked[i], l); !slices.Equal(want, got[i]) {
					t.Fatalf("%d pictures, %+v, face %d (-want +got):\n%s", n, l, i, gocmp.Diff(want, got[i]))
				}
			}
		}
	}
}

// testTogether asks for one, for many and for many times many, all at once.
func testTogether(t *testing.T, kernel nearest.Kernel) {
	rng := rand.New(rand.NewPCG(5, 6))
	known := scattered(1, 0.1)(rng, 2500)
	x := nearest.NewIndex(kernel, size, known.All())
	var asked []faces.Descriptor
	for _, list := range scattered(1, 0.1)(rng, 70) {
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
