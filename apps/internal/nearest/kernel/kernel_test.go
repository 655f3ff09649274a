package kernel_test

import (
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/kerneltest"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
)

var _ nearest.Kernel = kernel.Kernel{}

func TestKernel(t *testing.T) {
	t.Parallel()
	kerneltest.Test(t, kernel.New())
}

// C would write where no room is.
func TestProductsNeedRoom(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("products were written beyond the end")
		}
	}()
	kernel.New().Products(128, make([]float32, 256), make([]float32, 256), make([]float32, 3))
}
