// Package picture reads picture files that nobody vouches for: it looks at the
// header, refuses what is too large or of no known kind, decodes, scales and
// turns upright. Open is for engines that decode a picture as far as they need
// it; Decode makes one picture of a fixed size.
package picture

import (
	"fmt"
	"image"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Options say how a picture is made ready. The zero value is not usable; see
// Defaults.
type Options struct {
	// MaxPixels bounds width times height. A larger picture is
	// image_too_large, which its header decides before anything is decoded.
	MaxPixels int64

	// MaxMemory bounds, in bytes, what decoding is reckoned to need at its
	// height: a progressive JPEG or a 16-bit PNG takes a multiple of the
	// memory of a plain JPEG of the same size. More is image_too_large.
	// Scaling and encoding come on top, with no more than some 20 bytes for
	// each pixel of a square of MaxSide.
	MaxMemory int64

	// MinSide and MaxSide are the bounds, in pixels, of the prepared
	// picture's long side. A smaller picture is scaled up, but to no more
	// than twice its size; a larger one is scaled down.
	MinSide, MaxSide int

	// EnlargeBelow leaves pictures alone whose long side is at least this
	// many pixels, though it is below MinSide: enlarging them a little shows
	// the detector hardly more, and blurs every face.
	EnlargeBelow int

	// JPEG decodes JPEGs that are sound; Go's decoder, where this is nil, and
	// for what it refuses.
	JPEG JPEGDecoder

	// Library reads JPEGs for Open, also damaged ones and parts of them. Go's
	// decoder, which does neither, where this is nil.
	Library JPEGLibrary

	// Sandbox decodes HEIC and AVIF, which are refused where this is nil.
	Sandbox *Sandbox
}

// JPEGDecoder decodes a JPEG of width by height pixels to eighths/8 of its
// size, rounded up, with colours at half of that. It must not trust the file.
type JPEGDecoder func(data []byte, width, height, eighths int) (*image.YCbCr, error)

// Defaults returns options for dlib's frontal face detector, which finds no
// face smaller than about 80 pixels. The bounds meet: in a web-sized group
// picture, whose faces are the smallest, any lower MinSide misses some, and a
// MaxSide of 2000 costs half as much again and finds no more. Where many
// pictures are a little smaller than MaxSide, a lower MinSide lets more of them
// through unchanged.
func Defaults() Options {
	return Options{
		MaxPixels: 50_000_000,
		MaxMemory: 512 << 20,
		MinSide:   1600,
		MaxSide:   1600,

		EnlargeBelow: 1200,
	}
}

// maxEnlargement is how far a small picture is scaled up. Beyond it a face has
// too few pixels of its own to be told from another.
const maxEnlargement = 2

// check returns an error that names the first option out of its bounds.
func (o Options) check() error {
	switch {
	case o.MaxPixels < 1 || o.MaxPixels > math.MaxInt32:
		return fmt.Errorf("picture: MaxPixels is %d, must be 1 to %d", o.MaxPixels, math.MaxInt32)
	case o.MaxMemory < 1:
		return fmt.Errorf("picture: MaxMemory is %d, must be positive", o.MaxMemory)
	case o.MinSide < 1 || o.MaxSide < o.MinSide || o.MaxSide > math.MaxUint16:
		return fmt.Errorf("picture: MinSide %d and MaxSide %d must be in order and within 1 to %d",
			o.MinSide, o.MaxSide, math.MaxUint16)
	// Of the pixels that are averaged into one, the sum must fit a uint32.
	case o.MaxPixels/int64(o.MaxSide) > math.MaxUint32/math.MaxUint8:
		return fmt.Errorf("picture: MaxSide %d is too small for MaxPixels %d", o.MaxSide, o.MaxPixels)
	}
	return nil
}

// Prepared is an upright picture, scaled for the detector.
type Prepared struct {
	Pixels *image.YCbCr

	Width, Height                 int    // of the original, upright, in pixels
	PreparedWidth, PreparedHeight int    // of Pixels
	Format                        string // bmp, gif, jpeg, png, tiff or webp

	// Memory is what decoding was reckoned to need, in bytes; 0 where the
	// picture was reduced while it was decoded.
	Memory int64
}

// Decode makes the picture in data ready as pixels. Its errors are of these
// kinds, with a message that is fit for a user: faces.UnsupportedFormat,
// faces.CorruptImage and faces.ImageTooLarge. Any other error means that opts
// are wrong.
func Decode(data []byte, opts Options) (Prepared, error) {
	h, out, err := plan(data, opts)
	if err != nil {
		return Prepared{}, err
	}
	err = h.decodeScaled(data, opts, &out)
	return out, err
}

// begin reads what must be known before anything is decoded.
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

// pixels decodes, scales and turns, and completes out.
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

// reduced lets the quick decoder reduce a JPEG while it decodes it, and returns
// the size to scale to: its own where that is about right, because scaling
// once more costs time and sharpness. ok is false where it cannot be had.
func (h *header) decodeReduced(data []byte, opts Options) (p planes, width, height int, ok bool) {
	if opts.JPEG == nil || h.format != jpegFormat {
		return planes{}, 0, 0, false
	}
	width, height = scaledSize(h.width, h.height, opts)
	eighths, fits := eighthsFor(max(h.width, h.height), max(width, height))
	m, err := safely(func() (*image.YCbCr, error) { return opts.JPEG(data, h.width, h.height, eighths) })
	if err != nil {
		return planes{}, 0, 0, false // Go's decoder is the judge of what is wrong with it
	}
	if fits {
		width, height = m.Rect.Dx(), m.Rect.Dy()
	}
	return planesOfYCbCr(m, 1), width, height, true
}

// eighthsFor returns to how many eighths of its size a picture is best reduced
// whose long side is to be want pixels, and whether it then needs no more
// scaling: from a tenth below to a twentieth above, the detector sees as much.
func eighthsFor(long, want int) (eighths int, fits bool) {
	const all = 8
	for n := all; n > 0; n-- {
		if got := ceilDiv(long*n, all); 20*got <= 21*want && 10*got >= 9*want {
			return n, true
		}
	}
	return min(all, ceilDiv(want*all, long)), false
}

// scaledSize returns the size at which the detector sees a picture.
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

// reduction returns the whole number of pixels a side that are averaged into
// one before the finer scaling, so that a large picture never exists twice.
func reduction(h header, opts Options) int {
	return max(1, max(h.width, h.height)/opts.MaxSide)
}

// Box maps a rectangle of the prepared picture to the original's upright
// pixels. It covers every pixel that the rectangle touches, lies within the
// picture and is never empty: a rectangle that misses the picture becomes the
// pixel nearest to it.
func (p Prepared) Box(r image.Rectangle) faces.Box {
	x, width := mapSpan(r.Min.X, r.Max.X, p.PreparedWidth, p.Width)
	y, height := mapSpan(r.Min.Y, r.Max.Y, p.PreparedHeight, p.Height)
	return faces.Box{X: x, Y: y, Width: width, Height: height}
}

// mapSpan maps from..to of a side that is prepared pixels long to a side that
// is original pixels long, and returns where it starts and how long it is.
func mapSpan(from, to, prepared, original int) (start, length int) {
	from, to = min(max(from, 0), prepared), min(max(to, 0), prepared)
	ratio := float64(original) / float64(prepared)
	start = min(int(math.Floor(float64(from)*ratio)), original-1)
	end := min(int(math.Ceil(float64(to)*ratio)), original)
	return start, max(1, end-start)
}

// Point maps a pixel of the prepared picture to the original's upright pixel
// under its centre, or to the nearest one where pt lies outside.
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
