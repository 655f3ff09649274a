package libjpeg_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/libjpeg"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// photograph returns a JPEG with about as much detail as a photograph of that
// size: soft shapes with a little noise, 4:2:0.
func photograph(tb testing.TB, width, height int) []byte {
	tb.Helper()
	m := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	random := rand.New(rand.NewPCG(1, 2))
	for y := range height {
		for x := range width {
			shape := 60*((x/97+y/83)%3) + (x*y/40000)%50
			m.Y[y*m.YStride+x] = byte(40 + shape + random.IntN(7))
		}
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = byte(110+i/5000%30), byte(120+i/7000%30)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, &jpeg.Options{Quality: 90}); err != nil {
		tb.Fatal(err)
	}
	return file.Bytes()
}

func open(tb testing.TB, file []byte) *picture.Picture {
	tb.Helper()
	opts := picture.Defaults()
	opts.Library = libjpeg.Library{}
	p, err := picture.Open(file, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// BenchmarkDecode decodes a JPEG of 24 megapixels to some eighths of its size.
func BenchmarkDecode(b *testing.B) {
	const width, height = 6000, 4000
	file := photograph(b, width, height)
	for eighths, name := range []string{1: "1 of 8", 2: "2 of 8", 3: "3 of 8", 4: "4 of 8", 5: "5 of 8", 6: "6 of 8", 7: "7 of 8", 8: "8 of 8"} {
		if eighths == 0 {
			continue
		}
		b.Run(name, func(b *testing.B) {
			b.ReportMetric(float64(len(file))/1e6, "MB/file")
			for b.Loop() {
				if _, err := open(b, file).Decode(width * eighths / 8); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRegion decodes a face of a JPEG of 24 megapixels at full size, and
// ten of them.
func BenchmarkRegion(b *testing.B) {
	file := photograph(b, 6000, 4000)
	one := []image.Rectangle{image.Rect(2800, 1800, 3200, 2200)}
	var ten []image.Rectangle
	for i := range 10 {
		ten = append(ten, image.Rect(200+500*i, 1600, 600+500*i, 2000))
	}
	for _, tt := range []struct {
		name  string
		parts []image.Rectangle
	}{{"one", one}, {"ten", ten}} {
		b.Run(tt.name, func(b *testing.B) {
			p := open(b, file)
			for b.Loop() {
				if _, _, err := p.Regions(tt.parts); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkResize shrinks a picture for the detector.
func BenchmarkResize(b *testing.B) {
	for _, size := range []image.Point{{1600, 1200}, {1500, 1000}, {1125, 750}, {2250, 1500}} {
		b.Run(size.String(), func(b *testing.B) {
			m := picture.NewRGB(size.X, size.Y)
			for b.Loop() {
				m.Resize(640, 640*size.Y/size.X)
			}
		})
	}
}
