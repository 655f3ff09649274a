// Package find finds the faces of a picture with YuNet: at which sizes it looks,
// how it turns the picture, and which of the boxes are faces.
package find

import (
	"context"
	"image"
	"math"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// The sizes at which a picture is searched. YuNet finds faces from about 10
// pixels on, and its time grows with the picture's area. A first search at about
// 640 by 480 pixels finds the large and middle faces of any picture. A second one
// follows where the picture can hold smaller ones.
const (
	// firstArea is the area of the first search in pixels.
	firstArea = 640 * 480
	// soughtFace is the side of the smallest face of the original that is
	// searched for, and seenFace the size at which YuNet sees it, in pixels.
	soughtFace = 26.0
	seenFace   = 13.0
	// maxArea bounds the second search in pixels, and with it the time that any
	// picture takes.
	maxArea = 3_200_000
	// worthArea is how much larger than the first the second search must be to
	// be worth its time.
	worthArea = 1.5
)

const (
	// least is the score from which a box is a face.
	least = 0.5
	// certain is the score from which a face is taken to be upright: the picture
	// needs no turning.
	certain = 0.75
	// inner is the share of a box that lies within a larger one from which both
	// are of one face.
	inner = 0.7
)

// Side returns the length of the longer side, in pixels, at which a picture of
// the given size is to be decoded to be searched. It is at most the picture's.
func Side(size image.Point) int {
	scale := 1.0
	for _, s := range scales(size) {
		scale = s
	}
	return int(math.Ceil(float64(max(size.X, size.Y)) * scale))
}

// scales returns the scales at which a picture is searched, smallest first.
func scales(size image.Point) []float64 {
	area := float64(size.X) * float64(size.Y)
	first := min(1, math.Sqrt(firstArea/area))
	second := min(1, seenFace/soughtFace, math.Sqrt(maxArea/area))
	if second*second < worthArea*first*first {
		return []float64{first}
	}
	return []float64{first, second}
}

// Finder finds faces. It is not safe for concurrent use.
type Finder struct{ yunet yunet }

// New returns a Finder that runs YuNet on a network.
func New(network Network) *Finder { return &Finder{yunet: yunet{network: network}} }

// Find returns the faces of a picture, largest first, in pixels of m. m was
// decoded at Side, or larger, from an original of the given size.
func (f *Finder) Find(ctx context.Context, m *picture.RGB, original image.Point) ([]Face, error) {
	var found []Face
	var first *picture.RGB
	for _, scale := range scales(original) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		small := atScale(m, original, scale)
		if first == nil {
			first = small
		}
		list, err := f.yunet.detect(small, least)
		if err != nil {
			return nil, err
		}
		found = append(found, scaled(list, float64(m.Width)/float64(small.Width))...)
	}
	found = merge(found)
	if slices.ContainsFunc(found, Face.isCertain) {
		return largestFirst(found), nil
	}
	turned, err := f.findTurned(ctx, first)
	if err != nil {
		return nil, err
	}
	ratio := float64(m.Width) / float64(first.Width)
	return largestFirst(bestTurn(found, scaled(turned, ratio))), nil
}

// atScale returns a picture at a scale of the original, never enlarged.
func atScale(m *picture.RGB, original image.Point, scale float64) *picture.RGB {
	width, height := int(math.Round(float64(original.X)*scale)), int(math.Round(float64(original.Y)*scale))
	if width >= m.Width || height >= m.Height {
		return m
	}
	return m.Resize(max(1, width), max(1, height))
}

// scaled returns faces in the pixels of a picture that is by times as large.
func scaled(list []Face, by float64) []Face {
	for i := range list {
		f := &list[i]
		f.Box = Box{X: f.Box.X * by, Y: f.Box.Y * by, Width: f.Box.Width * by, Height: f.Box.Height * by}
		for j, p := range f.Points {
			f.Points[j] = align.Point{X: p.X * by, Y: p.Y * by}
		}
	}
	return list
}

// isCertain reports whether a face is one, and upright.
func (f Face) isCertain() bool { return f.Score*uprightness(f.Points) >= certain }

// uprightness is 1 where the mouth is straight below the eyes, 0.5 where it is
// beside them, and 0 where it is above.
func uprightness(p align.Points) float64 {
	dx := (p[3].X+p[4].X)/2 - (p[0].X+p[1].X)/2
	dy := (p[3].Y+p[4].Y)/2 - (p[0].Y+p[1].Y)/2
	length := math.Hypot(dx, dy)
	if length == 0 {
		return 0
	}
	return 0.5 + 0.5*dy/length
}

// merge joins what the searches at several sizes found: each face once, and no
// face within a face. A large face is found again in parts where the picture is
// searched at a size at which the face is larger than YuNet knows faces.
func merge(list []Face) []Face {
	list = distinct(bestFirst(list))
	return slices.DeleteFunc(slices.Clone(list), func(f Face) bool {
		return slices.ContainsFunc(list, func(around Face) bool {
			return around.Box.area() > f.Box.area() && around.Box.shared(f.Box) > inner*f.Box.area() && around.Score >= 0.8*f.Score
		})
	})
}

func largestFirst(list []Face) []Face {
	slices.SortStableFunc(list, func(a, b Face) int {
		switch {
		case a.Box.area() > b.Box.area():
			return -1
		case a.Box.area() < b.Box.area():
			return 1
		}
		return 0
	})
	return list
}
