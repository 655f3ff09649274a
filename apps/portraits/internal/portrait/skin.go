package portrait

import (
	"math"

	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
)

// outline returns the shape of the head without ears and hair.
func (f *figure) outline() canvas.Path {
	w, j, chin := f.m.wide, f.m.jaw, f.m.chin
	return canvas.Closed(canvas.Mirrored(
		xy(0, f.m.crown), xy(0.45*w, f.m.crown+0.13), xy(0.8*w, -1.06), xy(0.97*w, -0.65),
		xy(1.01*w, -0.15), xy(0.98*w, 0.3), xy((w+j)/2*0.91, 0.8),
		xy(j*0.72, chin-0.37), xy(j*0.38, chin-0.07), xy(0, chin),
	)...)
}

func (f *figure) skin() {
	f.face = f.cover(f.outline(), 0)
	f.c.Paint(f.face, f.shaded(f.person.Skin, 1))
	blush := f.person.Skin.Mix(canvas.Hex(0xd0453a), 0.45)
	for _, side := range []float64{-1, 1} {
		at := f.at(side*0.58, 0.55)
		f.onFace(canvas.Ellipse(at, 0.22, 0.15, 0), 0.1, blush, 0.28)
	}
}

func (f *figure) ears() {
	for _, side := range []float64{-1, 1} {
		x := side*(f.m.wide+0.02) - f.setting.Turn*0.07
		centre := xy(x, 0.16)
		ear := f.cover(canvas.Ellipse(centre, 0.13*f.m.ear, 0.30*f.m.ear, side*0.18), 0)
		f.c.Paint(ear, f.shaded(f.person.Skin.Mix(canvas.Hex(0xc0503f), 0.10), 1))
		inner := f.cover(canvas.Ellipse(centre, 0.06*f.m.ear, 0.18*f.m.ear, side*0.18), 0.03)
		f.c.Paint(inner.Within(ear), canvas.Flat(f.light(lit(f.person.Skin, 0.35)), 0.7))
	}
}

func (f *figure) shoulders() {
	clothes, fall := f.setting.Clothes, f.setting.Light
	torso := f.c.Cover(f.body.Place(canvas.Closed(
		xy(0, 1.95), xy(0.62, 2.02), xy(1.35, 2.35), xy(1.95, 2.75),
		xy(2.25, 3.8), xy(2.2, 7), xy(-2.2, 7), xy(-2.25, 3.8),
		xy(-1.95, 2.75), xy(-1.35, 2.35), xy(-0.62, 2.02),
	)), 0)
	f.c.Paint(torso, func(px point) (canvas.Colour, float64) {
		p := f.body.FromCanvas(px)
		bright := 1 + fall.Contrast*(0.2*fall.From.X*p.X-0.35*math.Abs(p.X)/2-0.16*(p.Y-2.2))
		return f.light(lit(clothes, bright)), 1
	})
	f.neck()
	collar := canvas.Open(
		xy(-0.72, 2.06), xy(-0.4, 2.33), xy(0, 2.44), xy(0.4, 2.33), xy(0.72, 2.06),
	)
	f.c.Paint(f.c.Cover(f.body.Place(collar.Stroke(canvas.Even(0.1))), 0.01*f.setting.Unit),
		canvas.Flat(f.light(clothes.Times(0.78)), 1))
}

func (f *figure) neck() {
	fall := f.setting.Light
	neck := f.c.Cover(f.body.Place(canvas.Closed(
		xy(0, 0.8), xy(0.56, 0.9), xy(0.55, 1.7), xy(0.72, 2.1),
		xy(0, 2.45), xy(-0.72, 2.1), xy(-0.55, 1.7), xy(-0.56, 0.9),
	)), 0)
	f.c.Paint(neck, func(px point) (canvas.Colour, float64) {
		p := f.body.FromCanvas(px)
		bright := 0.92 - fall.Contrast*(0.5*math.Pow(math.Abs(p.X)/0.6, 2)-0.35*fall.From.X*p.X)
		return f.light(lit(f.person.Skin, bright)), 1
	})
	f.c.Paint(f.headShadow().Within(neck), canvas.Flat(f.light(lit(f.person.Skin, 0.18)), 0.55))
}

// headShadow returns the shadow of the head on the neck.
func (f *figure) headShadow() *canvas.Mask {
	path := f.outline()
	for i := range path {
		path[i].Y += 0.17
		path[i].X -= 0.1 * f.setting.Light.From.X
	}
	return f.cover(path, 0.08)
}

func (f *figure) wrinkles() {
	age := f.person.Age
	if age <= 0 {
		return
	}
	dark := lit(f.person.Skin, 0.3)
	for i, y := range []float64{-0.78, -0.66, -0.54} {
		half := 0.5 - 0.07*float64(i)
		f.line(0.028, 0.012, dark, 0.5*age,
			xy(-half, y+0.02), xy(-half/2, y-0.02), xy(0, y), xy(half/2, y-0.02), xy(half, y+0.02))
	}
	for _, s := range []float64{-1, 1} {
		x := f.m.mouthWide * 0.4
		f.line(0.05, 0.018, dark, 0.65*age,
			xy(s*0.24*f.m.noseWide, f.m.nose-0.08), xy(s*(x+0.02), f.m.mouth-0.2), xy(s*(x+0.1), f.m.mouth+0.05))
		f.line(0.035, 0.015, dark, 0.5*age,
			xy(s*(f.m.eye-0.2), 0.17), xy(s*f.m.eye, 0.26), xy(s*(f.m.eye+0.2), 0.2))
		for _, dy := range []float64{-0.07, 0.0, 0.07} {
			f.line(0.022, 0.008, dark, 0.5*age,
				xy(s*(f.m.eye+f.m.eyeHalf+0.05), 0.02+dy/2), xy(s*(f.m.eye+f.m.eyeHalf+0.19), 0.02+1.6*dy))
		}
	}
}

func (f *figure) freckles() {
	if !f.person.Freckles {
		return
	}
	spot := f.person.Skin.Mix(canvas.Hex(0x9a4f22), 0.6)
	for range 70 {
		x := f.rng.NormFloat64() * 0.36
		y := 0.42 + f.rng.NormFloat64()*0.13
		r := 0.012 + 0.014*f.rng.Float64()
		f.onFace(canvas.Ellipse(f.at(x, y), r, r, 0), 0.004, spot, 0.65)
	}
}
