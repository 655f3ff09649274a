package libjpeg_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/libjpeg"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

func fixture(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// pictureFixture reads a fixture of package picture.
func pictureFixture(tb testing.TB, name string) []byte {
	tb.Helper()
	return fixture(tb, filepath.Join("..", "..", "..", "picture", "testdata", name))
}

// drawn returns a JPEG of soft shapes that has no two similar places.
func drawn(tb testing.TB, width, height int) []byte {
	tb.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, color.RGBA{byte(255 * x / width), byte(255 * y / height), byte((x*x + y*y) / 97 % 200), 255})
		}
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, &jpeg.Options{Quality: 90}); err != nil {
		tb.Fatal(err)
	}
	return file.Bytes()
}

// oriented returns a JPEG with an EXIF orientation.
func oriented(file []byte, orientation uint16) []byte {
	exif := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01")
	exif = binary.BigEndian.AppendUint16(exif, orientation)
	exif = append(exif, 0, 0, 0, 0, 0, 0)
	out := binary.BigEndian.AppendUint16([]byte("\xff\xd8\xff\xe1"), uint16(len(exif)+2))
	return append(append(out, exif...), file[2:]...)
}

func openWith(file []byte) (*picture.Picture, error) {
	opts := picture.Defaults()
	opts.Library = libjpeg.Library{}
	return picture.Open(file, opts)
}

func decode(tb testing.TB, file []byte, side int) (*picture.Picture, *picture.RGB) {
	tb.Helper()
	p := open(tb, file)
	m, err := p.Decode(side)
	if err != nil {
		tb.Fatal(err)
	}
	return p, m
}

func TestDecodeIsAtLeastAsLargeAsAskedFor(t *testing.T) {
	t.Parallel()
	file := drawn(t, 1001, 667)
	for _, tt := range []struct{ side, width, height int }{
		{1, 126, 84}, {126, 126, 84}, {127, 251, 167}, {300, 376, 251}, {376, 376, 251},
		{377, 501, 334}, {502, 1001, 667}, {1001, 1001, 667}, {5000, 1001, 667},
	} {
		t.Run(fmt.Sprint(tt.side), func(t *testing.T) {
			t.Parallel()
			_, m := decode(t, file, tt.side)
			if m.Width != tt.width || m.Height != tt.height {
				t.Errorf("a side of %d gives %d x %d, want %d x %d", tt.side, m.Width, m.Height, tt.width, tt.height)
			}
		})
	}
}

// Every kind of JPEG decodes to the four quadrants of its fixture.
func TestDecodeShowsTheColours(t *testing.T) {
	t.Parallel()
	quadrants := [4][3]byte{{0xc0, 0x30, 0x20}, {0x20, 0xa0, 0x40}, {0x20, 0x40, 0xc0}, {0xe0, 0xc0, 0x20}}
	cmyk := pictureFixture(t, "cmyk.jpg")
	for name, file := range map[string][]byte{
		"4:2:2":                     pictureFixture(t, "sampling-4x1.jpg"),
		"4:4:0":                     pictureFixture(t, "sampling-1x2.jpg"),
		"4:4:4":                     pictureFixture(t, "sampling-1x1.jpg"),
		"RGB":                       pictureFixture(t, "rgb.jpg"),
		"progressive":               pictureFixture(t, "progressive.jpg"),
		"CMYK":                      cmyk,
		"CMYK without Adobe marker": bytes.Replace(cmyk, []byte("Adobe"), []byte("Other"), 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, m := decode(t, file, 64)
			for i, want := range quadrants {
				x, y := m.Width/4+i%2*m.Width/2, m.Height/4+i/2*m.Height/2
				got := m.Row(y)[3*x : 3*x+3]
				for c := range got {
					if d := int(got[c]) - int(want[c]); d > 14 || d < -14 {
						t.Errorf("quadrant %d is %v, want about %v", i, got, want)
						break
					}
				}
			}
		})
	}
}

// A region equals that part of the whole picture, in every orientation.
func TestRegionsEqualTheWhole(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{"grey": nil}
	var grey bytes.Buffer
	if err := jpeg.Encode(&grey, image.NewGray(image.Rect(0, 0, 300, 200)), nil); err != nil {
		t.Fatal(err)
	}
	files["grey"] = grey.Bytes()
	files["progressive"] = fixture(t, "progressive.jpg")
	files["restart"] = fixture(t, "restart.jpg")
	for o := range uint16(8) {
		files[fmt.Sprintf("turned %d", o+1)] = oriented(drawn(t, 397, 251), o+1)
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(5, 6))
			p, whole := decode(t, file, 1<<16)
			if p.Size() != image.Pt(whole.Width, whole.Height) {
				t.Fatalf("size is %v, decoded to %d x %d", p.Size(), whole.Width, whole.Height)
			}
			for range 30 {
				parts := make([]image.Rectangle, 1+random.IntN(4))
				for i := range parts {
					at := image.Pt(random.IntN(p.Size().X), random.IntN(p.Size().Y))
					parts[i] = image.Rectangle{Min: at, Max: at.Add(image.Pt(1+random.IntN(200), 1+random.IntN(200)))}
				}
				got, covered, err := p.Regions(parts)
				if err != nil {
					t.Fatal(err)
				}
				for i, r := range covered {
					if want := parts[i].Intersect(image.Rectangle{Max: p.Size()}); r != want {
						t.Fatalf("%v covers %v, want %v", parts[i], r, want)
					}
					checkSame(t, got[i], whole.Crop(r))
				}
			}
		})
	}
}

func checkSame(t *testing.T, got, want *picture.RGB) {
	t.Helper()
	if got.Width != want.Width || got.Height != want.Height {
		t.Fatalf("size is %d x %d, want %d x %d", got.Width, got.Height, want.Width, want.Height)
	}
	for y := range got.Height {
		if !bytes.Equal(got.Row(y), want.Row(y)) {
			t.Fatalf("row %d of %d differs", y, got.Height)
		}
	}
}

func TestRegionOutsideIsRefused(t *testing.T) {
	t.Parallel()
	p := open(t, drawn(t, 64, 48))
	if _, _, err := p.Region(image.Rect(64, 0, 80, 10)); err == nil {
		t.Error("a region beside the picture is no error")
	}
}

// A damaged file is read if at most a tenth of its rows is missing, and has a
// warning.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	plain := drawn(t, 640, 640)
	progressive, restart := fixture(t, "progressive.jpg"), fixture(t, "restart.jpg")
	upTo := func(file []byte, share float64) []byte { return file[:int(share*float64(len(file)))] }
	second := bytes.Index(restart, []byte{0xff, 0xd3})
	wrong := bytes.Clone(restart)
	wrong[second+1] = 0xd6
	hole := append(bytes.Clone(restart[:second-200]), restart[second:]...)
	padded := append(bytes.Clone(upTo(plain, 0.5)), make([]byte, len(plain)/2)...)
	noise := bytes.Clone(plain)
	for i := len(noise) / 3; i < len(noise)*2/3; i++ {
		noise[i] = byte(i * i >> 3)
	}
	for _, tt := range []struct {
		name    string
		file    []byte
		warning string // what it mentions; "" for none
		refused bool
	}{
		{"sound", plain, "", false},
		{"sound, progressive", progressive, "", false},
		{"sound, with something behind", append(bytes.Clone(plain), "trailer"...), "", false},
		{"sound, with zeros behind", append(bytes.Clone(plain), make([]byte, 5000)...), "", false},
		{"without an end", plain[:len(plain)-2], "nothing of the picture is missing", false},
		{"95 % of it", upTo(plain, 0.95), "% of the picture is missing", false},
		{"80 % of it", upTo(plain, 0.8), "", true},
		{"half of it", upTo(plain, 0.5), "", true},
		{"half of it, and zeros", padded, "", true},
		{"the header", upTo(plain, 0.02), "", true},
		{"noise in its middle", noise, "", true},
		{"progressive, without an end", progressive[:len(progressive)-2], "nothing of the picture is missing", false},
		{"progressive, without its last bits", upTo(progressive, 0.85), "nothing of the picture is missing", false},
		{"progressive, a fifth of it", upTo(progressive, 0.2), "", true},
		{"a wrong restart marker", wrong, "damaged", false},
		{"a hole in a row", hole, "damaged", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := openWith(tt.file)
			if err == nil {
				_, err = p.Decode(320)
			}
			if tt.refused {
				if faces.ReasonOf(err) != faces.CorruptImage {
					t.Fatalf("the error is %v, want %s", err, faces.CorruptImage)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(p.Warning(), tt.warning) || tt.warning == "" && p.Warning() != "" {
				t.Errorf("the warning is %q, want %q in it", p.Warning(), tt.warning)
			}
		})
	}
}

// frame returns a JPEG's frame segment of a kind.
func frame(marker, precision, components byte) []byte {
	body := []byte{precision, 0, 16, 0, 16, components}
	for i := range components {
		body = append(body, i+1, 0x11, 0)
	}
	out := []byte{0xff, 0xd8, 0xff, marker, 0, byte(len(body) + 2)}
	return append(append(out, body...), 0xff, 0xd9)
}

func TestUnsupportedKindsAreNamed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file     []byte
		mentions string
	}{
		{frame(0xc1, 12, 3), "12 bits"},
		{frame(0xc3, 8, 3), "lossless"},
		{frame(0xc5, 8, 3), "hierarchical"},
		{frame(0xc9, 8, 3), "arithmetic"},
		{frame(0xc0, 8, 2), "2 channels"},
		{pictureFixture(t, "arithmetic.jpg"), "arithmetic"},
	} {
		t.Run(tt.mentions, func(t *testing.T) {
			t.Parallel()
			_, err := openWith(tt.file)
			if faces.ReasonOf(err) != faces.UnsupportedFormat || !strings.Contains(faces.ErrorMessage(err), tt.mentions) {
				t.Errorf("the error is %v, want %s that mentions %q", err, faces.UnsupportedFormat, tt.mentions)
			}
		})
	}
}

// scans returns a progressive JPEG of grey with many empty scans.
func scans(side uint16, count int) []byte {
	segment := func(marker byte, body ...byte) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(body)+2)), body...)
	}
	size := binary.BigEndian.AppendUint16(nil, side)
	out := append([]byte{0xff, 0xd8}, segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)...)
	out = append(out, segment(0xc2, 8, size[0], size[1], size[0], size[1], 1, 1, 0x11, 0)...)
	out = append(out, segment(0xc4, append([]byte{0x10, 1}, make([]byte, 16)...)...)...) // one code: end of block
	for range count {
		out = append(out, segment(0xda, 1, 1, 0, 1, 63, 0)...)
		out = append(out, 0)
	}
	return append(out, 0xff, 0xd9)
}

func TestScanBombsAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		side   uint16
		count  int
		reason faces.Reason
	}{{7000, 98, faces.ImageTooLarge}, {16, 1000, faces.CorruptImage}} {
		p, err := openWith(scans(tt.side, tt.count))
		if err == nil {
			_, err = p.Decode(640)
		}
		if faces.ReasonOf(err) != tt.reason {
			t.Errorf("%d scans of %d pixels a side: %v, want %s", tt.count, tt.side, err, tt.reason)
		}
	}
}

// FuzzLibrary looks for files that crash libjpeg or the code around it.
func FuzzLibrary(f *testing.F) {
	for _, name := range []string{"progressive.jpg", "cmyk.jpg", "rgb.jpg", "sampling-4x1.jpg", "sampling-1x2.jpg"} {
		f.Add(pictureFixture(f, name), uint8(2), uint8(3), uint8(4))
	}
	f.Add(drawn(f, 64, 64), uint8(8), uint8(0), uint8(0))
	f.Add(scans(16, 5), uint8(8), uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, file []byte, side, x, y uint8) {
		opts := picture.Defaults()
		opts.Library = libjpeg.Library{}
		opts.MaxPixels, opts.MaxMemory = 1<<18, 1<<24
		p, err := picture.Open(file, opts)
		if err != nil || p.Format() != "jpeg" {
			return
		}
		if m, err := p.Decode(1 + int(side)); err == nil {
			if want := min(1+int(side), max(p.Size().X, p.Size().Y)); max(m.Width, m.Height) < want {
				t.Fatalf("decoded to %d x %d, want a side of %d", m.Width, m.Height, want)
			}
		}
		at := image.Pt(int(x), int(y))
		_, _, _ = p.Regions([]image.Rectangle{{Max: at}, {Min: at, Max: at.Add(image.Pt(40, 30))}})
		_, _, _ = p.Region(image.Rectangle{Min: at, Max: p.Size()})
	})
}
