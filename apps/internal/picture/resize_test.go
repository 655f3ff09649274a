package picture_test

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// slope returns a picture whose red grows to the right, whose green grows
// downwards and whose blue grows to the upper right.
func slope(width, height int) *picture.RGB {
	m := picture.NewRGB(width, height)
	for y := range height {
		for x := range width {
			at := func(x, y float64) byte { return byte(math.Round(255 * x / y)) }
			fx, fy := float64(x)+0.5, float64(y)+0.5
			p := m.Row(y)[3*x:]
			p[0], p[1] = at(fx, float64(width)), at(fy, float64(height))
			p[2] = byte((int(p[0]) + 255 - int(p[1])) / 2)
		}
	}
	return m
}

func TestResizeKeepsASlope(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{1600, 1200}, {1501, 997}, {641, 480}, {640, 481}, {97, 61}, {3000, 700}, {200, 150}} {
		for _, to := range []image.Point{{640, 480}, {97, 61}, {33, 200}, {1, 1}, {7, 1}} {
			t.Run(fmt.Sprintf("%v to %v", size, to), func(t *testing.T) {
				t.Parallel()
				got := slope(size.X, size.Y).Resize(to.X, to.Y)
				want := slope(to.X, to.Y)
				if got.Width != to.X || got.Height != to.Y {
					t.Fatalf("size is %dx%d", got.Width, got.Height)
				}
				// Pixels at the edge have fewer neighbours to average.
				edgeX, edgeY := max(2, 2*to.X/size.X), max(2, 2*to.Y/size.Y)
				for y := edgeY; y < to.Y-edgeY; y++ {
					for x := edgeX; x < to.X-edgeX; x++ {
						for c := range 3 {
							if a, b := got.Row(y)[3*x+c], want.Row(y)[3*x+c]; far(a, b, 3) {
								t.Fatalf("channel %d at (%d, %d) is %d, want %d", c, x, y, a, b)
							}
						}
					}
				}
			})
		}
	}
}

// A uniform picture stays uniform to the last byte, even if it is a part of a larger
// picture.
func TestResizeKeepsAFlatPicture(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		size := image.Pt(1+random.IntN(70), 1+random.IntN(70))
		to := image.Pt(1+random.IntN(70), 1+random.IntN(70))
		whole := picture.NewRGB(size.X+2, size.Y+2)
		part := whole.Crop(image.Rect(1, 1, size.X+1, size.Y+1))
		for y := range size.Y {
			for x := range size.X {
				copy(part.Row(y)[3*x:], []byte{10, 200, 255})
			}
		}
		got := part.Resize(to.X, to.Y)
		for y := range to.Y {
			for x := range to.X {
				if p := got.Row(y)[3*x:]; p[0] != 10 || p[1] != 200 || p[2] != 255 {
					t.Fatalf("%v to %v: (%d, %d) is %v", size, to, x, y, p[:3])
				}
			}
		}
	}
}
