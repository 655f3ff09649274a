// Package picture decodes untrusted picture files. It reads the header first,
// refuses pictures that are too large or of an unknown format, and returns
// upright pixels. Engines use Open, which decodes only as much of a picture
// as is asked for. The go-face engine uses Decode, which makes one picture of
// the size that its detector needs.
package picture

import (
	"fmt"
	"image"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Options bound and steer decoding. The zero value is invalid; start from
// Defaults.
type Options struct {
	// MaxPixels bounds width times height. A larger picture is refused as
	// image_too_large as soon as its header is read.
	MaxPixels int64

	// MaxMemory bounds the estimated peak memory of decoding, in bytes. A
	// picture that needs more is refused as image_too_large: a progressive
	// JPEG or a 16-bit PNG takes several times the memory of a baseline JPEG
	// of the same size. Scaling adds up to about 20 bytes for each pixel of a
	// MaxSide by MaxSide square.
	MaxMemory int64

	// MinSide and MaxSide bound the long side, in pixels, of the picture that
	// Decode returns. A smaller picture is enlarged, at most to twice its
	// size; a larger one is scaled down.
	MinSide, MaxSide int

	// EnlargeBelow is the long side, in pixels, from which a picture is not
	// enlarged, even if it is below MinSide. Enlarging it a little would blur
	// every face and help the detector hardly at all.
	EnlargeBelow int

	// JPEG is a fast decoder for Decode. Go's decoder is used if it is nil or
	// returns an error.
	JPEG JPEGDecoder

	// Library decodes JPEGs for Open, including damaged ones and regions. If
	// it is nil, Go's decoder is used, which supports neither.
	Library JPEGLibrary

	// Encode encodes what Render returns. Go's encoder is used if it is nil.
	Encode JPEGEncoder

	// Sandbox decodes HEIC and AVIF. If it is nil, both are refused.
	Sandbox *Sandbox
}

// JPEGDecoder decodes a JPEG of width by height pixels to eighths/8 of its
// size, rounded up, with 4:2:0 chroma. It must not trust the file.
type JPEGDecoder func(data []byte, width, height, eighths int) (*image.YCbCr, error)

// Defaults returns options for dlib's frontal face detector, which finds no
// face smaller than about 80 pixels. MinSide equals MaxSide for a reason: a
// lower MinSide misses faces in web-sized group pictures, and a MaxSide of
// 2000 costs half as much again and finds no more. Where many pictures are a
// little smaller than MaxSide, a lower MinSide avoids enlarging them.
func Defaults() Options {
	return Options{
		MaxPixels: 50_000_000,
		MaxMemory: 512 << 20,
		MinSide:   1600,
		MaxSide:   1600,

		EnlargeBelow: 1200,
	}
}

// maxEnlargement is the largest factor by which a small picture is enlarged.
// Beyond it a face has too few pixels to be recognized.
const maxEnlargement = 2

// check returns an error that names the first option that is out of range.
func (o Options) check() error {
	switch {
	case o.MaxPixels < 1 || o.MaxPixels > math.MaxInt32:
		return fmt.Errorf("picture: MaxPixels is %d, must be 1 to %d", o.MaxPixels, math.MaxInt32)
	case o.MaxMemory < 1:
		return fmt.Errorf("picture: MaxMemory is %d, must be positive", o.MaxMemory)
	case o.MinSide < 1 || o.MaxSide < o.MinSide || o.MaxSide > math.MaxUint16:
		return fmt.Errorf("picture: MinSide %d and MaxSide %d must be in order and within 1 to %d",
			o.MinSide, o.MaxSide, math.MaxUint16)
	// The sum of the pixels that are averaged into one must fit in a uint32.
	case o.MaxPixels/int64(o.MaxSide) > math.MaxUint32/math.MaxUint8:
		return fmt.Errorf("picture: MaxSide %d is too small for MaxPixels %d", o.MaxSide, o.MaxPixels)
	}
	return nil
}

// Prepared is an upright picture at the size that the detector needs.
type Prepared struct {
	Pixels *image.YCbCr

	Width, Height                 int    // of the original, upright, in pixels
	PreparedWidth, PreparedHeight int    // of Pixels
	Format                        string // bmp, gif, jpeg, png, tiff or webp

	// Memory is the estimated peak memory of decoding, in bytes. It is 0 if
	// the picture was reduced while it was decoded.
	Memory int64
}

// Decode returns the picture in data, upright and scaled as opts say. Its
// errors carry a message for the user and one of these reasons:
// faces.UnsupportedFormat, faces.CorruptImage or faces.ImageTooLarge. Any
// other error means that opts are invalid.
func Decode(data []byte, opts Options) (Prepared, error) {
	h, out, err := plan(data, opts)
	if err != nil {
		return Prepared{}, err
	}
	err = h.decodeScaled(data, opts, &out)
	return out, err
}

// plan reads the header and computes the sizes, before anything is decoded.
func plan(data []byte, opts Options) (header, Prepared, error) {
	if err := opts.check(); err != nil {
		return header{}, Prepared{}, err
	}
	h, err := readHeader(data, opts)
	if err != nil {
		return header{}, Prepared{}, err
	}
	h.orient()
	out := Prepared{Format: h.format.name, Width: h.width, Height: h.height}
	out.PreparedWidth, out.PreparedHeight = scaledSize(h.width, h.height, opts)
	if h.turn.swapsSides() {
		out.Width, out.Height = out.Height, out.Width
		out.PreparedWidth, out.PreparedHeight = out.PreparedHeight, out.PreparedWidth
	}
	return h, out, nil
}

// decodeScaled decodes, scales and turns the picture and completes out.
func (h *header) decodeScaled(data []byte, opts Options, out *Prepared) error {
	p, width, height, ok := h.decodeReduced(data, opts)
	if !ok {
		out.Memory = h.memory
		full, err := h.decode(data)
		if err != nil {
			return err
		}
		p = planesOf(full, *h, reduction(*h, opts))
		width, height = scaledSize(h.width, h.height, opts)
	}
	out.Pixels = h.turn.apply(resize(p, width, height)).image()
	out.PreparedWidth, out.PreparedHeight = out.Pixels.Rect.Dx(), out.Pixels.Rect.Dy()
	return nil
}

// decodeReduced has opts.JPEG reduce a JPEG while decoding it. It also
// returns the size to scale to. That is the decoded size if it is close
// enough, because scaling once more costs time and sharpness. ok is false if
// the picture must be decoded at full size instead.
func (h *header) decodeReduced(data []byte, opts Options) (p planes, width, height int, ok bool) {
	if opts.JPEG == nil || h.format != jpegFormat {
		return planes{}, 0, 0, false
	}
	width, height = scaledSize(h.width, h.height, opts)
	eighths, fits := eighthsFor(max(h.width, h.height), max(width, height))
	m, err := safely(func() (*image.YCbCr, error) { return opts.JPEG(data, h.width, h.height, eighths) })
	if err != nil {
		return planes{}, 0, 0, false // Go's decoder decides what is wrong with it
	}
	if fits {
		width, height = m.Rect.Dx(), m.Rect.Dy()
	}
	return planesOfYCbCr(m, 1), width, height, true
}

// eighthsFor returns the reduction, in eighths, that brings a long side
// closest to want pixels. fits reports whether no further scaling is needed:
// between a tenth below and a twentieth above want, the detector finds as
// much.
func eighthsFor(long, want int) (eighths int, fits bool) {
	const all = 8
	for n := all; n > 0; n-- {
		if got := ceilDiv(long*n, all); 20*got <= 21*want && 10*got >= 9*want {
			return n, true
		}
	}
	return min(all, ceilDiv(want*all, long)), false
}

// scaledSize returns the size at which the detector gets a picture.
func scaledSize(width, height int, opts Options) (int, int) {
	long := max(width, height)
	want := long
	switch {
	case long > opts.MaxSide:
		want = opts.MaxSide
	case long < opts.MinSide && long < opts.EnlargeBelow:
		want = min(opts.MinSide, maxEnlargement*long)
	}
	scale := func(side int) int {
		return max(1, int((int64(side)*int64(want)+int64(long)/2)/int64(long)))
	}
	return scale(width), scale(height)
}

// reduction returns the factor by which a decoded picture is averaged before
// the finer scaling, so that no second copy of a large picture is needed.
func reduction(h header, opts Options) int {
	return max(1, max(h.width, h.height)/opts.MaxSide)
}

// Box maps a rectangle of the scaled picture to pixels of the upright
// original. The box covers every pixel that the rectangle touches, lies
// within the picture and is never empty: a rectangle outside the picture maps
// to the nearest pixel.
func (p Prepared) Box(r image.Rectangle) faces.Box {
	x, width := mapSpan(r.Min.X, r.Max.X, p.PreparedWidth, p.Width)
	y, height := mapSpan(r.Min.Y, r.Max.Y, p.PreparedHeight, p.Height)
	return faces.Box{X: x, Y: y, Width: width, Height: height}
}

// mapSpan maps the span from..to of a side that is prepared pixels long to a
// side that is original pixels long. It returns the start and the length.
func mapSpan(from, to, prepared, original int) (start, length int) {
	from, to = min(max(from, 0), prepared), min(max(to, 0), prepared)
	ratio := float64(original) / float64(prepared)
	start = min(int(math.Floor(float64(from)*ratio)), original-1)
	end := min(int(math.Ceil(float64(to)*ratio)), original)
	return start, max(1, end-start)
}

// Point maps a pixel of the scaled picture to the pixel of the upright
// original under its centre, or to the nearest one if pt is outside the
// picture.
func (p Prepared) Point(pt image.Point) faces.Point {
	return faces.Point{
		X: mapPixel(pt.X, p.PreparedWidth, p.Width),
		Y: mapPixel(pt.Y, p.PreparedHeight, p.Height),
	}
}

func mapPixel(at, prepared, original int) int {
	at = min(max(at, 0), prepared-1)
	centre := (float64(at) + 0.5) * float64(original) / float64(prepared)
	return min(int(centre), original-1)
}
