package nearest

import (
	"iter"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// table is what the indexes have in common: descriptors in chunks, each with a
// key that says what it belongs to.
type table[K comparable] struct {
	kernel Kernel
	size   int // numbers per descriptor
	chunks []*chunk[K]
	// centre is the origin of the codes. The nearer it is to all descriptors,
	// the less the codes lose. Any value is correct, but all chunks must
	// share it.
	centre []float32
}

// chunk holds up to chunkRows descriptors. Those with the same key are adjacent.
type chunk[K comparable] struct {
	vectors []float32
	keys    []K // of each descriptor
	codes   Block
	longest float64 // the largest of codes.Norms
}

// Size returns how many numbers a descriptor has.
func (t *table[K]) Size() int { return t.size }

// key returns the key of a row.
func (t *table[K]) key(row uint32) K { return t.chunks[row>>chunkBits].keys[row%chunkRows] }

// descriptor returns the descriptor of a row. It shares the table's memory.
func (t *table[K]) descriptor(row uint32) faces.Descriptor {
	first := int(row%chunkRows) * t.size
	return t.chunks[row>>chunkBits].vectors[first : first+t.size]
}

// encode makes the codes of a chunk whose vectors are complete.
func (c *chunk[K]) encode(centre []float32) {
	c.codes = encode(c.vectors, centre)
	c.longest = float64(slices.Max(c.codes.Norms))
}

// end returns the row after the last one with the same key as first.
func (c *chunk[K]) end(first int) int {
	end := first + 1
	for end < len(c.keys) && c.keys[end] == c.keys[first] {
		end++
	}
	return end
}

// groups yields each key's first row and the row after its last.
func (c *chunk[K]) groups() iter.Seq2[int, int] {
	return func(yield func(first, end int) bool) {
		for first, end := 0, 0; first < len(c.keys); first = end {
			if end = c.end(first); !yield(first, end) {
				return
			}
		}
	}
}

// mean returns the mean of vectors stored one after the other.
func mean(vectors []float32, size int) []float32 {
	sums := make([]float64, size)
	for i, v := range vectors {
		sums[i%size] += float64(v)
	}
	centre := make([]float32, size)
	for i, sum := range sums {
		centre[i] = float32(sum / float64(len(vectors)/size))
	}
	return centre
}
