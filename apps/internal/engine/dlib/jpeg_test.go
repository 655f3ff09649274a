package dlib_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// fixture reads a file of the package picture's.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "picture", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// gradient returns a picture whose colours change slowly, which no way of
// decoding or reducing should change.
func gradient(width, height int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetRGBA(x, y, color.RGBA{R: uint8(255 * x / width), G: uint8(255 * y / height), B: uint8(128 + 60*x/width), A: 255})
		}
	}
	return m
}

// At every size the pixels are those of the original, where Go's decoder sees
// them.
func TestDecodeJPEGAtEverySize(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{X: 320, Y: 240}, {X: 321, Y: 243}, {X: 33, Y: 9}, {X: 1, Y: 1}} {
		var file bytes.Buffer
		if err := jpeg.Encode(&file, gradient(size.X, size.Y), &jpeg.Options{Quality: 95}); err != nil {
			t.Fatal(err)
		}
		want, err := jpeg.Decode(bytes.NewReader(file.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		for eighths := 1; eighths <= 8; eighths++ {
			got, err := dlib.DecodeJPEG(file.Bytes(), size.X, size.Y, eighths)
			if err != nil {
				t.Fatalf("%v at %d/8: %v", size, eighths, err)
			}
			if w, h := (size.X*eighths+7)/8, (size.Y*eighths+7)/8; got.Rect != image.Rect(0, 0, w, h) {
				t.Errorf("%v at %d/8: %v, want %dx%d", size, eighths, got.Rect, w, h)
			}
			if size.X < 300 {
				continue // the colours change too quickly to be compared when reduced
			}
			for y := range got.Rect.Dy() {
				for x := range got.Rect.Dx() {
					same(t, got, image.Pt(x, y), want, image.Pt(min(size.X-1, (16*x+8)/(2*eighths)), min(size.Y-1, (16*y+8)/(2*eighths))))
				}
			}
			if t.Failed() {
				t.Fatalf("%v at %d/8", size, eighths)
			}
		}
	}
}

// same wants about the same colour at two places.
func same(t *testing.T, a image.Image, at image.Point, b image.Image, bt image.Point) {
	t.Helper()
	const enough = 16
	p, q := color.RGBAModel.Convert(a.At(at.X, at.Y)).(color.RGBA), color.RGBAModel.Convert(b.At(bt.X, bt.Y)).(color.RGBA)
	for _, d := range []int{int(p.R) - int(q.R), int(p.G) - int(q.G), int(p.B) - int(q.B)} {
		if d < -enough || d > enough {
			t.Errorf("%v at %v, want about %v, as at %v", p, at, q, bt)
			return
		}
	}
}

func TestDecodeJPEGOfEveryKind(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"grey-progressive.jpg", "progressive.jpg", "sampling-1x1.jpg", "sampling-1x2.jpg", "sampling-2x1.jpg", "sampling-4x1.jpg"} {
		data := fixture(t, name)
		want, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		size := want.Bounds().Size()
		got, err := dlib.DecodeJPEG(data, size.X, size.Y, 8)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, at := range []image.Point{{X: size.X / 4, Y: size.Y / 4}, {X: 3 * size.X / 4, Y: size.Y / 4}, {X: size.X / 4, Y: 3 * size.Y / 4}, {X: 3 * size.X / 4, Y: 3 * size.Y / 4}} {
			same(t, got, at, want, at)
		}
	}
}

func TestDecodeJPEGRefuses(t *testing.T) {
	t.Parallel()
	sound := fixture(t, "progressive.jpg")
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(sound))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		data                   []byte
		width, height, eighths int
	}{
		"nothing":        {nil, 8, 8, 8},
		"no JPEG":        {[]byte("not a JPEG"), 8, 8, 8},
		"half of one":    {sound[:len(sound)/2], cfg.Width, cfg.Height, 8},
		"without an end": {sound[:len(sound)-2], cfg.Width, cfg.Height, 8},
		"another size":   {sound, cfg.Width + 8, cfg.Height, 8},
		"no eighths":     {sound, cfg.Width, cfg.Height, 0},
		"nine eighths":   {sound, cfg.Width, cfg.Height, 9},
		"no width":       {sound, 0, cfg.Height, 8},
		"an endless row": {sound, 1 << 30, cfg.Height, 8},
		"CMYK":           {fixture(t, "cmyk.jpg"), 0, 0, 8},
		"YCCK":           {fixture(t, "ycck.jpg"), 0, 0, 8},
		"RGB":            {fixture(t, "rgb.jpg"), 0, 0, 8},
	}
	for name, tt := range tests {
		if cfg, err := jpeg.DecodeConfig(bytes.NewReader(tt.data)); err == nil && tt.width == 0 && name != "no width" {
			tt.width, tt.height = cfg.Width, cfg.Height
		}
		if m, err := dlib.DecodeJPEG(tt.data, tt.width, tt.height, tt.eighths); err == nil {
			t.Errorf("%s: decoded to %v", name, m.Rect)
		}
	}
}

// Whatever the bytes, a picture comes of the whole way with libjpeg exactly
// where one comes with Go's decoder, of the same size; nothing else happens.
func FuzzDecodeJPEG(f *testing.F) {
	names, err := filepath.Glob(filepath.Join("..", "..", "picture", "testdata", "*.jpg"))
	if err != nil || len(names) == 0 {
		f.Fatalf("no fixtures: %v", err)
	}
	for _, name := range names {
		f.Add(fixture(f, filepath.Base(name)), uint8(60))
	}
	f.Fuzz(func(t *testing.T, data []byte, side uint8) {
		opts := picture.Defaults() // small bounds let the fuzzer try more
		opts.MaxPixels, opts.MaxMemory = 1<<16, 256<<20
		opts.MinSide, opts.MaxSide = 1, 8+int(side)
		_, goErr := picture.Decode(data, opts)
		opts.JPEG = dlib.DecodeJPEG
		p, err := picture.Decode(data, opts)
		// Go's decoder is asked wherever libjpeg refuses; libjpeg may take what
		// Go's does not, but never the other way round.
		if err != nil && goErr == nil {
			t.Fatalf("with libjpeg: %v; with Go: none", err)
		}
		if err == nil && (p.Pixels == nil || p.Pixels.Rect.Dx() != p.PreparedWidth || p.Pixels.Rect.Dy() != p.PreparedHeight) {
			t.Fatalf("prepared %dx%d, pixels %v", p.PreparedWidth, p.PreparedHeight, p.Pixels)
		}
	})
}
