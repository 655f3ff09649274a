package kernel_test

import (
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/kerneltest"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
)

func TestKernels(t *testing.T) {
	t.Parallel()
	if len(kernel.Supported()) == 0 {
		t.Skip("this processor has none of the vector instructions")
	}
	for _, k := range kernel.Supported() {
		t.Run(k.String(), func(t *testing.T) { t.Parallel(); kerneltest.Test(t, k) })
	}
}

// C would write where no room is.
func TestScanNeedsRoom(t *testing.T) {
	t.Parallel()
	for _, k := range kernel.Supported() {
		defer func() {
			if recover() == nil {
				t.Errorf("%s: hits were written beyond the end", k)
			}
		}()
		k.Scan(nearest.Block{
			Groups: 4, Rows: 16, Codes: make([]byte, 192), Scales: make([]float32, 16), Norms: make([]float32, 16), Losses: make([]float32, 16),
		}, &nearest.Queries{
			Groups: 4, Codes: make([]int8, 16), Starts: make([]int32, 1), Sums: make([]int32, 1), Gains: make([]float32, 1), Halves: make([]float32, 1), Bounds: make([]float32, 1),
		}, make([]nearest.Hit, 15), make([]int32, 1))
	}
}
