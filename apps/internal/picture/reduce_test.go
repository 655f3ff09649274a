package picture_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"testing"

	"golang.org/x/image/draw"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// reducing returns a slow decoder that behaves like libjpeg. It sets asked to the
// eighths requested.
func reducing(t *testing.T, asked *int) picture.JPEGDecoder {
	return func(data []byte, width, height, eighths int) (*image.YCbCr, error) {
		*asked = eighths
		m, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		if got := m.Bounds().Size(); got != image.Pt(width, height) {
			t.Errorf("told %dx%d of a picture of %v", width, height, got)
		}
		small := image.NewRGBA(image.Rect(0, 0, (width*eighths+7)/8, (height*eighths+7)/8))
		draw.ApproxBiLinear.Scale(small, small.Bounds(), m, m.Bounds(), draw.Src, nil)
		m, err = jpeg.Decode(bytes.NewReader(jpegBytes(t, small)))
		if err != nil {
			return nil, err
		}
		return m.(*image.YCbCr), nil
	}
}

func TestDecodeReducesWhileDecoding(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		width, height, eighths int
		want                   image.Point
	}{
		"as it is":                    {1600, 900, 8, image.Pt(1600, 900)},
		"left alone though smaller":   {1300, 900, 8, image.Pt(1300, 900)},
		"enlarged":                    {700, 500, 8, image.Pt(1400, 1000)},
		"a little too large":          {1680, 200, 8, image.Pt(1680, 200)},
		"seven eighths":               {1920, 80, 7, image.Pt(1680, 70)},
		"half":                        {3000, 200, 4, image.Pt(1500, 100)},
		"half, odd sides":             {3001, 201, 4, image.Pt(1501, 101)},
		"an eighth is too small":      {9600, 80, 2, image.Pt(1600, 13)},
		"upright":                     {200, 3200, 4, image.Pt(100, 1600)},
		"an eighth is still too much": {16000, 80, 1, image.Pt(1600, 8)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := picture.Defaults()
			var asked int
			opts.JPEG = reducing(t, &asked)
			p, err := picture.Decode(jpegBytes(t, pattern(tt.width, tt.height)), opts)
			if err != nil {
				t.Fatal(err)
			}
			got := image.Pt(p.PreparedWidth, p.PreparedHeight)
			if asked != tt.eighths || got != tt.want || p.Pixels.Rect.Size() != got {
				t.Errorf("decoded at %d/8 to %v, pixels %v; want %d/8 and %v", asked, got, p.Pixels.Rect, tt.eighths, tt.want)
			}
			if p.Width != tt.width || p.Height != tt.height {
				t.Errorf("original %dx%d, want %dx%d", p.Width, p.Height, tt.width, tt.height)
			}
			whole := p.Box(p.Pixels.Rect)
			if want := (faces.Box{Width: tt.width, Height: tt.height}); whole != want {
				t.Errorf("the whole maps to %+v, want %+v", whole, want)
			}
		})
	}
}

func TestDecodeTurnsWhatWasReduced(t *testing.T) {
	t.Parallel()
	for orientation := uint16(1); orientation <= 8; orientation++ {
		data := withEXIF(jpegBytes(t, storedPattern(orientation, 3200, 2000)), exifBlock(orientation))
		opts := picture.Defaults()
		var asked int
		opts.JPEG = reducing(t, &asked)
		p, err := picture.Decode(data, opts)
		if err != nil || asked != 4 {
			t.Fatalf("orientation %d: decoded at %d/8, error %v", orientation, asked, err)
		}
		plain, err := picture.Decode(data, picture.Defaults())
		if err != nil {
			t.Fatal(err)
		}
		if p.Pixels.Rect != plain.Pixels.Rect || p.Width != 3200 || p.Height != 2000 {
			t.Errorf("orientation %d: %v of %dx%d, want %v", orientation, p.Pixels.Rect, p.Width, p.Height, plain.Pixels.Rect)
		}
		for _, at := range []image.Point{{X: 200, Y: 200}, {X: 1400, Y: 200}, {X: 200, Y: 800}, {X: 1400, Y: 800}} {
			got, want := p.Pixels.YCbCrAt(at.X, at.Y), plain.Pixels.YCbCrAt(at.X, at.Y)
			if d := int(got.Y) - int(want.Y); d < -8 || d > 8 {
				t.Errorf("orientation %d: %v at %v, want about %v", orientation, got, at, want)
			}
		}
	}
}

// If the fast decoder fails on a file, Go's decoder decides.
func TestDecodeFallsBackToGo(t *testing.T) {
	t.Parallel()
	decoders := map[string]picture.JPEGDecoder{
		"refuses": func([]byte, int, int, int) (*image.YCbCr, error) { return nil, errors.New("no") },
		"panics":  func([]byte, int, int, int) (*image.YCbCr, error) { panic("no") },
	}
	sound := jpegBytes(t, pattern(80, 60))
	for name, decode := range decoders {
		opts := picture.Defaults()
		opts.JPEG = decode
		if p, err := picture.Decode(sound, opts); err != nil || p.Pixels == nil {
			t.Errorf("%s: error %v over a sound picture", name, err)
		}
		if _, err := picture.Decode(sound[:len(sound)/2], opts); faces.ReasonOf(err) != faces.CorruptImage {
			t.Errorf("%s: error %v over half a picture, want corrupt_image", name, err)
		}
	}
}

func TestCrop(t *testing.T) {
	t.Parallel()
	p, err := picture.Decode(jpegBytes(t, scenery(300, 200)), unscaled())
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		r     image.Rectangle
		scale float64
		shown image.Rectangle
		size  image.Point
	}{
		"inside":            {image.Rect(10, 20, 110, 70), 1, image.Rect(10, 20, 110, 70), image.Pt(100, 50)},
		"odd edges":         {image.Rect(11, 21, 110, 70), 1, image.Rect(10, 20, 110, 70), image.Pt(100, 50)},
		"made smaller":      {image.Rect(0, 0, 100, 50), 0.5, image.Rect(0, 0, 100, 50), image.Pt(50, 25)},
		"made larger":       {image.Rect(0, 0, 100, 50), 1.2, image.Rect(0, 0, 100, 50), image.Pt(120, 60)},
		"beyond the edges":  {image.Rect(-50, -50, 50, 40), 1, image.Rect(0, 0, 50, 40), image.Pt(50, 40)},
		"outside":           {image.Rect(400, 400, 500, 500), 1, image.Rectangle{}, image.Pt(0, 0)},
		"hardly any pixels": {image.Rect(298, 198, 900, 900), 0.001, image.Rect(298, 198, 300, 200), image.Pt(1, 1)},
	}
	for name, tt := range tests {
		m, shown := picture.Crop(p.Pixels, tt.r, tt.scale)
		if shown.Empty() != tt.shown.Empty() || !shown.Empty() && shown != tt.shown || m.Rect.Size() != tt.size {
			t.Errorf("%s: %v showing %v, want %v and %v", name, m.Rect, shown, tt.size, tt.shown)
			continue
		}
		if tt.scale == 1 && !shown.Empty() {
			if got, want := m.YCbCrAt(3, 3), p.Pixels.YCbCrAt(shown.Min.X+3, shown.Min.Y+3); got != want {
				t.Errorf("%s: pixel %v, want %v", name, got, want)
			}
		}
		if shown.Empty() {
			continue
		}
		raw, err := picture.EncodeJPEG(m, 95)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if cfg, err := jpeg.DecodeConfig(bytes.NewReader(raw)); err != nil || image.Pt(cfg.Width, cfg.Height) != tt.size {
			t.Errorf("%s: encoded as %dx%d, error %v", name, cfg.Width, cfg.Height, err)
		}
	}
}
