package pixels

import (
	"image"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/quality"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// limits returns the bounds of the parts of the score. dlib's chip of 150 pixels
// shows about 1.4 times the box, so a box of 110 pixels fills it. The landmarks of
// a profile are guesses.
func limits() quality.Limits { return quality.Limits{GoodSize: 110, WorstSize: 20, WorstYaw: 60} }

// qualityOf returns the quality of a face whose box is in pixels of the
// original.
//
// The score is the geometric mean of size, sharpness and yaw. Roll does not
// count, because the chip is rotated upright before it is described.
func qualityOf(box faces.Box, f engine.PixelFace) faces.Quality {
	q := faces.Quality{Size: min(box.Width, box.Height), Sharpness: f.Sharpness}
	q.Yaw, q.Roll = pose(f.Landmarks)
	q.Score = quality.Unit(math.Cbrt(limits().Product(q)))
	return q
}

// noseDepth is the distance of the nose's base from the plane of the eyes, as
// a share of the distance between the outer corners of the eyes. It is an
// assumption, the same for everybody, and was not calibrated with known head
// poses. So the yaw is only an estimate.
const noseDepth = 0.35

// pose estimates yaw and roll from dlib's five landmarks: outer and inner corner
// of the eye on the right, outer and inner corner of the eye on the left, base of
// the nose. The eyes are in the plane of the face.
func pose(p []image.Point) (yaw, roll float64) {
	if len(p) != 5 {
		return 0, 0
	}
	rightX, rightY := middle(p[0], p[1])
	leftX, leftY := middle(p[2], p[3])
	eyes := quality.Vector{X: float64(p[0].X - p[2].X), Y: float64(p[0].Y - p[2].Y)}
	nose := quality.Vector{X: float64(p[4].X) - (rightX+leftX)/2, Y: float64(p[4].Y) - (rightY+leftY)/2}
	return quality.Pose(eyes, nose, noseDepth)
}

func middle(a, b image.Point) (x, y float64) { return float64(a.X+b.X) / 2, float64(a.Y+b.Y) / 2 }
