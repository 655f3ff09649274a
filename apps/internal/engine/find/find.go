// Package find finds the faces in a picture with YuNet. It decides at which
// sizes and rotations the picture is searched, and which of the boxes are
// faces. Decode a picture at Side and pass it to Finder.Find.
package find

import (
	"cmp"
	"context"
	"image"
	"math"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// Search sizes. YuNet finds faces from about 10 pixels on, and its time grows
// with the picture's area. A first search at about 640 by 480 pixels finds
// the large and medium faces of any picture. A second one follows if the
// picture can contain smaller faces.
const (
	// firstArea is the area of the first search, in pixels.
	firstArea = 640 * 480
	// soughtFace is the side of the smallest face of the original to find.
	// seenFace is its size in the second search. Both are in pixels.
	soughtFace = 26.0
	seenFace   = 13.0
	// maxArea bounds the second search, in pixels, and so the time for any
	// picture.
	maxArea = 3_700_000
	// slack is the relative difference of a side from the ideal one up to
	// which the picture is not scaled again, because scaling costs more than
	// it gains.
	slack = 0.1
	// worthArea is how much larger the area of the second search must be than
	// that of the first for it to be worth the time.
	worthArea = 1.5
	// maxEnlarged is the factor by which a small picture is enlarged if no
	// certain face is found at its own size. YuNet then finds faces of few
	// pixels.
	maxEnlarged = 2.0
)

const (
	// least is the smallest score of a face.
	least = 0.5
	// certain is the worth from which a face is certainly upright, so that
	// the picture need not be rotated. Upright faces have at least 0.93.
	// Faces rotated by 60 degrees or more have at most 0.90; their landmarks
	// are guesses.
	certain = 0.91
	// inner is the share of a box inside a larger one from which both belong
	// to the same face.
	inner = 0.7
)

// Side returns the long side in pixels at which to decode a picture of the
// given size for the search. It is at most the picture's own.
func Side(size image.Point) int {
	all := scales(size)
	return max(1, int(math.Ceil(float64(max(size.X, size.Y))*all[len(all)-1]*(1-slack/2))))
}

// scales returns the one or two scales at which a picture is searched, the
// smaller one first.
func scales(size image.Point) []float64 {
	area := float64(size.X) * float64(size.Y)
	first := min(1, math.Sqrt(firstArea/area))
	second := max(first, min(seenFace/soughtFace, math.Sqrt(maxArea/area)))
	if second*second < worthArea*first*first {
		return []float64{first}
	}
	return []float64{first, second}
}

// Finder finds faces. It is not safe for concurrent use.
type Finder struct{ yunet yunet }

// New returns a Finder that uses network, which must be YuNet.
func New(network Network) *Finder { return &Finder{yunet: yunet{network: network}} }

// Find returns the faces in a picture, largest first, in pixels of m. m is
// the picture decoded at Side or larger; original is the size of the
// original.
func (f *Finder) Find(ctx context.Context, m *picture.RGB, original image.Point) ([]Face, error) {
	sizes := scales(original)
	small := atScale(m, original, sizes[0])
	found, turn, err := f.findSmall(ctx, small)
	if err != nil {
		return nil, err
	}
	found = scaled(found, float64(m.Width)/float64(small.Width))
	if len(sizes) > 1 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		more, err := f.detectTurned(atScale(m, original, sizes[1]), turn, m.Width)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return largestFirst(merge(found)), nil
}

// findSmall searches a small picture until it finds a certain face: first
// upright, then enlarged if it is very small, then in all rotations. It
// returns the best rotation for the picture, in eighths of a circle.
func (f *Finder) findSmall(ctx context.Context, small *picture.RGB) (found []Face, turn int, err error) {
	upright, err := f.detectTurned(small, 0, small.Width)
	if err != nil || anyCertain(upright) {
		return upright, 0, err
	}
	large := enlarged(small)
	ratio := float64(small.Width) / float64(large.Width)
	if large != small {
		more, err := f.detectTurned(large, 0, large.Width)
		if err != nil {
			return nil, 0, err
		}
		upright = distinct(append(more, scaled(upright, 1/ratio)...))
		if anyCertain(upright) {
			return scaled(upright, ratio), 0, nil
		}
	}
	found, turn, err = f.findTurned(ctx, large, upright)
	return scaled(found, ratio), turn, err
}

// enlarged returns a very small picture enlarged to the area of the first
// search, and any other picture unchanged.
func enlarged(m *picture.RGB) *picture.RGB {
	const worth = 1.2 // a smaller factor does not help YuNet
	by := min(maxEnlarged, math.Sqrt(firstArea/float64(m.Width*m.Height)))
	if by < worth {
		return m
	}
	return m.Resize(int(float64(m.Width)*by), int(float64(m.Height)*by))
}

func anyCertain(list []Face) bool {
	return slices.ContainsFunc(list, func(f Face) bool { return f.Worth >= certain })
}

// atScale returns a picture at about a scale of the original. It never
// enlarges.
func atScale(m *picture.RGB, original image.Point, scale float64) *picture.RGB {
	width, height := int(math.Round(float64(original.X)*scale)), int(math.Round(float64(original.Y)*scale))
	if float64(width) >= (1-slack)*float64(m.Width) {
		return m
	}
	return m.Resize(max(1, width), max(1, height))
}

// scaled multiplies the positions of faces by a factor, in place.
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

// uprightness is 1 if the mouth is straight below the eyes, 0.5 if it is
// beside them, and 0 if it is above.
func uprightness(p align.Points) float64 {
	dx := (p[3].X+p[4].X)/2 - (p[0].X+p[1].X)/2
	dy := (p[3].Y+p[4].Y)/2 - (p[0].Y+p[1].Y)/2
	length := math.Hypot(dx, dy)
	if length == 0 {
		return 0
	}
	return 0.5 + 0.5*dy/length
}

// merge combines the results of several searches. It keeps each face once, at
// its highest worth, and no face inside another face. Parts of a large face
// are found as faces when the picture is searched at a size at which the face
// is larger than those YuNet was trained on.
func merge(list []Face) []Face {
	list = distinct(list)
	return slices.DeleteFunc(slices.Clone(list), func(f Face) bool {
		return slices.ContainsFunc(list, func(around Face) bool { return around.contains(f) })
	})
}

// contains reports whether a smaller face is a part of f.
func (f Face) contains(part Face) bool {
	return f.Box.area() > part.Box.area() && f.Box.shared(part.Box) > inner*part.Box.area() && f.Worth >= 0.8*part.Worth
}

func largestFirst(list []Face) []Face {
	slices.SortStableFunc(list, func(a, b Face) int { return cmp.Compare(b.Box.area(), a.Box.area()) })
	return list
}
