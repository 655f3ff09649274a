package portrait

import (
	"math"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
)

const rim = 0.055 // of a frame, in units

func (f *figure) glasses() {
	if f.person.Glasses == NoGlasses {
		return
	}
	frame := canvas.Flat(f.light(f.person.Frame), 1)
	for _, side := range []float64{-1, 1} {
		outline := f.lens(side)
		f.c.Paint(f.cover(outline, 0), canvas.Flat(canvas.Colour{0.85, 0.93, 1}, 0.10))
		f.rimShadow(outline)
		f.c.Paint(f.cover(outline.Stroke(canvas.Even(rim)), 0.004), frame)
		temple := canvas.Path{f.at(side*(f.m.eye+0.36), -0.03), xy(side*(f.m.wide+0.03)-0.05*f.setting.Turn, -0.06)}
		f.c.Paint(f.cover(temple.Stroke(canvas.Even(rim*0.9)), 0.004), frame)
	}
	reach := f.m.eye - 0.32
	bridge := canvas.Open(f.turned(xy(-reach, 0.02), xy(0, -0.05), xy(reach, 0.02))...)
	f.c.Paint(f.cover(bridge.Stroke(canvas.Even(rim)), 0.004), frame)
}

// lens returns the outline of a lens: a superellipse, squarer for a power below
// 1. Its last point equals its first, so that a stroke closes it.
func (f *figure) lens(side float64) canvas.Path {
	power, rx, ry := 1.0, 0.34, 0.32
	if f.person.Glasses == SquareGlasses {
		power, rx, ry = 0.45, 0.37, 0.25
	}
	const steps = 48
	out := make(canvas.Path, steps+1)
	for i := range out {
		s, c := math.Sincos(2 * math.Pi * float64(i) / steps)
		x := math.Copysign(math.Pow(math.Abs(c), power), c) * rx
		y := math.Copysign(math.Pow(math.Abs(s), power), s) * ry
		out[i] = f.at(side*(f.m.eye+0.02)+x, 0.05+y)
	}
	return out
}

func (f *figure) rimShadow(lens canvas.Path) {
	below := slices.Clone(lens)
	for i := range below {
		below[i].Y += 0.04
	}
	f.onFace(below.Stroke(canvas.Even(rim)), 0.02, lit(f.person.Skin, 0.2), 0.35)
}
