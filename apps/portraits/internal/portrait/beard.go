package portrait

import "github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"

func (f *figure) beard() {
	m := f.m
	w, j := m.wide, m.jaw
	var half []point // of the outline, from the upper lip outwards and down
	switch f.person.Beard {
	case FullBeard:
		const drop = 0.16 // below the chin
		half = []point{
			xy(0, m.nose+0.14), xy(0.3, m.nose+0.16), xy(0.5, m.mouth-0.08), xy(0.66*w, m.mouth-0.2), xy(0.86*w, 0.45), xy(0.94*w, 0.0),
			xy(1.0*w, 0.1), xy(0.99*w, 0.6), xy(j*0.84+drop/4, m.chin-0.45+drop/2), xy(j*0.5, m.chin+drop*0.8), xy(0, m.chin+drop),
		}
	case Goatee:
		half = []point{
			xy(0, m.nose+0.2), xy(0.36, m.mouth-0.14), xy(0.46, m.mouth+0.1), xy(0.34, m.chin-0.08), xy(0, m.chin+0.06),
		}
	default:
		return
	}
	whole := f.cover(canvas.Closed(canvas.Mirrored(half...)...), 0.035)
	lips := f.cover(canvas.Ellipse(f.at(0, m.mouth+0.04), 0.36*m.mouthWide, 0.13*m.mouthFull, 0), 0.025)
	mask := whole.Without(lips)
	f.c.Paint(mask, f.shaded(f.person.BrowColour, 0.94))
	h := coiffure{strand: 0.16, flow: func(p point) point { return xy(0.35*p.X, 1) }}
	for range 300 {
		f.strand(mask, h, 0.95)
	}
}

func (f *figure) moustache() {
	if !f.person.Moustache {
		return
	}
	y := f.m.mouth - 0.13
	w := 0.5 * f.m.mouthWide
	mask := f.cover(canvas.Closed(f.turned(canvas.Mirrored(
		xy(0, y-0.13), xy(0.2, y-0.13), xy(0.8*w, y+0.02), xy(w, y+0.17), xy(0.6*w, y+0.15), xy(0.2, y+0.09), xy(0, y+0.06),
	)...)...), 0.02)
	f.c.Paint(mask, f.shaded(f.person.BrowColour, 0.97))
	h := coiffure{strand: 0.18, flow: func(p point) point { return xy(2.2*p.X, 0.5) }}
	for range 90 {
		f.strand(mask, h, 1)
	}
}
