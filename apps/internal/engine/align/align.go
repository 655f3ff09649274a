// Package align turns a face upright: it cuts the face out of a picture so that
// its eyes, nose and mouth lie where a network expects them.
package align

import (
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// Point is a place in a picture, in pixels; the centre of the first pixel is
// (0, 0).
type Point struct{ X, Y float64 }

// Points are right eye, left eye (as the person calls them: the right eye is on
// the left of the picture), nose, right and left corner of the mouth.
type Points [5]Point

// Transform is a similarity: it turns, scales and moves, and keeps angles.
// It maps (x, y) to (A·x − B·y + X, B·x + A·y + Y).
type Transform struct{ A, B, X, Y float64 }

// Apply maps a point.
func (t Transform) Apply(p Point) Point {
	return Point{X: t.A*p.X - t.B*p.Y + t.X, Y: t.B*p.X + t.A*p.Y + t.Y}
}

// Scale is how many pixels of the target one pixel of the source becomes.
func (t Transform) Scale() float64 { return math.Hypot(t.A, t.B) }

// Inverse returns the transform back. The zero Transform has none and returns
// itself.
func (t Transform) Inverse() Transform {
	square := t.A*t.A + t.B*t.B
	if square == 0 {
		return t
	}
	a, b := t.A/square, -t.B/square
	return Transform{A: a, B: b, X: -(a*t.X - b*t.Y), Y: -(b*t.X + a*t.Y)}
}

// Between returns the similarity that takes the points from as near as can be,
// by the sum of squared distances, to the points to (Umeyama, Least-squares
// estimation of transformation parameters between two point patterns, 1991, in
// two dimensions and without reflections). Points that all coincide give the
// zero Transform.
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

// Cut fills a square of side by side pixels, red, green, blue, with what t maps
// into it. Pixels outside m are black. dst has at least 3*side*side bytes.
//
// A face much larger than the square is reduced by whole numbers first, so that
// no pixel of it is skipped.
func Cut(m *picture.RGB, t Transform, side int, dst []byte) {
	back := t.Inverse()
	m, back = reduced(m, back, side)
	fill(m, back, &picture.RGB{Pix: dst, Stride: 3 * side, Width: side, Height: side})
}

// Warp fills a picture with what t maps into it. It does not shrink well: for
// transforms that keep the size or enlarge.
func Warp(m *picture.RGB, t Transform, out *picture.RGB) { fill(m, t.Inverse(), out) }

// reduced returns the part of m that the square shows, with blocks of k by k
// pixels averaged into one, and the transform into that part. k is 1 where a
// pixel of the square is less than two of m.
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

// bounds returns the smallest upright rectangle around the square in the source.
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
