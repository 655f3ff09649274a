package portrait

import (
	"math"

	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
)

// coiffure is a head of hair: the part behind the head and the part in front of
// it.
type coiffure struct {
	back, front    *canvas.Mask        // nil for none
	behind, before float64             // their brightness; 1 is as light as the hair's colour
	strand         float64             // length in units
	flow           func(p point) point // direction of a strand at p; nil curls it
}

// combed returns the flow of hair that falls to both sides of a parting at x.
func combed(x float64) func(point) point {
	return func(p point) point {
		side := 1.0
		if p.X < x {
			side = -1
		}
		if p.Y > 0.2 {
			return xy(0, 1)
		}
		return xy(side*(0.3-p.Y), math.Abs(p.X-x)+0.15)
	}
}

// paintHair paints the area m with hair: its colour under the light, then
// strands.
func (f *figure) paintHair(m *canvas.Mask, h coiffure, bright float64) {
	if m == nil {
		return
	}
	egg := newRelief(f.setting.Light, 1.55, 2.3, nil)
	egg.depth = 0.4 + 0.6*f.setting.Light.Contrast
	f.c.Paint(m, func(px point) (canvas.Colour, float64) {
		p := f.head.FromCanvas(px)
		p.Y += 0.25
		return f.light(lit(f.person.Hair, min(bright*egg.brightness(p), 1.12))), 1
	})
	for range 420 {
		f.strand(m, h, bright)
	}
}

// strand paints a strand of hair that starts at a random point in m.
func (f *figure) strand(m *canvas.Mask, h coiffure, bright float64) {
	root, ok := m.Random(f.rng)
	if !ok {
		return
	}
	p := f.head.FromCanvas(root)
	path := canvas.Path{p}
	angle := 2 * math.Pi * f.rng.Float64()
	const steps = 5
	for range steps {
		angle += 0.9
		way := xy(math.Cos(angle), math.Sin(angle))
		if h.flow != nil {
			way = h.flow(p)
		}
		p = p.Add(way.Times(h.strand / steps / max(way.Length(), 1e-6)))
		path = append(path, p)
	}
	tone := f.person.Hair.Times(bright * (0.55 + 0.4*f.rng.Float64()))
	if f.rng.Float64() < 0.5 {
		tone = f.person.Hair.Mix(canvas.Colour{1, 0.88, 0.74}, 0.08+0.2*f.rng.Float64()).Times(bright)
	}
	stroke := path.Stroke(canvas.Tapered(0.018 + 0.022*f.rng.Float64()))
	f.c.Paint(f.cover(stroke, 0).Within(m), canvas.Flat(f.light(tone), 0.38))
}
