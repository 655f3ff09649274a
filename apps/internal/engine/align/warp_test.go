package align_test

import (
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

func TestWarpMixesTheFourPixelsAroundAPlace(t *testing.T) {
	t.Parallel()
	m := picture.NewRGB(3, 3)
	for i := range m.Pix {
		m.Pix[i] = byte(9 * i)
	}
	pixel := func(x, y int) int { return int(m.Pix[y*m.Stride+3*x]) } // its red
	for _, c := range []struct {
		name string
		x, y float64 // where the first pixel of the result comes from
		want int
	}{
		{"a pixel", 1, 1, pixel(1, 1)},
		{"the first pixel", 0, 0, pixel(0, 0)},
		{"the last pixel", 2, 2, pixel(2, 2)},
		{"between two columns", 0.5, 1, (pixel(0, 1) + pixel(1, 1) + 1) / 2},
		{"between two rows", 1, 1.5, (pixel(1, 1) + pixel(1, 2) + 1) / 2},
		{"between four pixels", 0.5, 0.5, (pixel(0, 0) + pixel(1, 0) + pixel(0, 1) + pixel(1, 1) + 2) / 4},
		{"half outside on the right", 2.5, 1, (pixel(2, 1) + 1) / 2},
		{"half outside on the left", -0.5, 2, (pixel(0, 2) + 1) / 2},
		{"outside", 4, 1, 0},
		{"far outside", -1e9, 1e9, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out := picture.NewRGB(1, 1)
			align.Warp(m, align.Transform{A: 1, X: -c.x, Y: -c.y}, out)
			if got := int(out.Pix[0]); got != c.want {
				t.Errorf("the value is %d, want %d", got, c.want)
			}
		})
	}
}
