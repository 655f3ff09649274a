package nearest

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// FaceIndex searches stored faces by descriptor. It has their ids and descriptors, in
// the order of the ids. Like an Index it is immutable, and safe for concurrent use;
// Replace returns the next one, which shares all chunks without a change.
type FaceIndex struct {
	table[int64]
	faces int
}

// StoredFace is a face of a FaceIndex.
type StoredFace struct {
	ID         int64
	Descriptor faces.Descriptor
}

// NewFaceIndex returns an empty FaceIndex for descriptors of size numbers.
func NewFaceIndex(kernel Kernel, size int) *FaceIndex {
	return &FaceIndex{table: table[int64]{kernel: kernel, size: size}}
}

// Len returns the number of faces.
func (x *FaceIndex) Len() int { return x.faces }

// FaceBytes returns how many bytes a face with a descriptor of size numbers takes in a
// FaceIndex: the descriptor, the code with its scale, norm and loss, and the id.
func FaceBytes(size int) int64 {
	groups := (size + Quad*Group - 1) / (Quad * Group) * Quad
	return int64(4*size + RowBytes(groups) + 3*4 + 8)
}

// Bytes returns how much memory the index takes.
func (x *FaceIndex) Bytes() int64 {
	n := int64(0)
	for _, c := range x.chunks {
		n += int64(4*cap(c.vectors) + 8*cap(c.keys) + cap(c.codes.Codes) + 3*4*cap(c.codes.Scales))
	}
	return n
}

// Within returns the stored faces that are at most radius away from each descriptor:
// the limit nearest of them, nearest first and then by id. It returns ctx's error, or
// an error if a descriptor does not have the index's size.
func (x *FaceIndex) Within(ctx context.Context, list []faces.Descriptor, radius float64, limit int) ([][]faces.NearFace, error) {
	limit = max(1, limit)
	answers := make([][]faces.NearFace, 0, len(list))
	w := wanted{rows: limit, maxRows: limit, radius: radius}
	err := x.each(ctx, list, w, func(query faces.Descriptor, rows []candidate) {
		near := make([]faces.NearFace, 0, len(rows))
		for _, c := range rows {
			if d := query.Distance(x.descriptor(c.row)); d <= radius {
				near = append(near, faces.NearFace{ID: x.key(c.row), Distance: d})
			}
		}
		slices.SortFunc(near, func(a, b faces.NearFace) int {
			return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.ID, b.ID))
		})
		answers = append(answers, near[:min(limit, len(near))])
	})
	return answers, err
}

// Summary summarizes the faces with ids in (after, upTo].
func (x *FaceIndex) Summary(after, upTo int64) faces.FaceSummary {
	var s faces.FaceSummary
	first, end := x.chunksOf(after, upTo)
	for _, c := range x.chunks[first:end] {
		from, to := rowsOf(c, after, upTo)
		for row := from; row < to; row++ {
			s.AddDescriptor(c.keys[row], c.vectors[row*x.size:(row+1)*x.size])
		}
	}
	return s
}

// CountOf returns the number of faces with ids in (after, upTo].
func (x *FaceIndex) CountOf(after, upTo int64) int {
	n := 0
	first, end := x.chunksOf(after, upTo)
	for _, c := range x.chunks[first:end] {
		from, to := rowsOf(c, after, upTo)
		n += to - from
	}
	return n
}

// Replace returns an index in which the faces with ids in (after, upTo] are those of
// list, which must be sorted by id. It copies the descriptors.
func (x *FaceIndex) Replace(after, upTo int64, list []StoredFace) (*FaceIndex, error) {
	if err := x.check(after, upTo, list); err != nil {
		return nil, err
	}
	first, end := x.chunksOf(after, upTo)
	kept := 0
	for _, c := range x.chunks[first:end] {
		from, to := rowsOf(c, after, upTo)
		kept += len(c.keys) - (to - from)
	}
	total := x.faces - x.CountOf(after, upTo) + len(list)
	// Take small neighbours in, or many small changes would leave many small chunks.
	n := kept + len(list)
	for first > 0 && n+len(x.chunks[first-1].keys) <= chunkRows {
		first--
		n += len(x.chunks[first].keys)
	}
	for end < len(x.chunks) && n+len(x.chunks[end].keys) <= chunkRows {
		n += len(x.chunks[end].keys)
		end++
	}
	next := &FaceIndex{table: table[int64]{kernel: x.kernel, size: x.size, centre: x.centre}, faces: total}
	made := x.merge(x.chunks[first:end], after, upTo, list, n)
	if n == total {
		next.centre = nil // all is coded anew, so a better centre costs nothing
	}
	for _, c := range made {
		if next.centre == nil {
			next.centre = mean(c.vectors, x.size)
		}
		c.encode(next.centre)
	}
	next.chunks = slices.Concat(x.chunks[:first], made, x.chunks[end:])
	return next, nil
}

func (x *FaceIndex) check(after, upTo int64, list []StoredFace) error {
	last := after
	for _, f := range list {
		switch {
		case f.ID <= last || f.ID > upTo:
			return fmt.Errorf("face %d is not in order, or not in the range from %d to %d", f.ID, after+1, upTo)
		case len(f.Descriptor) != x.size:
			return fmt.Errorf("the descriptor of face %d has %d numbers, but the index has descriptors of %d", f.ID, len(f.Descriptor), x.size)
		}
		last = f.ID
	}
	return nil
}

// merge returns chunks, without codes, of the n rows of old chunks and of list, in the
// order of ids. Rows of the old chunks in (after, upTo] are left out.
func (x *FaceIndex) merge(old []*chunk[int64], after, upTo int64, list []StoredFace, n int) []*chunk[int64] {
	count := (n + chunkRows - 1) / chunkRows
	made := make([]*chunk[int64], 0, count)
	add := func(key int64, vector []float32) {
		if last := len(made) - 1; last < 0 || len(made[last].keys) == cap(made[last].keys) {
			rows := (n + count - 1) / count // full chunks of about the same size
			made = append(made, &chunk[int64]{vectors: make([]float32, 0, rows*x.size), keys: make([]int64, 0, rows)})
		}
		c := made[len(made)-1]
		c.keys, c.vectors = append(c.keys, key), append(c.vectors, vector...)
	}
	addRows := func(c *chunk[int64], from, to int) {
		for row := from; row < to; row++ {
			add(c.keys[row], c.vectors[row*x.size:(row+1)*x.size])
		}
	}
	for _, c := range old { // what is before the range
		from, _ := rowsOf(c, after, upTo)
		addRows(c, 0, from)
	}
	for _, f := range list {
		add(f.ID, f.Descriptor)
	}
	for _, c := range old {
		_, to := rowsOf(c, after, upTo)
		addRows(c, to, len(c.keys))
	}
	return made
}

// chunksOf returns the first chunk that has ids in (after, upTo], and the one after the
// last.
func (x *FaceIndex) chunksOf(after, upTo int64) (first, end int) {
	first, _ = slices.BinarySearchFunc(x.chunks, after, func(c *chunk[int64], after int64) int {
		if c.keys[len(c.keys)-1] <= after {
			return -1
		}
		return 1
	})
	end = first
	for end < len(x.chunks) && x.chunks[end].keys[0] <= upTo {
		end++
	}
	return first, end
}

// rowsOf returns a chunk's first row with an id in (after, upTo], and the one after the
// last. Before the range both are the number of rows, beyond it both are 0.
func rowsOf(c *chunk[int64], after, upTo int64) (from, to int) {
	from, _ = slices.BinarySearch(c.keys, after+1)
	to, exact := slices.BinarySearch(c.keys, upTo)
	if exact {
		to++
	}
	return from, max(from, to)
}
