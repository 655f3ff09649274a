package picture

import (
	"image"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	// blurTiles is how many tiles of one colour a blurred part has on each side. So few
	// tell nobody, and no network, whose face it was.
	blurTiles = 4
	// blurMargin is how much around a box is blurred on each side, as a share of its
	// longer side: boxes end at the chin and the hair line.
	blurMargin = 0.3
)

// blur makes boxes of a picture unrecognizable. They are in pixels of a picture of a
// size, of which m is a smaller copy.
func (m *RGB) blur(boxes []faces.Box, size image.Point) {
	for _, b := range boxes {
		margin := int(blurMargin*float64(max(b.Width, b.Height))) + 1
		m.tile(image.Rect(
			(b.X-margin)*m.Width/size.X, (b.Y-margin)*m.Height/size.Y,
			ceilDiv((b.X+b.Width+margin)*m.Width, size.X), ceilDiv((b.Y+b.Height+margin)*m.Height, size.Y),
		))
	}
}

// tile replaces a part by tiles, each with its mean colour.
func (m *RGB) tile(part image.Rectangle) {
	part = part.Intersect(m.Bounds())
	edge := func(from, length, i int) int { return from + length*i/blurTiles }
	for y := range blurTiles {
		for x := range blurTiles {
			m.fillWithMean(image.Rect(
				edge(part.Min.X, part.Dx(), x), edge(part.Min.Y, part.Dy(), y),
				edge(part.Min.X, part.Dx(), x+1), edge(part.Min.Y, part.Dy(), y+1),
			))
		}
	}
}

func (m *RGB) fillWithMean(r image.Rectangle) {
	if r.Empty() {
		return
	}
	var sum [bytesPerPixel]int
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := m.Row(y)[bytesPerPixel*r.Min.X : bytesPerPixel*r.Max.X]
		for i, v := range row {
			sum[i%bytesPerPixel] += int(v)
		}
	}
	n := r.Dx() * r.Dy()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := m.Row(y)[bytesPerPixel*r.Min.X : bytesPerPixel*r.Max.X]
		for i := range row {
			row[i] = byte(sum[i%bytesPerPixel] / n)
		}
	}
}
