package align_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

func near(a, b align.Point) bool { return math.Hypot(a.X-b.X, a.Y-b.Y) < 1e-6 }

func transform(rnd *rand.Rand) align.Transform {
	angle, scale := 2*math.Pi*rnd.Float64(), 0.1+3*rnd.Float64()
	return align.Transform{
		A: scale * math.Cos(angle), B: scale * math.Sin(angle), X: 200*rnd.Float64() - 100, Y: 200*rnd.Float64() - 100,
	}
}

// The transform between points and what a similarity makes of them is that
// similarity, and its inverse leads back.
func TestBetweenFindsTheSimilarity(t *testing.T) {
	t.Parallel()
	const seed = 7
	rnd := rand.New(rand.NewPCG(seed, seed))
	for round := range 500 {
		want := transform(rnd)
		from, to := align.MobileFaceNet(), align.Points{}
		for i, p := range from {
			from[i] = align.Point{X: p.X + 20*rnd.Float64(), Y: p.Y + 20*rnd.Float64()}
			to[i] = want.Apply(from[i])
		}
		got := align.Between(from, to)
		if math.Abs(got.A-want.A)+math.Abs(got.B-want.B) > 1e-9 || math.Abs(got.Scale()-want.Scale()) > 1e-9 {
			t.Fatalf("round %d (seed %d): got %+v, want %+v", round, seed, got, want)
		}
		for _, p := range from {
			if back := got.Inverse().Apply(got.Apply(p)); !near(back, p) {
				t.Fatalf("round %d (seed %d): %v comes back as %v", round, seed, p, back)
			}
		}
	}
}

func TestPointsThatCoincideHaveNoTransform(t *testing.T) {
	t.Parallel()
	var same align.Points
	for i := range same {
		same[i] = align.Point{X: 3, Y: 4}
	}
	if got := align.Between(same, align.Cutout()); got != (align.Transform{}) {
		t.Errorf("got %+v, want the zero transform", got)
	}
	m := gradient(20, 20)
	dst := make([]byte, 3*8*8)
	align.Cut(m, align.Transform{}, 8, dst) // it must not hang or panic
}

// gradient is red to the right and green downwards.
func gradient(width, height int) *picture.RGB {
	m := &picture.RGB{Pix: make([]byte, 3*width*height), Stride: 3 * width, Width: width, Height: height}
	for y := range height {
		for x := range width {
			p := m.Pix[y*m.Stride+3*x:]
			p[0], p[1], p[2] = byte(255*x/width), byte(255*y/height), 128
		}
	}
	return m
}

// At any scale the middle of the cut-out shows the middle of the face.
func TestCutShowsWhatTheTransformSays(t *testing.T) {
	t.Parallel()
	const side = 112
	for name, scale := range map[string]float64{
		"enlarged": 2, "as it is": 1, "a little smaller": 0.7, "half": 0.5, "a fifth": 0.2, "a tenth": 0.1,
	} {
		m := gradient(1600, 1600)
		// The middle of the picture becomes the middle of the cut-out.
		middle := align.Point{X: 799.5, Y: 799.5}
		tr := align.Transform{A: scale}
		moved := tr.Apply(middle)
		tr.X, tr.Y = (side-1)/2.0-moved.X, (side-1)/2.0-moved.Y
		dst := make([]byte, 3*side*side)
		align.Cut(m, tr, side, dst)
		p := dst[3*(side/2*side+side/2):]
		for c, want := range []byte{127, 127, 128} {
			if d := int(p[c]) - int(want); d < -2 || d > 2 {
				t.Errorf("%s: channel %d of the middle is %d, want about %d", name, c, p[c], want)
			}
		}
	}
}

func TestOutsideIsBlack(t *testing.T) {
	t.Parallel()
	m := gradient(10, 10)
	dst := make([]byte, 3*8*8)
	align.Cut(m, align.Transform{A: 1, X: 100, Y: 100}, 8, dst) // far to the right and below
	for i, v := range dst {
		if v != 0 {
			t.Fatalf("byte %d is %d, want 0", i, v)
		}
	}
}

// Whatever the transform, nothing is read or written outside.
func FuzzCut(f *testing.F) {
	f.Add(1.0, 0.0, 0.0, 0.0, uint8(10), uint8(10))
	f.Add(0.01, -3.0, 1e9, -1e9, uint8(1), uint8(200))
	f.Add(math.NaN(), math.Inf(1), 0.0, 1.0, uint8(3), uint8(3))
	f.Fuzz(func(_ *testing.T, a, b, x, y float64, width, height uint8) {
		m := gradient(max(1, int(width)), max(1, int(height)))
		align.Cut(m, align.Transform{A: a, B: b, X: x, Y: y}, 16, make([]byte, 3*16*16))
	})
}
