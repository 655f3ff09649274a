package quality_test

import (
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/quality"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

func TestSharpness(t *testing.T) {
	t.Parallel()
	of := func(at func(x, y int) float64) float64 {
		var e quality.Edges
		for y := 1; y < 63; y++ {
			for x := 1; x < 63; x++ {
				e.Add(at, x, y)
			}
		}
		return e.Sharpness()
	}
	stripes := func(width int, light float64) func(x, y int) float64 {
		return func(x, _ int) float64 { return light * float64(x/width%2) }
	}
	ramp := func(x, y int) float64 { return 2*float64(x) + float64(y) }
	grey := func(int, int) float64 { return 100 }
	if narrow, wide := of(stripes(2, 200)), of(stripes(16, 200)); !(wide < narrow && narrow <= 1) {
		t.Errorf("narrow stripes are rated %v, wide ones %v", narrow, wide)
	}
	if light, dark := of(stripes(4, 200)), of(stripes(4, 50)); light != dark {
		t.Errorf("light stripes are rated %v, dark ones %v", light, dark)
	}
	for name, got := range map[string]float64{"a ramp": of(ramp), "grey": of(grey), "no pixels": new(quality.Edges).Sharpness()} {
		if got != 0 {
			t.Errorf("%s: got %v, want 0", name, got)
		}
	}
}

func TestProduct(t *testing.T) {
	t.Parallel()
	limits := quality.Limits{GoodSize: 100, WorstSize: 20, WorstYaw: 60}
	for name, c := range map[string]struct {
		q    faces.Quality
		want float64
	}{
		"as good as can be":     {faces.Quality{Size: 100, Sharpness: 1}, 1},
		"no better than that":   {faces.Quality{Size: 1000, Sharpness: 1.5}, 1},
		"half the size":         {faces.Quality{Size: 60, Sharpness: 1}, 0.5},
		"half as sharp as well": {faces.Quality{Size: 60, Sharpness: 0.5}, 0.25},
		"too small":             {faces.Quality{Size: 20, Sharpness: 1}, 0},
		"smaller than that":     {faces.Quality{Size: 1, Sharpness: 1}, 0},
		"a profile":             {faces.Quality{Size: 100, Sharpness: 1, Yaw: -60}, 0},
		"the back of the head":  {faces.Quality{Size: 100, Sharpness: 1, Yaw: 150}, 0},
	} {
		if got := limits.Product(c.q); got < c.want-1e-9 || got > c.want+1e-9 {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}
