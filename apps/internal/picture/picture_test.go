package picture_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// encoded returns what an encoder makes of the pattern in a colour model.
func encoded(t *testing.T, m draw.Image, encode func(*bytes.Buffer, image.Image) error) []byte {
	t.Helper()
	paint(m)
	var buf bytes.Buffer
	if err := encode(&buf, m); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func toPNG(b *bytes.Buffer, m image.Image) error  { return png.Encode(b, m) }
func toGIF(b *bytes.Buffer, m image.Image) error  { return gif.Encode(b, m, nil) }
func toBMP(b *bytes.Buffer, m image.Image) error  { return bmp.Encode(b, m) }
func toTIFF(b *bytes.Buffer, m image.Image) error { return tiff.Encode(b, m, nil) }
func toJPEG(b *bytes.Buffer, m image.Image) error {
	return jpeg.Encode(b, m, &jpeg.Options{Quality: 95})
}

func toDeflatedTIFF(b *bytes.Buffer, m image.Image) error {
	return tiff.Encode(b, m, &tiff.Options{Compression: tiff.Deflate, Predictor: true})
}

func TestDecodeReadsEveryFormat(t *testing.T) {
	t.Parallel()
	r := image.Rect(0, 0, patternWidth, patternHeight)
	palette := color.Palette{quadrants[0], quadrants[1], quadrants[2], quadrants[3]}
	grey := quadrants
	for i, c := range grey {
		y := color.GrayModel.Convert(c).(color.Gray).Y
		grey[i] = color.NRGBA{y, y, y, 0xff}
	}
	// ImageMagick weighs the colours by Rec. 709, not Rec. 601.
	grey709 := [4]color.NRGBA{{77, 77, 77, 255}, {126, 126, 126, 255}, {66, 66, 66, 255}, {187, 187, 187, 255}}
	seeThrough := [4]color.NRGBA{quadrants[0], quadrants[1], backdrop, backdrop}

	tests := []struct {
		name   string
		data   []byte
		format string
		want   [4]color.NRGBA
	}{
		{"jpeg", encoded(t, image.NewRGBA(r), toJPEG), "jpeg", quadrants},
		{"jpeg grey", encoded(t, image.NewGray(r), toJPEG), "jpeg", grey},
		{"jpeg progressive", fixture(t, "progressive.jpg"), "jpeg", quadrants},
		{"jpeg grey progressive", fixture(t, "grey-progressive.jpg"), "jpeg", grey709},
		{"jpeg CMYK", fixture(t, "cmyk.jpg"), "jpeg", quadrants},
		{"jpeg YCCK", fixture(t, "ycck.jpg"), "jpeg", quadrants},
		{"jpeg RGB", fixture(t, "rgb.jpg"), "jpeg", quadrants},
		{"jpeg 4:4:4", fixture(t, "sampling-1x1.jpg"), "jpeg", quadrants},
		{"jpeg 4:2:2", fixture(t, "sampling-2x1.jpg"), "jpeg", quadrants},
		{"jpeg 4:4:0", fixture(t, "sampling-1x2.jpg"), "jpeg", quadrants},
		{"jpeg 4:1:1", fixture(t, "sampling-4x1.jpg"), "jpeg", quadrants},
		{"jpeg with garbage behind it", append(encoded(t, image.NewRGBA(r), toJPEG), "garbage"...), "jpeg", quadrants},

		{"png RGB", encoded(t, image.NewRGBA(r), toPNG), "png", quadrants},
		{"png NRGBA", encoded(t, image.NewNRGBA(r), toPNG), "png", quadrants},
		{"png RGB 16 bit", encoded(t, image.NewRGBA64(r), toPNG), "png", quadrants},
		{"png NRGBA 16 bit", encoded(t, image.NewNRGBA64(r), toPNG), "png", quadrants},
		{"png grey", encoded(t, image.NewGray(r), toPNG), "png", grey},
		{"png grey 16 bit", encoded(t, image.NewGray16(r), toPNG), "png", grey},
		{"png palette", encoded(t, image.NewPaletted(r, palette), toPNG), "png", quadrants},
		{"png transparent", encoded(t, transparentBelow{image.NewNRGBA(r)}, toPNG), "png", seeThrough},
		{"png transparent 16 bit", encoded(t, transparentBelow{image.NewNRGBA64(r)}, toPNG), "png", seeThrough},
		{"png transparent palette", encoded(t, transparentBelow{
			image.NewPaletted(r, append(palette[:2:2], color.Transparent)),
		}, toPNG), "png", seeThrough},

		{"gif", encoded(t, image.NewPaletted(r, palette), toGIF), "gif", quadrants},
		{"gif transparent", encoded(t, transparentBelow{
			image.NewPaletted(r, append(palette[:2:2], color.Transparent)),
		}, toGIF), "gif", seeThrough},

		{"bmp RGB", encoded(t, image.NewRGBA(r), toBMP), "bmp", quadrants},
		{"bmp palette", encoded(t, image.NewPaletted(r, palette), toBMP), "bmp", quadrants},
		{"bmp grey", encoded(t, image.NewGray(r), toBMP), "bmp", grey},

		{"tiff RGB", encoded(t, image.NewRGBA(r), toTIFF), "tiff", quadrants},
		{"tiff NRGBA 16 bit", encoded(t, image.NewNRGBA64(r), toTIFF), "tiff", quadrants},
		{"tiff transparent", encoded(t, transparentBelow{image.NewNRGBA(r)}, toTIFF), "tiff", seeThrough},
		{"tiff grey", encoded(t, image.NewGray(r), toTIFF), "tiff", grey},
		{"tiff grey 16 bit", encoded(t, image.NewGray16(r), toTIFF), "tiff", grey},
		{"tiff palette", encoded(t, image.NewPaletted(r, palette), toTIFF), "tiff", quadrants},
		{"tiff deflated", encoded(t, image.NewRGBA(r), toDeflatedTIFF), "tiff", quadrants},
		{"tiff LZW", fixture(t, "lzw.tif"), "tiff", quadrants},
		{"tiff tiles", fixture(t, "tiled.tif"), "tiff", quadrants},
		{"tiff big-endian", tiffOf(binary.BigEndian, pattern(patternWidth, patternHeight), 1), "tiff", quadrants},

		{"webp lossy", fixture(t, "lossy.webp"), "webp", quadrants},
		{"webp lossless", fixture(t, "lossless.webp"), "webp", quadrants},
		{"webp lossy transparent", fixture(t, "lossy-alpha.webp"), "webp", seeThrough},
		{"webp lossless transparent", fixture(t, "lossless-alpha.webp"), "webp", seeThrough},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, side := range []int{24, patternWidth, 2 * patternWidth} {
				opts := picture.Defaults()
				opts.MinSide, opts.MaxSide = side, side
				p := mustDecode(t, tt.data, opts)
				if p.Format != tt.format {
					t.Errorf("format is %q, want %q", p.Format, tt.format)
				}
				if p.Width != patternWidth || p.Height != patternHeight {
					t.Errorf("size is %dx%d, want %dx%d", p.Width, p.Height, patternWidth, patternHeight)
				}
				if p.PreparedWidth != side || p.PreparedHeight != side*patternHeight/patternWidth {
					t.Errorf("prepared size is %dx%d, want %d wide", p.PreparedWidth, p.PreparedHeight, side)
				}
				checkQuadrants(t, p.Pixels, tt.want, 12)
			}
		})
	}
}

// transparentBelow makes the lower half of what is painted on it transparent.
type transparentBelow struct{ draw.Image }

func (m transparentBelow) Set(x, y int, c color.Color) {
	if 2*y >= m.Bounds().Dy() {
		c = color.Transparent
	}
	m.Image.Set(x, y, c)
}

func TestDecodeGIFFrameOnScreen(t *testing.T) {
	t.Parallel()
	// The frame covers the top right quadrant, and a second one all.
	frame := image.NewPaletted(image.Rect(patternWidth/2, 0, patternWidth, patternHeight/2), color.Palette{quadrants[0]})
	all := image.NewPaletted(image.Rect(0, 0, patternWidth, patternHeight), color.Palette{quadrants[1]})
	var buf bytes.Buffer
	err := gif.EncodeAll(&buf, &gif.GIF{
		Image: []*image.Paletted{frame, all}, Delay: []int{1, 1},
		Config: image.Config{Width: patternWidth, Height: patternHeight},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := mustDecode(t, buf.Bytes(), unscaled())
	checkQuadrants(t, p.Pixels, [4]color.NRGBA{backdrop, quadrants[0], backdrop, backdrop}, 12)
}

func TestDecodeScales(t *testing.T) {
	t.Parallel()
	opts := picture.Defaults()
	opts.MinSide, opts.MaxSide, opts.EnlargeBelow = 100, 200, 90
	tests := []struct {
		name                  string
		width, height         int
		wantWidth, wantHeight int
	}{
		{"one pixel", 1, 1, 2, 2},
		{"tiny, at most doubled", 40, 30, 80, 60},
		{"small, up to the lower bound", 80, 60, 100, 75},
		{"nearly large enough", 89, 60, 100, 67},
		{"not worth enlarging", 90, 60, 90, 60},
		{"within the bounds", 150, 100, 150, 100},
		{"large", 401, 301, 200, 150},
		{"many times too large", 1201, 801, 200, 133},
		{"high", 301, 401, 150, 200},
		{"a line", 3000, 1, 200, 1},
		{"a column", 1, 3000, 1, 200},
		{"odd", 151, 101, 151, 101},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := mustDecode(t, jpegBytes(t, pattern(tt.width, tt.height)), opts)
			if p.PreparedWidth != tt.wantWidth || p.PreparedHeight != tt.wantHeight {
				t.Errorf("prepared size is %dx%d, want %dx%d",
					p.PreparedWidth, p.PreparedHeight, tt.wantWidth, tt.wantHeight)
			}
			m := p.Pixels
			if min(tt.wantWidth, tt.wantHeight) >= 32 {
				checkQuadrants(t, m, quadrants, 12)
			}
		})
	}
}

// A filter that skips pixels would turn a fine checkerboard into stripes.
func TestDecodeShrinksWithoutAliasing(t *testing.T) {
	t.Parallel()
	board := image.NewGray(image.Rect(0, 0, 240, 240))
	for i := range board.Pix {
		board.Pix[i] = byte(255 * ((i%240 + i/240) % 2))
	}
	for _, side := range []int{50, 90, 130, 170} {
		opts := unscaled()
		opts.MaxSide = side
		m := mustDecode(t, pngBytes(t, board), opts).Pixels
		for y := 4; y < side-4; y++ {
			for x := 4; x < side-4; x++ {
				if got := m.YCbCrAt(x, y).Y; far(got, 128, 40) {
					t.Fatalf("side %d: pixel (%d, %d) is %d, want about 128", side, x, y, got)
				}
			}
		}
	}
}

func pngBytes(t *testing.T, m image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, m); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestDecodeRefusesWrongOptions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*picture.Options)
	}{
		{"zero value", func(o *picture.Options) { *o = picture.Options{} }},
		{"no pixels", func(o *picture.Options) { o.MaxPixels = 0 }},
		{"no memory", func(o *picture.Options) { o.MaxMemory = 0 }},
		{"sides out of order", func(o *picture.Options) { o.MinSide = o.MaxSide + 1 }},
		{"side beyond JPEG", func(o *picture.Options) { o.MaxSide = 1 << 16 }},
		{"too many pixels into one", func(o *picture.Options) { o.MaxPixels, o.MinSide, o.MaxSide = 1<<31-1, 1, 1 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opts := picture.Defaults()
			tt.change(&opts)
			_, err := picture.Decode(jpegBytes(t, pattern(8, 8)), opts)
			if got, want := faces.ErrorCode(err), faces.CodeInternal; got != want {
				t.Errorf("code is %q, want %q: %v", got, want, err)
			}
		})
	}
}
