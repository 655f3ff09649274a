package picture_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// uprightOf returns the position of a stored pixel in the upright picture. It follows
// the text of EXIF 2.32: which side the first row and the first column are.
func uprightOf(orientation uint16, sx, sy, width, height int) (x, y int) {
	right, bottom := width-1, height-1
	switch orientation {
	case 2: // row: top, column: right
		return right - sx, sy
	case 3: // row: bottom, column: right
		return right - sx, bottom - sy
	case 4: // row: bottom, column: left
		return sx, bottom - sy
	case 5: // row: left, column: top
		return sy, sx
	case 6: // row: right, column: top
		return right - sy, sx
	case 7: // row: right, column: bottom
		return right - sy, bottom - sx
	case 8: // row: left, column: bottom
		return sy, bottom - sx
	default: // row: top, column: left
		return sx, sy
	}
}

// storedPattern returns the pattern as a camera held in that way stores it.
func storedPattern(orientation uint16, width, height int) *image.RGBA {
	w, h := width, height
	if orientation >= 5 {
		w, h = height, width
	}
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for sy := range h {
		for sx := range w {
			x, y := uprightOf(orientation, sx, sy, width, height)
			m.Set(sx, sy, quadrants[quadrant(x, y, width, height)])
		}
	}
	return m
}

func TestDecodeTurnsUpright(t *testing.T) {
	t.Parallel()
	files := []struct {
		name string
		make func(m *image.RGBA, orientation uint16) []byte
	}{
		{"jpeg", func(m *image.RGBA, o uint16) []byte {
			return withEXIF(jpegBytes(t, m), exifBlock(o))
		}},
		{"png", func(m *image.RGBA, o uint16) []byte {
			var buf bytes.Buffer
			if err := png.Encode(&buf, m); err != nil {
				t.Fatal(err)
			}
			return withChunk(buf.Bytes(), "eXIf", exifBlock(o))
		}},
		{"tiff little-endian", func(m *image.RGBA, o uint16) []byte {
			return tiffOf(binary.LittleEndian, m, uint32(o))
		}},
		{"tiff big-endian", func(m *image.RGBA, o uint16) []byte {
			return tiffOf(binary.BigEndian, m, uint32(o))
		}},
	}
	sizes := []image.Point{{X: patternWidth, Y: patternHeight}, {X: 53, Y: 41}}
	for _, f := range files {
		for orientation := uint16(1); orientation <= 8; orientation++ {
			for _, size := range sizes {
				for _, side := range []int{32, 53, 64, 100} {
					name := fmt.Sprintf("%s, orientation %d, %v, side %d", f.name, orientation, size, side)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						opts := picture.Defaults()
						opts.MinSide, opts.MaxSide = side, side
						p := mustDecode(t, f.make(storedPattern(orientation, size.X, size.Y), orientation), opts)
						if p.Width != size.X || p.Height != size.Y {
							t.Errorf("size is %dx%d, want %v", p.Width, p.Height, size)
						}
						checkQuadrants(t, p.Pixels, quadrants, 14)
					})
				}
			}
		}
	}
}

func TestDecodeTurnsWebP(t *testing.T) {
	t.Parallel()
	const hasEXIF = 1 << 3
	still := fixture(t, "lossy.webp")[20:] // behind RIFF, size, WEBP, kind, size
	for _, tt := range []struct {
		name   string
		chunks []chunk
	}{
		{"exif", []chunk{{"VP8 ", still}, {"EXIF", exifBlock(3)}}},
		{"exif with the prefix of a JPEG", []chunk{
			{"VP8 ", still}, {"EXIF", append([]byte("Exif\x00\x00"), exifBlock(3)...)},
		}},
		{"exif behind a chunk of odd length", []chunk{
			{"VP8 ", still}, {"ODD ", []byte("odd")}, {"EXIF", exifBlock(3)},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			chunks := append([]chunk{webpCanvas(hasEXIF, patternWidth, patternHeight)}, tt.chunks...)
			p := mustDecode(t, webpFile(chunks...), unscaled())
			turned := quadrants
			turned[0], turned[1], turned[2], turned[3] = turned[3], turned[2], turned[1], turned[0]
			checkQuadrants(t, p.Pixels, turned, 14)
		})
	}
}

// No EXIF block can make a picture fail.
func TestDecodeBearsAnyEXIF(t *testing.T) {
	t.Parallel()
	loop := tiffFile(binary.LittleEndian, []tag{
		{0x014a, []uint32{8}, long}, {0x8769, []uint32{8}, long}, {0x8825, []uint32{8}, long},
	}, nil)
	var many []tag
	for range 5000 {
		many = append(many, tag{0xfe00, []uint32{1}, short})
	}
	directories := make([]uint32, 4000)
	for i := range directories {
		directories[i] = 8
	}
	tests := []struct {
		name string
		exif []byte
	}{
		{"empty", nil},
		{"noise", []byte("\x00\xff\x13noise\xfe\xff\xff\xff\xff\xff")},
		{"header only", []byte("II*\x00\x08\x00\x00\x00")},
		{"directory beyond the end", []byte("II*\x00\xff\xff\xff\x7f")},
		{"directory in the header", []byte("II*\x00\x00\x00\x00\x00")},
		{"more entries than there are", []byte("MM\x00*\x00\x00\x00\x08\xff\xff\x01\x12\x00\x03")},
		{"orientation 0", exifBlock(0)},
		{"orientation 9", exifBlock(9)},
		{"orientation far away", tiffFile(binary.BigEndian, []tag{{0x0112, []uint32{6 << 16, 6}, long}}, nil)},
		{"directories in a circle", loop},
		{"many entries", tiffFile(binary.BigEndian, many, nil)},
		{"many directories", tiffFile(binary.BigEndian, []tag{{0x014a, directories, long}}, nil)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := withEXIF(jpegBytes(t, pattern(patternWidth, patternHeight)), tt.exif)
			p := mustDecode(t, file, unscaled())
			checkQuadrants(t, p.Pixels, quadrants, 12)
		})
	}
}

// The thumbnail in an EXIF block may have another orientation.
func TestDecodeIgnoresThumbnailOrientation(t *testing.T) {
	t.Parallel()
	exif := tiffFile(binary.BigEndian, []tag{{0x0100, []uint32{9}, short}}, nil)
	binary.BigEndian.PutUint32(exif[len(exif)-4:], uint32(len(exif)))
	exif = append(exif, exifBlock(6)[8:]...)
	p := mustDecode(t, withEXIF(jpegBytes(t, pattern(patternWidth, patternHeight)), exif), unscaled())
	if p.Width != patternWidth {
		t.Errorf("width is %d, want %d: the thumbnail's orientation was taken", p.Width, patternWidth)
	}
}
