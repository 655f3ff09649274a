package picture_test

// The fixtures in testdata show the same four quadrants as the pictures drawn
// here. cwebp, img2webp, cjpeg, ImageMagick, libjpeg and Pillow with pillow-heif
// made what Go has no encoder for.

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

const patternWidth, patternHeight = 64, 48

// quadrants are the colours of the pattern: top left, top right, bottom left,
// bottom right.
var quadrants = [4]color.NRGBA{
	{0xc0, 0x30, 0x20, 0xff}, {0x20, 0xa0, 0x40, 0xff},
	{0x20, 0x40, 0xc0, 0xff}, {0xe0, 0xc0, 0x20, 0xff},
}

// backdrop is the colour behind transparent pixels.
var backdrop = color.NRGBA{0xff, 0xff, 0xff, 0xff}

// paint draws the pattern over all of m.
func paint(m draw.Image) {
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			m.Set(x, y, quadrants[quadrant(x-b.Min.X, y-b.Min.Y, b.Dx(), b.Dy())])
		}
	}
}

func quadrant(x, y, width, height int) int {
	q := 0
	if 2*x >= width {
		q = 1
	}
	if 2*y >= height {
		q += 2
	}
	return q
}

// pattern returns the pattern as RGBA.
func pattern(width, height int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	paint(m)
	return m
}

func jpegBytes(t testing.TB, m image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, m, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// unscaled returns options that leave the pattern's size alone.
func unscaled() picture.Options {
	opts := picture.Defaults()
	opts.MinSide = 1
	return opts
}

func mustDecode(t *testing.T, data []byte, opts picture.Options) picture.Prepared {
	t.Helper()
	p, err := picture.Decode(data, opts)
	if err != nil {
		t.Fatalf("Decode: %v", err)
	}
	checkSize(t, p)
	return p
}

// checkSize checks that the pixels have the size in PreparedWidth and PreparedHeight.
func checkSize(t *testing.T, p picture.Prepared) {
	t.Helper()
	if got, want := p.Pixels.Rect, image.Rect(0, 0, p.PreparedWidth, p.PreparedHeight); got != want {
		t.Fatalf("the pixels cover %v, want %v", got, want)
	}
}

// checkQuadrants checks the middle of each quadrant of m.
func checkQuadrants(t *testing.T, m image.Image, want [4]color.NRGBA, tolerance int) {
	t.Helper()
	width, height := m.Bounds().Dx(), m.Bounds().Dy()
	for i, w := range want {
		x, y := width/4+i%2*width/2, height/4+i/2*height/2
		got := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
		if far(got.R, w.R, tolerance) || far(got.G, w.G, tolerance) || far(got.B, w.B, tolerance) {
			t.Errorf("quadrant %d at (%d, %d) is %v, want about %v", i, x, y, got, w)
		}
	}
}

func far(a, b uint8, tolerance int) bool {
	d := int(a) - int(b)
	return d > tolerance || d < -tolerance
}

// checkFault checks an error's reason and that it has a message for a user.
func checkFault(t *testing.T, err error, want faces.Reason) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", want)
	}
	if got := faces.ReasonOf(err); got != want {
		t.Fatalf("reason is %s, want %s: %v", got, want, err)
	}
	if msg := faces.ErrorMessage(err); msg == "" || msg == "internal error" {
		t.Fatalf("message is %q", msg)
	}
}

// exifBlock returns an EXIF block with an orientation.
func exifBlock(orientation uint16) []byte {
	return tiffFile(binary.BigEndian, []tag{{0x0112, []uint32{uint32(orientation)}, short}}, nil)
}

// withEXIF returns a JPEG with an EXIF segment put at its beginning.
func withEXIF(file, exif []byte) []byte {
	body := append([]byte("Exif\x00\x00"), exif...)
	out := []byte{0xff, 0xd8, 0xff, 0xe1}
	out = binary.BigEndian.AppendUint16(out, uint16(len(body)+2))
	return append(append(out, body...), file[2:]...)
}

// withChunk returns a PNG with a chunk put behind its header.
func withChunk(file []byte, kind string, body []byte) []byte {
	const header = 8 + 12 + 13
	out := append([]byte(nil), file[:header]...)
	return append(append(out, pngChunk(kind, body)...), file[header:]...)
}

func pngChunk(kind string, body []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	out = append(append(out, kind...), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// pngHeader returns the start of a PNG with this size in its header.
func pngHeader(width, height uint32, depth, colour, interlaced byte) []byte {
	body := binary.BigEndian.AppendUint32(nil, width)
	body = binary.BigEndian.AppendUint32(body, height)
	body = append(body, depth, colour, 0, 0, interlaced)
	return append([]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", body)...)
}

// chunk is a part of a WebP.
type chunk struct {
	kind string
	body []byte
}

func webpFile(chunks ...chunk) []byte {
	var body []byte
	for _, c := range chunks {
		body = append(body, c.kind...)
		body = binary.LittleEndian.AppendUint32(body, uint32(len(c.body)))
		body = append(body, c.body...)
		if len(c.body)%2 == 1 {
			body = append(body, 0)
		}
	}
	out := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(body)))
	return append(append(out, "WEBP"...), body...)
}

// webpCanvas returns the chunk that says how large a WebP is.
func webpCanvas(flags byte, width, height int) chunk {
	w, h := width-1, height-1
	return chunk{"VP8X", []byte{
		flags, 0, 0, 0,
		byte(w), byte(w >> 8), byte(w >> 16),
		byte(h), byte(h >> 8), byte(h >> 16),
	}}
}

// tag is an entry of a TIFF's directory.
type tag struct {
	id     uint16
	values []uint32
	kind   uint16
}

const (
	short = 3
	long  = 4
)

// tiffFile returns a TIFF with one directory, whose tags are in order, followed
// by data. Values too long for the directory are stored between the two.
func tiffFile(order binary.AppendByteOrder, tags []tag, data []byte) []byte {
	out := []byte("MM\x00*")
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		out = []byte("II*\x00")
	}
	out = order.AppendUint32(out, 8)
	out = order.AppendUint16(out, uint16(len(tags)))
	extra := len(out) + 12*len(tags) + 4
	var beyond []byte
	for _, tg := range tags {
		var value []byte
		for _, v := range tg.values {
			if tg.kind == short {
				value = order.AppendUint16(value, uint16(v))
			} else {
				value = order.AppendUint32(value, v)
			}
		}
		out = order.AppendUint16(out, tg.id)
		out = order.AppendUint16(out, tg.kind)
		out = order.AppendUint32(out, uint32(len(tg.values)))
		if len(value) <= 4 {
			out = append(out, append(value, 0, 0, 0, 0)[:4]...)
			continue
		}
		out = order.AppendUint32(out, uint32(extra+len(beyond)))
		beyond = append(beyond, value...)
	}
	out = order.AppendUint32(out, 0)
	return append(append(out, beyond...), data...)
}

// tiffOf returns an uncompressed RGB TIFF of m with an orientation.
func tiffOf(order binary.AppendByteOrder, m *image.RGBA, orientation uint32) []byte {
	var pixels []byte
	for i := 0; i < len(m.Pix); i += 4 {
		pixels = append(pixels, m.Pix[i:i+3]...)
	}
	size := m.Bounds().Size()
	tags := func(offset int) []tag {
		return []tag{
			{256, []uint32{uint32(size.X)}, long}, {257, []uint32{uint32(size.Y)}, long},
			{258, []uint32{8, 8, 8}, short}, {259, []uint32{1}, short}, {262, []uint32{2}, short},
			{273, []uint32{uint32(offset)}, long}, {274, []uint32{orientation}, short},
			{277, []uint32{3}, short}, {278, []uint32{uint32(size.Y)}, long},
			{279, []uint32{uint32(len(pixels))}, long},
		}
	}
	return tiffFile(order, tags(len(tiffFile(order, tags(0), nil))), pixels)
}
