package pixels

import (
	"image"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Bounds of the quality's parts. dlib's chip of 150 pixels shows about 1.4
// times the box, so a box of 110 pixels fills it.
const (
	goodSize  = 110.0 // pixels of the original
	worstSize = 20.0
	worstYaw  = 60.0 // degrees; the landmarks of a profile are guesses
)

// qualityOf returns the quality of a face whose box is in pixels of the
// original.
//
// The score is the geometric mean of three parts from 0 to 1, so that a good
// part cannot compensate for a useless one. The parts are the size (20 to 110
// pixels), the sharpness, and the yaw, which falls like a cosine to 0 at 60
// degrees. Roll does not count, because the chip is rotated upright before it
// is described.
func qualityOf(box faces.Box, f engine.PixelFace) faces.Quality {
	q := faces.Quality{Size: min(box.Width, box.Height), Sharpness: f.Sharpness}
	q.Yaw, q.Roll = pose(f.Landmarks)
	size := unit((float64(q.Size) - worstSize) / (goodSize - worstSize))
	ahead := math.Cos(math.Pi / 2 * unit(math.Abs(q.Yaw)/worstYaw))
	q.Score = unit(math.Cbrt(size * unit(q.Sharpness) * ahead))
	return q
}

// noseDepth is the distance of the nose's base from the plane of the eyes, as
// a share of the distance between the outer corners of the eyes. It is an
// assumption, the same for everybody, and was not calibrated with known head
// poses. So the yaw is only an estimate.
const noseDepth = 0.35

// pose estimates yaw and roll in degrees from dlib's five landmarks: outer
// and inner corner of the eye on the right, outer and inner corner of the eye
// on the left, base of the nose. Yaw is positive if the nose points to the
// right of the picture, roll is positive clockwise.
//
// Roll is the angle of the line through the eyes. Along that line, the base
// of the nose is noseDepth*sin(yaw) of the eyes' true distance away from the
// middle of the eyes, and that distance appears shortened by cos(yaw). So
// tan(yaw) is the apparent share divided by noseDepth. This is a
// weak-perspective model, as in Gee and Cipolla, Determining the gaze of
// faces in images, 1994.
func pose(p []image.Point) (yaw, roll float64) {
	if len(p) != 5 {
		return 0, 0
	}
	rightX, rightY := middle(p[0], p[1])
	leftX, leftY := middle(p[2], p[3])
	dx, dy := float64(p[0].X-p[2].X), float64(p[0].Y-p[2].Y)
	across := math.Hypot(dx, dy)
	if across == 0 {
		return 0, 0
	}
	noseX, noseY := float64(p[4].X)-(rightX+leftX)/2, float64(p[4].Y)-(rightY+leftY)/2
	aside := (noseX*dx + noseY*dy) / (across * across)
	return degrees(math.Atan(aside / noseDepth)), degrees(math.Atan2(dy, dx))
}

func middle(a, b image.Point) (x, y float64) { return float64(a.X+b.X) / 2, float64(a.Y+b.Y) / 2 }

func degrees(rad float64) float64 { return rad * 180 / math.Pi }

func unit(v float64) float64 { return min(max(v, 0), 1) }
