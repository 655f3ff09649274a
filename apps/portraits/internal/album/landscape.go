package album

import (
	"math"
	"math/rand/v2"

	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
)

// landscape paints hills behind a lake on a clear morning.
func landscape(c *canvas.Canvas, width, height int, seed uint64) {
	w, h := float64(width), float64(height)
	rng := rand.New(rand.NewPCG(seed, 0xface1e55))
	sun := canvas.Point{X: 0.72 * w, Y: 0.22 * h}
	c.PaintAll(func(p canvas.Point) (canvas.Colour, float64) {
		sky := canvas.Hex(0x7fb2dc).Mix(canvas.Hex(0xf6e3c4), min(p.Y/(0.6*h), 1))
		glow := math.Exp(-p.Sub(sun).Length() / (0.18 * w))
		return sky.Mix(canvas.Hex(0xfff3cf), glow), 1
	})
	fill := func(path canvas.Path, blur float64, colour uint32, opacity float64) {
		c.Paint(c.Cover(path, blur), canvas.Flat(canvas.Hex(colour), opacity))
	}
	fill(canvas.Ellipse(sun, 0.045*w, 0.045*w, 0), 1, 0xfffbe8, 1)
	for range 9 {
		at := canvas.Point{X: w * rng.Float64(), Y: h * (0.08 + 0.22*rng.Float64())}
		fill(canvas.Ellipse(at, w*(0.06+0.08*rng.Float64()), 0.018*h, 0), 5, 0xffffff, 0.55)
	}
	ridge := func(base, rough float64, colour uint32) {
		path := canvas.Path{{X: 0, Y: h}}
		phase := 6 * rng.Float64()
		for x := 0.0; x <= w+4; x += 4 {
			t := 2 * math.Pi * x / w
			y := base + rough*(math.Sin(1.3*t+phase)+0.45*math.Sin(3.1*t+2*phase)+0.16*math.Sin(9*t+phase))
			path = append(path, canvas.Point{X: x, Y: h * y})
		}
		fill(append(path, canvas.Point{X: w + 4, Y: h}), 0.5, colour, 1)
	}
	ridge(0.46, 0.060, 0x9db3c9)
	ridge(0.53, 0.045, 0x7c9aa6)
	ridge(0.60, 0.030, 0x5f8a78)

	lake := c.Cover(canvas.Path{{X: 0, Y: 0.66 * h}, {X: w, Y: 0.66 * h}, {X: w, Y: h}, {X: 0, Y: h}}, 0)
	c.Paint(lake, func(p canvas.Point) (canvas.Colour, float64) {
		return canvas.Hex(0xd9dcc9).Mix(canvas.Hex(0x4f86a8), min((p.Y/h-0.66)/0.2, 1)), 1
	})
	for range 60 {
		at := canvas.Point{X: w * rng.Float64(), Y: h * (0.68 + 0.2*rng.Float64())}
		fill(canvas.Ellipse(at, 6+22*rng.Float64(), 0.7, 0), 0.4, 0xf3efdc, 0.5)
	}
	ridge(0.90, 0.022, 0x4c7340)
	for range 16 {
		fir(fill, canvas.Point{X: w * rng.Float64(), Y: h * (0.88 + 0.09*rng.Float64())}, h*(0.12+0.14*rng.Float64()))
	}
}

// fir paints a tree whose trunk stands at foot.
func fir(fill func(canvas.Path, float64, uint32, float64), foot canvas.Point, height float64) {
	fill(canvas.Path{
		foot.Add(canvas.Point{X: -0.03 * height}), foot.Add(canvas.Point{X: 0.03 * height}),
		foot.Add(canvas.Point{X: 0.02 * height, Y: -0.3 * height}), foot.Add(canvas.Point{X: -0.02 * height, Y: -0.3 * height}),
	}, 0.4, 0x4a3526, 1)
	for tier, colour := range []uint32{0x24452f, 0x2b5238, 0x346144} {
		bottom := -height * (0.14 + 0.24*float64(tier))
		half := height * (0.2 - 0.045*float64(tier))
		fill(canvas.Path{
			foot.Add(canvas.Point{X: -half, Y: bottom}), foot.Add(canvas.Point{X: half, Y: bottom}),
			foot.Add(canvas.Point{Y: bottom - 0.4*height}),
		}, 0.4, colour, 1)
	}
}
