// Package kernel implements nearest.Kernel with the vector instructions of
// x86-64 (AVX2, AVX-512 VNNI) and arm64 (NEON), chosen at run time. Besides
// the engines it is the only package that uses cgo; see docs/adr/0016.
package kernel

/*
#include "scan.h"

static void scan(int version, int groups, int rows, const uint8_t *codes, const float *scales, const float *norms, const float *losses, int queries,
	const int8_t *q, const int32_t *starts, const int32_t *sums, const float *gains, const float *halves, const float *bounds, struct hit *hits, int32_t *counts) {
	struct scan s = {groups, rows, codes, scales, norms, losses, queries, q, starts, sums, gains, halves, bounds, hits, counts};
	rollcall_versions[version].scan(&s);
}

static void squares(int version, int size, const float *query, const float *vectors, int n, const int32_t *rows, double *out) {
	rollcall_versions[version].squares(size, query, vectors, n, rows, out);
}

static const char *version_name(int version) { return rollcall_versions[version].name; }
static int version_supported(int version) { return rollcall_versions[version].supported(); }
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// New returns the fastest kernel that this processor supports. That is
// nearest.Plain if it supports none of the others.
func New() nearest.Kernel {
	if all := Supported(); len(all) > 0 {
		return all[len(all)-1]
	}
	return nearest.Plain{}
}

// Supported returns the kernels that this processor supports, the fastest
// last.
func Supported() []Vector {
	var list []Vector
	for i := range C.rollcall_version_count {
		if C.version_supported(i) != 0 {
			list = append(list, Vector{i})
		}
	}
	return list
}

// Vector implements nearest.Kernel with vector instructions. It is safe for
// concurrent use, and a call uses one core.
type Vector struct{ version C.int }

// String returns the name of the instruction set.
func (v Vector) String() string { return C.GoString(C.version_name(v.version)) }

// Scan implements nearest.Kernel.
func (v Vector) Scan(b nearest.Block, q *nearest.Queries, hits []nearest.Hit, counts []int32) {
	m := q.Len()
	if m == 0 || b.Rows == 0 {
		clear(counts[:m])
		return
	}
	if b.Groups > C.MAX_GROUPS || b.Groups%nearest.Quad != 0 {
		panic(fmt.Sprintf("kernel: rows of %d groups", b.Groups))
	}
	full := (b.Rows + nearest.Lanes - 1) / nearest.Lanes * nearest.Lanes
	width := b.Groups * nearest.Group
	steps := (b.Groups + nearest.Step - 1) / nearest.Step
	need("codes", len(b.Codes), full*nearest.RowBytes(b.Groups))
	need("scales", len(b.Scales), full)
	need("norms", len(b.Norms), full)
	need("losses", len(b.Losses), full)
	need("numbers of queries", len(q.Codes), m*width)
	need("starts", len(q.Starts), m*steps)
	need("gains", len(q.Gains), m)
	need("halves", len(q.Halves), m)
	need("bounds", len(q.Bounds), m)
	need("hits", len(hits), m*b.Rows)
	need("counts", len(counts), m)
	C.scan(v.version, C.int(b.Groups), C.int(b.Rows), first[C.uint8_t](b.Codes), first[C.float](b.Scales), first[C.float](b.Norms),
		first[C.float](b.Losses), C.int(m), first[C.int8_t](q.Codes), first[C.int32_t](q.Starts), first[C.int32_t](q.Sums),
		first[C.float](q.Gains), first[C.float](q.Halves), first[C.float](q.Bounds), first[C.struct_hit](hits), first[C.int32_t](counts))
}

// Squares implements nearest.Kernel.
func (v Vector) Squares(query, vectors []float32, rows []int32, squares []float64) {
	if len(rows) == 0 {
		return
	}
	need("squares", len(squares), len(rows))
	for _, row := range rows {
		need("vectors", len(vectors), (int(row)+1)*len(query))
	}
	C.squares(v.version, C.int(len(query)), first[C.float](query), first[C.float](vectors), C.int(len(rows)),
		first[C.int32_t](rows), first[C.double](squares))
}

// first returns a slice's memory as a C pointer.
func first[C, Go any](list []Go) *C { return (*C)(unsafe.Pointer(unsafe.SliceData(list))) }

// need panics if a slice is too short, because C would read or write beyond
// its end.
func need(what string, have, want int) {
	if have < want {
		panic(fmt.Sprintf("kernel: %d %s, where %d are needed", have, what, want))
	}
}
