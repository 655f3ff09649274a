package picture_test

import (
	"fmt"
	"image"
	"math"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// scenery returns a picture with about as much detail as a photograph.
func scenery(width, height int) image.Image {
	m := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	noise := uint32(1)
	for y := range height {
		for x := range width {
			noise = noise*1664525 + 1013904223
			wave := 60*math.Sin(float64(x)/37) + 50*math.Cos(float64(y)/23)
			m.Y[y*m.YStride+x] = byte(128 + int(wave) + int(noise>>28) - 8)
		}
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = byte(100+i%m.CStride*50/m.CStride), byte(150-i/m.CStride%40)
	}
	return m
}

func BenchmarkDecode(b *testing.B) {
	for _, size := range []image.Point{{X: 1200, Y: 800}, {X: 4000, Y: 3000}, {X: 6000, Y: 4000}} {
		file := jpegBytes(b, scenery(size.X, size.Y))
		b.Run(fmt.Sprintf("%dMP", (size.X*size.Y+500_000)/1_000_000), func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := picture.Decode(file, picture.Defaults()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
