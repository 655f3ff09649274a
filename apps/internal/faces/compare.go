package faces

import (
	"cmp"
	"slices"
)

// Likeness says whether two faces show one person.
type Likeness string

// The likenesses.
const (
	LikeSame      Likeness = "same"
	LikeDifferent Likeness = "different"
	LikeUncertain Likeness = "uncertain" // too close to call, or a face of too low quality
)

// Pair is a face of one picture and a face of another, by their indexes.
type Pair struct {
	A, B     int
	Distance float64 // Euclidean
	Likeness Likeness
}

// maxCompared is how many faces of each picture are compared, largest first.
const maxCompared = 10

// Compare compares each face of one picture with each face of another. The first
// pair is that of the two largest faces. Only the largest faces are compared:
// omitted is the number of pairs that are left out. m is the model set of all faces.
func Compare(a, b []Face, m Model) (pairs []Pair, omitted int) {
	for _, i := range largest(a) {
		for _, j := range largest(b) {
			d := a[i].Descriptor.Distance(b[j].Descriptor)
			pairs = append(pairs, Pair{A: i, B: j, Distance: d, Likeness: m.like(a[i], b[j], d)})
		}
	}
	return pairs, len(a)*len(b) - len(pairs)
}

// largest returns the indexes of the largest faces, largest first.
func largest(list []Face) []int {
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Compare(list[j].Box.Width*list[j].Box.Height, list[i].Box.Width*list[i].Box.Height)
	})
	return order[:min(len(order), maxCompared)]
}

// like applies the rule to two faces at a distance.
func (m Model) like(a, b Face, d float64) Likeness {
	_, failsA := m.Floors.Shortfall(a.Quality)
	_, failsB := m.Floors.Shortfall(b.Quality)
	switch {
	case failsA || failsB:
		return LikeUncertain
	case d <= m.Threshold:
		return LikeSame
	case d > max(m.FarThreshold, m.Threshold+m.Margin):
		return LikeDifferent
	default: // also for NaN
		return LikeUncertain
	}
}
