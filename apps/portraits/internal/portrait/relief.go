package portrait

import (
	"math"

	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
)

// hill is a round rise of the surface, or a dent if height is negative.
type hill struct {
	x, y, rx, ry, height float64
}

// relief is the surface of a head: an ellipsoid with hills. Only its slopes
// matter, because it is used for shading.
type relief struct {
	rx, ry float64 // of the egg
	hills  []hill
	light  [3]float64 // unit vector towards the light
	depth  float64    // of shadows, 0 to 1
}

func newRelief(l Light, rx, ry float64, hills []hill) relief {
	x, y, z := l.From.X, l.From.Y, 1.0
	n := math.Sqrt(x*x + y*y + z*z)
	return relief{rx: rx, ry: ry, hills: hills, light: [3]float64{x / n, y / n, z / n}, depth: l.Contrast}
}

const eggCentre = 0.05 // below the eyes, in units

// brightness returns how much light a point of the surface reflects to the
// camera: 1 if it faces light and camera, less in the shade.
func (r relief) brightness(p canvas.Point) float64 {
	u, v := p.X/r.rx, (p.Y-eggCentre)/r.ry
	z := math.Sqrt(max(1-u*u-v*v, 0.09))
	dx, dy := -0.9*u/(z*r.rx), -0.9*v/(z*r.ry)
	for _, h := range r.hills {
		a, b := (p.X-h.x)/h.rx, (p.Y-h.y)/h.ry
		if d := a*a + b*b; d < 12 {
			e := h.height * math.Exp(-d/2)
			dx -= a / h.rx * e
			dy -= b / h.ry * e
		}
	}
	n := math.Sqrt(dx*dx + dy*dy + 1)
	facing := (-dx*r.light[0] - dy*r.light[1] + r.light[2]) / n
	lit := (max(facing, -0.2) + 0.2) / 1.2
	return 1 + r.depth*(1.25*lit-1)
}

// lit returns the colour of a surface at a brightness. Shadows are warmer than
// the surface, and bright areas are glossy.
func lit(surface canvas.Colour, brightness float64) canvas.Colour {
	if brightness <= 1 {
		shadow := surface.Tint(canvas.Colour{0.34, 0.22, 0.20})
		return shadow.Mix(surface, brightness)
	}
	return surface.Mix(canvas.Colour{1, 0.97, 0.92}, min((brightness-1)*1.1, 0.5))
}

// hills returns the hills and dents of a face.
func (f *figure) hills() []hill {
	b, m := f.person.Build, f.m
	both := func(hs []hill, h hill) []hill {
		left := h
		left.x = -h.x
		return append(hs, h, left)
	}
	hs := []hill{
		{0, 0.20, 0.10, 0.30, 0.17},
		{0, m.nose - 0.10, 0.13 * m.noseWide, 0.11, 0.20},
		{0, m.mouth - 0.17, 0.05, 0.07, -0.02},
		{0, m.mouth - 0.05, 0.28 * m.mouthWide, 0.06, 0.04},
		{0, m.mouth + 0.10, 0.22 * m.mouthWide, 0.07, 0.05},
		{0, m.mouth + 0.23, 0.22, 0.06, -0.05},
		{0, m.chin - 0.24, 0.24 + 0.06*b.Jaw, 0.16, 0.10},
	}
	hs = both(hs, hill{0.19 * m.noseWide, m.nose - 0.04, 0.07, 0.08, 0.07})
	hs = both(hs, hill{m.eye - 0.04, -0.03, 0.25, 0.16, -0.11})
	hs = both(hs, hill{m.eye, m.brow - 0.02, 0.30, 0.10, 0.05})
	hs = both(hs, hill{0.60, 0.45, 0.24, 0.20, 0.07 + 0.05*b.Cheeks})
	hs = both(hs, hill{0.86, -0.35, 0.18, 0.30, -0.06})
	hs = both(hs, hill{m.eye, 0.24, 0.20, 0.05, 0.035 * f.person.Age})
	hs = both(hs, hill{0.62, 0.95, 0.16, 0.22, -0.09 * f.person.Age})
	return hs
}
