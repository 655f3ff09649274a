package main

/*
#cgo LDFLAGS: -lcblas

// The constants of cblas.h, which Debian installs outside the include path.
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

extern void cblas_sgemm(int order, int transa, int transb, int m, int n, int k, float alpha, const float *a, int lda,
	const float *b, int ldb, float beta, float *c, int ldc);
extern void openblas_set_num_threads(int);

static void products(int size, int m, int n, const float *q, const float *r, float *out) {
	openblas_set_num_threads(1);
	cblas_sgemm(ROW_MAJOR, NO_TRANS, TRANS, m, n, size, 1, q, size, r, size, 0, out, n);
}
*/
import "C"

// products computes the inner product of every query with every row, using
// OpenBLAS on one core. Both hold vectors of size numbers, one after the other.
func products(size int, queries, rows, out []float32) {
	m, n := len(queries)/size, len(rows)/size
	_ = out[m*n-1]
	C.products(C.int(size), C.int(m), C.int(n), (*C.float)(&queries[0]), (*C.float)(&rows[0]), (*C.float)(&out[0]))
}
