package picture_test

import (
	"bytes"
	"compress/lzw"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

func TestDecodeRefusesOtherFormats(t *testing.T) {
	t.Parallel()
	rgb := []tag{
		{256, []uint32{8}, long}, {257, []uint32{8}, long}, {258, []uint32{8, 8, 8}, short},
		{259, []uint32{1}, short}, {262, []uint32{2}, short},
	}
	tests := []struct {
		name     string
		data     []byte
		mentions string
	}{
		{"empty", nil, "empty"},
		{"text", []byte("this is not a picture"), "text/plain"},
		{"text that begins like a BMP", []byte("BMW and other makers of cars"), "no picture"},
		{"zeros", make([]byte, 100), "no picture"},
		{"PDF", []byte("%PDF-1.7\n"), "application/pdf"},
		{"HEIC", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), "HEIC"},
		{"AVIF", []byte("\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif"), "AVIF"},
		{"MP4", []byte("\x00\x00\x00\x18ftypisom\x00\x00\x00\x00mp42isom"), "video"},
		{"Canon CR3", []byte("\x00\x00\x00\x18ftypcrx \x00\x00\x00\x00crx isom"), "RAW"},
		{"Fuji RAF", []byte("FUJIFILMCCD-RAW 0201"), "RAW"},
		{"Photoshop", []byte("8BPS\x00\x01"), "Photoshop"},
		{"JPEG XL", []byte("\x00\x00\x00\x0cJXL \r\n\x87\n"), "JPEG XL"},
		{"BigTIFF", []byte("II+\x00\x08\x00\x00\x00"), "BigTIFF"},
		{"JPEG XL without a container", []byte("\xff\x0a\x00\x00"), "JPEG XL"},
		{"JPEG 2000", []byte("\x00\x00\x00\x0cjP  \r\n\x87\n"), "JPEG 2000"},
		{"a preview in a TIFF", tiffFile(binary.LittleEndian, append([]tag{{254, []uint32{1}, long}}, rgb...), nil), "RAW"},
		{"DNG", tiffFile(binary.LittleEndian, append(rgb[:5:5], tag{50706, []uint32{1}, long}), nil), "RAW"},
		{"JPEG with arithmetic coding", fixture(t, "arithmetic.jpg"), "kind of JPEG"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := picture.Decode(tt.data, picture.Defaults())
			checkFault(t, err, faces.UnsupportedFormat)
			if msg := faces.ErrorMessage(err); !strings.Contains(msg, tt.mentions) {
				t.Errorf("message %q does not mention %q", msg, tt.mentions)
			}
		})
	}
}

func TestDecodeRefusesTruncatedFiles(t *testing.T) {
	t.Parallel()
	var still bytes.Buffer
	if err := gif.Encode(&still, pattern(12, 9), nil); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		data []byte
		tail int // bytes at the end that a picture can do without
	}{
		{"jpeg", jpegBytes(t, pattern(patternWidth, patternHeight)), 0},
		{"jpeg progressive", fixture(t, "progressive.jpg"), 0},
		{"jpeg CMYK", fixture(t, "cmyk.jpg"), 0},
		{"png", encoded(t, image.NewRGBA(image.Rect(0, 0, 12, 9)), toPNG), 0},
		{"bmp", encoded(t, image.NewRGBA(image.Rect(0, 0, 12, 9)), toBMP), 0},
		{"tiff", tiffOf(binary.BigEndian, pattern(12, 9), 1), 0},
		{"gif", still.Bytes(), 1},
		{"webp lossless", fixture(t, "lossless.webp"), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for n := range len(tt.data) - tt.tail {
				_, err := picture.Decode(tt.data[:n], unscaled())
				if err == nil && n > len(tt.data)/2 && (tt.name == "png" || tt.name == "tiff") {
					continue // no pixels, or a few rows of them, are missing: see TestReadsDamagedFiles
				}
				want := faces.CorruptImage
				if n < 12 && faces.ReasonOf(err) == faces.UnsupportedFormat {
					want = faces.UnsupportedFormat // too short to tell
				}
				if got := faces.ReasonOf(err); err == nil || got != want {
					t.Fatalf("the first %d of %d bytes: %q, want %q: %v", n, len(tt.data), got, want, err)
				}
			}
		})
	}
}

func TestDecodeRefusesDamagedFiles(t *testing.T) {
	t.Parallel()
	const most = math.MaxUint32
	plain := jpegBytes(t, pattern(patternWidth, patternHeight))
	still := fixture(t, "lossy.webp")[20:]
	tests := []struct {
		name string
		data []byte
	}{
		{"jpeg without pixels", jpegOfSize(plain, 0, 0)},
		{"jpeg with a thousand scans", manyScans(t, 1000)},
		{"png without pixels", pngHeader(0, 5, 8, 2, 0)},
		{"png of a header only", pngHeader(5, 5, 8, 2, 0)},
		{"gif without pixels", []byte("GIF89a\x00\x00\x00\x00\x00\x00\x00;")},
		{"gif frame larger than its screen", gifFile(8, 8, 60000, 60000)},
		{"gif frame beside its screen", gifFile(8, 8, 8, 9)},
		{"webp canvas and frame differ", webpFile(webpCanvas(0, 5000, 5000), chunk{"VP8 ", still})},
		{"webp lossless frame larger than its canvas", webpFile(
			webpCanvas(0, 16, 16), chunk{"VP8L", []byte{0x2f, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0}},
		)},
		{"webp of noise", webpFile(chunk{"VP8 ", bytes.Repeat([]byte{0x55}, 50)})},
		{"tiff of strips that are not there", tiffStrips(8, 8, 1, []uint32{most}, []uint32{most})},
		{"tiff of huge counts", tiffWithCounts(most)},
		{"tiff of tiles far wider than the picture", tiffTiles(8, 40_000, 1024, 1024)},
		{"tiff of tiles without a height", tiffTiles(64, 64, 1<<31, 0)},
		{"tiff of the largest tiles", tiffTiles(64, 64, most, most)},
		{"tiff in itself", []byte("II*\x00\x00\x00\x00\x00")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := picture.Decode(tt.data, picture.Defaults())
			checkFault(t, err, faces.CorruptImage)
		})
	}
}

// A picture that is too large must be refused by its header. These files are headers
// only, so decoding one would report it as corrupt.
func TestDecodeRefusesLargePictures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		data     []byte
		mentions []string
	}{
		{"png", pngHeader(100_000, 100_000, 8, 2, 0), []string{"10000 megapixels", "100000 x 100000", "limit of 50"}},
		{"png whose size overflows", pngHeader(math.MaxInt32, math.MaxInt32/16, 8, 0, 0), []string{"megapixels"}},
		{"png just beyond", pngHeader(10_001, 5_000, 8, 2, 0), []string{"50.1 megapixels", "10001 x 5000"}},
		{"jpeg", jpegOfSize(jpegBytes(t, pattern(8, 8)), 65_535, 65_535), []string{"4294.9 megapixels"}},
		{"gif", gifFile(65_535, 65_535, 1, 1), []string{"4294.9 megapixels"}},
		{"bmp", bmpHeader(20_000, 20_000), []string{"400 megapixels"}},
		{"bmp from the top", bmpHeader(20_000, -20_000), []string{"400 megapixels"}},
		{"bmp of a height that has no opposite", bmpHeader(1, math.MinInt32), []string{"2147.5 megapixels"}},
		{"tiff", tiffStrips(100_000, 100_000, 1, []uint32{8}, []uint32{8}), []string{"10000 megapixels"}},
		{"webp", webpFile(webpCanvas(0, 16_384, 16_384)), []string{"268.5 megapixels"}},
		{"interlaced png of 16 bits", pngHeader(7_000, 7_000, 16, 6, 1), []string{"49 megapixels", "MB to decode"}},
		{"progressive jpeg", jpegOfSize(fixture(t, "progressive.jpg"), 7_000, 7_000), []string{"MB to decode"}},
		{"tiff of one deflated strip", tiffDeflated(7_000, 7_000, 1), []string{"MB to decode"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := picture.Decode(tt.data, picture.Defaults())
			checkFault(t, err, faces.ImageTooLarge)
			for _, want := range tt.mentions {
				if msg := faces.ErrorMessage(err); !strings.Contains(msg, want) {
					t.Errorf("message %q does not mention %q", msg, want)
				}
			}
		})
	}
}

// Not parallel: it measures what the whole process allocates.
func TestDecodeAllocatesWithinBounds(t *testing.T) {
	opts := picture.Defaults()
	opts.MaxPixels, opts.MaxMemory = 2_000_000, 32<<20
	tests := []struct {
		name  string
		data  []byte
		bound uint64 // bytes
	}{
		{"png that claims 100,000 x 100,000", pngHeader(100_000, 100_000, 8, 2, 0), 1 << 20},
		{"gif of two thousand frames", manyFrames(t, 2_000), 4 << 20},
		{"gif frame larger than its screen", gifFile(8, 8, 60_000, 60_000), 1 << 20},
		{"tiff of huge counts", tiffWithCounts(math.MaxUint32), 1 << 20},
		{"tiff of deflated zeros", tiffDeflated(1000, 1000, 10), 48 << 20},
		{"webp of a large canvas", webpFile(webpCanvas(0, 16_000, 16_000)), 1 << 20},
		{"largest jpeg", jpegBytes(t, pattern(1600, 1250)), 24 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := picture.Decode(tt.data, opts)
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > tt.bound {
				t.Errorf("allocated %d KiB, want at most %d (%v)", got>>10, tt.bound>>10, err)
			}
		})
	}
}

func TestDecodeTakesFirstFrameOnly(t *testing.T) {
	t.Parallel()
	p := mustDecode(t, manyFrames(t, 500), unscaled())
	checkQuadrants(t, p.Pixels, [4]color.NRGBA{quadrants[0], quadrants[0], quadrants[0], quadrants[0]}, 12)
}

func TestDecodeReadsBMPFromTheTop(t *testing.T) {
	t.Parallel()
	const width, height = 32, 32
	m := pattern(width, height)
	file := bmpHeader(width, -height)
	for i := 0; i < len(m.Pix); i += 4 {
		file = append(file, m.Pix[i+2], m.Pix[i+1], m.Pix[i])
	}
	checkQuadrants(t, mustDecode(t, file, unscaled()).Pixels, quadrants, 12)
}

// jpegOfSize returns a JPEG with another size in its header.
func jpegOfSize(file []byte, width, height uint16) []byte {
	out := bytes.Clone(file)
	for i := range out {
		if out[i] == 0xff && (out[i+1] == 0xc0 || out[i+1] == 0xc2) {
			binary.BigEndian.PutUint16(out[i+5:], height)
			binary.BigEndian.PutUint16(out[i+7:], width)
			return out
		}
	}
	return out
}

// manyScans returns a progressive JPEG whose last scan is repeated many times.
func manyScans(t *testing.T, n int) []byte {
	t.Helper()
	file := fixture(t, "progressive.jpg")
	last := bytes.LastIndex(file, []byte{0xff, 0xda})
	scan := file[last : len(file)-2]
	out := bytes.Clone(file[:last])
	for range n {
		out = append(out, scan...)
	}
	return append(out, 0xff, 0xd9)
}

// manyFrames returns a GIF whose first frame has one colour, and all others
// another.
func manyFrames(t *testing.T, n int) []byte {
	t.Helper()
	r := image.Rect(0, 0, 64, 64)
	g := &gif.GIF{}
	for i := range n {
		g.Image = append(g.Image, image.NewPaletted(r, color.Palette{quadrants[min(i, 1)], color.Black}))
		g.Delay = append(g.Delay, 1)
	}
	var buf bytes.Buffer
	if err := gif.EncodeAll(&buf, g); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// gifFile returns a GIF with one black frame.
func gifFile(width, height, frameWidth, frameHeight uint16) []byte {
	out := []byte("GIF89a")
	out = binary.LittleEndian.AppendUint16(out, width)
	out = binary.LittleEndian.AppendUint16(out, height)
	out = append(out, 0x80, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff) // two colours
	out = append(out, ',', 0, 0, 0, 0)
	out = binary.LittleEndian.AppendUint16(out, frameWidth)
	out = binary.LittleEndian.AppendUint16(out, frameHeight)
	out = append(out, 0, 2)
	var pixels bytes.Buffer
	w := lzw.NewWriter(&pixels, lzw.LSB, 2)
	_, _ = w.Write(make([]byte, min(int(frameWidth)*int(frameHeight), 64)))
	_ = w.Close()
	out = append(out, byte(pixels.Len()))
	return append(append(out, pixels.Bytes()...), 0, ';')
}

// bmpHeader returns the header of a BMP of 24 bits a pixel.
func bmpHeader(width, height int32) []byte {
	out := make([]byte, 54)
	copy(out, "BM")
	binary.LittleEndian.PutUint32(out[10:], 54)
	binary.LittleEndian.PutUint32(out[14:], 40)
	binary.LittleEndian.PutUint32(out[18:], uint32(width))
	binary.LittleEndian.PutUint32(out[22:], uint32(height))
	binary.LittleEndian.PutUint16(out[26:], 1)
	binary.LittleEndian.PutUint16(out[28:], 24)
	return out
}

func tiffStrips(width, height, rows uint32, offsets, counts []uint32) []byte {
	return tiffFile(binary.LittleEndian, []tag{
		{256, []uint32{width}, long}, {257, []uint32{height}, long},
		{258, []uint32{8, 8, 8}, short}, {259, []uint32{1}, short}, {262, []uint32{2}, short},
		{273, offsets, long}, {278, []uint32{rows}, long}, {279, counts, long},
	}, nil)
}

// tiffWithCounts returns a TIFF whose lists of strips claim a length.
func tiffWithCounts(n uint32) []byte {
	file := tiffStrips(5000, 5000, 1, []uint32{8, 8}, []uint32{8, 8})
	for i := 10; i < len(file)-12; i += 12 {
		if id := binary.LittleEndian.Uint16(file[i:]); id == 273 || id == 279 {
			binary.LittleEndian.PutUint32(file[i+4:], n)
		}
	}
	return file
}

func tiffTiles(width, height, tileWidth, tileHeight uint32) []byte {
	return tiffFile(binary.LittleEndian, []tag{
		{256, []uint32{width}, long}, {257, []uint32{height}, long},
		{258, []uint32{8, 8, 8}, short}, {259, []uint32{1}, short}, {262, []uint32{2}, short},
		{322, []uint32{tileWidth}, long}, {323, []uint32{tileHeight}, long},
		{324, []uint32{8}, long}, {325, []uint32{8}, long},
	}, nil)
}

// tiffDeflated returns a small TIFF whose one strip inflates to a number of
// megabytes, which is more than its pixels take.
func tiffDeflated(width, height uint32, megabytes int) []byte {
	var strip bytes.Buffer
	w := zlib.NewWriter(&strip)
	zeros := make([]byte, 1<<20)
	for range megabytes {
		_, _ = w.Write(zeros)
	}
	_ = w.Close()
	tags := func(offset int) []tag {
		return []tag{
			{256, []uint32{width}, long}, {257, []uint32{height}, long},
			{258, []uint32{8}, short}, {259, []uint32{8}, short}, {262, []uint32{1}, short},
			{273, []uint32{uint32(offset)}, long}, {278, []uint32{height}, long},
			{279, []uint32{uint32(strip.Len())}, long},
		}
	}
	return tiffFile(binary.LittleEndian, tags(len(tiffFile(binary.LittleEndian, tags(0), nil))), strip.Bytes())
}

func ExampleDecode() {
	_, err := picture.Decode([]byte("\x00\x00\x00\x18ftypheic"), picture.Defaults())
	fmt.Println(err)
	// Output: the file is HEIC, which this program does not read; a JPEG can be read
}
