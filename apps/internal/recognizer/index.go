package recognizer

// This file owns the search for the known pictures nearest to a face.

import (
	"math"
	"sort"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// entry is one descriptor of a known picture in an index.
type entry struct {
	name       string
	descriptor faces.Descriptor
}

// index finds nearest neighbours exactly, by looking at every entry. It is
// immutable.
type index struct{ entries []entry }

func newIndex(entries []entry) *index { return &index{entries: entries} }

// Limit bounds a list of neighbours: the Count nearest, at least one, and all
// that are at most Slack farther than the nearest.
type Limit struct {
	Count int     // 1000 at most
	Slack float64 // Euclidean
}

// maxNeighbours bounds every list.
const maxNeighbours = 1000

type scored struct {
	at      int
	squared float64
}

// pictures returns how many known pictures the entries belong to. Those of one
// picture stand together.
func (x *index) pictures() int {
	n := 0
	for i := range x.entries {
		if i == 0 || x.entries[i].name != x.entries[i-1].name {
			n++
		}
	}
	return n
}

// nearest returns the neighbours of d within the limit, nearest first; ties
// are in the order of names. A picture counts once, at its nearest descriptor.
func (x *index) nearest(d *faces.Descriptor, l Limit) []faces.Neighbour {
	all := make([]scored, len(x.entries))
	for i := range x.entries {
		all[i] = scored{at: i, squared: squaredDistance(d, &x.entries[i].descriptor)}
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].squared != all[j].squared {
			return all[i].squared < all[j].squared
		}
		return all[i].at < all[j].at
	})
	var near []faces.Neighbour
	told := map[string]bool{}
	for _, s := range all {
		name, distance := x.entries[s.at].name, math.Sqrt(s.squared)
		if told[name] {
			continue
		}
		if len(near) >= maxNeighbours || len(near) >= max(1, l.Count) && distance > near[0].Distance+l.Slack {
			break
		}
		told[name] = true
		near = append(near, faces.Neighbour{Image: name, Distance: distance})
	}
	return near
}

func squaredDistance(a, b *faces.Descriptor) float64 {
	var s0, s1, s2, s3 float32 // four sums, so that one need not wait for the other
	for i := 0; i < faces.DescriptorSize; i += 4 {
		d0, d1, d2, d3 := a[i]-b[i], a[i+1]-b[i+1], a[i+2]-b[i+2], a[i+3]-b[i+3]
		s0 += d0 * d0
		s1 += d1 * d1
		s2 += d2 * d2
		s3 += d3 * d3
	}
	return float64(s0 + s1 + s2 + s3)
}
