package groups

import (
	"context"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// dots is an exact search of points in order: key i is the point i-1.
type dots []faces.Descriptor

func (d dots) Within(_ context.Context, keys []int64, distance float64, last int64) ([][]faces.NearFace, error) {
	lists := make([][]faces.NearFace, len(keys))
	for i, key := range keys {
		for j := range min(last, int64(len(d))) {
			if at := d[key-1].Distance(d[j]); at <= distance {
				lists[i] = append(lists[i], faces.NearFace{ID: j + 1, Distance: at})
			}
		}
	}
	return lists, nil
}

func (d dots) Descriptors(_ context.Context, keys []int64) ([]faces.Descriptor, error) {
	list := make([]faces.Descriptor, len(keys))
	for i, key := range keys {
		list[i] = d[key-1]
	}
	return list, nil
}

// A large group is divided with the search, a small one without. Both give the same
// groups.
func TestLargeGroupsAreDividedAlike(t *testing.T) {
	t.Parallel()
	divided := 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := 20 + rng.IntN(400)
		var points dots
		var list []Face
		for i := range n {
			points = append(points, faces.Descriptor{float32(rng.IntN(40)) / 8, float32(rng.IntN(12)) / 8})
			list = append(list, Face{ID: int64(i + 1), Picture: int64(rng.IntN(n * 20))})
		}
		g := guard{
			rule: Rule{Distance: 0.75, Min: 3, Width: 1 + 3*rng.Float64()}, search: points, maxDirect: maxDirect,
			apart: map[int64][]int64{2: {5}, 5: {2}},
		}
		direct, err := g.check(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		g.maxDirect = 0
		searched, err := g.check(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(direct, searched) {
			t.Fatalf("seed %d: %v, with the search %v", seed, direct, searched)
		}
		if len(direct) > 1 {
			divided++
		}
	}
	if divided < 20 {
		t.Errorf("%d groups were divided: the test shows little", divided)
	}
}
