package find

import (
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

func TestQuarterTurnsMoveEveryPixel(t *testing.T) {
	t.Parallel()
	const width, height = 71, 33 // more than a block, and not a multiple of one
	m := picture.NewRGB(width, height)
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	for _, c := range []struct {
		name    string
		eighths int
		from    func(x, y int) (int, int) // the place in m of a pixel of the result
	}{
		{"a quarter", 2, func(x, y int) (int, int) { return y, height - 1 - x }},
		{"a half", 4, func(x, y int) (int, int) { return width - 1 - x, height - 1 - y }},
		{"three quarters", 6, func(x, y int) (int, int) { return width - 1 - y, x }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, _ := turnBy(m, c.eighths)
			for y := range out.Height {
				for x := range out.Width {
					atX, atY := c.from(x, y)
					if [3]byte(out.Row(y)[3*x:]) != [3]byte(m.Row(atY)[3*atX:]) {
						t.Fatalf("pixel (%d, %d) is not that of (%d, %d)", x, y, atX, atY)
					}
				}
			}
		})
	}
}
