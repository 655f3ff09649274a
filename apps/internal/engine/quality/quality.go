// Package quality has what all engines share when they rate how well a face can
// be seen: its sharpness, where it looks, and one number for sorting. What
// differs between engines (landmarks, sizes, parts of the number) they pass.
package quality

import (
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Edges measures the sharpness of a face from its pixels. It compares the
// variance of the Laplacian, which blur reduces first (Pech-Pacheco and others,
// Diatom autofocusing in brightfield microscopy, 2000), with the variance of the
// brightness, so that dark pictures are not rated as blurred. The zero value is
// ready for use.
type Edges struct{ laplacian, brightness spread }

// Add counts the pixel at x, y. at returns the brightness of a pixel; all four
// neighbours must exist.
func (e *Edges) Add(at func(x, y int) float64, x, y int) {
	here := at(x, y)
	e.brightness.add(here)
	e.laplacian.add(at(x-1, y) + at(x+1, y) + at(x, y-1) + at(x, y+1) - 4*here)
}

// halfSharp is the ratio of variances that is rated 0.5.
const halfSharp = 0.03

// Sharpness rates the pixels from 0 (blurred) to 1 (sharp). Without pixels, or
// with pixels of the same brightness, it is 0.
func (e *Edges) Sharpness() float64 {
	if e.brightness.variance() < 1 { // a uniform area
		return 0
	}
	ratio := e.laplacian.variance() / e.brightness.variance()
	return ratio / (ratio + halfSharp)
}

// spread computes the variance of values.
type spread struct{ n, sum, squares float64 }

func (s *spread) add(v float64) { s.n++; s.sum += v; s.squares += v * v }

func (s *spread) variance() float64 {
	if s.n == 0 {
		return 0
	}
	mean := s.sum / s.n
	return max(0, s.squares/s.n-mean*mean)
}

// Vector is a distance in a picture, in pixels.
type Vector struct{ X, Y float64 }

// Pose estimates yaw and roll in degrees. eyes is the line through the eyes,
// from the left to the right of an upright picture, and nose is the distance of
// the nose from the middle of the points that lie in the plane of the face.
// depth is how far the nose stands out of that plane, as a share of the true
// length of eyes. Yaw is positive if the nose points to the right of the
// picture, roll is positive clockwise.
//
// Roll is the angle of the line through the eyes. Along that line, the nose is
// depth·sin(yaw) of the line's true length away from the middle, and that length
// appears shortened by cos(yaw). So tan(yaw) is the apparent share divided by
// depth. This is a weak-perspective model, as in Gee and Cipolla, Determining the
// gaze of faces in images, 1994.
func Pose(eyes, nose Vector, depth float64) (yaw, roll float64) {
	across := math.Hypot(eyes.X, eyes.Y)
	if across == 0 {
		return 0, 0
	}
	aside := (nose.X*eyes.X + nose.Y*eyes.Y) / (across * across)
	return degrees(math.Atan(aside / depth)), degrees(math.Atan2(eyes.Y, eyes.X))
}

func degrees(rad float64) float64 { return rad * 180 / math.Pi }

// Limits are the sizes and the yaw between which a face becomes useless. A size
// of GoodSize or more is as good as can be, and one of WorstSize or less is
// useless. So is a yaw of WorstYaw or more.
type Limits struct {
	GoodSize, WorstSize float64 // pixels of the original
	WorstYaw            float64 // degrees
}

// Product multiplies the parts that all engines rate, each from 0 to 1: the
// size, the sharpness, and the yaw, which falls like a cosine. An engine takes
// the root of the product and its own parts (a geometric mean), so that a good
// part cannot compensate for a useless one.
func (l Limits) Product(q faces.Quality) float64 {
	size := Unit((float64(q.Size) - l.WorstSize) / (l.GoodSize - l.WorstSize))
	ahead := math.Cos(math.Pi / 2 * Unit(math.Abs(q.Yaw)/l.WorstYaw))
	return size * Unit(q.Sharpness) * ahead
}

// Unit returns the nearest number from 0 to 1.
func Unit(v float64) float64 { return min(max(v, 0), 1) }
