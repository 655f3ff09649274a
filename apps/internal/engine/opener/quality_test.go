package opener_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"testing"

	"golang.org/x/image/draw"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/enginetest"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
)

// The forehead is cut off, so that the edge of the picture is inside the
// aligned face. That edge is always sharp and must not hide that the face is
// blurred.
func TestSharpnessOfFacesAtTheEdge(t *testing.T) {
	t.Parallel()
	portrait, err := jpeg.Decode(bytes.NewReader(engine.Portrait()))
	if err != nil {
		t.Fatal(err)
	}
	whole := portrait.Bounds()
	cut := image.Rect(whole.Min.X, whole.Min.Y+whole.Dy()/3, whole.Max.X, whole.Max.Y)
	e := enginetest.Open(t)
	for name, c := range map[string]struct {
		area      image.Rectangle
		blur      int // the picture is reduced to this fraction and enlarged again
		low, high float64
	}{
		"whole":            {whole, 1, 0.6, 1},
		"whole, blurred":   {whole, 12, 0, 0.3},
		"cut off":          {cut, 1, 0.6, 1},
		"cut off, blurred": {cut, 12, 0, 0.3},
	} {
		seen, err := e.Look(t.Context(), reencode(t, portrait, c.area, c.blur), engine.Ask)
		if err != nil || len(seen.Faces) != 1 {
			t.Errorf("%s: %d faces, error %v; want one", name, len(seen.Faces), err)
			continue
		}
		if got := seen.Faces[0].Quality.Sharpness; got < c.low || got > c.high {
			t.Errorf("%s: sharpness %.2f, want %.2f to %.2f", name, got, c.low, c.high)
		}
	}
}

// reencode returns an area of a picture as a JPEG, without details smaller than
// blur pixels.
func reencode(t *testing.T, from image.Image, area image.Rectangle, blur int) []byte {
	t.Helper()
	size := image.Rectangle{Max: area.Size()}
	small := image.NewRGBA(image.Rectangle{Max: area.Size().Div(blur)})
	draw.CatmullRom.Scale(small, small.Bounds(), from, area, draw.Src, nil)
	out := image.NewRGBA(size)
	draw.CatmullRom.Scale(out, size, small, small.Bounds(), draw.Src, nil)
	var file bytes.Buffer
	if err := jpeg.Encode(&file, out, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}
