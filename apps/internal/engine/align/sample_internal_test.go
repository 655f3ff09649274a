package align

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// noise is a picture in which no pixel is like the next. Bytes between its rows
// are of no pixel.
func noise(rnd *rand.Rand, width, height, between int) *picture.RGB {
	m := &picture.RGB{Stride: 3*width + between, Width: width, Height: height}
	m.Pix = make([]byte, m.Stride*height-between)
	for i := range m.Pix {
		m.Pix[i] = byte(rnd.IntN(256))
	}
	return m
}

// plainFill is fill as the formula says: one pixel after the other, in floating
// point.
func plainFill(m *picture.RGB, back Transform, out *picture.RGB) {
	for y := range out.Height {
		for x := range out.Width {
			p := back.Apply(Point{X: float64(x), Y: float64(y)})
			for c := range 3 {
				out.Pix[y*out.Stride+3*x+c] = plainSample(m, p, c)
			}
		}
	}
}

func plainSample(m *picture.RGB, p Point, channel int) byte {
	fx, fy := math.Floor(p.X), math.Floor(p.Y)
	wx, wy := math.Floor((p.X-fx)*256), math.Floor((p.Y-fy)*256)
	at := func(x, y float64) float64 {
		if x < 0 || y < 0 || x >= float64(m.Width) || y >= float64(m.Height) {
			return 0
		}
		return float64(m.Pix[int(y)*m.Stride+3*int(x)+channel])
	}
	sum := at(fx, fy)*(256-wx)*(256-wy) + at(fx+1, fy)*wx*(256-wy) + at(fx, fy+1)*(256-wx)*wy + at(fx+1, fy+1)*wx*wy
	return byte((int(sum) + 1<<15) >> 16)
}

// differ counts the bytes of a and b that differ, and the largest difference.
func differ(a, b []byte) (count, most int) {
	for i := range a {
		if d := int(a[i]) - int(b[i]); d != 0 {
			count++
			most = max(most, d, -d)
		}
	}
	return count, most
}

func TestFillIsTheFormula(t *testing.T) {
	t.Parallel()
	const seed, rounds = 11, 400
	rnd := rand.New(rand.NewPCG(seed, seed))
	bytesSeen, wrong := 0, 0
	for round := range rounds {
		m := noise(rnd, 1+rnd.IntN(60), 1+rnd.IntN(60), rnd.IntN(3))
		angle, scale := 2*math.Pi*rnd.Float64(), 0.02+3*rnd.Float64()
		if round%4 == 0 { // no turn: many places lie just on pixels
			angle = math.Pi / 2 * float64(rnd.IntN(4))
		}
		back := Transform{A: scale * math.Cos(angle), B: scale * math.Sin(angle), X: 160*rnd.Float64() - 50, Y: 160*rnd.Float64() - 50}
		got, want := picture.NewRGB(40, 30), picture.NewRGB(40, 30)
		fill(m, back, got)
		plainFill(m, back, want)
		// A place that is almost at the next 256th of a pixel may get the next
		// weight, by which a byte moves by one in noise.
		count, most := differ(got.Pix, want.Pix)
		if most > 1 {
			t.Errorf("round %d (seed %d): %+v of %d x %d: a byte is off by %d", round, seed, back, m.Width, m.Height, most)
		}
		bytesSeen, wrong = bytesSeen+len(got.Pix), wrong+count
	}
	if wrong > bytesSeen/1000 {
		t.Errorf("%d of %d bytes differ", wrong, bytesSeen)
	}
}

// Rows that lead out of every picture, or nowhere, are black.
func TestFillFarAway(t *testing.T) {
	t.Parallel()
	m := noise(rand.New(rand.NewPCG(1, 1)), 9, 9, 0)
	for name, back := range map[string]Transform{
		"far to the right": {A: 1, X: 1e12}, "far above": {A: 1, Y: -1e300}, "wide steps": {A: 1e9},
		"not a number": {A: math.NaN()}, "endless": {B: math.Inf(1)}, "at the limit": {A: 1, X: widest - 40},
	} {
		out := picture.NewRGB(8, 8)
		for i := range out.Pix {
			out.Pix[i] = 7
		}
		fill(m, back, out)
		if count, _ := differ(out.Pix, make([]byte, len(out.Pix))); count > 0 {
			t.Errorf("%s: %d bytes are not black", name, count)
		}
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	const seed = 5
	rnd := rand.New(rand.NewPCG(seed, seed))
	for range 20_000 {
		start, step, end := rnd.Int64N(60)-30, rnd.Int64N(21)-10, rnd.Int64N(40)
		n := rnd.IntN(12)
		from, to := within(start, step, end, n)
		if from < 0 || to > n {
			t.Fatalf("start %d, step %d, end %d: %d to %d of %d", start, step, end, from, to, n)
		}
		for i := range n {
			at := start + int64(i)*step
			if inside := at >= 0 && at < end; inside != (i >= from && i < to) {
				t.Fatalf("start %d, step %d, end %d: %d to %d of %d, but place %d is at %d", start, step, end, from, to, n, i, at)
			}
		}
	}
}

func TestAverageIsTheRoundedMean(t *testing.T) {
	t.Parallel()
	const seed = 3
	rnd := rand.New(rand.NewPCG(seed, seed))
	for _, c := range []struct{ k, width, height int }{{2, 7, 5}, {3, 4, 4}, {5, 9, 2}, {16, 3, 3}, {63, 1, 2}, {256, 1, 1}} {
		const x0, y0 = 2, 1
		m := noise(rnd, c.k*c.width+x0+1, c.k*c.height+y0+1, 2)
		if c.k == maxBlock { // the largest sums
			m.Pix = bytes.Repeat([]byte{255}, len(m.Pix))
		}
		out := picture.NewRGB(c.width, c.height)
		average(m, x0, y0, c.k, out)
		for i, got := range out.Pix {
			sum, n := 0, c.k*c.k
			for j := range n {
				y, x := y0+i/out.Stride*c.k+j/c.k, x0+i%out.Stride/3*c.k+j%c.k
				sum += int(m.Pix[y*m.Stride+3*x+i%3])
			}
			if want := byte((sum + n/2) / n); got != want {
				t.Fatalf("blocks of %d: byte %d is %d, want %d", c.k, i, got, want)
			}
		}
	}
}

func BenchmarkCut(b *testing.B) {
	m := noise(rand.New(rand.NewPCG(1, 1)), 1600, 1200, 0)
	for _, c := range []struct {
		name  string
		scale float64 // pixels of the cut-out for one of the picture
	}{{"as it is", 0.95}, {"half", 0.45}} {
		b.Run(c.name, func(b *testing.B) {
			dst := make([]byte, 3*CutoutSide*CutoutSide)
			sin, cos := math.Sincos(0.1)
			t := Transform{A: c.scale * cos, B: c.scale * sin, X: -200 * c.scale, Y: -300 * c.scale}
			for b.Loop() {
				Cut(m, t, CutoutSide, dst)
			}
		})
	}
}
