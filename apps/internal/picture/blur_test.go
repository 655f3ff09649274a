package picture_test

import (
	"image"
	"image/color"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// What is blurred has few colours left, and everything else is as it was, also where
// the box lies at the edge and where the picture is reduced.
func TestBlur(t *testing.T) {
	t.Parallel()
	noise := image.NewRGBA(image.Rect(0, 0, 800, 600))
	for y := range 600 {
		for x := range 800 {
			noise.Set(x, y, color.RGBA{R: byte(x * 37), G: byte(y * 53), B: byte(x ^ y), A: 255})
		}
	}
	file := fakeengine.PNG(noise)
	for name, c := range map[string]struct {
		box  faces.Box
		size int
	}{
		"in the middle":     {faces.Box{X: 300, Y: 200, Width: 100, Height: 120}, 800},
		"at the corner":     {faces.Box{X: 760, Y: 560, Width: 100, Height: 100}, 800},
		"reduced":           {faces.Box{X: 300, Y: 200, Width: 200, Height: 200}, 400},
		"one pixel":         {faces.Box{X: 10, Y: 10, Width: 1, Height: 1}, 800},
		"outside of it all": {faces.Box{X: 5000, Y: 5000, Width: 10, Height: 10}, 800},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain, _ := render(t, file, faces.Rendering{Size: c.size, Quality: 95})
			blurred, _ := render(t, file, faces.Rendering{Size: c.size, Quality: 95, Blur: []faces.Box{c.box}})
			scale := float64(c.size) / 800
			inside := image.Rect(int(float64(c.box.X)*scale), int(float64(c.box.Y)*scale), int(float64(c.box.X+c.box.Width)*scale), int(float64(c.box.Y+c.box.Height)*scale)).Intersect(plain.Bounds())
			if !inside.Empty() && inside.Dx() > 8 && spread(blurred, inside) > spread(plain, inside)/4 {
				t.Errorf("the part still varies by %d, before by %d", spread(blurred, inside), spread(plain, inside))
			}
			far := image.Rect(0, plain.Bounds().Dy()-40, 40, plain.Bounds().Dy())
			if far.Overlaps(inside.Inset(-80)) {
				return
			}
			for y := far.Min.Y; y < far.Max.Y; y++ {
				for x := far.Min.X; x < far.Max.X; x++ {
					if plain.At(x, y) != blurred.At(x, y) {
						t.Fatalf("the pixel %d, %d is another one", x, y)
					}
				}
			}
		})
	}
}

// spread is how much neighbouring pixels differ, on average.
func spread(m image.Image, part image.Rectangle) int {
	sum, n := 0, 0
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X + 1; x < part.Max.X; x++ {
			a, _, _, _ := m.At(x, y).RGBA()
			b, _, _, _ := m.At(x-1, y).RGBA()
			d := int(a>>8) - int(b>>8)
			sum, n = sum+max(d, -d), n+1
		}
	}
	return sum / max(n, 1)
}

func TestBlurIsChecked(t *testing.T) {
	t.Parallel()
	box := faces.Box{X: 1, Y: 1, Width: 5, Height: 5}
	for name, r := range map[string]faces.Rendering{
		"of a part":     {Size: 64, Crop: box, Blur: []faces.Box{box}},
		"without size":  {Size: 64, Blur: []faces.Box{{X: 1, Y: 1}}},
		"before it all": {Size: 64, Blur: []faces.Box{{X: -1, Width: 5, Height: 5}}},
		"huge":          {Size: 64, Blur: []faces.Box{{Width: 1 << 40, Height: 5}}},
		"too many":      {Size: 64, Blur: make([]faces.Box, 2000)},
	} {
		if _, err := r.WithDefaults(); faces.ErrorCode(err) != faces.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
