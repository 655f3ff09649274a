package groupsearch_test

import (
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/groupsearch"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/kerneltest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// The faces of an index of two chunks: every third id is a face.
func index(t *testing.T) (*nearest.FaceIndex, map[int64]faces.Descriptor) {
	t.Helper()
	people := kerneltest.NewPeople(7)
	x, stored := nearest.NewFaceIndex(nearest.Plain{}, kerneltest.FaceSize), map[int64]faces.Descriptor{}
	var list []nearest.StoredFace
	var person faces.Descriptor
	for id := int64(1); id <= 3*4200; id += 3 {
		if id%8 == 1 {
			person = people.Person()
		}
		stored[id] = people.Picture(person)
		list = append(list, nearest.StoredFace{ID: id, Descriptor: stored[id]})
	}
	x, err := x.Replace(0, 3*4200, list)
	if err != nil {
		t.Fatal(err)
	}
	return x, stored
}

func TestStored(t *testing.T) {
	t.Parallel()
	x, stored := index(t)
	s := groupsearch.Stored{Index: x}
	ids := []int64{3*4199 + 1, 2, 1, 3*2000 + 1, 99_999}
	vectors, err := s.Descriptors(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		if (vectors[i] == nil) != (stored[id] == nil) || vectors[i] != nil && vectors[i].Distance(stored[id]) != 0 {
			t.Errorf("face %d has another descriptor", id)
		}
	}
	for _, last := range []int64{0, 1, 3 * 2000, 1 << 40} {
		lists, err := s.Within(t.Context(), ids, 0.9, last)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			found := map[int64]float64{}
			for _, n := range lists[i] {
				found[n.ID] = n.Distance
			}
			for other, d := range stored {
				at, ok := found[other]
				near := stored[id] != nil && stored[id].Distance(d) <= 0.9
				if near && other <= last && !ok || ok && (!near || at != stored[id].Distance(d)) {
					t.Errorf("up to %d: face %d near %d: %v at %v", last, other, id, ok, at)
				}
			}
		}
	}
	if n := x.UpTo(1).Len(); n == 0 || n >= x.Len() {
		t.Errorf("the part up to the first id has %d of %d faces", n, x.Len())
	}
}

// Faces of an index are grouped: most people's faces are together, and nobody's with
// another's.
func TestGroupsOfAnIndex(t *testing.T) {
	t.Parallel()
	x, stored := index(t)
	var list []groups.Face
	for id := range stored {
		if id < 3*300 {
			list = append(list, groups.Face{ID: id, Picture: id})
		}
	}
	g, err := groups.New(groups.Rule{Distance: 0.86, Min: groups.MinFaces, Width: 0.9})
	if err != nil {
		t.Fatal(err)
	}
	s := groupsearch.Stored{Index: x}
	if err := g.Sync(t.Context(), s, list, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Settle(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if n := len(g.Groups()); n < 25 || n > 38 { // 8 faces each
		t.Errorf("%d groups of 300 faces of 38 people", n)
	}
}
