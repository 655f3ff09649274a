package picture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// render renders a file and decodes the JPEG.
func render(t *testing.T, file []byte, r faces.Rendering) (image.Image, []byte) {
	t.Helper()
	got, err := picture.Render(t.Context(), file, picture.Defaults(), r)
	if err != nil {
		t.Fatal(err)
	}
	m, err := jpeg.Decode(bytes.NewReader(got.JPEG))
	if err != nil {
		t.Fatalf("the JPEG cannot be read: %v", err)
	}
	if m.Bounds().Dx() != got.Width || m.Bounds().Dy() != got.Height {
		t.Errorf("the JPEG has %v, said to have %d x %d", m.Bounds(), got.Width, got.Height)
	}
	return m, got.JPEG
}

// checkBare fails for a JPEG that has anything but pixels: no camera, no place, no
// comment, no preview.
func checkBare(t *testing.T, text []byte) {
	t.Helper()
	for i := 2; i+4 <= len(text) && text[i] == 0xff && text[i+1] != 0xda; {
		if marker := text[i+1]; marker >= 0xe1 && marker <= 0xef || marker == 0xfe {
			t.Errorf("the JPEG has a segment %#x", marker)
		}
		i += 2 + int(text[i+2])<<8 + int(text[i+3])
	}
}

// However the camera was held, the picture is upright, and nothing of what the
// camera wrote beside the pixels is left.
func TestRenderTurnsUpright(t *testing.T) {
	t.Parallel()
	for orientation := uint16(1); orientation <= 8; orientation++ {
		for _, size := range []int{2048, 200, 100, 48} {
			t.Run(fmt.Sprintf("orientation %d at %d pixels", orientation, size), func(t *testing.T) {
				t.Parallel()
				file := withEXIF(jpegBytes(t, storedPattern(orientation, 400, 300)), append(exifBlock(orientation), "GPS 52.52 13.40"...))
				m, text := render(t, file, faces.Rendering{Size: size})
				width := min(size, 400)
				if m.Bounds() != image.Rect(0, 0, width, width*3/4) {
					t.Errorf("size %v, want a width of %d", m.Bounds(), width)
				}
				checkQuadrants(t, m, quadrants, 12)
				checkBare(t, text)
				if bytes.Contains(text, []byte("GPS")) {
					t.Error("the place is still there")
				}
			})
		}
	}
}

// A crop is a square around the part, within the picture, in pixels of the upright
// original.
func TestRenderCrops(t *testing.T) {
	t.Parallel()
	red, grey := color.NRGBA{0xe0, 0x20, 0x20, 0xff}, color.NRGBA{0x90, 0x90, 0x90, 0xff}
	for _, c := range []struct {
		name     string
		size     image.Point // of the picture
		box      image.Rectangle
		r        faces.Rendering
		want     image.Point
		inBox    image.Point // of the rendered picture
		outside  image.Point // the same, beside the box
		hasAnOut bool
	}{
		{"the box alone", image.Pt(1000, 800), image.Rect(400, 300, 600, 500), faces.Rendering{Size: 160}, image.Pt(160, 160), image.Pt(3, 156), image.Point{}, false},
		{"with a margin", image.Pt(1000, 800), image.Rect(400, 300, 500, 400), faces.Rendering{Size: 160, Margin: 0.5}, image.Pt(160, 160), image.Pt(80, 80), image.Pt(20, 20), true},
		{"a tall box", image.Pt(1000, 800), image.Rect(450, 300, 500, 400), faces.Rendering{Size: 160}, image.Pt(160, 160), image.Pt(80, 8), image.Pt(8, 80), true},
		{"reduced while decoding", image.Pt(4000, 3200), image.Rect(1600, 1200, 2400, 2000), faces.Rendering{Size: 100, Margin: 0.5}, image.Pt(100, 100), image.Pt(30, 70), image.Pt(20, 80), true},
		{"in a corner", image.Pt(1000, 800), image.Rect(0, 0, 100, 100), faces.Rendering{Size: 200, Margin: 0.5}, image.Pt(200, 200), image.Pt(5, 5), image.Pt(120, 120), true},
		{"in the other corner", image.Pt(1000, 800), image.Rect(900, 700, 1000, 800), faces.Rendering{Size: 200, Margin: 0.5}, image.Pt(200, 200), image.Pt(195, 195), image.Pt(80, 80), true},
		{"a picture smaller than the square", image.Pt(300, 100), image.Rect(100, 0, 200, 100), faces.Rendering{Size: 300, Margin: 1}, image.Pt(300, 100), image.Pt(150, 50), image.Pt(50, 50), true},
		{"enlarged", image.Pt(100, 100), image.Rect(40, 40, 60, 60), faces.Rendering{Size: 60}, image.Pt(60, 60), image.Pt(30, 30), image.Point{}, false},
		{"enlarged four times at most", image.Pt(100, 100), image.Rect(40, 40, 60, 60), faces.Rendering{Size: 2000}, image.Pt(80, 80), image.Pt(40, 40), image.Point{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			drawn := image.NewRGBA(image.Rectangle{Max: c.size})
			draw.Draw(drawn, drawn.Rect, image.NewUniform(grey), image.Point{}, draw.Src)
			draw.Draw(drawn, c.box, image.NewUniform(red), image.Point{}, draw.Src)
			c.r.Crop = faces.Box{X: c.box.Min.X, Y: c.box.Min.Y, Width: c.box.Dx(), Height: c.box.Dy()}
			m, text := render(t, jpegBytes(t, drawn), c.r)
			checkBare(t, text)
			if m.Bounds().Size() != c.want {
				t.Errorf("size %v, want %v", m.Bounds().Size(), c.want)
			}
			if got := color.NRGBAModel.Convert(m.At(c.inBox.X, c.inBox.Y)).(color.NRGBA); far(got.R, red.R, 25) || far(got.G, red.G, 25) {
				t.Errorf("%v at %v, want the box", got, c.inBox)
			}
			if got := color.NRGBAModel.Convert(m.At(c.outside.X, c.outside.Y)).(color.NRGBA); c.hasAnOut && (far(got.R, grey.R, 25) || far(got.G, grey.G, 25)) {
				t.Errorf("%v at %v, want what is beside the box", got, c.outside)
			}
		})
	}
}

// A part is where the upright picture has it, however the file stores it.
func TestRenderCropsTurnedPictures(t *testing.T) {
	t.Parallel()
	for orientation := uint16(1); orientation <= 8; orientation++ {
		file := withEXIF(jpegBytes(t, storedPattern(orientation, 400, 300)), exifBlock(orientation))
		for i, want := range quadrants {
			crop := faces.Box{X: 30 + i%2*200, Y: 30 + i/2*150, Width: 100, Height: 80}
			m, _ := render(t, file, faces.Rendering{Crop: crop, Size: 64})
			if got := color.NRGBAModel.Convert(m.At(32, 32)).(color.NRGBA); far(got.R, want.R, 12) || far(got.G, want.G, 12) || far(got.B, want.B, 12) {
				t.Errorf("orientation %d, quadrant %d: %v, want %v", orientation, i, got, want)
			}
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	file := jpegBytes(t, pattern(100, 80))
	for _, c := range []struct {
		name string
		r    faces.Rendering
	}{
		{"no size", faces.Rendering{}},
		{"too small", faces.Rendering{Size: 15}},
		{"too large", faces.Rendering{Size: 2049}},
		{"a negative margin", faces.Rendering{Size: 64, Margin: -0.1}},
		{"half a box", faces.Rendering{Size: 64, Crop: faces.Box{X: 1, Width: 10}}},
		{"a box outside of the picture", faces.Rendering{Size: 64, Crop: faces.Box{X: 100, Y: 10, Width: 10, Height: 10}}},
		{"too good", faces.Rendering{Size: 64, Quality: 100}},
	} {
		if _, err := picture.Render(t.Context(), file, picture.Defaults(), c.r); faces.ErrorCode(err) != faces.CodeInvalid {
			t.Errorf("%s: error %v", c.name, err)
		}
	}
	whole := faces.Rendering{Size: 64}
	_, err := picture.Render(t.Context(), []byte("<script>"), picture.Defaults(), whole)
	checkFault(t, err, faces.UnsupportedFormat)
	_, err = picture.Render(t.Context(), jpegOfSize(file, 60000, 60000), picture.Defaults(), whole)
	checkFault(t, err, faces.ImageTooLarge)
	_, err = picture.Render(t.Context(), file[:100], picture.Defaults(), whole)
	checkFault(t, err, faces.CorruptImage)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = picture.Render(ctx, file, picture.Defaults(), whole); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A JPEG has a bounded size: its quality gives way.
func TestRenderedFileIsBounded(t *testing.T) {
	t.Parallel()
	var asked []int
	opts := picture.Defaults()
	opts.Encode = func(_ []byte, _, _, quality int) ([]byte, error) {
		asked = append(asked, quality)
		return make([]byte, quality<<16), nil
	}
	got, err := picture.Render(t.Context(), jpegBytes(t, pattern(64, 48)), opts, faces.Rendering{Size: 64, Quality: 90})
	if err != nil || len(got.JPEG) > faces.MaxRenderingFile || fmt.Sprint(asked) != "[90 70 50 30]" {
		t.Errorf("%d bytes with the qualities %v: %v", len(got.JPEG), asked, err)
	}
	opts.Encode = func([]byte, int, int, int) ([]byte, error) { return make([]byte, 4<<20), nil }
	_, err = picture.Render(t.Context(), jpegBytes(t, pattern(64, 48)), opts, faces.Rendering{Size: 64})
	checkFault(t, err, faces.ImageTooLarge)
}
