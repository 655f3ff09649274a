// Package canvas paints soft, anti-aliased shapes and encodes them as a JPEG.
// It knows nothing about faces.
package canvas

import (
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
)

// Colour is red, green and blue from 0 to 1, gamma-encoded as in the JPEG.
type Colour [3]float64

// Hex converts a number such as 0xe8b896 to a colour.
func Hex(rgb uint32) Colour {
	return Colour{
		float64(rgb>>16&0xff) / 255,
		float64(rgb>>8&0xff) / 255,
		float64(rgb&0xff) / 255,
	}
}

// Mix interpolates from c (t is 0) to other (t is 1).
func (c Colour) Mix(other Colour, t float64) Colour {
	for i := range c {
		c[i] += (other[i] - c[i]) * t
	}
	return c
}

// Times returns the colour made darker (f below 1) or lighter.
func (c Colour) Times(f float64) Colour {
	for i := range c {
		c[i] *= f
	}
	return c
}

// Tint returns the product of two colours, such as a surface and a light.
func (c Colour) Tint(other Colour) Colour {
	for i := range c {
		c[i] *= other[i]
	}
	return c
}

// Canvas is a picture that shapes are painted on.
type Canvas struct {
	bounds image.Rectangle
	pix    []Colour
}

// New returns a black canvas. Its size is in pixels.
func New(width, height int) *Canvas {
	return &Canvas{
		bounds: image.Rect(0, 0, width, height),
		pix:    make([]Colour, width*height),
	}
}

// Shader returns the paint at the centre of a pixel and its opacity from 0 to
// 1.
type Shader func(at Point) (Colour, float64)

// Flat returns the shader of a single colour.
func Flat(c Colour, opacity float64) Shader {
	return func(Point) (Colour, float64) { return c, opacity }
}

// PaintAll paints every pixel.
func (c *Canvas) PaintAll(s Shader) {
	for y := range c.bounds.Dy() {
		for x := range c.bounds.Dx() {
			c.lay(x, y, 1, s)
		}
	}
}

// Paint paints the pixels that m covers.
func (c *Canvas) Paint(m *Mask, s Shader) {
	b := m.bounds.Intersect(c.bounds)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if cover := m.at(x, y); cover > 0 {
				c.lay(x, y, float64(cover), s)
			}
		}
	}
}

func (c *Canvas) lay(x, y int, cover float64, s Shader) {
	paint, opacity := s(Point{float64(x) + 0.5, float64(y) + 0.5})
	p := &c.pix[y*c.bounds.Dx()+x]
	*p = p.Mix(paint, cover*opacity)
}

// Image returns the picture with 8 bits per channel.
func (c *Canvas) Image() *image.RGBA {
	img := image.NewRGBA(c.bounds)
	for i, p := range c.pix {
		img.SetRGBA(i%c.bounds.Dx(), i/c.bounds.Dx(), color.RGBA{level(p[0]), level(p[1]), level(p[2]), 0xff})
	}
	return img
}

// EncodeJPEG writes the picture as a JPEG with a quality from 1 to 100.
func (c *Canvas) EncodeJPEG(w io.Writer, quality int) error {
	if err := jpeg.Encode(w, c.Image(), &jpeg.Options{Quality: quality}); err != nil {
		return fmt.Errorf("encode picture: %w", err)
	}
	return nil
}

func level(v float64) uint8 {
	return uint8(math.Round(255 * min(max(v, 0), 1)))
}
