// Package align cuts a face out of a picture so that its eyes, nose and mouth
// are where a network expects them. Compute the transform with Between and
// apply it with Cut.
package align

import (
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// Point is a position in a picture, in pixels. (0, 0) is the centre of the
// first pixel.
type Point struct{ X, Y float64 }

// Points are the right eye, left eye, nose, right and left corner of the
// mouth. Right and left are the person's: the right eye is on the left of the
// picture.
type Points [5]Point

// Transform is a similarity: it rotates, scales and translates. It maps (x,
// y) to (A·x − B·y + X, B·x + A·y + Y).
type Transform struct{ A, B, X, Y float64 }

// Apply maps a point.
func (t Transform) Apply(p Point) Point {
	return Point{X: t.A*p.X - t.B*p.Y + t.X, Y: t.B*p.X + t.A*p.Y + t.Y}
}

// Scale returns how many pixels of the target correspond to one pixel of the
// source.
func (t Transform) Scale() float64 { return math.Hypot(t.A, t.B) }

// Inverse returns the inverse transform. The zero Transform has no inverse
// and returns itself.
func (t Transform) Inverse() Transform {
	square := t.A*t.A + t.B*t.B
	if square == 0 {
		return t
	}
	a, b := t.A/square, -t.B/square
	return Transform{A: a, B: b, X: -(a*t.X - b*t.Y), Y: -(b*t.X + a*t.Y)}
}

// Between returns the similarity that maps the points from to the points to
// with the smallest sum of squared distances (Umeyama, Least-squares
// estimation of transformation parameters between two point patterns, 1991,
// in two dimensions and without reflections). If all points coincide it
// returns the zero Transform.
func Between(from, to Points) Transform {
	a, b := centre(from), centre(to)
	var along, across, square float64
	for i := range from {
		x, y := from[i].X-a.X, from[i].Y-a.Y
		u, v := to[i].X-b.X, to[i].Y-b.Y
		along += x*u + y*v
		across += x*v - y*u
		square += x*x + y*y
	}
	if square == 0 {
		return Transform{}
	}
	t := Transform{A: along / square, B: across / square}
	moved := t.Apply(a)
	t.X, t.Y = b.X-moved.X, b.Y-moved.Y
	return t
}

func centre(p Points) Point {
	var c Point
	for _, at := range p {
		c.X += at.X / float64(len(p))
		c.Y += at.Y / float64(len(p))
	}
	return c
}

// Cut fills dst, a square of side by side RGB pixels, with what t maps into
// it. Pixels outside m are black. dst must have at least 3*side*side bytes.
//
// A face much larger than the square is first reduced by a whole number, so
// that no pixel is skipped.
func Cut(m *picture.RGB, t Transform, side int, dst []byte) {
	back := t.Inverse()
	m, back = reduced(m, back, side)
	fill(m, back, &picture.RGB{Pix: dst, Stride: 3 * side, Width: side, Height: side})
}

// Warp fills out with what t maps into it. It is for transforms that do not
// shrink: when shrinking it would skip pixels.
func Warp(m *picture.RGB, t Transform, out *picture.RGB) { fill(m, t.Inverse(), out) }

// reduced returns the part of m that the square shows, with blocks of k by k
// pixels averaged into one, and the transform from the square to that part. k
// is 1 if a pixel of the square is less than two pixels of m.
func reduced(m *picture.RGB, back Transform, side int) (*picture.RGB, Transform) {
	k := min(int(back.Scale()), maxBlock)
	if k < 2 {
		return m, back
	}
	left, top, right, bottom := bounds(back, side)
	x0, y0 := max(0, int(left)-k), max(0, int(top)-k)
	x1, y1 := min(m.Width, int(right)+k+1), min(m.Height, int(bottom)+k+1)
	width, height := (x1-x0)/k, (y1-y0)/k
	if width < 1 || height < 1 {
		return m, back
	}
	out := &picture.RGB{Pix: make([]byte, 3*width*height), Stride: 3 * width, Width: width, Height: height}
	average(m, x0, y0, k, out)
	scale, shift := 1/float64(k), (float64(k)-1)/2
	return out, Transform{
		A: back.A * scale, B: back.B * scale,
		X: (back.X - float64(x0) - shift) * scale, Y: (back.Y - float64(y0) - shift) * scale,
	}
}

// bounds returns the bounding box of the square in the source.
func bounds(back Transform, side int) (left, top, right, bottom float64) {
	last := float64(side - 1)
	left, top = math.Inf(1), math.Inf(1)
	right, bottom = math.Inf(-1), math.Inf(-1)
	for _, corner := range []Point{{0, 0}, {last, 0}, {0, last}, {last, last}} {
		p := back.Apply(corner)
		left, right = min(left, p.X), max(right, p.X)
		top, bottom = min(top, p.Y), max(bottom, p.Y)
	}
	return left, top, right, bottom
}
