package canvas

import (
	"image"
	"math"
	"math/rand/v2"

	"golang.org/x/image/vector"
)

// Mask is the coverage of each pixel by a shape, from 0 to 1.
type Mask struct {
	bounds image.Rectangle
	cover  []float32
}

// Cover returns the mask of a shape on the canvas. The mask reaches beyond the
// canvas as far as the blur does. blur is the standard deviation of the soft
// edge in pixels; 0 is a sharp edge.
func (c *Canvas) Cover(shape Path, blur float64) *Mask {
	reach := int(math.Ceil(3 * blur))
	m := newMask(shape.bounds().Inset(-reach).Intersect(c.bounds.Inset(-reach)))
	if m.bounds.Empty() {
		return m
	}
	m.fill(shape)
	if blur > 0.3 {
		m.blur(blur)
	}
	return m
}

func newMask(b image.Rectangle) *Mask {
	return &Mask{bounds: b, cover: make([]float32, b.Dx()*b.Dy())}
}

func (p Path) bounds() image.Rectangle {
	lo, hi := Point{math.Inf(1), math.Inf(1)}, Point{math.Inf(-1), math.Inf(-1)}
	for _, q := range p {
		lo = Point{min(lo.X, q.X), min(lo.Y, q.Y)}
		hi = Point{max(hi.X, q.X), max(hi.Y, q.Y)}
	}
	return image.Rect(int(math.Floor(lo.X)), int(math.Floor(lo.Y)), int(math.Ceil(hi.X))+1, int(math.Ceil(hi.Y))+1)
}

func (m *Mask) fill(shape Path) {
	r := vector.NewRasterizer(m.bounds.Dx(), m.bounds.Dy())
	for i, p := range shape {
		x, y := float32(p.X)-float32(m.bounds.Min.X), float32(p.Y)-float32(m.bounds.Min.Y)
		if i == 0 {
			r.MoveTo(x, y)
		} else {
			r.LineTo(x, y)
		}
	}
	r.ClosePath()
	alpha := image.NewAlpha(image.Rect(0, 0, m.bounds.Dx(), m.bounds.Dy()))
	r.Draw(alpha, alpha.Bounds(), image.Opaque, image.Point{})
	for i, a := range alpha.Pix {
		m.cover[i] = float32(a) / 255
	}
}

func (m *Mask) at(x, y int) float32 {
	if !(image.Point{X: x, Y: y}).In(m.bounds) {
		return 0
	}
	return m.cover[(y-m.bounds.Min.Y)*m.bounds.Dx()+x-m.bounds.Min.X]
}

// Within returns the part of m that other covers too.
func (m *Mask) Within(other *Mask) *Mask {
	return m.combine(other, func(b float32) float32 { return b })
}

// Without returns the part of m that other does not cover.
func (m *Mask) Without(other *Mask) *Mask {
	return m.combine(other, func(b float32) float32 { return 1 - b })
}

func (m *Mask) combine(other *Mask, f func(float32) float32) *Mask {
	out := newMask(m.bounds)
	w := m.bounds.Dx()
	for i, a := range m.cover {
		if a > 0 {
			out.cover[i] = a * f(other.at(m.bounds.Min.X+i%w, m.bounds.Min.Y+i/w))
		}
	}
	return out
}

// Or returns the area that either mask covers.
func (m *Mask) Or(other *Mask) *Mask {
	out := newMask(m.bounds.Union(other.bounds))
	w := out.bounds.Dx()
	for i := range out.cover {
		x, y := out.bounds.Min.X+i%w, out.bounds.Min.Y+i/w
		out.cover[i] = max(m.at(x, y), other.at(x, y))
	}
	return out
}

// blur approximates a Gaussian blur with three box blurs.
func (m *Mask) blur(sigma float64) {
	radius := max(int(math.Round((math.Sqrt(4*sigma*sigma+1)-1)/2)), 1)
	w, h := m.bounds.Dx(), m.bounds.Dy()
	line := make([]float32, max(w, h))
	for range 3 {
		for y := range h {
			boxBlur(m.cover[y*w:], 1, w, radius, line)
		}
		for x := range w {
			boxBlur(m.cover[x:], w, h, radius, line)
		}
	}
}

// boxBlur averages n values in place. They are stride apart, and 0 outside.
func boxBlur(v []float32, stride, n, radius int, line []float32) {
	for i := range n {
		line[i] = v[i*stride]
	}
	var sum float32
	for i := range min(radius, n) {
		sum += line[i]
	}
	for i := range n {
		if i+radius < n {
			sum += line[i+radius]
		}
		if i-radius-1 >= 0 {
			sum -= line[i-radius-1]
		}
		v[i*stride] = max(sum, 0) / float32(2*radius+1)
	}
}

// Random returns the centre of a random pixel that the mask covers. ok is false
// if it covers almost nothing.
func (m *Mask) Random(rng *rand.Rand) (Point, bool) {
	const tries = 200
	b := m.bounds
	if b.Empty() {
		return Point{}, false
	}
	for range tries {
		x, y := b.Min.X+rng.IntN(b.Dx()), b.Min.Y+rng.IntN(b.Dy())
		if m.at(x, y) > 0.5 {
			return Point{float64(x) + 0.5, float64(y) + 0.5}, true
		}
	}
	return Point{}, false
}
