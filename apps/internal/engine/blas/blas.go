// Package blas is the arithmetic of the search for nearest descriptors, on
// OpenBLAS. Beside engine/dlib it is the only package that reaches cgo; see
// docs/adr/0007.
package blas

/*
#cgo LDFLAGS: -lcblas

// The constants of cblas.h, which Debian keeps where no compiler looks.
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

extern void cblas_sgemv(int order, int trans, int m, int n, float alpha, const float *a, int lda,
	const float *x, int incx, float beta, float *y, int incy);
extern void cblas_sgemm(int order, int transa, int transb, int m, int n, int k, float alpha, const float *a, int lda,
	const float *b, int ldb, float beta, float *c, int ldc);
// Not weak, as in engine/dlib: linked statically, a weak one would stay unresolved.
extern void openblas_set_num_threads(int);

static void products(int queries, int rows, int size, const float *q, const float *r, float *out) {
	if (queries == 1)
		cblas_sgemv(ROW_MAJOR, NO_TRANS, rows, size, 1, r, size, q, 1, 0, out, 1);
	else
		cblas_sgemm(ROW_MAJOR, NO_TRANS, TRANS, queries, rows, size, 1, q, size, r, size, 0, out, rows);
}
*/
import "C"

import (
	"fmt"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Kernel implements recognizer.Kernel. It is safe for concurrent use; a call
// keeps one core busy.
type Kernel struct{}

// New returns a Kernel. It tells OpenBLAS to use one thread, in the whole
// process: who calls decides how many cores work.
func New() Kernel {
	C.openblas_set_num_threads(1)
	return Kernel{}
}

// Products writes the inner product of every query with every row, query by
// query. Both are descriptors one after the other.
func (Kernel) Products(queries, rows, products []float32) {
	m, n := len(queries)/faces.DescriptorSize, len(rows)/faces.DescriptorSize
	if len(products) < m*n { // C would write beyond the end
		panic(fmt.Sprintf("blas: room for %d products of %d x %d", len(products), m, n))
	}
	if m == 0 || n == 0 {
		return
	}
	C.products(C.int(m), C.int(n), faces.DescriptorSize,
		(*C.float)(&queries[0]), (*C.float)(&rows[0]), (*C.float)(&products[0]))
}
