// Package nearest finds the known pictures nearest to a face. The search is
// exact: it uses compressed descriptors to skip most rows, but never misses a
// neighbour (see docs/adr/0016).
//
// An Index is an immutable list of chunks. A Builder makes the next Index
// when known pictures change and reuses every chunk without a change. The
// time and memory that this takes depend on the change and not on the size of
// the gallery.
package nearest

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	chunkBits = 12
	// chunkRows is how many descriptors a full chunk has: 5 MiB at 320
	// numbers each.
	chunkRows = 1 << chunkBits
)

// Index searches known pictures by descriptor. It scans all rows with a code
// of 6 bits for each number, and then measures the few descriptors that may
// be among the nearest. It is immutable and safe for concurrent use. In
// addition to the descriptors it takes 3/16 of their memory for the codes, 28
// bytes for each descriptor, 4 bytes for each picture, and the text of the
// names.
type Index struct {
	table[string]
	// byName has the first row of each picture, sorted by name. A row's
	// number is its chunk's number and, in the low chunkBits, its index in
	// the chunk.
	byName     []uint32
	perPicture int // the largest number of descriptors of one picture
}

// NewIndex returns an Index of pictures. Their names must differ, and each
// has one or more descriptors of size numbers. NewIndex copies the
// descriptors.
func NewIndex(kernel Kernel, size int, pictures iter.Seq2[string, []faces.Descriptor]) *Index {
	b := (&Index{table: table[string]{kernel: kernel, size: size}}).Change(nil)
	for name, descriptors := range pictures {
		b.Add(name, descriptors)
	}
	return b.Finish()
}

// Pictures returns the number of pictures in the index.
func (x *Index) Pictures() int { return len(x.byName) }

// Change returns a Builder of the next index. It already holds the pictures
// of x for which keep returns true. x can be used meanwhile.
func (x *Index) Change(keep func(name string) bool) *Builder {
	b := x.builder()
	if slices.ContainsFunc(x.chunks, func(c *chunk[string]) bool { return len(c.keys) > chunkRows/2 }) {
		b.index.centre = x.centre
	}
	for _, c := range x.chunks {
		// Merge small chunks. Otherwise many small changes would leave many
		// of them.
		if len(c.keys) > chunkRows/2 && !slices.ContainsFunc(c.keys, func(name string) bool { return !keep(name) }) {
			b.index.chunks = append(b.index.chunks, c)
			continue
		}
		for first, end := range c.groups() {
			if keep(c.keys[first]) {
				b.copy(c.keys[first], c.vectors[first*x.size:end*x.size])
			}
		}
	}
	return b
}

func (x *Index) builder() *Builder {
	return &Builder{index: &Index{table: table[string]{kernel: x.kernel, size: x.size}, perPicture: x.perPicture}, room: chunkRows}
}

// Only returns an index of the named pictures that are in x.
func (x *Index) Only(names []string) *Index {
	b := x.builder()
	b.room, b.index.centre = min(chunkRows, len(names)*x.perPicture), x.centre
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if c, first, end, ok := x.find(name); ok {
			b.copy(c.keys[first], c.vectors[first*x.size:end*x.size])
		}
	}
	return b.Finish()
}

// Descriptors returns copies of a picture's descriptors, or nil if x does not
// have the picture.
func (x *Index) Descriptors(name string) []faces.Descriptor {
	c, first, end, ok := x.find(name)
	if !ok {
		return nil
	}
	list := make([]faces.Descriptor, end-first)
	for i := range list {
		list[i] = slices.Clone(c.vectors[(first+i)*x.size : (first+i+1)*x.size])
	}
	return list
}

// find returns the chunk and the rows of a picture.
func (x *Index) find(name string) (c *chunk[string], first, end int, ok bool) {
	at, ok := slices.BinarySearchFunc(x.byName, name, func(row uint32, name string) int {
		return strings.Compare(x.key(row), name)
	})
	if !ok {
		return nil, 0, 0, false
	}
	c, first = x.chunks[x.byName[at]>>chunkBits], int(x.byName[at]%chunkRows)
	return c, first, c.end(first), true
}

// Builder builds an Index. It is not safe for concurrent use.
type Builder struct {
	index *Index
	open  *chunk[string] // the chunk being filled; nil at first
	room  int            // initial capacity of a chunk, in rows
	codes sync.WaitGroup
}

// Add copies a picture's descriptors into the index. No other picture may
// have that name. Add panics if a descriptor does not have the index's size.
func (b *Builder) Add(name string, descriptors []faces.Descriptor) {
	size := b.index.size
	vectors := make([]float32, 0, 2*size) // nearly always enough
	for _, d := range descriptors {
		if len(d) != size {
			panic(fmt.Sprintf("nearest: a descriptor of %d numbers in an index of %d", len(d), size))
		}
		vectors = append(vectors, d...)
	}
	b.copy(name, vectors)
}

// copy adds descriptors stored one after the other. They all go into one
// chunk.
func (b *Builder) copy(name string, vectors []float32) {
	size := b.index.size
	rows := len(vectors) / size
	if b.open == nil || len(b.open.keys)+rows > chunkRows {
		b.flush()
		b.open = &chunk[string]{
			vectors: make([]float32, 0, b.room*size), keys: make([]string, 0, b.room),
		}
	}
	c := b.open
	c.vectors = append(c.vectors, vectors...)
	for range rows {
		c.keys = append(c.keys, name)
	}
	b.index.perPicture = max(b.index.perPicture, rows)
}

// flush completes the open chunk. A chunk that is less than 9/10 full is
// copied to free the rest of its memory.
func (b *Builder) flush() {
	c := b.open
	if c == nil {
		return
	}
	if len(c.keys) < chunkRows*9/10 {
		c = &chunk[string]{vectors: slices.Clone(c.vectors), keys: slices.Clone(c.keys)}
	}
	if b.index.centre == nil {
		b.index.centre = mean(c.vectors, b.index.size)
	}
	b.codes.Go(func() { c.encode(b.index.centre) })
	b.index.chunks = append(b.index.chunks, c)
}

// Finish returns the index. The Builder must not be used afterwards.
func (b *Builder) Finish() *Index {
	b.flush()
	b.codes.Wait()
	x := b.index
	pictures := 0
	for _, c := range x.chunks {
		for range c.groups() {
			pictures++
		}
	}
	x.byName = make([]uint32, 0, pictures)
	for i, c := range x.chunks {
		for first := range c.groups() {
			x.byName = append(x.byName, uint32(i<<chunkBits|first))
		}
	}
	slices.SortFunc(x.byName, func(a, b uint32) int { return cmp.Compare(x.key(a), x.key(b)) })
	return x
}
