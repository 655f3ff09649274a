package pixels

import (
	"image"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Where a face is large enough, and from where it is of no use. dlib's chip of
// 150 pixels shows about 1.4 times the box, so a box of 110 pixels fills it.
const (
	goodSize  = 110.0 // pixels of the original
	worstSize = 20.0
	worstYaw  = 60.0 // degrees: of a profile, a five-point model makes a guess
)

// qualityOf returns the quality of a face in a box of the original's pixels.
//
// The score is the geometric mean of three parts of 0 to 1, so that a part that
// is of no use cannot be made up for: the size, from 20 to 110 pixels; the
// sharpness; and the yaw, which falls as a cosine does, to 0 at 60 degrees. Roll does not
// enter: the chip is turned upright before it is described.
func qualityOf(box faces.Box, f engine.PixelFace) faces.Quality {
	q := faces.Quality{Size: min(box.Width, box.Height), Sharpness: f.Sharpness}
	q.Yaw, q.Roll = pose(f.Landmarks)
	size := unit((float64(q.Size) - worstSize) / (goodSize - worstSize))
	ahead := math.Cos(math.Pi / 2 * unit(math.Abs(q.Yaw)/worstYaw))
	q.Score = unit(math.Cbrt(size * unit(q.Sharpness) * ahead))
	return q
}

// noseDepth is how far the base of the nose lies in front of the eyes'
// plane, as a share of the distance between the outer corners of the eyes. It is
// an assumption and the same for everybody, so that a yaw is an estimate: it was
// not measured against heads whose pose is known.
const noseDepth = 0.35

// pose estimates, in degrees, how far a face is turned to a side (positive:
// its nose points to the right of the picture) and tilted (positive: clockwise),
// from dlib's five landmarks: outer and inner corner of the eye on the right,
// outer and inner corner of that on the left, base of the nose.
//
// Tilt is the angle of the line through the eyes. Across that line the nose's
// base lies beside the middle of the eyes by noseDepth*sin(yaw) of the eyes'
// true distance, of which cos(yaw) is seen: tan(yaw) is the share over noseDepth
// (a weak-perspective model; Gee and Cipolla, Determining the gaze of faces in
// images, 1994, work with a model of that kind).
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
