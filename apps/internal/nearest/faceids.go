package nearest

import (
	"math"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// UpTo returns an index of the stored faces with ids up to last, and of some beyond.
// It shares the memory of x. A program that compares all faces with each other needs
// each pair only once.
func (x *FaceIndex) UpTo(last int64) *FaceIndex {
	_, end := x.chunksOf(math.MinInt64, last)
	part := &FaceIndex{table: x.table}
	part.chunks = x.chunks[:end]
	for _, c := range part.chunks {
		part.faces += len(c.keys)
	}
	return part
}

// Descriptors returns the descriptor of each face, or nil for one that the index does
// not have. They share the index's memory and must not be changed.
func (x *FaceIndex) Descriptors(ids []int64) []faces.Descriptor {
	list := make([]faces.Descriptor, len(ids))
	for i, id := range ids {
		at, _ := slices.BinarySearchFunc(x.chunks, id, func(c *chunk[int64], id int64) int {
			if c.keys[len(c.keys)-1] < id {
				return -1
			}
			return 1
		})
		if at == len(x.chunks) {
			continue
		}
		if row, ok := slices.BinarySearch(x.chunks[at].keys, id); ok {
			list[i] = x.chunks[at].vectors[row*x.size : (row+1)*x.size : (row+1)*x.size]
		}
	}
	return list
}
