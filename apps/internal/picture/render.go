package picture

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// JPEGEncoder encodes pixels of three bytes, without gaps between rows, as a
// JPEG. Its quality is 1 to 100.
type JPEGEncoder func(rgb []byte, width, height, quality int) ([]byte, error)

const (
	// maxEnlargedCrop is the largest factor by which a crop is enlarged.
	maxEnlargedCrop = 4
	// qualityStep lowers the quality of a JPEG that is too large, down to
	// minQuality.
	qualityStep = 20
	minQuality  = 25
	// checkSide is the long side to which a picture is decoded only to check
	// whether its file is readable.
	checkSide = 256
)

// Render decodes an untrusted picture file and returns it as r says, as a JPEG
// that has pixels and nothing else. It returns the errors that Decode returns,
// and faces.CodeInvalid for a wrong r.
func Render(ctx context.Context, file []byte, opts Options, r faces.Rendering) (faces.Rendered, error) {
	r, err := r.WithDefaults()
	if err != nil {
		return faces.Rendered{}, err
	}
	p, err := Open(file, opts)
	if err != nil {
		return faces.Rendered{}, err
	}
	defer p.Release()
	show := p.whole
	if r.Crop != (faces.Box{}) {
		show = p.crop
	}
	m, err := show(r)
	if err != nil {
		return faces.Rendered{}, err
	}
	if len(r.Blur) > 0 {
		m.blur(r.Blur, p.size)
	}
	p.Release()
	if err := ctx.Err(); err != nil {
		return faces.Rendered{}, err
	}
	text, err := m.encode(opts.Encode, r.Quality)
	return faces.Rendered{JPEG: text, Width: m.Width, Height: m.Height}, err
}

// whole returns the whole picture, with a long side of at most r.Size pixels.
func (p *Picture) whole(r faces.Rendering) (*RGB, error) {
	want := min(r.Size, max(p.size.X, p.size.Y))
	m, err := p.Decode(want)
	if err != nil {
		return nil, err
	}
	return m.Resize(fit(p.size, want)), nil
}

// crop returns the square around r.Crop, with a side of r.Size pixels.
func (p *Picture) crop(r faces.Rendering) (*RGB, error) {
	c := r.Crop
	box := image.Rect(c.X, c.Y, c.X+c.Width, c.Y+c.Height).Intersect(image.Rectangle{Max: p.size})
	if box.Empty() {
		return nil, faces.Errorf(faces.CodeInvalid, "the part to show lies outside of the picture of %d x %d pixels", p.size.X, p.size.Y)
	}
	area := squareAround(box, r.Margin, p.size)
	long := max(area.Dx(), area.Dy())
	want := min(r.Size, maxEnlargedCrop*long)
	m, err := p.area(area, float64(want)/float64(long))
	if err != nil {
		return nil, err
	}
	return m.Resize(fit(area.Size(), want)), nil
}

// squareAround returns the square around a box with a margin on each side, moved
// into a picture of a size. Where the picture is smaller than the square, it
// returns what there is of it.
func squareAround(box image.Rectangle, margin float64, size image.Point) image.Rectangle {
	side := int(math.Ceil(float64(max(box.Dx(), box.Dy())) * (1 + 2*margin)))
	span := func(from, to, end int) (int, int) {
		length := min(side, end)
		start := min(max((from+to-length)/2, 0), end-length)
		return start, start + length
	}
	x0, x1 := span(box.Min.X, box.Max.X, size.X)
	y0, y1 := span(box.Min.Y, box.Max.Y, size.Y)
	return image.Rect(x0, y0, x1, y1)
}

// area returns a part of the picture, reduced by at most scale.
func (p *Picture) area(part image.Rectangle, scale float64) (*RGB, error) {
	long := max(p.size.X, p.size.Y)
	if scale > 0.5 { // a reduction while decoding does not help
		if _, err := p.Decode(min(long, checkSide)); err != nil {
			return nil, err
		}
		m, _, err := p.Region(part)
		return m, err
	}
	m, err := p.Decode(max(1, int(math.Ceil(float64(long)*scale))))
	if err != nil {
		return nil, err
	}
	return m.Crop(image.Rect(
		part.Min.X*m.Width/p.size.X, part.Min.Y*m.Height/p.size.Y,
		ceilDiv(part.Max.X*m.Width, p.size.X), ceilDiv(part.Max.Y*m.Height, p.size.Y),
	)), nil
}

// fit returns the width and the height of a picture of a size whose long side is
// scaled to want pixels.
func fit(size image.Point, want int) (width, height int) {
	long := max(size.X, size.Y)
	scale := func(side int) int { return max(1, (side*want+long/2)/long) }
	return scale(size.X), scale(size.Y)
}

// encode returns m as a JPEG of at most faces.MaxRenderingFile bytes.
func (m *RGB) encode(encoder JPEGEncoder, quality int) ([]byte, error) {
	if encoder == nil {
		encoder = encodeInGo
	}
	pix := m.Pix
	if m.Stride != bytesPerPixel*m.Width {
		pix = make([]byte, 0, bytesPerPixel*m.Width*m.Height)
		for y := range m.Height {
			pix = append(pix, m.Row(y)...)
		}
	}
	for {
		text, err := encoder(pix, m.Width, m.Height, quality)
		if err != nil {
			return nil, fmt.Errorf("picture: encode: %w", err)
		}
		if len(text) <= faces.MaxRenderingFile {
			return text, nil
		}
		if quality <= minQuality {
			return nil, faces.Fault(faces.ImageTooLarge, "as a JPEG of %d x %d pixels the picture has more than %d bytes; ask for a smaller size",
				m.Width, m.Height, faces.MaxRenderingFile)
		}
		quality = max(quality-qualityStep, minQuality)
	}
}

// encodeInGo is a JPEGEncoder with Go's library.
func encodeInGo(rgb []byte, width, height, quality int) ([]byte, error) {
	m := image.NewRGBA(image.Rect(0, 0, width, height)) // the encoder is fast for this type only
	for i := range width * height {
		copy(m.Pix[4*i:4*i+3], rgb[bytesPerPixel*i:])
		m.Pix[4*i+3] = 0xff
	}
	var buf bytes.Buffer
	err := jpeg.Encode(&buf, m, &jpeg.Options{Quality: quality})
	return buf.Bytes(), err
}
