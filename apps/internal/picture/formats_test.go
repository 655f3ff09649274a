package picture_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// sandbox is compiled once for all tests.
var sandbox = sync.OnceValue(func() *picture.Sandbox { return picture.NewSandbox(256 << 20) })

func everything() picture.Options {
	opts := picture.Defaults()
	opts.Sandbox = sandbox()
	return opts
}

// decodeAll opens a file and decodes it at its full size.
func decodeAll(t testing.TB, file []byte) (*picture.Picture, *picture.RGB) {
	t.Helper()
	p, err := picture.Open(file, everything())
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Decode(1 << 16)
	if err != nil {
		t.Fatal(err)
	}
	if p.Size() != image.Pt(m.Width, m.Height) {
		t.Fatalf("decoded to %d x %d, the header says %v", m.Width, m.Height, p.Size())
	}
	return p, m
}

// turnedHEIC returns a HEIC that is rotated counter-clockwise by quarters and then
// mirrored. It overwrites a property that no decoder needs.
func turnedHEIC(t *testing.T, property string, value byte) []byte {
	t.Helper()
	file := bytes.Clone(fixture(t, "still.heic"))
	at := bytes.Index(file, []byte("pixi"))
	if at < 0 {
		t.Fatal("the fixture has no property to spare")
	}
	copy(file[at:], property)
	file[at+4] = value
	// A picture is cropped (property 4 of the fixture) before it is turned.
	list := bytes.Index(file, []byte{2, 3, 5, 0x84})
	if list < 0 {
		t.Fatal("the fixture's properties are others")
	}
	copy(file[list:], []byte{2, 3, 0x84, 0x85})
	return file
}

func TestHEICAndAVIF(t *testing.T) {
	t.Parallel()
	q := quadrants
	for _, tt := range []struct {
		name string
		file []byte
		size image.Point
		want [4]int // which quadrant of the pattern is in each corner
	}{
		{"HEIC", fixture(t, "still.heic"), image.Pt(64, 48), [4]int{0, 1, 2, 3}},
		{"HEIC of odd size", fixture(t, "odd.heic"), image.Pt(203, 151), [4]int{0, 1, 2, 3}},
		{"HEIC turned", turnedHEIC(t, "irot", 1), image.Pt(48, 64), [4]int{1, 3, 0, 2}},
		{"HEIC upside down", turnedHEIC(t, "irot", 2), image.Pt(64, 48), [4]int{3, 2, 1, 0}},
		{"AVIF", fixture(t, "still.avif"), image.Pt(64, 48), [4]int{0, 1, 2, 3}},
		{"AVIF, EXIF 2", fixture(t, "turned-2.avif"), image.Pt(64, 48), [4]int{0, 1, 2, 3}},
		{"AVIF, EXIF 3", fixture(t, "turned-3.avif"), image.Pt(64, 48), [4]int{0, 1, 2, 3}},
		{"AVIF, EXIF 4", fixture(t, "turned-4.avif"), image.Pt(64, 48), [4]int{0, 1, 2, 3}},
		{"AVIF, EXIF 5", fixture(t, "turned-5.avif"), image.Pt(64, 48), [4]int{0, 1, 2, 3}},
		{"AVIF, EXIF 6", fixture(t, "turned-6.avif"), image.Pt(64, 48), [4]int{0, 1, 2, 3}},
		{"AVIF, EXIF 7", fixture(t, "turned-7.avif"), image.Pt(64, 48), [4]int{0, 1, 2, 3}},
		{"AVIF, EXIF 8", fixture(t, "turned-8.avif"), image.Pt(64, 48), [4]int{0, 1, 2, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, m := decodeAll(t, tt.file)
			if p.Size() != tt.size {
				t.Errorf("size is %v, want %v", p.Size(), tt.size)
			}
			want := quadrants
			for i, n := range tt.want {
				want[i] = q[n]
			}
			checkQuadrants(t, m, want, 14)
		})
	}
}

// Hostile boxes must be refused before a decoder starts.
func TestHostileBoxes(t *testing.T) {
	t.Parallel()
	resized := func(name string, width, height uint32) []byte {
		file := bytes.Clone(fixture(t, name))
		at := bytes.Index(file, []byte("ispe"))
		binary.BigEndian.PutUint32(file[at+8:], width)
		binary.BigEndian.PutUint32(file[at+12:], height)
		return file
	}
	without := func(kind string) []byte {
		return bytes.Replace(fixture(t, "still.heic"), []byte(kind), []byte("free"), 1)
	}
	for _, tt := range []struct {
		name string
		file []byte
		want faces.Reason
	}{
		{"huge HEIC", resized("still.heic", 60_000, 60_000), faces.ImageTooLarge},
		{"size that overflows", resized("still.heic", 1<<32-1, 1<<32-1), faces.ImageTooLarge},
		{"huge AVIF", resized("still.avif", 1<<31, 2), faces.ImageTooLarge},
		{"AVIF that takes much memory", resized("still.avif", 7000, 7000), faces.ImageTooLarge},
		{"no size", resized("still.heic", 0, 0), faces.CorruptImage},
		{"no box meta", without("meta"), faces.CorruptImage},
		{"no item", without("pitm"), faces.CorruptImage},
		{"no properties", without("ipco"), faces.CorruptImage},
		{"no associations", without("ipma"), faces.CorruptImage},
		{"no size property", without("ispe"), faces.CorruptImage},
		{"half a HEIC", fixture(t, "odd.heic")[:700], faces.CorruptImage},
		{"half an AVIF", fixture(t, "still.avif")[:380], faces.CorruptImage},
		{"a header", fixture(t, "still.heic")[:40], faces.CorruptImage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := picture.Open(tt.file, everything())
			if err == nil {
				_, err = p.Decode(640)
			}
			checkFault(t, err, tt.want)
		})
	}
}

// Decoders of one sandbox can run concurrently.
func TestSandboxIsConcurrent(t *testing.T) {
	t.Parallel()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			_, m := decodeAll(t, fixture(t, []string{"still.heic", "still.avif"}[i%2]))
			checkQuadrants(t, m, quadrants, 14)
		})
	}
	group.Wait()
}

func TestAnimatedWebPShowsItsFirstFrame(t *testing.T) {
	t.Parallel()
	_, m := decodeAll(t, fixture(t, "animated.webp"))
	if m.Width < 2 {
		t.Fatalf("size is %d x %d", m.Width, m.Height)
	}

	// A frame that covers a part of the canvas is on white.
	const animation, atX, atY = 1 << 1, 20, 10
	still := fixture(t, "lossy.webp")[12:]
	head := []byte{atX / 2, 0, 0, atY / 2, 0, 0, patternWidth - 1, 0, 0, patternHeight - 1, 0, 0, 100, 0, 0, 0}
	file := func(width, height int) []byte {
		return webpFile(webpCanvas(animation, width, height),
			chunk{"ANIM", make([]byte, 6)}, chunk{"ANMF", append(bytes.Clone(head), still...)})
	}
	_, m = decodeAll(t, file(100, 80))
	if m.Width != 100 || m.Height != 80 {
		t.Fatalf("the canvas is %d x %d", m.Width, m.Height)
	}
	checkQuadrants(t, m.Crop(image.Rect(atX, atY, atX+patternWidth, atY+patternHeight)), quadrants, 14)
	if p := m.Row(5)[3*5:]; p[0] != 255 || p[1] != 255 || p[2] != 255 {
		t.Errorf("beside the frame is %v, want white", p[:3])
	}
	_, err := picture.Open(file(atX+patternWidth-1, 80), everything())
	checkFault(t, err, faces.CorruptImage)
}

// rawTIFF returns a TIFF whose samples are those of the pattern.
func rawTIFF(order binary.AppendByteOrder, photometric, samples uint32, planar bool, stripRows int, sample func(x, y, s int) byte) []byte {
	var pixels []byte
	var offsets, counts []uint32
	config, planes, each := uint32(1), 1, int(samples)
	if planar {
		config, planes, each = 2, int(samples), 1
	}
	for plane := range planes {
		for top := 0; top < patternHeight; top += stripRows {
			offsets = append(offsets, uint32(len(pixels)))
			for y := top; y < min(top+stripRows, patternHeight); y++ {
				for x := range patternWidth {
					for s := range each {
						pixels = append(pixels, sample(x, y, plane+s))
					}
				}
			}
			counts = append(counts, uint32(len(pixels))-offsets[len(offsets)-1])
		}
	}
	bits := make([]uint32, samples)
	for i := range bits {
		bits[i] = 8
	}
	tags := func(from int) []tag {
		at := make([]uint32, len(offsets))
		for i, o := range offsets {
			at[i] = o + uint32(from)
		}
		return []tag{
			{256, []uint32{patternWidth}, long}, {257, []uint32{patternHeight}, long},
			{258, bits, short}, {259, []uint32{1}, short}, {262, []uint32{photometric}, short},
			{273, at, long}, {277, []uint32{samples}, short}, {278, []uint32{uint32(stripRows)}, long},
			{279, counts, long}, {284, []uint32{config}, short},
		}
	}
	return tiffFile(order, tags(len(tiffFile(order, tags(0), nil))), pixels)
}

func TestOtherTIFFs(t *testing.T) {
	t.Parallel()
	at := func(x, y, s int) byte {
		c := quadrants[quadrant(x, y, patternWidth, patternHeight)]
		return [4]byte{c.R, c.G, c.B, 255}[s]
	}
	ink := func(x, y, s int) byte { return 255 - at(x, y, s) }
	for _, tt := range []struct {
		name string
		file []byte
	}{
		{"CMYK", rawTIFF(binary.LittleEndian, 5, 4, false, 48, ink)},
		{"CMYK in strips and planes", rawTIFF(binary.BigEndian, 5, 4, true, 7, ink)},
		{"planar RGB", rawTIFF(binary.BigEndian, 2, 3, true, 48, at)},
		{"planar RGB in strips", rawTIFF(binary.LittleEndian, 2, 3, true, 13, at)},
		{"JPEG inside", fixture(t, "jpeg-inside.tif")},
		{"LZW", fixture(t, "lzw.tif")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, m := decodeAll(t, tt.file)
			checkQuadrants(t, m, quadrants, 14)
			if p.Warning() != "" {
				t.Errorf("the warning is %q", p.Warning())
			}
		})
	}
}

// A TIFF with too many strips is refused, because each strip takes time.
func TestStripBombsAreRefused(t *testing.T) {
	t.Parallel()
	many := make([]uint32, 100_000)
	for _, compression := range []uint32{1, 8} {
		file := tiffFile(binary.LittleEndian, []tag{
			{256, []uint32{1}, long}, {257, []uint32{100_000}, long}, {258, []uint32{8}, short},
			{259, []uint32{compression}, short}, {262, []uint32{1}, short}, {273, many, long},
			{277, []uint32{1}, short}, {278, []uint32{1}, long}, {279, many, long},
		}, nil)
		_, err := picture.Open(file, everything())
		checkFault(t, err, faces.CorruptImage)
	}
}

// A damaged file is read if at most a tenth of its rows is missing, and has a
// warning.
func TestReadsDamagedFiles(t *testing.T) {
	t.Parallel()
	file := pngOf(t, slopeImage(200, 160))
	idat := bytes.Index(file, []byte("IDAT"))
	badSum := bytes.Clone(file)
	size := int(binary.BigEndian.Uint32(file[idat-4:]))
	badSum[idat+4+size] ^= 0xff
	ancillary := withChunk(file, "tEXt", []byte("Comment\x00hello"))
	ancillary[bytes.Index(ancillary, []byte("hello"))] = 'j'
	raw := rawTIFF(binary.LittleEndian, 5, 4, false, 4, func(_, _, _ int) byte { return 0 })
	for _, tt := range []struct {
		name    string
		file    []byte
		warning string
		refused bool
	}{
		{"PNG without IEND", file[:len(file)-12], "nothing of the picture is missing", false},
		{"PNG whose pixels have a wrong checksum", badSum, "damaged", false},
		{"PNG whose comment has a wrong checksum", ancillary, "damaged", false},
		{"PNG without its last rows", file[:len(file)*97/100], "% of the picture is missing", false},
		{"half a PNG", file[:len(file)/2], "", true},
		{"TIFF without its last strip", raw[:len(raw)-100], "% of the picture is missing", false},
		{"half a TIFF", raw[:len(raw)/2], "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := picture.Open(tt.file, everything())
			if err == nil {
				_, err = p.Decode(640)
			}
			if tt.refused {
				checkFault(t, err, faces.CorruptImage)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(p.Warning(), tt.warning) {
				t.Errorf("the warning is %q, want %q in it", p.Warning(), tt.warning)
			}
		})
	}
}

func pngOf(tb testing.TB, m image.Image) []byte {
	tb.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, m); err != nil {
		tb.Fatal(err)
	}
	return file.Bytes()
}

// slopeImage returns a picture that does not compress well.
func slopeImage(width, height int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = byte(crc32.ChecksumIEEE([]byte{byte(i), byte(i >> 8), byte(i >> 16)}))
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	return m
}

// A region equals that part of the whole picture, in every format and orientation.
func TestRegionsOfOtherFormats(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{
		"HEIC": fixture(t, "odd.heic"), "AVIF": fixture(t, "turned-7.avif"), "animated WebP": fixture(t, "animated.webp"),
		"WebP": fixture(t, "lossy.webp"), "PNG": pngOf(t, slopeImage(77, 41)), "GIF frame": gifFile(40, 30, 20, 10),
	}
	for o := range uint32(8) {
		files[fmt.Sprintf("TIFF turned %d", o+1)] = tiffOf(binary.BigEndian, slopeImage(31, 23).(*image.RGBA), o+1)
	}
	delete(files, "GIF frame") // its pixels are not there
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, whole := decodeAll(t, file)
			for _, r := range []image.Rectangle{
				image.Rect(-5, -5, 1, 1), image.Rect(3, 5, 20, 17), {Max: p.Size()}, image.Rect(10, 10, 1000, 1000),
			} {
				got, covered, err := p.Region(r)
				if err != nil {
					t.Fatal(err)
				}
				want := whole.Crop(covered)
				for y := range got.Height {
					if !bytes.Equal(got.Row(y), want.Row(y)) {
						t.Fatalf("%v: row %d differs", r, y)
					}
				}
			}
		})
	}
}

// Reducing by whole numbers keeps the long side at least as long as requested.
func TestDecodeReducesOtherFormats(t *testing.T) {
	t.Parallel()
	file := pngOf(t, pattern(1000, 600))
	for _, tt := range []struct{ side, width, height int }{
		{1000, 1000, 600}, {501, 1000, 600}, {500, 500, 300}, {334, 500, 300}, {333, 334, 200}, {1, 1, 1},
	} {
		p, err := picture.Open(file, everything())
		if err != nil {
			t.Fatal(err)
		}
		m, err := p.Decode(tt.side)
		if err != nil {
			t.Fatal(err)
		}
		if m.Width != tt.width || m.Height != tt.height {
			t.Errorf("a side of %d gives %d x %d, want %d x %d", tt.side, m.Width, m.Height, tt.width, tt.height)
		}
	}
}

// An orientation is used whatever the type of its value.
func TestOrientationOfAnyType(t *testing.T) {
	t.Parallel()
	const byteType, asciiType, undefined, signedShort, signedLong = 1, 2, 7, 8, 9
	at := func(kind uint16, value ...byte) []byte {
		entry := binary.BigEndian.AppendUint16(nil, kind)
		entry = append(entry, 0, 0, 0, 1)
		entry = append(entry, append(value, 0, 0, 0, 0)[:4]...)
		return append(append([]byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12"), entry...), 0, 0, 0, 0)
	}
	far := func(kind uint16, value ...byte) []byte {
		return append(at(kind, 0, 0, 0, 26), value...)
	}
	for name, exif := range map[string][]byte{
		"short": at(short, 0, 6), "long": at(long, 0, 0, 0, 6), "byte": at(byteType, 6), "text": at(asciiType, '6'),
		"undefined": at(undefined, 6), "signed short": at(signedShort, 0, 6), "signed long": at(signedLong, 0, 0, 0, 6),
		"rational": far(5, 0, 0, 0, 6, 0, 0, 0, 1), "float": at(11, 0x40, 0xc0, 0, 0),
		"double":                 far(12, 0x40, 0x18, 0, 0, 0, 0, 0, 0),
		"short at the wrong end": at(short, 0, 0, 0, 6),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain := pngOf(t, pattern(64, 48))
			for kind, file := range map[string][]byte{
				"PNG": withChunk(plain, "eXIf", exif), "JPEG": withEXIF(jpegBytes(t, pattern(64, 48)), exif),
			} {
				p, err := picture.Open(file, everything())
				if err != nil {
					t.Fatal(err)
				}
				if p.Size() != image.Pt(48, 64) {
					t.Errorf("the %s is %v upright, want (48,64)", kind, p.Size())
				}
			}
		})
	}
}

// fuzzed opens and decodes a file as an engine does.
func fuzzed(t *testing.T, file []byte, opts picture.Options, side, x, y uint8) {
	p, err := picture.Open(file, opts)
	if err == nil {
		var m *picture.RGB
		if m, err = p.Decode(1 + int(side)); err == nil {
			if want := min(1+int(side), max(p.Size().X, p.Size().Y)); max(m.Width, m.Height) < want {
				t.Fatalf("decoded to %d x %d, want a side of %d", m.Width, m.Height, want)
			}
			_, _, _ = p.Region(image.Rect(int(x), int(y), int(x)+40, int(y)+30))
		}
	}
	if err != nil && (faces.ErrorMessage(err) == "" || faces.ErrorMessage(err) == "internal error") {
		t.Fatalf("no message for a user: %v", err)
	}
}

// FuzzOpen looks for files that crash the decoders in Go or the code around them.
func FuzzOpen(f *testing.F) {
	for _, name := range []string{"animated.webp", "lossy.webp", "lossless.webp", "jpeg-inside.tif", "lzw.tif", "cmyk.jpg"} {
		f.Add(fixture(f, name), uint8(20), uint8(3), uint8(4))
	}
	f.Add(pngOf(f, slopeImage(16, 9)), uint8(8), uint8(0), uint8(0))
	f.Add(pngOf(f, slopeImage(16, 9))[:300], uint8(8), uint8(0), uint8(0))
	f.Add(rawTIFF(binary.LittleEndian, 5, 4, true, 7, func(x, _, _ int) byte { return byte(x) }), uint8(9), uint8(1), uint8(2))
	f.Add(gifFile(8, 8, 8, 8), uint8(8), uint8(0), uint8(0))
	opts := picture.Defaults()
	opts.MaxPixels, opts.MaxMemory = 1<<16, 1<<23
	f.Fuzz(func(t *testing.T, file []byte, side, x, y uint8) { fuzzed(t, file, opts, side, x, y) })
}

// FuzzSandbox does the same for HEIC and AVIF.
func FuzzSandbox(f *testing.F) {
	f.Add(fixture(f, "still.heic"), uint8(20), uint8(3), uint8(4))
	f.Add(fixture(f, "turned-7.avif"), uint8(20), uint8(3), uint8(4))
	opts := everything()
	opts.MaxPixels, opts.MaxMemory = 1<<14, 1<<22
	if err := opts.Sandbox.Compile(); err != nil { // which takes longer than a file may
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file []byte, side, x, y uint8) { fuzzed(t, file, opts, side, x, y) })
}
