package picture

import (
	"image"
	"image/color"
	"math"
)

// plane is one channel of a picture.
type plane struct {
	pix           []byte
	stride        int // bytes from one row to the next
	width, height int
}

func newPlane(width, height int) plane {
	return plane{pix: make([]byte, width*height), stride: width, width: width, height: height}
}

func (p plane) row(y int) []byte {
	return p.pix[y*p.stride:][:p.width:p.width]
}

// planes are Y, Cb and Cr. Cb and Cr have the same size, which may be smaller
// than that of Y.
type planes [3]plane

// image returns p, a result of resize, as an image that shares its memory.
func (p planes) image() *image.YCbCr {
	return &image.YCbCr{
		Y: p[0].pix, YStride: p[0].stride,
		Cb: p[1].pix, Cr: p[2].pix, CStride: p[1].stride,
		SubsampleRatio: image.YCbCrSubsampleRatio420,
		Rect:           image.Rect(0, 0, p[0].width, p[0].height),
	}
}

// planesOf returns m as planes with squares of k by k pixels averaged into
// one. The squares at the right and lower edge may be incomplete, which
// stretches the picture by less than one pixel of the result.
func planesOf(m image.Image, h header, k int) planes {
	switch m := m.(type) {
	case *image.YCbCr:
		return planesOfYCbCr(m, k)
	case *image.Gray:
		y := plane{pix: m.Pix, stride: m.Stride, width: h.width, height: h.height}
		return planesOfGray(y.reduce(k))
	default:
		return planesOfRows(rowsOf(m, h.width), h.width, h.height, k)
	}
}

func planesOfYCbCr(m *image.YCbCr, k int) planes {
	width, height := m.Rect.Dx(), m.Rect.Dy()
	perX, perY := chromaStep(m.SubsampleRatio)
	colourWidth, colourHeight := ceilDiv(width, perX), ceilDiv(height, perY)
	return planes{
		plane{m.Y, m.YStride, width, height}.reduce(k),
		plane{m.Cb, m.CStride, colourWidth, colourHeight}.reduce(k),
		plane{m.Cr, m.CStride, colourWidth, colourHeight}.reduce(k),
	}
}

// chromaStep returns how many pixels share one chroma sample.
func chromaStep(r image.YCbCrSubsampleRatio) (x, y int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	default:
		return 1, 1
	}
}

func planesOfGray(y plane) planes {
	colour := newPlane(ceilDiv(y.width, 2), ceilDiv(y.height, 2))
	for i := range colour.pix {
		colour.pix[i] = 128
	}
	return planes{y, colour, colour}
}

// planesOfRows averages squares of k by k RGB pixels, one row of squares at a
// time.
func planesOfRows(read rowReader, width, height, k int) planes {
	out := planes{}
	for i := range out {
		out[i] = newPlane(ceilDiv(width, k), ceilDiv(height, k))
	}
	row := make([]byte, 3*width)
	sums := make([]uint32, 3*out[0].width)
	for y := range out[0].height {
		clear(sums)
		rows := min(k, height-y*k)
		for i := range rows {
			read(y*k+i, row)
			addPixels(sums, row, k)
		}
		for x := range out[0].width {
			n := uint32(rows * min(k, width-x*k))
			s := sums[3*x:][:3]
			yy, cb, cr := color.RGBToYCbCr(average(s[0], n), average(s[1], n), average(s[2], n))
			at := y*out[0].width + x
			out[0].pix[at], out[1].pix[at], out[2].pix[at] = yy, cb, cr
		}
	}
	return out
}

// addPixels adds each group of k pixels of an RGB row to one sum.
func addPixels(sums []uint32, row []byte, k int) {
	for len(row) > 0 {
		n := min(3*k, len(row))
		for i := 0; i < n; i += 3 {
			sums[0] += uint32(row[i])
			sums[1] += uint32(row[i+1])
			sums[2] += uint32(row[i+2])
		}
		row, sums = row[n:], sums[3:]
	}
}

// reduce averages squares of k by k values into one. If k is 1 it returns p.
func (p plane) reduce(k int) plane {
	if k == 1 {
		return p
	}
	out := newPlane(ceilDiv(p.width, k), ceilDiv(p.height, k))
	sums := make([]uint32, out.width)
	for y := range out.height {
		clear(sums)
		rows := min(k, p.height-y*k)
		for i := range rows {
			addValues(sums, p.row(y*k+i), k)
		}
		row := out.row(y)
		for x, s := range sums {
			row[x] = average(s, uint32(rows*min(k, p.width-x*k)))
		}
	}
	return out
}

// addValues adds each group of k values of a row to one sum.
func addValues(sums []uint32, row []byte, k int) {
	whole := len(row) / k
	for i := range whole {
		var s uint32
		for _, v := range row[i*k:][:k] {
			s += uint32(v)
		}
		sums[i] += s
	}
	for _, v := range row[whole*k:] {
		sums[whole] += uint32(v)
	}
}

func average(sum, n uint32) byte { return byte((sum + n/2) / n) }

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// resize returns p at width by height pixels, with 4:2:0 chroma.
func resize(p planes, width, height int) planes {
	colourWidth, colourHeight := ceilDiv(width, 2), ceilDiv(height, 2)
	return planes{
		p[0].resize(width, height),
		p[1].resize(colourWidth, colourHeight),
		p[2].resize(colourWidth, colourHeight),
	}
}

// resize scales a plane with a linear filter that widens when it shrinks, so
// that every value counts. It returns p itself if p has that size already.
func (p plane) resize(width, height int) plane {
	if p.width != width {
		p = p.resizeRows(width)
	}
	if p.height != height {
		p = p.resizeColumns(height)
	}
	return p
}

func (p plane) resizeRows(width int) plane {
	out := newPlane(width, p.height)
	taps := tapsFor(p.width, width, one)
	for y := range p.height {
		src, dst := p.row(y), out.row(y)
		for x := range dst {
			t := &taps[x]
			var sum int32
			for i, v := range src[t.start:][:len(t.weights)] {
				sum += t.weights[i] * int32(v)
			}
			dst[x] = byte((sum + one/2) >> oneShift)
		}
	}
	return out
}

func (p plane) resizeColumns(height int) plane {
	out := newPlane(p.width, height)
	sums := make([]int32, p.width)
	for y, t := range tapsFor(p.height, height, one) {
		clear(sums)
		for i, w := range t.weights {
			for x, v := range p.row(t.start + i) {
				sums[x] += w * int32(v)
			}
		}
		dst := out.row(y)
		for x, s := range sums {
			dst[x] = byte((s + one/2) >> oneShift)
		}
	}
	return out
}

// Weights are fixed-point numbers with 16 bits of fraction, so that 255 times
// their sum fits in an int32.
const (
	oneShift = 16
	one      = 1 << oneShift
)

// tap lists the source values of one value of the result.
type tap struct {
	start   int // the first source value
	weights []int32
}

// tapsFor returns the taps of a linear filter that resizes from values to to
// values. The weights of each tap sum to unit.
func tapsFor(from, to int, unit int32) []tap {
	scale := float64(from) / float64(to)
	radius := max(1, scale)
	taps := make([]tap, to)
	for i := range taps {
		centre := (float64(i)+0.5)*scale - 0.5
		first := max(0, int(math.Ceil(centre-radius)))
		last := min(from-1, int(math.Floor(centre+radius)))
		taps[i] = tap{start: first, weights: triangle(first, last, centre, radius, unit)}
	}
	return taps
}

// triangle returns the weights of the values first..last under a triangle
// filter.
func triangle(first, last int, centre, radius float64, unit int32) []int32 {
	heights := make([]float64, last-first+1)
	var total float64
	for i := range heights {
		heights[i] = max(0, 1-math.Abs(float64(first+i)-centre)/radius)
		total += heights[i]
	}
	weights := make([]int32, len(heights))
	rest, largest := unit, 0
	for i, h := range heights {
		weights[i] = int32(math.Round(h / total * float64(unit)))
		rest -= weights[i]
		if weights[i] > weights[largest] {
			largest = i
		}
	}
	weights[largest] += rest
	return weights
}
