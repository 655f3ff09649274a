package kerneltest

import (
	"cmp"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// testStoredFaces changes an index of stored faces at random, and compares it each time
// with a map and with brute force.
func testStoredFaces(t *testing.T, kernel nearest.Kernel) {
	rng := rand.New(rand.NewPCG(9, 10))
	people := NewPeople(3)
	person := people.Person()
	stored := map[int64]faces.Descriptor{}
	index := nearest.NewFaceIndex(kernel, FaceSize)
	replace := func(after, upTo int64, step int64) {
		t.Helper()
		maps.DeleteFunc(stored, func(id int64, _ faces.Descriptor) bool { return id > after && id <= upTo })
		var list []nearest.StoredFace
		for id := after + 1; id <= min(upTo, after+20_000) && step > 0; id += step {
			if rng.IntN(4) == 0 {
				person = people.Person()
			}
			list = append(list, nearest.StoredFace{ID: id, Descriptor: people.Picture(person)})
			stored[id] = list[len(list)-1].Descriptor
		}
		var err error
		if index, err = index.Replace(after, upTo, list); err != nil {
			t.Fatal(err)
		}
		checkStoredFaces(t, rng, index, stored)
	}
	replace(0, 10, 0)           // nothing at all
	replace(0, 5, 1)            // a few
	replace(5, 6000, 1)         // more than a chunk
	replace(6000, 6001, 1)      // one more
	replace(6001, 9000, 3)      // with gaps
	replace(100, 200, 0)        // deleted
	replace(3000, 5000, 2)      // replaced, across chunks
	replace(4000, 4000+1, 1)    // one replaced
	replace(20_000, 36_000, 40) // far away
	replace(9000, 12_000, 1)    // in between
	for range 8 {
		after := rng.Int64N(36_000)
		replace(after, after+rng.Int64N(3000)+1, rng.Int64N(4))
	}
	before := index.Bytes()
	replace(0, math.MaxInt64, 0) // everything deleted
	if index.Len() != 0 || index.Bytes() != 0 || before == 0 {
		t.Errorf("an empty index has %d faces and %d bytes; before it had %d bytes", index.Len(), index.Bytes(), before)
	}
	replace(50, 60, 1)
	for name, list := range map[string][]nearest.StoredFace{
		"beyond the range": {{ID: 9, Descriptor: person}}, "before the range": {{ID: 1, Descriptor: person}},
		"out of order": {{ID: 3, Descriptor: person}, {ID: 2, Descriptor: person}}, "of another size": {{ID: 2, Descriptor: person[:5]}},
	} {
		if _, err := index.Replace(1, 8, list); err == nil {
			t.Errorf("faces %s were taken", name)
		}
	}
}

// checkStoredFaces compares an index with what it must have.
func checkStoredFaces(t *testing.T, rng *rand.Rand, index *nearest.FaceIndex, stored map[int64]faces.Descriptor) {
	t.Helper()
	if index.Len() != len(stored) {
		t.Fatalf("the index has %d faces, want %d", index.Len(), len(stored))
	}
	if most := int64(len(stored)+1000) * nearest.FaceBytes(FaceSize); index.Bytes() > most {
		t.Errorf("%d faces take %d bytes, want at most %d", len(stored), index.Bytes(), most)
	}
	after := rng.Int64N(9000)
	upTo := after + 1 + rng.Int64N(3000)
	var summary faces.FaceSummary
	for id, d := range stored {
		if id > after && id <= upTo {
			summary.Add(id, d.Bytes()[:faces.DescriptorPrefix])
		}
	}
	if got := index.Summary(after, upTo); got != summary {
		t.Errorf("the summary of (%d, %d] is %+v, want %+v", after, upTo, got, summary)
	}
	query := NewPeople(rng.Uint64()).Person()
	if ids := slices.Sorted(maps.Keys(stored)); len(ids) > 0 {
		query = stored[ids[rng.IntN(len(ids))]]
	}
	for _, c := range []struct {
		radius float64
		limit  int
	}{{0.9, 10}, {0.9, 20_000}, {1.2, 100}, {0, 5}, {100, 20_000}, {math.Inf(1), 3}} {
		got, err := index.Within(t.Context(), []faces.Descriptor{query}, c.radius, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(within(stored, query, c.radius, c.limit), got[0]); diff != "" {
			t.Fatalf("radius %v, limit %d (-brute force +index):\n%s", c.radius, c.limit, diff)
		}
	}
}

func within(stored map[int64]faces.Descriptor, query faces.Descriptor, radius float64, limit int) []faces.NearFace {
	near := []faces.NearFace{}
	for id, d := range stored {
		if distance := query.Distance(d); distance <= radius {
			near = append(near, faces.NearFace{ID: id, Distance: distance})
		}
	}
	slices.SortFunc(near, func(a, b faces.NearFace) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.ID, b.ID))
	})
	return near[:min(limit, len(near))]
}
