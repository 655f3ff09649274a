package picture

import (
	"image"
	"image/color"
)

// RGB is a picture with three bytes a pixel: red, green and blue (sRGB, 0 to
// 255). Pixels are stored from left to right and rows from top to bottom.
type RGB struct {
	Pix           []byte
	Stride        int // bytes from one row to the next
	Width, Height int // pixels
}

// bytesPerPixel is the size of a pixel of an RGB.
const bytesPerPixel = 3

// NewRGB returns a black picture of width by height pixels without gaps
// between rows.
func NewRGB(width, height int) *RGB {
	return &RGB{
		Pix:    make([]byte, bytesPerPixel*width*height),
		Stride: bytesPerPixel * width, Width: width, Height: height,
	}
}

// Row returns the 3*Width bytes of row y, 0 to Height-1.
func (m *RGB) Row(y int) []byte {
	n := bytesPerPixel * m.Width
	return m.Pix[y*m.Stride:][:n:n]
}

// Crop returns the part of m in r, clipped to m. It shares m's memory.
func (m *RGB) Crop(r image.Rectangle) *RGB {
	r = r.Intersect(image.Rect(0, 0, m.Width, m.Height))
	if r.Empty() {
		return &RGB{Stride: m.Stride}
	}
	from := r.Min.Y*m.Stride + bytesPerPixel*r.Min.X
	to := (r.Max.Y-1)*m.Stride + bytesPerPixel*r.Max.X
	return &RGB{Pix: m.Pix[from:to:to], Stride: m.Stride, Width: r.Dx(), Height: r.Dy()}
}

// turned returns m turned upright, where o is the orientation that m is
// stored in.
func (m *RGB) turned(o orientation) *RGB {
	if o == upright {
		return m
	}
	width, height := m.Width, m.Height
	if o.swapsSides() {
		width, height = height, width
	}
	out := NewRGB(width, height)
	origin, right, down := o.steps(m.Width, m.Height, bytesPerPixel, m.Stride)
	// Blocks keep the source's rows in the cache when rows become columns.
	const block = 32
	for top := 0; top < height; top += block {
		for left := 0; left < width; left += block {
			toX, toY := min(left+block, width), min(top+block, height)
			for y := top; y < toY; y++ {
				dst := out.Pix[y*out.Stride+bytesPerPixel*left : y*out.Stride+bytesPerPixel*toX]
				at := origin + left*right + y*down
				for i := 0; i+2 < len(dst); i += bytesPerPixel {
					src := m.Pix[at : at+3 : at+3]
					dst[i], dst[i+1], dst[i+2] = src[0], src[1], src[2]
					at += right
				}
			}
		}
	}
	return out
}

// stored returns the region of the stored picture of width by height pixels
// that corresponds to the region r of the upright one.
func (o orientation) stored(r image.Rectangle, width, height int) image.Rectangle {
	flipX := func(from, to int) (int, int) { return width - to, width - from }
	flipY := func(from, to int) (int, int) { return height - to, height - from }
	x0, x1, y0, y1 := r.Min.X, r.Max.X, r.Min.Y, r.Max.Y
	if o.swapsSides() {
		x0, x1, y0, y1 = y0, y1, x0, x1
	}
	switch o {
	case mirrored, turnedRight:
		x0, x1 = flipX(x0, x1)
	case upsideDown, transversed:
		x0, x1 = flipX(x0, x1)
		y0, y1 = flipY(y0, y1)
	case mirroredFlip, turnedLeft:
		y0, y1 = flipY(y0, y1)
	}
	return image.Rect(x0, y0, x1, y1)
}

// RGB implements image.Image.
var _ image.Image = (*RGB)(nil)

// ColorModel implements image.Image.
func (m *RGB) ColorModel() color.Model { return color.NRGBAModel }

// Bounds implements image.Image.
func (m *RGB) Bounds() image.Rectangle { return image.Rect(0, 0, m.Width, m.Height) }

// At implements image.Image. It is slow: use Row.
func (m *RGB) At(x, y int) color.Color {
	if !(image.Point{X: x, Y: y}).In(m.Bounds()) {
		return color.NRGBA{}
	}
	p := m.Row(y)[bytesPerPixel*x:]
	return color.NRGBA{R: p[0], G: p[1], B: p[2], A: 0xff}
}
