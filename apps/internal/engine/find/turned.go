package find

import (
	"context"
	"math"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

const (
	// turns is how many ways the picture is looked at: every 45 degrees. With
	// four, faces half-way between two of them are lost.
	turns = 8
	// turnedArea is the area at which the picture is looked at turned, in pixels
	// before turning: seven looks must not take much longer than the upright one.
	turnedArea = 400 * 300
)

// findTurned searches the picture in all turns but upright.
func (f *Finder) findTurned(ctx context.Context, m *picture.RGB) ([]Face, error) {
	small := m
	if by := math.Sqrt(turnedArea / float64(m.Width*m.Height)); by < 1 {
		small = m.Resize(max(1, int(float64(m.Width)*by)), max(1, int(float64(m.Height)*by)))
	}
	var all []Face
	for i := 1; i < turns; i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		turned, back := turn(small, 2*math.Pi*float64(i)/turns)
		list, err := f.yunet.detect(turned, least)
		if err != nil {
			return nil, err
		}
		for _, found := range list {
			worth := found.Score * uprightness(found.Points)
			found = mapped(found, back)
			found.Score = worth
			all = append(all, found)
		}
	}
	return scaled(all, float64(m.Width)/float64(small.Width)), nil
}

// turn returns a picture turned by an angle in radians, whole, on black, and
// the transform from its pixels back to those of m.
func turn(m *picture.RGB, angle float64) (*picture.RGB, align.Transform) {
	sin, cos := math.Sincos(angle)
	width := int(math.Ceil(float64(m.Width)*math.Abs(cos) + float64(m.Height)*math.Abs(sin)))
	height := int(math.Ceil(float64(m.Width)*math.Abs(sin) + float64(m.Height)*math.Abs(cos)))
	t := align.Transform{A: cos, B: sin}
	middle := t.Apply(align.Point{X: float64(m.Width-1) / 2, Y: float64(m.Height-1) / 2})
	t.X, t.Y = float64(width-1)/2-middle.X, float64(height-1)/2-middle.Y
	out := &picture.RGB{Pix: make([]byte, 3*width*height), Stride: 3 * width, Width: width, Height: height}
	align.Warp(m, t, out)
	return out, t.Inverse()
}

// mapped returns a face in the pixels that a transform leads to. Its box is
// drawn anew around the face: upright, of the same size, at the same middle.
func mapped(f Face, t align.Transform) Face {
	middle := t.Apply(align.Point{X: f.Box.X + f.Box.Width/2, Y: f.Box.Y + f.Box.Height/2})
	sin, cos := math.Abs(t.B), math.Abs(t.A)
	// A box turned by 90 degrees swaps its sides; in between it is a mixture.
	width, height := f.Box.Width*cos*cos+f.Box.Height*sin*sin, f.Box.Height*cos*cos+f.Box.Width*sin*sin
	f.Box = Box{X: middle.X - width/2, Y: middle.Y - height/2, Width: width, Height: height}
	for i, p := range f.Points {
		f.Points[i] = t.Apply(p)
	}
	return f
}

// bestTurn keeps, for each face, the look with the best worth among the upright
// one and the turned ones.
func bestTurn(upright, turned []Face) []Face {
	looks := slices.Clone(turned)
	for _, f := range upright {
		f.Score *= uprightness(f.Points)
		looks = append(looks, f)
	}
	looks = slices.DeleteFunc(looks, func(f Face) bool { return f.Score < least })
	return merge(looks)
}
