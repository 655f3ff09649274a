package blas_test

import (
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/blas"
	"github.com/rollcall-faces/rollcall/apps/internal/kerneltest"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
)

var _ recognizer.Kernel = blas.Kernel{}

func TestKernel(t *testing.T) {
	t.Parallel()
	kerneltest.Test(t, blas.New())
}

// C would write where no room is.
func TestProductsNeedRoom(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("products were written beyond the end")
		}
	}()
	blas.New().Products(make([]float32, 256), make([]float32, 256), make([]float32, 3))
}
