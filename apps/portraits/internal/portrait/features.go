package portrait

import (
	"math"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
)

// eye paints one eye. side is -1 for the left side of the picture and 1 for the
// right.
func (f *figure) eye(side float64) {
	b, m := f.person.Build, f.m
	x, w, h := side*m.eye, m.eyeHalf, m.eyeOpen-0.018*f.setting.Smile
	slant := 0.05 * b.EyeSlant
	// From the inner corner over the upper lid to the outer one, and back.
	inner := xy(x-side*w, 0.02+slant/2)
	outer := xy(x+side*w, -slant)
	upper := []point{
		xy(x-side*0.55*w, -0.72*h+slant/3), xy(x, -h), xy(x+side*0.6*w, -0.78*h-slant/2),
	}
	lower := []point{
		xy(x+side*0.5*w, 0.62*h-slant/2), xy(x, 0.78*h), xy(x-side*0.5*w, 0.6*h+slant/3),
	}
	lid := slices.Concat([]point{inner}, upper, []point{outer})
	almond := slices.Concat(lid, lower)

	socket := lit(f.person.Skin, 0.35)
	f.onFace(canvas.Ellipse(f.at(x, -0.02), w*1.3, h*2.1, 0), 0.07, socket, 0.42)

	white := f.cover(canvas.Closed(f.turned(almond...)...), 0.004).Within(f.face)
	f.c.Paint(white, canvas.Flat(f.light(canvas.Hex(0xf1ece6)), 1))
	f.iris(f.at(x+0.03*f.setting.Turn, -0.01), 0.098+0.012*b.EyeSize, white)
	shade := canvas.Open(f.turned(lid...)...).Stroke(canvas.Even(0.075))
	f.c.Paint(f.cover(shade, 0.02).Within(white), canvas.Flat(canvas.Hex(0x30201c), 0.45))

	lash := canvas.Hex(0x1c1210)
	f.line(0.05, 0.006, lash, 0.9, slices.Concat(lid, []point{xy(x+side*(w+0.05), -slant-0.035)})...)
	f.line(0.02, 0.008, lit(f.person.Skin, 0.15), 0.7, slices.Concat([]point{outer}, lower, []point{inner})...)
	crease := make([]point, len(lid))
	for i, p := range lid {
		crease[i] = xy(x+(p.X-x)*1.08, p.Y-0.065-0.02*b.EyeOpen)
	}
	f.line(0.028, 0.01, lit(f.person.Skin, 0.2), 0.6, crease...)
}

func (f *figure) iris(at point, r float64, white *canvas.Mask) {
	paint := func(centre point, r, blur float64, c canvas.Colour, opacity float64) {
		f.c.Paint(f.cover(canvas.Ellipse(centre, r, r, 0), blur).Within(white), canvas.Flat(c, opacity))
	}
	paint(at, r, 0.006, f.light(f.person.Iris.Times(0.45)), 1)
	paint(at.Add(xy(0, 0.01)), r*0.82, 0.012, f.light(f.person.Iris), 1)
	paint(at, r*0.45, 0.006, canvas.Hex(0x0c0a0a), 1)
	glint := xy(0.4*f.setting.Light.From.X, -0.45).Times(r)
	paint(at.Add(glint), r*0.22, 0.006, canvas.Colour{1, 1, 1}, 0.95)
}

func (f *figure) brow(side float64) {
	b, m := f.person.Build, f.m
	x, y := side*m.eye, m.brow
	line := canvas.Open(f.turned(
		xy(x-side*0.28, y+0.05-0.02*b.BrowArch),
		xy(x-side*0.08, y-0.01-0.02*b.BrowArch),
		xy(x+side*0.13, y-0.045-0.02*b.BrowArch),
		xy(x+side*0.34, y+0.015+0.045*b.BrowArch),
	)...)
	weight := 0.085 + 0.045*b.BrowWeight
	taper := func(t float64) float64 { return weight * (0.75 + 0.6*t - 1.15*t*t) }
	f.onFace(line.Stroke(taper), 0.016, f.person.BrowColour, 0.7)
	for range 40 {
		t := 0.94 * f.rng.Float64()
		i := int(t * float64(len(line)-2))
		root := line[i].Add(xy(0, (f.rng.Float64()-0.4)*0.7*taper(t)))
		along := line[i+1].Sub(line[i])
		tip := along.Times(0.085 / along.Length()).Add(xy(0, -0.028*(1-t)))
		hair := canvas.Path{root, root.Add(tip.Times(0.5)), root.Add(tip)}
		f.onFace(hair.Stroke(canvas.Tapered(0.018)), 0.003, f.person.BrowColour.Times(0.65+0.45*f.rng.Float64()), 0.5)
	}
}

func (f *figure) nose() {
	m := f.m
	dark := lit(f.person.Skin, 0.12)
	w := 0.2 * m.noseWide
	// The side away from the light gets the bridge's shadow.
	away := 1.0
	if f.setting.Light.From.X > 0 {
		away = -1
	}
	depth := f.setting.Light.Contrast * (0.25 + 0.5*math.Abs(f.setting.Light.From.X))
	f.line(0.13, 0.05, lit(f.person.Skin, 0.3), 0.6*depth,
		xy(away*0.13, -0.12), xy(away*0.10, 0.2), xy(away*(w*0.85), m.nose-0.1))
	f.onFace(canvas.Ellipse(f.at(0, m.nose+0.05), w*1.05, 0.05, 0), 0.04, lit(f.person.Skin, 0.3), 0.55)
	for _, s := range []float64{-1, 1} {
		f.onFace(canvas.Ellipse(f.at(s*w*0.5, m.nose), 0.062*m.noseWide, 0.032, s*-0.25), 0.012, dark, 0.85)
		f.line(0.03, 0.012, dark, 0.55,
			xy(s*w*0.98, m.nose-0.14), xy(s*(w+0.055), m.nose-0.04), xy(s*w*0.86, m.nose+0.03))
	}
	shine := f.person.Skin.Mix(canvas.Colour{1, 1, 1}, 0.65)
	f.onFace(canvas.Ellipse(f.at(0.05*f.setting.Light.From.X, m.nose-0.15), 0.06, 0.05, 0), 0.03, shine, 0.4)
	f.onFace(canvas.Ellipse(f.at(0.03*f.setting.Light.From.X, 0.2), 0.035, 0.2, 0), 0.03, shine, 0.25)
}

func (f *figure) mouth() {
	m := f.m
	w := 0.37*m.mouthWide + 0.08*f.setting.Smile
	up := 0.02 + 0.12*f.setting.Smile // of the corners
	full := 0.085 * m.mouthFull
	y := m.mouth
	lips := f.person.Lips
	seam := []point{
		xy(-w, y-up), xy(-w/2, y+0.005-up/4), xy(0, y+0.012), xy(w/2, y+0.005-up/4), xy(w, y-up),
	}
	top := slices.Concat(seam, []point{
		xy(w*0.55, y-full*0.75-up/3), xy(w*0.2, y-full*1.05),
		xy(0, y-full*0.85), xy(-w*0.2, y-full*1.05), xy(-w*0.55, y-full*0.75-up/3),
	})
	bottom := slices.Concat(seam, []point{
		xy(w*0.6, y+full*0.95-up/3), xy(w*0.25, y+full*1.5),
		xy(0, y+full*1.6), xy(-w*0.25, y+full*1.5), xy(-w*0.6, y+full*0.95-up/3),
	})
	shade := func(pts []point, bright float64) {
		mask := f.cover(canvas.Closed(f.turned(pts...)...), 0.014).Within(f.face)
		f.c.Paint(mask, f.shaded(lips.Times(bright), 0.92))
	}
	shade(top, 0.86)
	shade(bottom, 1.06)
	f.onFace(canvas.Ellipse(f.at(0.08*f.setting.Light.From.X, y+full*0.85), w*0.3, 0.025, 0), 0.02, canvas.Colour{1, 0.92, 0.9}, 0.28)
	f.line(0.045, 0.008, lips.Tint(canvas.Colour{0.3, 0.2, 0.2}), 0.9, seam...)
	for _, s := range []float64{-1, 1} {
		f.onFace(canvas.Ellipse(f.at(s*(w+0.02), y-up), 0.035, 0.035, 0), 0.02, lit(f.person.Skin, 0.2), 0.5)
	}
	for _, s := range []float64{-1, 1} {
		f.line(0.04, 0.02, lit(f.person.Skin, 0.3), 0.5*f.setting.Smile,
			xy(s*(w+0.02), y-up-0.12), xy(s*(w+0.075), y-up), xy(s*(w+0.05), y-up+0.1))
	}
	f.onFace(canvas.Ellipse(f.at(0, y+full*1.6+0.05), w*0.6, 0.03, 0), 0.03, lit(f.person.Skin, 0.3), 0.4)
}
