package canvas_test

import (
	"bytes"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
)

func square(x, y, side float64) canvas.Path {
	return canvas.Path{{X: x, Y: y}, {X: x + side, Y: y}, {X: x + side, Y: y + side}, {X: x, Y: y + side}}
}

// painted returns how many pixels of a black canvas a mask covers.
func painted(c *canvas.Canvas, m *canvas.Mask) float64 {
	c.Paint(m, canvas.Flat(canvas.Colour{1, 1, 1}, 1))
	sum := 0.0
	for i, level := range c.Image().Pix {
		if i%4 == 0 {
			sum += float64(level) / 255
		}
	}
	return sum
}

func TestCoverIsAsLargeAsTheShape(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		shape canvas.Path
		blur  float64
		want  float64 // pixels
	}{
		{"on the grid", square(4, 4, 6), 0, 36},
		{"between pixels", square(4.5, 4.25, 6), 0, 36},
		{"softened", square(7, 7, 6), 1.5, 36},
		{"half outside", square(-3, 4, 6), 0, 18},
		{"wholly outside", square(40, 40, 6), 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := canvas.New(20, 20)
			got := painted(c, c.Cover(tc.shape, tc.blur))
			if math.Abs(got-tc.want) > 0.3 {
				t.Errorf("covered %.2f pixels, want %.2f", got, tc.want)
			}
		})
	}
}

func TestMasksCombine(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		combine func(a, b *canvas.Mask) *canvas.Mask
		want    float64 // pixels, of two squares of 36 that share 18
	}{
		{"within", (*canvas.Mask).Within, 18},
		{"without", (*canvas.Mask).Without, 18},
		{"or", (*canvas.Mask).Or, 54},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := canvas.New(20, 20)
			m := tc.combine(c.Cover(square(4, 4, 6), 0), c.Cover(square(7, 4, 6), 0))
			if got := painted(c, m); math.Abs(got-tc.want) > 0.1 {
				t.Errorf("covered %.2f pixels, want %.2f", got, tc.want)
			}
		})
	}
}

func TestRandomStaysOnTheMask(t *testing.T) {
	t.Parallel()
	c := canvas.New(20, 20)
	m := c.Cover(square(4, 4, 6), 0)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		if p, ok := m.Random(rng); !ok || p.X < 4 || p.X > 10 || p.Y < 4 || p.Y > 10 {
			t.Fatalf("got %v, %v: not on the mask", p, ok)
		}
	}
	if p, ok := c.Cover(square(40, 40, 6), 0).Random(rng); ok {
		t.Errorf("got %v of a mask that covers nothing", p)
	}
}

func TestFrameAndBack(t *testing.T) {
	t.Parallel()
	f := canvas.Frame{Origin: canvas.Point{X: 200, Y: 150}, Unit: 90, Tilt: 0.3, Pivot: canvas.Point{Y: 0.9}}
	want := canvas.Point{X: -0.4, Y: 1.2}
	got := f.FromCanvas(f.ToCanvas(want))
	if got.Sub(want).Length() > 1e-9 {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := f.ToCanvas(f.Pivot); got != (canvas.Point{X: 200, Y: 150 + 81}) {
		t.Errorf("a tilt moved its pivot to %v", got)
	}
}

func TestEncodeJPEG(t *testing.T) {
	t.Parallel()
	c := canvas.New(16, 8)
	c.PaintAll(canvas.Flat(canvas.Hex(0xff8000), 1))
	var out bytes.Buffer
	if err := c.EncodeJPEG(&out, 95); err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(&out)
	if err != nil {
		t.Fatal(err)
	}
	if got := img.Bounds().Size(); got.X != 16 || got.Y != 8 {
		t.Errorf("size: got %v, want 16 × 8", got)
	}
	if r, g, b, _ := img.At(8, 4).RGBA(); r>>8 < 0xf8 || g>>8 < 0x78 || g>>8 > 0x88 || b>>8 > 0x08 {
		t.Errorf("colour: got %x %x %x, want ff 80 00", r>>8, g>>8, b>>8)
	}
}
