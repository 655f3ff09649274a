package portrait

import (
	"math"
	"math/rand/v2"

	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
)

type point = canvas.Point

func xy(x, y float64) point { return point{X: x, Y: y} }

// measures are the positions of the features, in units (half the width of an
// average face) from the midpoint between the eyes. y grows downwards.
type measures struct {
	wide, jaw                                float64 // half the width, above and below
	crown, hairline, brow, nose, mouth, chin float64 // heights
	eye                                      float64 // half the distance between the eyes
	eyeHalf, eyeOpen                         float64 // half of an eye's width and height
	noseWide, mouthWide, mouthFull, ear      float64 // factors; 1 is average
}

func measure(b Build) measures {
	return measures{
		wide:      1 + 0.09*b.Width,
		jaw:       1 + 0.09*b.Width + 0.14*b.Jaw,
		crown:     -1.52,
		hairline:  -0.92 - 0.14*b.Hairline,
		brow:      -0.29 - 0.07*b.BrowHeight,
		nose:      0.64 + 0.08*b.NoseLength,
		mouth:     1.02 + 0.05*b.NoseLength + 0.06*b.MouthHeight,
		chin:      1.58 + 0.14*b.Length,
		eye:       0.455 + 0.05*b.EyeGap,
		eyeHalf:   0.215 + 0.035*b.EyeSize,
		eyeOpen:   0.088 + 0.034*b.EyeOpen,
		noseWide:  1 + 0.28*b.NoseWidth,
		mouthWide: 1 + 0.2*b.MouthWidth,
		mouthFull: 1 + 0.5*b.MouthFull,
		ear:       1 + 0.25*b.Ears,
	}
}

// figure is the state while one person is painted.
type figure struct {
	c       *canvas.Canvas
	person  Person
	setting Setting
	m       measures
	head    canvas.Frame
	body    canvas.Frame
	rng     *rand.Rand
	surface relief
	face    *canvas.Mask // area of the head's skin
}

// Draw paints a person over the current content of the canvas.
func Draw(c *canvas.Canvas, p Person, s Setting) {
	if p.BrowColour == (canvas.Colour{}) {
		p.BrowColour = p.Hair
	}
	if s.Light.Colour == (canvas.Colour{}) {
		s.Light.Colour = canvas.Colour{1, 1, 1}
	}
	f := &figure{
		c: c, person: p, setting: s, m: measure(p.Build),
		body: canvas.Frame{Origin: s.Eyes, Unit: s.Unit},
		head: canvas.Frame{Origin: s.Eyes, Unit: s.Unit, Tilt: s.Tilt, Pivot: xy(0, 0.9)},
		rng:  rand.New(rand.NewPCG(s.Seed, 0x5eed)),
	}
	f.surface = newRelief(s.Light, 1.12*f.m.wide, 1.75, f.hills())
	hair := f.hair()

	f.paintHair(hair.back, hair, hair.behind)
	f.shoulders()
	f.ears()
	f.skin()
	f.wrinkles()
	f.freckles()
	f.nose()
	f.eye(-1)
	f.eye(1)
	f.beard()
	f.mouth()
	f.moustache()
	f.brow(-1)
	f.brow(1)
	f.glasses()
	f.paintHair(hair.front, hair, hair.before)
}

// at returns a point of the face, moved by the turn of the head.
func (f *figure) at(x, y float64) point {
	return xy(x+f.shift(x, y), y)
}

// shift returns how far the turn of the head moves a point of the face to the
// right. Points closer to the camera move farther.
func (f *figure) shift(x, y float64) float64 {
	return f.setting.Turn * 0.16 * roundness(x, y)
}

// roundness is how close to the camera a point of the face is, from 0 to 1.
func roundness(x, y float64) float64 {
	return math.Sqrt(max(1-x*x/1.3-y*y/3.2, 0))
}

// turned returns points of the face, moved by the turn of the head.
func (f *figure) turned(pts ...point) []point {
	out := make([]point, len(pts))
	for i, p := range pts {
		out[i] = f.at(p.X, p.Y)
	}
	return out
}

// cover returns the mask of a path in head coordinates. blur is in units.
func (f *figure) cover(p canvas.Path, blur float64) *canvas.Mask {
	return f.c.Cover(f.head.Place(p), blur*f.setting.Unit)
}

// onFace paints a path of the face, clipped to the head's outline.
func (f *figure) onFace(p canvas.Path, blur float64, c canvas.Colour, opacity float64) {
	f.c.Paint(f.cover(p, blur).Within(f.face), canvas.Flat(f.light(c), opacity))
}

// line paints a stroke on the face.
func (f *figure) line(width, blur float64, c canvas.Colour, opacity float64, pts ...point) {
	f.onFace(canvas.Open(f.turned(pts...)...).Stroke(canvas.Tapered(width)), blur, c, opacity)
}

// light returns a colour under the light.
func (f *figure) light(c canvas.Colour) canvas.Colour { return c.Tint(f.setting.Light.Colour) }

// shaded returns the shader of a surface that follows the relief of the head.
func (f *figure) shaded(c canvas.Colour, opacity float64) canvas.Shader {
	return func(px point) (canvas.Colour, float64) {
		p := f.head.FromCanvas(px)
		p.X -= f.shift(p.X, p.Y)
		return f.light(lit(c, f.surface.brightness(p))), opacity
	}
}
