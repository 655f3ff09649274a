// Package canvas paints soft, anti-aliased shapes. It knows nothing of faces.
//
// This file owns the picture itself: its pixels, how paint is laid on them and
// how they become a JPEG.
package canvas

import (
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
)

// Colour is red, green and blue as they are stored (not linear light), 0 to 1.
type Colour [3]float64

// Hex returns the colour of a number such as 0xe8b896.
func Hex(rgb uint32) Colour {
	return Colour{
		float64(rgb>>16&0xff) / 255,
		float64(rgb>>8&0xff) / 255,
		float64(rgb&0xff) / 255,
	}
}

// Mix returns the colour at t on the way from c (0) to other (1).
func (c Colour) Mix(other Colour, t float64) Colour {
	for i := range c {
		c[i] += (other[i] - c[i]) * t
	}
	return c
}

// Times returns the colour made darker (f < 1) or lighter.
func (c Colour) Times(f float64) Colour {
	for i := range c {
		c[i] *= f
	}
	return c
}

// Tint returns the product of two colours, as of a surface and a light.
func (c Colour) Tint(other Colour) Colour {
	for i := range c {
		c[i] *= other[i]
	}
	return c
}

// Canvas is a picture being painted.
type Canvas struct {
	bounds image.Rectangle
	pix    []Colour
}

// New returns a black canvas of a size in pixels.
func New(width, height int) *Canvas {
	return &Canvas{
		bounds: image.Rect(0, 0, width, height),
		pix:    make([]Colour, width*height),
	}
}

// Shader returns the paint at a pixel's centre and how much of it to lay on,
// 0 to 1.
type Shader func(at Point) (Colour, float64)

// Flat is the shader of a single colour.
func Flat(c Colour, opacity float64) Shader {
	return func(Point) (Colour, float64) { return c, opacity }
}

// PaintAll lays paint on every pixel.
func (c *Canvas) PaintAll(s Shader) {
	for y := range c.bounds.Dy() {
		for x := range c.bounds.Dx() {
			c.lay(x, y, 1, s)
		}
	}
}

// Paint lays paint on the pixels that m covers.
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

// Image returns the picture as it is now, in whole levels.
func (c *Canvas) Image() *image.RGBA {
	img := image.NewRGBA(c.bounds)
	for i, p := range c.pix {
		img.SetRGBA(i%c.bounds.Dx(), i/c.bounds.Dx(), color.RGBA{level(p[0]), level(p[1]), level(p[2]), 0xff})
	}
	return img
}

// EncodeJPEG writes the picture as a JPEG of a quality from 1 to 100.
func (c *Canvas) EncodeJPEG(w io.Writer, quality int) error {
	if err := jpeg.Encode(w, c.Image(), &jpeg.Options{Quality: quality}); err != nil {
		return fmt.Errorf("encode picture: %w", err)
	}
	return nil
}

func level(v float64) uint8 {
	return uint8(math.Round(255 * min(max(v, 0), 1)))
}
