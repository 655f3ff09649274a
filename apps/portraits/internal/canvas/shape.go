package canvas

import "math"

// Point is a position: in pixels on the canvas (y down), or in the units of a
// Frame.
type Point struct{ X, Y float64 }

// Add returns p moved by q.
func (p Point) Add(q Point) Point { return Point{p.X + q.X, p.Y + q.Y} }

// Sub returns the vector from q to p.
func (p Point) Sub(q Point) Point { return Point{p.X - q.X, p.Y - q.Y} }

// Times returns p scaled about the origin.
func (p Point) Times(f float64) Point { return Point{p.X * f, p.Y * f} }

// Length returns p's distance from the origin.
func (p Point) Length() float64 { return math.Hypot(p.X, p.Y) }

// Path is a polyline. As a shape, its end is joined to its start.
type Path []Point

const stepsPerPoint = 10 // line segments per point of a curve

// Closed returns a smooth closed shape through points (a Catmull-Rom spline).
func Closed(points ...Point) Path {
	n := len(points)
	out := make(Path, 0, n*stepsPerPoint)
	for i := range points {
		out = appendCurve(out, points[(i+n-1)%n], points[i], points[(i+1)%n], points[(i+2)%n])
	}
	return out
}

// Open returns a smooth line through points, from the first to the last.
func Open(points ...Point) Path {
	last := len(points) - 1
	out := make(Path, 0, last*stepsPerPoint+1)
	for i := range last {
		out = appendCurve(out, points[max(i-1, 0)], points[i], points[i+1], points[min(i+2, last)])
	}
	return append(out, points[last])
}

func appendCurve(out Path, a, b, c, d Point) Path {
	for s := range stepsPerPoint {
		t := float64(s) / stepsPerPoint
		out = append(out, Point{
			catmullRom(a.X, b.X, c.X, d.X, t),
			catmullRom(a.Y, b.Y, c.Y, d.Y, t),
		})
	}
	return out
}

func catmullRom(a, b, c, d, t float64) float64 {
	return b + t*((c-a)+t*((2*a-5*b+4*c-d)+t*(3*b-a-3*c+d)))/2
}

// Ellipse returns an ellipse, rotated clockwise by turn radians.
func Ellipse(centre Point, rx, ry, turn float64) Path {
	const steps = 48
	out := make(Path, steps)
	sin, cos := math.Sincos(turn)
	for i := range out {
		s, c := math.Sincos(2 * math.Pi * float64(i) / steps)
		x, y := rx*c, ry*s
		out[i] = centre.Add(Point{x*cos - y*sin, x*sin + y*cos})
	}
	return out
}

// Mirrored returns a symmetric shape, given its right half from top to bottom.
func Mirrored(half ...Point) []Point {
	out := append([]Point{}, half...)
	for i := len(half) - 1; i >= 0; i-- {
		if half[i].X != 0 {
			out = append(out, Point{-half[i].X, half[i].Y})
		}
	}
	return out
}

// Stroke returns the outline of a line drawn with a brush. width(t) is the
// brush's width at t, from 0 at the start of the line to 1 at its end.
func (p Path) Stroke(width func(t float64) float64) Path {
	n := len(p)
	out := make(Path, 2*n)
	for i := range p {
		along := p[min(i+1, n-1)].Sub(p[max(i-1, 0)])
		side := Point{-along.Y, along.X}.Times(1 / max(along.Length(), 1e-9))
		half := width(float64(i)/float64(n-1)) / 2
		out[i] = p[i].Add(side.Times(half))
		out[2*n-1-i] = p[i].Sub(side.Times(half))
	}
	return out
}

// Even returns a brush of constant width.
func Even(width float64) func(float64) float64 {
	return func(float64) float64 { return width }
}

// Tapered returns a brush that is widest in the middle and pointed at both
// ends.
func Tapered(width float64) func(float64) float64 {
	return func(t float64) float64 { return width * math.Sin(math.Pi*min(max(t, 0.03), 0.97)) }
}

// Frame maps the coordinates of a drawing to the canvas.
type Frame struct {
	Origin Point   // of the drawing, in pixels on the canvas
	Unit   float64 // length of a unit in pixels
	Tilt   float64 // radians, clockwise
	Pivot  Point   // fixed point of the tilt, in units
}

// ToCanvas converts a point of the drawing to the canvas.
func (f Frame) ToCanvas(p Point) Point {
	sin, cos := math.Sincos(f.Tilt)
	q := p.Sub(f.Pivot)
	q = Point{q.X*cos - q.Y*sin, q.X*sin + q.Y*cos}.Add(f.Pivot)
	return q.Times(f.Unit).Add(f.Origin)
}

// FromCanvas reverses ToCanvas.
func (f Frame) FromCanvas(p Point) Point {
	sin, cos := math.Sincos(f.Tilt)
	q := p.Sub(f.Origin).Times(1 / f.Unit).Sub(f.Pivot)
	return Point{q.X*cos + q.Y*sin, -q.X*sin + q.Y*cos}.Add(f.Pivot)
}

// Place converts a path of the drawing to the canvas.
func (f Frame) Place(p Path) Path {
	out := make(Path, len(p))
	for i := range p {
		out[i] = f.ToCanvas(p[i])
	}
	return out
}
