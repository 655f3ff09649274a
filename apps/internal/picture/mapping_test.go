package picture_test

import (
	"fmt"
	"image"
	"math/rand/v2"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

func TestBox(t *testing.T) {
	t.Parallel()
	p := picture.Prepared{Width: 3000, Height: 2000, PreparedWidth: 1500, PreparedHeight: 1000}
	tests := []struct {
		name string
		r    image.Rectangle
		want faces.Box
	}{
		{"inside", image.Rect(10, 20, 110, 220), faces.Box{X: 20, Y: 40, Width: 200, Height: 400}},
		{"everything", image.Rect(0, 0, 1500, 1000), faces.Box{Width: 3000, Height: 2000}},
		{"over the edge", image.Rect(-50, 900, 50, 1100), faces.Box{Y: 1800, Width: 100, Height: 200}},
		{"one pixel", image.Rect(1499, 999, 1500, 1000), faces.Box{X: 2998, Y: 1998, Width: 2, Height: 2}},
		{"empty", image.Rect(7, 7, 7, 7), faces.Box{X: 14, Y: 14, Width: 1, Height: 1}},
		{"beyond", image.Rect(5000, 5000, 6000, 6000), faces.Box{X: 2999, Y: 1999, Width: 1, Height: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := p.Box(tt.r); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// At any scale, a box is within the picture, covers its rectangle with at most one
// pixel around it, and contains the points of the rectangle.
func TestBoxAndPointProperties(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 5_000 {
		p := picture.Prepared{
			Width: 1 + random.IntN(5000), Height: 1 + random.IntN(5000),
			PreparedWidth: 1 + random.IntN(1600), PreparedHeight: 1 + random.IntN(1600),
		}
		x, y := random.IntN(p.PreparedWidth), random.IntN(p.PreparedHeight)
		r := image.Rect(x, y, x+1+random.IntN(p.PreparedWidth-x), y+1+random.IntN(p.PreparedHeight-y))
		at := fmt.Sprintf("%+v %v", p, r)

		b := p.Box(r)
		if b.X < 0 || b.Y < 0 || b.Width < 1 || b.Height < 1 || b.X+b.Width > p.Width || b.Y+b.Height > p.Height {
			t.Fatalf("%s: box %+v is empty or leaves the picture", at, b)
		}
		scaleX, scaleY := float64(p.Width)/float64(p.PreparedWidth), float64(p.Height)/float64(p.PreparedHeight)
		if float64(b.Width) > float64(r.Dx())*scaleX+2 || float64(b.Height) > float64(r.Dy())*scaleY+2 ||
			float64(b.X) > float64(r.Min.X)*scaleX || float64(b.Y) > float64(r.Min.Y)*scaleY {
			t.Fatalf("%s: box %+v does not fit", at, b)
		}
		inside := image.Pt(r.Min.X+random.IntN(r.Dx()), r.Min.Y+random.IntN(r.Dy()))
		if pt := p.Point(inside); pt.X < b.X || pt.X >= b.X+b.Width || pt.Y < b.Y || pt.Y >= b.Y+b.Height {
			t.Fatalf("%s: point %v maps to %+v outside the box %+v", at, inside, pt, b)
		}
		beyond := p.Point(image.Pt(random.IntN(9000)-3000, random.IntN(9000)-3000))
		if beyond.X < 0 || beyond.Y < 0 || beyond.X >= p.Width || beyond.Y >= p.Height {
			t.Fatalf("%s: point %+v leaves the picture", at, beyond)
		}
	}
}

// A mark drawn in the stored picture is found in the scaled one, and maps back to its
// position in the upright original.
func TestMappingRoundTrip(t *testing.T) {
	t.Parallel()
	const width, height = 300, 200
	mark := image.Rect(200, 40, 220, 54) // in the upright picture
	for orientation := uint16(1); orientation <= 8; orientation++ {
		for _, side := range []int{110, 150, 300, 550} {
			t.Run(fmt.Sprintf("orientation %d, side %d", orientation, side), func(t *testing.T) {
				t.Parallel()
				stored := stored(orientation, width, height, func(x, y int) bool { return image.Pt(x, y).In(mark) })
				opts := picture.Defaults()
				opts.MinSide, opts.MaxSide = side, side
				p := mustDecode(t, withEXIF(jpegBytes(t, stored), exifBlock(orientation)), opts)
				if p.Width != width || p.Height != height {
					t.Fatalf("size is %dx%d, want %dx%d upright", p.Width, p.Height, width, height)
				}
				found := bright(p.Pixels)
				b := p.Box(found)
				got := image.Rect(b.X, b.Y, b.X+b.Width, b.Y+b.Height)
				tolerance := 2 + 2*width/p.PreparedWidth
				if !got.In(mark.Inset(-tolerance)) || !mark.In(got.Inset(-tolerance)) {
					t.Errorf("the mark is at %v, want %v", got, mark)
				}
				centre := p.Point(image.Pt((found.Min.X+found.Max.X)/2, (found.Min.Y+found.Max.Y)/2))
				if !image.Pt(centre.X, centre.Y).In(mark) {
					t.Errorf("the mark's centre is at %+v, want it in %v", centre, mark)
				}
			})
		}
	}
}

// stored returns a black picture that shows white where the upright one,
// width by height, is lit.
func stored(orientation uint16, width, height int, lit func(x, y int) bool) image.Image {
	w, h := width, height
	if orientation >= 5 {
		w, h = height, width
	}
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for sy := range h {
		for sx := range w {
			at := m.PixOffset(sx, sy)
			m.Pix[at+3] = 0xff
			if lit(uprightOf(orientation, sx, sy, width, height)) {
				m.Pix[at], m.Pix[at+1], m.Pix[at+2] = 0xff, 0xff, 0xff
			}
		}
	}
	return m
}

// bright returns the bounds of what is lit.
func bright(m image.Image) image.Rectangle {
	var r image.Rectangle
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if m.(*image.YCbCr).YCbCrAt(x, y).Y >= 128 {
				r = r.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return r
}
