package portrait

// One function per style. Outlines run along the outside first and return along
// the hairline.
import (
	"math"

	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
)

func (f *figure) hair() coiffure {
	switch f.person.Style {
	case Crop:
		return f.crop()
	case SidePart:
		return f.sidePart()
	case Quiff:
		return f.quiff()
	case Bob:
		return f.bob()
	case Wavy:
		return f.wavy()
	case Curls:
		return f.curls()
	case Bun:
		return f.bun()
	case Ring:
		return f.ring()
	default:
		return coiffure{}
	}
}

// fallen returns a coiffure without a shape. Its hair falls to both sides.
func fallen() coiffure {
	return coiffure{flow: combed(0), strand: 0.6, behind: 0.62, before: 1}
}

// lock returns the mask of a smooth outline of hair.
func (f *figure) lock(outline ...point) *canvas.Mask {
	return f.cover(canvas.Closed(outline...), 0.012)
}

func (f *figure) crop() coiffure {
	w, top := f.m.wide, f.m.hairline
	h := fallen()
	h.front = f.lock(canvas.Mirrored(
		xy(0, -1.68), xy(0.62, -1.55), xy(1.02*w, -1.0), xy(1.07*w, -0.4), xy(1.02*w, 0.02),
		xy(0.95*w, -0.1), xy(0.9*w, -0.5), xy(0.68*w, top+0.1), xy(0.3, top), xy(0, top-0.02),
	)...)
	h.strand = 0.25
	return h
}

func (f *figure) sidePart() coiffure {
	w, top := f.m.wide, f.m.hairline
	h := fallen()
	h.front = f.lock(
		xy(0.5, -1.72), xy(0.95*w, -1.25), xy(1.1*w, -0.5), xy(1.03*w, 0.05), xy(0.95*w, -0.1),
		xy(0.9*w, -0.55), xy(0.6, top-0.08), xy(0.45, top-0.18), xy(0.1, top+0.12), xy(-0.4, top+0.28),
		xy(-0.85*w, -0.5), xy(-0.95*w, -0.1), xy(-1.03*w, 0.05), xy(-1.14*w, -0.5), xy(-1.08*w, -1.2),
		xy(-0.6, -1.8), xy(0, -1.88),
	)
	h.flow = combed(0.45)
	return h
}

func (f *figure) quiff() coiffure {
	w, top := f.m.wide, f.m.hairline
	h := fallen()
	h.front = f.lock(
		xy(0.1, -2.0), xy(0.65, -1.85), xy(0.95*w, -1.3), xy(1.04*w, -0.6), xy(1.0*w, 0.0), xy(0.93*w, -0.15),
		xy(0.88*w, -0.6), xy(0.66, top-0.02), xy(0.2, top-0.06), xy(-0.3, top+0.02), xy(-0.68, top+0.04),
		xy(-0.88*w, -0.6), xy(-0.93*w, -0.15), xy(-1.0*w, 0.0), xy(-1.04*w, -0.6), xy(-1.0*w, -1.2), xy(-0.6, -1.75),
	)
	h.flow = func(p point) point { return xy(0.5+0.3*p.X, -0.8) }
	h.strand = 0.5
	return h
}

func (f *figure) bob() coiffure {
	w, top := f.m.wide, f.m.hairline
	h := fallen()
	h.back = f.lock(canvas.Mirrored(
		xy(0, -1.8), xy(0.75, -1.58), xy(1.2*w, -0.85), xy(1.3*w, 0.2), xy(1.3*w, 1.15), xy(0.9, 1.45), xy(0, 1.4),
	)...)
	h.front = f.lock(canvas.Mirrored(
		xy(0, -1.8), xy(0.75, -1.58), xy(1.2*w, -0.85), xy(1.3*w, 0.2), xy(1.28*w, 1.2), xy(1.02*w, 1.32),
		xy(0.93*w, 0.7), xy(0.95*w, 0.0), xy(0.88*w, -0.38), xy(0.5, top+0.42), xy(0, top+0.4),
	)...)
	h.flow = func(p point) point { return xy(p.X*max(-0.4-p.Y, 0), 1) }
	return h
}

func (f *figure) wavy() coiffure {
	w, top := f.m.wide, f.m.hairline
	h := fallen()
	h.back = f.lock(canvas.Mirrored(
		xy(0, -1.85), xy(0.8, -1.65), xy(1.25*w, -0.9), xy(1.2*w, -0.2), xy(1.42*w, 0.5), xy(1.3, 1.2), xy(1.5, 1.9), xy(1.1, 2.4), xy(0, 2.0),
	)...)
	h.front = f.lock(
		xy(0.3, -1.85), xy(0.9, -1.6), xy(1.25*w, -0.9), xy(1.18*w, -0.2), xy(1.36*w, 0.5), xy(1.15*w, 1.05), xy(0.98*w, 0.55),
		xy(0.93*w, -0.25), xy(0.7, top+0.12), xy(0.4, top-0.25), xy(-0.05, top+0.1), xy(-0.5, top+0.38), xy(-0.9*w, -0.2),
		xy(-0.98*w, 0.55), xy(-1.15*w, 1.05), xy(-1.36*w, 0.5), xy(-1.18*w, -0.2), xy(-1.25*w, -0.9), xy(-0.8, -1.7), xy(-0.2, -1.9),
	)
	h.flow = combed(0.4)
	return h
}

func (f *figure) curls() coiffure {
	h := fallen()
	h.back, h.front = f.cloud()
	h.flow, h.strand = nil, 0.22
	h.behind, h.before = 0.66, 0.72
	return h
}

func (f *figure) bun() coiffure {
	w, top := f.m.wide, f.m.hairline
	h := fallen()
	h.back = f.lock(canvas.Ellipse(xy(0.08, -1.82), 0.42, 0.36, 0)...)
	h.front = f.lock(canvas.Mirrored(
		xy(0, -1.64), xy(0.62, -1.5), xy(1.0*w, -0.98), xy(1.06*w, -0.4), xy(1.0*w, -0.02),
		xy(0.95*w, -0.3), xy(0.84*w, -0.72), xy(0.5, top-0.08), xy(0, top-0.16),
	)...)
	h.flow = func(p point) point { return xy(-p.X, -1.6-p.Y) }
	return h
}

func (f *figure) ring() coiffure {
	w := f.m.wide
	h := fallen()
	tuft := func(s float64) *canvas.Mask {
		return f.cover(canvas.Closed(
			xy(s*0.98*w, -0.62), xy(s*1.14*w, -0.4), xy(s*1.2*w, 0.1), xy(s*1.1*w, 0.5), xy(s*1.0*w, 0.3),
			xy(s*0.95*w, -0.15),
		), 0.03)
	}
	h.front = tuft(-1).Or(tuft(1))
	h.strand = 0.2
	return h
}

// cloud returns round locks behind the head and along the hairline.
func (f *figure) cloud() (back, front *canvas.Mask) {
	ball := func(m *canvas.Mask, x, y, r float64) *canvas.Mask {
		c := f.cover(canvas.Ellipse(xy(x, y), r, r*(0.85+0.3*f.rng.Float64()), 0), 0.015)
		if m == nil {
			return c
		}
		return m.Or(c)
	}
	back = f.cover(canvas.Ellipse(xy(0, -0.55), 1.4*f.m.wide, 1.35, 0), 0)
	for i := range 26 {
		s, c := math.Sincos(math.Pi * (0.86 + 1.28*float64(i)/25))
		back = ball(back, 1.42*c*f.m.wide, -0.5+1.38*s, 0.2+0.07*f.rng.Float64())
	}
	for i := range 24 {
		t := float64(i) / 23
		s, c := math.Sincos(math.Pi * (0.98 + 1.04*t))
		front = ball(front, 1.02*c*f.m.wide, -0.12+(-f.m.hairline+0.12)*1.05*s, 0.15+0.05*f.rng.Float64())
		front = ball(front, 1.1*c*f.m.wide, -0.35+1.2*s, 0.24)
	}
	return back, front
}
