package portrait_test

import (
	"bytes"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
	"github.com/rollcall-faces/rollcall/apps/portraits/internal/portrait"
)

func somebody() portrait.Person {
	return portrait.Person{
		Skin: canvas.Hex(0xd09a72), Hair: canvas.Hex(0x4c2c1b), Iris: canvas.Hex(0x4d3a1f), Lips: canvas.Hex(0xa8605a),
		Frame: canvas.Hex(0x202020),
	}
}

// draw returns the pixels of a small picture.
func draw(p portrait.Person, change func(*portrait.Setting)) []byte {
	s := portrait.Setting{
		Eyes: canvas.Point{X: 60, Y: 66}, Unit: 27, Clothes: canvas.Hex(0x3a4a5f), Seed: 1,
		Light: portrait.Light{From: canvas.Point{X: -0.3, Y: -0.4}, Contrast: 0.6},
	}
	if change != nil {
		change(&s)
	}
	c := canvas.New(120, 150)
	portrait.Draw(c, p, s)
	return c.Image().Pix
}

func TestEveryTraitShows(t *testing.T) {
	t.Parallel()
	plain := draw(somebody(), nil)
	for _, tc := range []struct {
		name   string
		change func(*portrait.Person)
	}{
		{"crop", func(p *portrait.Person) { p.Style = portrait.Crop }},
		{"side part", func(p *portrait.Person) { p.Style = portrait.SidePart }},
		{"quiff", func(p *portrait.Person) { p.Style = portrait.Quiff }},
		{"bob", func(p *portrait.Person) { p.Style = portrait.Bob }},
		{"wavy", func(p *portrait.Person) { p.Style = portrait.Wavy }},
		{"curls", func(p *portrait.Person) { p.Style = portrait.Curls }},
		{"bun", func(p *portrait.Person) { p.Style = portrait.Bun }},
		{"ring", func(p *portrait.Person) { p.Style = portrait.Ring }},
		{"goatee", func(p *portrait.Person) { p.Beard = portrait.Goatee }},
		{"full beard", func(p *portrait.Person) { p.Beard = portrait.FullBeard }},
		{"moustache", func(p *portrait.Person) { p.Moustache = true }},
		{"round glasses", func(p *portrait.Person) { p.Glasses = portrait.RoundGlasses }},
		{"square glasses", func(p *portrait.Person) { p.Glasses = portrait.SquareGlasses }},
		{"age", func(p *portrait.Person) { p.Age = 1 }},
		{"freckles", func(p *portrait.Person) { p.Freckles = true }},
		{"brows of another colour", func(p *portrait.Person) { p.BrowColour = canvas.Hex(0xe4e2de) }},
		{"a long head", func(p *portrait.Person) { p.Build.Length = 1 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := somebody()
			tc.change(&p)
			if bytes.Equal(plain, draw(p, nil)) {
				t.Error("the picture is the same as without")
			}
		})
	}
}

func TestEverySettingShows(t *testing.T) {
	t.Parallel()
	plain := draw(somebody(), nil)
	for _, tc := range []struct {
		name   string
		change func(*portrait.Setting)
	}{
		{"tilt", func(s *portrait.Setting) { s.Tilt = 0.1 }},
		{"turn", func(s *portrait.Setting) { s.Turn = 0.5 }},
		{"smile", func(s *portrait.Setting) { s.Smile = 1 }},
		{"light from the right", func(s *portrait.Setting) { s.Light.From.X = 0.5 }},
		{"warm light", func(s *portrait.Setting) { s.Light.Colour = canvas.Colour{1, 0.9, 0.8} }},
		{"clothes", func(s *portrait.Setting) { s.Clothes = canvas.Hex(0xb5432f) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if bytes.Equal(plain, draw(somebody(), tc.change)) {
				t.Error("the picture is the same as without")
			}
		})
	}
}

func TestDrawOutsideTheCanvas(t *testing.T) {
	t.Parallel()
	for name, eyes := range map[string]canvas.Point{
		"half outside":   {X: -5, Y: 60},
		"wholly outside": {X: 900, Y: -900},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := somebody()
			p.Style, p.Beard, p.Moustache, p.Glasses = portrait.Curls, portrait.FullBeard, true, portrait.RoundGlasses
			draw(p, func(s *portrait.Setting) { s.Eyes = eyes }) // must not panic
		})
	}
}
