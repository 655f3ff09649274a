package picture_test

import (
	"encoding/binary"
	"image"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// For any bytes, Decode returns one of its three reasons, or pixels that map into
// the picture.
func FuzzDecode(f *testing.F) {
	names, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil || len(names) == 0 {
		f.Fatalf("no fixtures: %v", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	plain := jpegBytes(f, pattern(40, 30))
	for orientation := range uint16(10) {
		f.Add(withEXIF(plain, exifBlock(orientation)))
	}
	f.Add(tiffOf(binary.LittleEndian, pattern(10, 9), 7))
	f.Add(tiffOf(binary.BigEndian, pattern(9, 10), 5))
	f.Add(tiffTiles(64, 64, 32, 32))
	f.Add(tiffDeflated(20, 20, 1))
	f.Add(pngHeader(100_000, 100_000, 8, 2, 0))
	f.Add(pngHeader(30, 20, 16, 6, 1))
	f.Add(gifFile(9, 9, 8, 8))
	f.Add(bmpHeader(2, -1))
	f.Add(webpFile(webpCanvas(1<<4, 64, 48)))

	opts := picture.Defaults() // small bounds let the fuzzer try more
	opts.MaxPixels, opts.MaxMemory, opts.MinSide, opts.MaxSide = 1<<16, 256<<20, 40, 60
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := picture.Decode(data, opts)
		if err != nil {
			switch r := faces.ReasonOf(err); r {
			case faces.UnsupportedFormat, faces.CorruptImage, faces.ImageTooLarge:
				return
			default:
				t.Fatalf("reason is %s: %v", r, err)
			}
		}
		checkSize(t, p)
		if max(p.PreparedWidth, p.PreparedHeight) > opts.MaxSide {
			t.Fatalf("prepared size %dx%d is beyond %d", p.PreparedWidth, p.PreparedHeight, opts.MaxSide)
		}
		b := p.Box(image.Rect(0, 0, p.PreparedWidth, p.PreparedHeight))
		if want := (faces.Box{Width: p.Width, Height: p.Height}); b != want {
			t.Fatalf("the whole picture maps to %+v, want %+v", b, want)
		}
	})
}
