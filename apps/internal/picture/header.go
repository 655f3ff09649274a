package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"strconv"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture/signature"
)

// format is a file format that can be decoded.
type format struct {
	name   string // for programs
	title  string // for messages
	config func(data []byte) (image.Config, error)
	decode func(data []byte, h *header) (image.Image, error)
	// inspect reads what config leaves out and completes the header. It must
	// not trust the file.
	inspect func(data []byte, h *header) error
}

var (
	jpegFormat = &format{"jpeg", "JPEG", jpegConfig, decodeFromReader(jpeg.Decode), inspectJPEG}
	pngFormat  = &format{"png", "PNG", configFromReader(png.DecodeConfig), decodePNG, inspectPNG}
	gifFormat  = &format{"gif", "GIF", configFromReader(gif.DecodeConfig), decodeFromReader(gif.Decode), inspectGIF}
	webpFormat = &format{"webp", "WebP", webpConfig, decodeWebP, inspectWebP}
	bmpFormat  = &format{"bmp", "BMP", configFromReader(bmp.DecodeConfig), decodeFromReader(bmp.Decode), inspectBMP}
	tiffFormat = &format{"tiff", "TIFF", tiffConfig, decodeTIFF, inspectTIFF}
	heicFormat = &format{"heic", "HEIC", isoConfig, decodeHEIC, inspectHEIC}
	avifFormat = &format{"avif", "AVIF", isoConfig, decodeAVIF, inspectAVIF}
)

// configFromReader adapts a function that reads from an io.Reader to bytes.
func configFromReader[T any](from func(io.Reader) (T, error)) func([]byte) (T, error) {
	return func(data []byte) (T, error) { return from(bytes.NewReader(data)) }
}

// decodeFromReader adapts a decoder that needs nothing but the file to
// format.decode.
func decodeFromReader(from func(io.Reader) (image.Image, error)) func([]byte, *header) (image.Image, error) {
	return func(data []byte, _ *header) (image.Image, error) { return from(bytes.NewReader(data)) }
}

// formats are the formats that can be decoded, by their signature.
var formats = map[signature.Format]*format{
	signature.JPEG: jpegFormat, signature.PNG: pngFormat, signature.GIF: gifFormat, signature.WebP: webpFormat,
	signature.BMP: bmpFormat, signature.TIFF: tiffFormat, signature.HEIC: heicFormat, signature.AVIF: avifFormat,
}

// sniff returns the format that data's signature claims, or nil.
func sniff(data []byte) *format { return formats[signature.Of(data)] }

// header describes a picture before it is decoded.
type header struct {
	format        *format
	width, height int   // as stored, in pixels
	memory        int64 // estimated peak of decoding, in bytes
	exif          []byte
	turn          orientation
	iso           isoPicture
	sandbox       *Sandbox
	maxMemory     int64
	warning       string // what decoding found wrong with the file
}

// readHeader reads the header and refuses a picture that is too large to
// decode.
func readHeader(data []byte, opts Options) (header, error) {
	f := sniff(data)
	if f == nil {
		return header{}, unsupported(data, opts.Sandbox != nil)
	}
	if (f == heicFormat || f == avifFormat) && opts.Sandbox == nil {
		return header{}, faces.Fault(faces.UnsupportedFormat, "the file is %s, which this program does not read; a JPEG can be read", f.title)
	}
	config, err := safely(func() (image.Config, error) { return f.config(data) })
	if err != nil {
		return header{}, f.fault(err, isUnsupported(err))
	}
	h := header{format: f, width: config.Width, height: config.Height, turn: upright,
		sandbox: opts.Sandbox, maxMemory: opts.MaxMemory}
	if h.width < 1 || h.height < 1 {
		return header{}, faces.Fault(faces.CorruptImage,
			"the %s file holds a picture without pixels (%d x %d)", f.title, h.width, h.height)
	}
	if float64(h.width)*float64(h.height) > float64(opts.MaxPixels) {
		return header{}, faces.Fault(faces.ImageTooLarge, "%s, more than the limit of %s",
			h.describe(), millions(float64(opts.MaxPixels)))
	}
	if err := f.inspect(data, &h); err != nil {
		return header{}, err
	}
	if h.memory > opts.MaxMemory {
		return header{}, faces.Fault(faces.ImageTooLarge,
			"%s in a form that takes %d MB to decode, more than the limit of %d MB; a plain JPEG takes less",
			h.describe(), h.memory>>20, opts.MaxMemory>>20)
	}
	return h, nil
}

// describe states the picture's size, for a message.
func (h *header) describe() string {
	pixels := float64(h.width) * float64(h.height)
	return fmt.Sprintf("the picture has %s megapixels (%d x %d)", millions(pixels), h.width, h.height)
}

// area returns the number of pixels. inspect may rely on it being within
// Options.MaxPixels.
func (h *header) area() int64 { return int64(h.width) * int64(h.height) }

// millions formats a number of pixels in millions. It rounds up to a tenth,
// so that a picture just beyond a limit does not look as if it were within.
func millions(pixels float64) string {
	return strconv.FormatFloat(math.Ceil(pixels/1e5)/10, 'f', -1, 64)
}

// decode decodes the whole picture.
func (h *header) decode(data []byte) (image.Image, error) {
	m, err := safely(func() (image.Image, error) { return h.format.decode(data, h) })
	if err != nil {
		if errors.Is(err, errSandbox) {
			return nil, err
		}
		return nil, h.format.fault(err, isUnsupported(err))
	}
	// A GIF's frame may be smaller than its screen. Any other picture must be
	// as large as its header claims: the code that reads pixels relies on it.
	screen := image.Rect(0, 0, h.width, h.height)
	if b := m.Bounds(); !b.In(screen) || b != screen && h.format != gifFormat {
		return nil, h.format.fault(fmt.Errorf("decoded to %v, not %v", b, screen), false)
	}
	return m, nil
}

// safely calls a third-party decoder and returns a panic as an error.
func safely[T any](decode func() (T, error)) (out T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in the decoder: %v", r)
		}
	}()
	return decode()
}

// fault turns a decoder's error into one with a reason and a message for the
// user.
func (f *format) fault(err error, unsupported bool) error {
	var j jpegUnsupported
	if errors.As(err, &j) {
		return faces.Fault(faces.UnsupportedFormat, "a kind of JPEG that cannot be read (%s); a plain JPEG can", string(j)).WithCause(err)
	}
	if unsupported {
		return faces.Fault(faces.UnsupportedFormat, "a kind of %s that cannot be read", f.title).WithCause(err)
	}
	return faces.Fault(faces.CorruptImage, "the %s file is damaged or incomplete", f.title).WithCause(err)
}

// isUnsupported reports whether the file may be valid but the decoder does
// not support it.
func isUnsupported(err error) bool {
	if errors.Is(err, errors.ErrUnsupported) {
		return true
	}
	var (
		j jpeg.UnsupportedError
		p png.UnsupportedError
		t tiff.UnsupportedError
	)
	return errors.As(err, &j) || errors.As(err, &p) || errors.As(err, &t) || errors.Is(err, bmp.ErrUnsupported)
}

// unsupported returns the error for a file whose format is unknown.
func unsupported(data []byte, sandbox bool) error {
	if len(data) == 0 {
		return faces.Fault(faces.UnsupportedFormat, "the file is empty")
	}
	return unsupportedAs(signature.Guess(data), sandbox)
}

// unsupportedAs returns the error for a file that looks like kind, which
// cannot be decoded. HEIC and AVIF can be decoded only with a sandbox.
func unsupportedAs(kind string, sandbox bool) error {
	readable := "JPEG, PNG, WebP, GIF, BMP and TIFF"
	if sandbox {
		readable = "JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP and TIFF"
	}
	return faces.Fault(faces.UnsupportedFormat, "the file seems to be %s; %s can be read", kind, readable)
}
