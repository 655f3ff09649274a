package find

import (
	"context"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

const (
	// turns is the number of rotations to try, 45 degrees apart. With four,
	// faces half-way between two rotations are missed.
	turns = 8
	// diagonalArea is the area in pixels to which the picture is reduced
	// before it is rotated by an odd number of eighths. Rotation up to
	// doubles the area.
	diagonalArea = 420 * 320
)

// findTurned searches a small picture in all rotations. upright are the faces
// found without rotation. It returns each face at its highest worth, and the
// rotation, in eighths of a circle, in which the faces have the highest total
// worth.
func (f *Finder) findTurned(ctx context.Context, small *picture.RGB, upright []Face) ([]Face, int, error) {
	diagonal := small
	if by := math.Sqrt(diagonalArea / float64(small.Width*small.Height)); by < 1 {
		diagonal = small.Resize(max(1, int(float64(small.Width)*by)), max(1, int(float64(small.Height)*by)))
	}
	all := upright
	for turn := 1; turn < turns; turn++ {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		m := small
		if turn%2 == 1 {
			m = diagonal
		}
		list, err := f.detectTurned(m, turn, small.Width)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, list...)
	}
	all = bestLooks(all)
	return all, bestTurn(all), nil
}

// bestTurn returns the rotation with the highest total worth.
func bestTurn(list []Face) int {
	var sums [turns]float64
	for _, f := range list {
		sums[f.turn] += f.Worth
	}
	best := 0
	for turn, sum := range sums {
		if sum > sums[best] {
			best = turn
		}
	}
	return best
}

// bestLooks keeps the detection with the highest worth of each face. The
// boxes of one face differ between rotations, so this requires less overlap
// than merge does.
func bestLooks(list []Face) []Face {
	var kept []Face
	for _, f := range bestFirst(list) {
		same := false
		for _, k := range kept {
			same = same || k.isNear(f)
		}
		if !same && len(kept) < maxRaw {
			kept = append(kept, f)
		}
	}
	return kept
}

// isNear reports whether detections in different rotations are of the same
// face: their centres are close in relation to their sizes.
func (f Face) isNear(other Face) bool {
	a, b := f.Box, other.Box
	distance := math.Hypot(a.X+a.Width/2-b.X-b.Width/2, a.Y+a.Height/2-b.Y-b.Height/2)
	return distance < 0.5*max(math.Sqrt(a.area()), math.Sqrt(b.area()))
}

// detectTurned detects faces in m rotated clockwise by eighths of a circle.
// It returns them in pixels of the same picture at the given width.
func (f *Finder) detectTurned(m *picture.RGB, turn, width int) ([]Face, error) {
	turned, back := turnBy(m, turn)
	list, err := f.yunet.detect(turned, least)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i] = mapped(list[i], back)
		list[i].turn = turn
	}
	return scaled(list, float64(width)/float64(m.Width)), nil
}

// turnBy returns m rotated clockwise by eighths of a circle, complete, on a
// black background. It also returns the transform from the result's pixels to
// m's.
func turnBy(m *picture.RGB, eighths int) (*picture.RGB, align.Transform) {
	if eighths == 0 {
		return m, align.Transform{A: 1}
	}
	sin, cos := math.Sincos(2 * math.Pi * float64(eighths) / turns)
	if eighths%2 == 0 { // exactly, so that a quarter turn changes no pixel
		sin, cos = math.Round(sin), math.Round(cos)
	}
	side := func(a, b float64) int { return int(math.Ceil(math.Abs(a) + math.Abs(b) - 1e-9)) }
	w, h := float64(m.Width), float64(m.Height)
	width, height := side(w*cos, h*sin), side(w*sin, h*cos)
	t := align.Transform{A: cos, B: sin}
	middle := t.Apply(align.Point{X: (w - 1) / 2, Y: (h - 1) / 2})
	t.X, t.Y = float64(width-1)/2-middle.X, float64(height-1)/2-middle.Y
	out := &picture.RGB{Pix: make([]byte, 3*width*height), Stride: 3 * width, Width: width, Height: height}
	if eighths%2 == 0 {
		copyTurned(m, t.Inverse(), out)
	} else {
		align.Warp(m, t, out)
	}
	return out, t.Inverse()
}

// copyTurned fills out with m rotated by quarters. It works in blocks, so
// that the rows that a column crosses stay in the cache.
func copyTurned(m *picture.RGB, back align.Transform, out *picture.RGB) {
	const block = 32
	next := int(back.B)*m.Stride + 3*int(back.A)
	for top := 0; top < out.Height; top += block {
		for left := 0; left < out.Width; left += block {
			right := min(left+block, out.Width)
			for y := top; y < min(top+block, out.Height); y++ {
				first := back.Apply(align.Point{X: float64(left), Y: float64(y)})
				at := int(math.Round(first.Y))*m.Stride + 3*int(math.Round(first.X))
				row := out.Pix[y*out.Stride+3*left : y*out.Stride+3*right]
				for x := 0; x < len(row); x += 3 {
					dst, src := row[x:x+3:x+3], m.Pix[at:at+3:at+3]
					dst[0], dst[1], dst[2] = src[0], src[1], src[2]
					at += next
				}
			}
		}
	}
}

// mapped transforms a face. Its box becomes an upright box of the same size
// around the same centre.
func mapped(f Face, t align.Transform) Face {
	middle := t.Apply(align.Point{X: f.Box.X + f.Box.Width/2, Y: f.Box.Y + f.Box.Height/2})
	// A quarter rotation swaps the sides of the box. In between they are
	// interpolated.
	aside := t.B * t.B
	width := f.Box.Width*(1-aside) + f.Box.Height*aside
	height := f.Box.Height*(1-aside) + f.Box.Width*aside
	f.Box = Box{X: middle.X - width/2, Y: middle.Y - height/2, Width: width, Height: height}
	for i, p := range f.Points {
		f.Points[i] = t.Apply(p)
	}
	return f
}
