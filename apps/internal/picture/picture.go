// Package picture turns the bytes of a picture file that nobody vouches for
// into what the face detector can take: an upright, well-sized, plain JPEG.
//
// This file owns the way through: look at the header, decode, scale, turn
// upright, encode; and the way back from the detector's pixels to the
// original's.
package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"time"

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

	// Quality is that of the JPEG, 1 to 100.
	Quality int

	// NoDirect decodes and encodes even a JPEG that the detector could take
	// as it is. Use it where the detector has complained about one.
	NoDirect bool
}

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
		Quality:   95,

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
	case o.Quality < 1 || o.Quality > 100:
		return fmt.Errorf("picture: Quality is %d, must be 1 to 100", o.Quality)
	}
	return nil
}

// Prepared is an upright picture, scaled for the detector.
type Prepared struct {
	// JPEG has three components, which libjpeg reads without a warning.
	// Where Direct is true it is the caller's own slice, not to be changed.
	JPEG []byte

	// Direct says that JPEG is the file as it came. It was not decoded here,
	// so libjpeg may still find fault with it; see Options.NoDirect.
	Direct bool

	Width, Height                 int    // of the original, upright, in pixels
	PreparedWidth, PreparedHeight int    // of JPEG
	Format                        string // bmp, gif, jpeg, png, tiff or webp

	Decode, Scale, Encode time.Duration // where the time went
}

// Prepare makes the picture in data ready. Its errors are of these kinds, with
// a message that is fit for a user: faces.UnsupportedFormat, faces.CorruptImage
// and faces.ImageTooLarge. Any other error means that opts are wrong.
func Prepare(data []byte, opts Options) (Prepared, error) {
	if err := opts.check(); err != nil {
		return Prepared{}, err
	}
	start := time.Now()
	h, err := readHeader(data, opts)
	if err != nil {
		return Prepared{}, err
	}
	turn := orientationOf(h.exif)
	width, height := scaledSize(h.width, h.height, opts)

	out := Prepared{
		Format: h.format.name,
		Width:  h.width, Height: h.height,
		PreparedWidth: width, PreparedHeight: height,
	}
	if turn.swapsSides() {
		out.Width, out.Height = out.Height, out.Width
		out.PreparedWidth, out.PreparedHeight = out.PreparedHeight, out.PreparedWidth
	}

	scaled := width != h.width || height != h.height
	if h.plainJPEG && turn == upright && !scaled && !opts.NoDirect {
		out.JPEG, out.Direct = data, true
		out.Decode = time.Since(start)
		return out, nil
	}

	full, err := h.decode(data)
	if err != nil {
		return Prepared{}, err
	}
	out.Decode = time.Since(start)

	start = time.Now()
	small := turn.apply(resize(planesOf(full, h, reduction(h, opts)), width, height))
	out.Scale = time.Since(start)

	start = time.Now()
	out.JPEG, err = encode(small, opts.Quality)
	out.Encode = time.Since(start)
	return out, err
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

// encode writes p as a baseline 4:2:0 JPEG.
func encode(p planes, quality int) ([]byte, error) {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, p.image(), &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("picture: encode: %w", err)
	}
	return buf.Bytes(), nil
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
