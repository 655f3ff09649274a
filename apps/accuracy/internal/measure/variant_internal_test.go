package measure

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// A grey picture whose upper left quarter is white.
func corner() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 40, 40))
	for y := range 40 {
		for x := range 40 {
			v := uint8(60)
			if x < 20 && y < 20 {
				v = 240
			}
			img.SetRGBA(x, y, color.RGBA{v, v, v, 255})
		}
	}
	return img
}

func TestVariants(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		v     Variant
		size  image.Point
		white image.Point // a pixel of the bright quarter
		value uint8       // there
	}{
		{"shrunk to half", Variant{Series: Size, Value: 15}, image.Pt(20, 20), image.Pt(4, 4), 240},
		{"turned clockwise", Variant{Series: Turn, Value: 90}, image.Pt(40, 40), image.Pt(30, 10), 240},
		{"turned over", Variant{Series: Turn, Value: 180}, image.Pt(40, 40), image.Pt(30, 30), 240},
		{"turned by half of that, with room for the corners", Variant{Series: Turn, Value: 45}, image.Pt(57, 57), image.Pt(28, 14), 240},
		{"blurred, and flat stays flat", Variant{Series: Blur, Value: 0.05}, image.Pt(40, 40), image.Pt(5, 5), 240},
		{"a quarter of the light", Variant{Series: Dark, Value: 4}, image.Pt(40, 40), image.Pt(5, 5), 128},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file, ok, err := c.v.apply(corner(), faces.Box{Width: 30, Height: 30})
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			img, err := png.Decode(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			if got := img.Bounds().Size(); got != c.size {
				t.Errorf("the picture has %v pixels, want %v", got, c.size)
			}
			got := color.GrayModel.Convert(img.At(c.white.X, c.white.Y)).(color.Gray).Y
			if math.Abs(float64(got)-float64(c.value)) > 3 {
				t.Errorf("the bright quarter is %d at %v, want %d", got, c.white, c.value)
			}
		})
	}
}

// A face is not enlarged to a size that it does not have.
func TestVariantsDoNotEnlarge(t *testing.T) {
	t.Parallel()
	if _, ok, err := (Variant{Series: Size, Value: 96}).apply(corner(), faces.Box{Width: 30, Height: 30}); ok || err != nil {
		t.Errorf("ok %v, error %v", ok, err)
	}
}

// People are drawn as far apart as real people are.
func TestCrowd(t *testing.T) {
	t.Parallel()
	const size, people, each = 64, 12, 4
	l := &lab{Options: Options{Model: faces.Model{Size: size}}}
	random := seeded(7)
	draw := func(around []float64, spread float64) []float64 {
		v := make([]float64, size)
		copy(v, around)
		for i := range v {
			v[i] += spread * random.NormFloat64()
		}
		return v
	}
	for i := range people {
		middle := draw(make([]float64, size), 0.13)
		for range each {
			l.photos = append(l.photos, photo{person: faces.Person{ID: int64(i + 1)}, descriptors: []faces.Descriptor{narrow(draw(middle, 0.04))}})
		}
	}
	c := l.crowd()
	if math.Abs(c.DrawnNear-c.RealNear) > 0.1*c.RealNear || math.Abs(c.DrawnMiddle-c.RealMiddle) > 0.1*c.RealMiddle {
		t.Errorf("1 %% and 50 %% of the pairs are within %.2f and %.2f, of real people within %.2f and %.2f",
			c.DrawnNear, c.DrawnMiddle, c.RealNear, c.RealMiddle)
	}
	a, again, other := c.picture(3, 0), c.picture(3, 0), c.picture(3, 1)
	if distance(a, again) != 0 {
		t.Error("a picture is another each time")
	}
	if near, far := distance(a, other), distance(a, c.picture(4, 0)); near == 0 || near > far/2 {
		t.Errorf("two pictures of one person are %.2f apart, of two %.2f", near, far)
	}
	if p, ok := drawnPerson(drawnPrefix + "3/1"); !ok || p.ID != -4 {
		t.Errorf("the picture is of %+v, %v", p, ok)
	}
	if p, ok := drawnPerson("Ann/1.png"); ok {
		t.Errorf("a photograph is of the drawn person %+v", p)
	}
}
