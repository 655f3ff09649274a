// Package kernel is the arithmetic of the search for nearest descriptors, on
// OpenBLAS. Beside engine/dlib it is the only package that reaches cgo; see
// docs/adr/0007.
package kernel

/*
#cgo LDFLAGS: -lcblas

// The constants of cblas.h, which Debian keeps where no compiler looks.
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

extern void cblas_sgemm(int order, int transa, int transb, int m, int n, int k, float alpha, const float *a, int lda,
	const float *b, int ldb, float beta, float *c, int ldc);
// Not weak, as in engine/dlib: linked statically, a weak one would stay unresolved.
extern void openblas_set_num_threads(int);

// AHEAD is how many bytes before they are needed rows are asked of memory.
enum { AHEAD = 1024 };

// Four floats, which every x86-64 and arm64 computes with at once, and which
// may lie at any address of a float.
typedef float four __attribute__((vector_size(16), aligned(4)));

static inline float dot(int size, const float *x, const float *y) {
	const four *a = (const four *)x, *b = (const four *)y;
	four s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}; // so that one need not wait for the other
	int i = 0;
	for (; i + 4 <= size / 4; i += 4) {
		s0 += a[i] * b[i];
		s1 += a[i + 1] * b[i + 1];
		s2 += a[i + 2] * b[i + 2];
		s3 += a[i + 3] * b[i + 3];
	}
	s0 = (s0 + s1) + (s2 + s3);
	float sum = (s0[0] + s0[1]) + (s0[2] + s0[3]);
	for (i *= 4; i < size; i++)
		sum += x[i] * y[i];
	return sum;
}

static void few(int size, int queries, int rows, const float *q, const float *r, float *out) {
	for (int i = 0; i < rows; i++) {
		const float *row = r + (long)size * i;
		for (int at = 0; at < size * 4; at += 64)
			__builtin_prefetch((const char *)row + AHEAD + at); // past the end it does nothing
		for (int j = 0; j < queries; j++)
			out[(long)j * rows + i] = dot(size, q + (long)size * j, row);
	}
}

static void many(int size, int queries, int rows, const float *q, const float *r, float *out) {
	cblas_sgemm(ROW_MAJOR, NO_TRANS, TRANS, queries, rows, size, 1, q, size, r, size, 0, out, rows);
}
*/
import "C"

import "fmt"

// maxFew is how many queries are looked for row by row. A row is read once for
// all of them, as fast as memory can; OpenBLAS (sgemv for one, sgemm for more)
// copies rows about first, which only pays for more queries than these.
const maxFew = 8

// Kernel implements nearest.Kernel. It is safe for concurrent use; a call
// keeps one core busy.
type Kernel struct{}

// New returns a Kernel. It tells OpenBLAS to use one thread, in the whole
// process: who calls decides how many cores work.
func New() Kernel {
	C.openblas_set_num_threads(1)
	return Kernel{}
}

// Products writes the inner product of every query with every row, query by
// query. Both are vectors of size numbers, one after the other.
func (Kernel) Products(size int, queries, rows, products []float32) {
	m, n := len(queries)/size, len(rows)/size
	if len(products) < m*n { // C would write beyond the end
		panic(fmt.Sprintf("kernel: room for %d products of %d x %d", len(products), m, n))
	}
	if m == 0 || n == 0 {
		return
	}
	q, r, out := (*C.float)(&queries[0]), (*C.float)(&rows[0]), (*C.float)(&products[0])
	if m <= maxFew {
		C.few(C.int(size), C.int(m), C.int(n), q, r, out)
	} else {
		C.many(C.int(size), C.int(m), C.int(n), q, r, out)
	}
}
