package align

import (
	"encoding/binary"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// Places in a picture are counted in parts of 1<<fraction of a pixel, so that a
// step is one addition and the pixel and the weights are bits of the sum.
const (
	fraction = 32
	// widest is the largest place, in pixels, that is counted so. A row that
	// leads farther away is of no picture's.
	widest = 1 << 24
)

// fill takes each pixel of out from where back leads.
func fill(m *picture.RGB, back Transform, out *picture.RGB) {
	for y := range out.Height {
		row := out.Pix[out.Stride*y:][:3*out.Width]
		first := back.Apply(Point{X: 0, Y: float64(y)})
		last := back.Apply(Point{X: float64(out.Width), Y: float64(y)})
		if !near(first) || !near(last) {
			clear(row)
			continue
		}
		fillRow(m, track{fixed(first.X), fixed(first.Y), fixed(back.A), fixed(back.B)}, row)
	}
}

// near reports whether a place can be counted, which NaN cannot.
func near(p Point) bool { return math.Abs(p.X) < widest && math.Abs(p.Y) < widest }

func fixed(v float64) int64 { return int64(math.Round(v * (1 << fraction))) }

// track is a straight line of places: where it begins, and the step to the next.
type track struct{ x, y, stepX, stepY int64 }

// at returns the track from its i-th place on.
func (t track) at(i int) track {
	t.x += int64(i) * t.stepX
	t.y += int64(i) * t.stepY
	return t
}

// fillRow samples one place of the track for each pixel of row. Places whose
// four pixels are all in the picture, which are one run, need no looking where
// they are.
func fillRow(m *picture.RGB, t track, row []byte) {
	from, to := t.inside(m, len(row)/3)
	fillEdge(m, t, row[:3*from])
	fillInside(m, t.at(from), row[3*from:3*to])
	fillEdge(m, t.at(to), row[3*to:])
}

// inside returns which of the first n places lie between pixels of m: those from
// one number up to another.
func (t track) inside(m *picture.RGB, n int) (from, to int) {
	fromX, toX := within(t.x, t.stepX, int64(m.Width-1)<<fraction, n)
	fromY, toY := within(t.y, t.stepY, int64(m.Height-1)<<fraction, n)
	from = max(fromX, fromY)
	return from, max(from, min(toX, toY))
}

// within returns for which i of the first n start + i*step is at least 0 and less
// than end: those from one number up to another.
func within(start, step, end int64, n int) (from, to int) {
	if step < 0 { // the same seen in a mirror
		start, step = end-1-start, -step
	}
	switch {
	case step > 0:
		return min(n, reach(start, step, 0)), min(n, reach(start, step, end))
	case start >= 0 && start < end:
		return 0, n
	default:
		return 0, 0
	}
}

// reach returns the first i, of 0 and more, at which start + i*step is at least
// goal. step is positive.
func reach(start, step, goal int64) int {
	if start >= goal {
		return 0
	}
	return int((goal - start + step - 1) / step)
}

// fillInside samples the track for each pixel of row, the bilinear mean of four
// pixels each, by weights of 65,536. All of them are inside m. Red and blue are
// added up in the two halves of one number.
func fillInside(m *picture.RGB, t track, row []byte) {
	const half = 1<<47 | 1<<15
	pix, stride := m.Pix, m.Stride
	for ; len(row) >= 3; row = row[3:] {
		at := int(t.y>>fraction)*stride + 3*int(t.x>>fraction)
		wx, wy := uint64(t.x)>>(fraction-8)&0xff, uint64(t.y)>>(fraction-8)&0xff
		t.x += t.stepX
		t.y += t.stepY
		a, b := (*[6]byte)(pix[at:]), (*[6]byte)(pix[at+stride:])
		fourth := wx * wy
		second, third := wx<<8-fourth, wy<<8-fourth
		first := 1<<16 - wx<<8 - third
		// The second pixel of two begins one byte into the last four.
		p, q := uint64(binary.LittleEndian.Uint32(a[:4])), uint64(binary.LittleEndian.Uint32(a[2:])>>8)
		r, s := uint64(binary.LittleEndian.Uint32(b[:4])), uint64(binary.LittleEndian.Uint32(b[2:])>>8)
		sum := outer(p)*first + outer(q)*second + outer(r)*third + outer(s)*fourth + half
		middle := uint64(a[1])*first + uint64(a[4])*second + uint64(b[1])*third + uint64(b[4])*fourth + 1<<15
		row[0], row[1], row[2] = byte(sum>>16), byte(middle>>16), byte(sum>>48)
	}
}

// outer puts red and blue of a pixel into the halves of a number.
func outer(p uint64) uint64 { return p&0xff | p&0xff0000<<16 }

// fillEdge is fillInside where pixels may be outside m. Those count as black.
func fillEdge(m *picture.RGB, t track, row []byte) {
	for ; len(row) >= 3; row = row[3:] {
		ix, iy := int(t.x>>fraction), int(t.y>>fraction)
		if ix < -1 || iy < -1 || ix >= m.Width || iy >= m.Height {
			row[0], row[1], row[2] = 0, 0, 0
		} else {
			edge(m, ix, iy, int(t.x>>(fraction-8)&0xff), int(t.y>>(fraction-8)&0xff), row)
		}
		t.x += t.stepX
		t.y += t.stepY
	}
}

// edge adds up the pixels that are inside; wx and wy are of 256.
func edge(m *picture.RGB, ix, iy, wx, wy int, dst []byte) {
	var sum [3]int
	for _, near := range [4]struct{ x, y, weight int }{
		{ix, iy, (256 - wx) * (256 - wy)},
		{ix + 1, iy, wx * (256 - wy)},
		{ix, iy + 1, (256 - wx) * wy},
		{ix + 1, iy + 1, wx * wy},
	} {
		if near.x < 0 || near.y < 0 || near.x >= m.Width || near.y >= m.Height {
			continue
		}
		p := m.Pix[near.y*m.Stride+3*near.x:]
		for c := range sum {
			sum[c] += int(p[c]) * near.weight
		}
	}
	for c := range sum {
		dst[c] = byte((sum[c] + 1<<15) >> 16)
	}
}
