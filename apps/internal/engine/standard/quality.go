package standard

import (
	"image"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/find"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/quality"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// describeShape returns the position and quality of a face. size is the size
// of the original.
func (s source) describeShape(size image.Point, a aligned) engine.Face {
	box := find.Box{
		X: s.face.Box.X * s.scale, Y: s.face.Box.Y * s.scale,
		Width: s.face.Box.Width * s.scale, Height: s.face.Box.Height * s.scale,
	}
	f := engine.Face{Box: inside(box, size)}
	for _, p := range s.face.Points {
		f.Landmarks = append(f.Landmarks, faces.Point{
			X: min(max(int((p.X+0.5)*s.scale), 0), size.X-1), Y: min(max(int((p.Y+0.5)*s.scale), 0), size.Y-1),
		})
	}
	f.Quality = faces.Quality{
		Size: int(math.Round(min(box.Width, box.Height))), Detection: min(max(s.face.Score, 0), 1),
		Sharpness: sharpness(a.square, align.MobileFaceNetSide), CutOff: cutOff(box, size),
	}
	f.Quality.Yaw, f.Quality.Roll = pose(s.face.Points)
	f.Quality.Score = score(f.Quality)
	return f
}

// inside returns the pixels of the original that a box touches, at least one.
func inside(b find.Box, size image.Point) faces.Box {
	x, width := span(b.X, b.X+b.Width, size.X)
	y, height := span(b.Y, b.Y+b.Height, size.Y)
	return faces.Box{X: x, Y: y, Width: width, Height: height}
}

func span(from, to float64, side int) (start, length int) {
	start = min(max(int(math.Floor(from)), 0), side-1)
	end := min(max(int(math.Ceil(to)), 0), side)
	return start, max(1, end-start)
}

// cutOff returns the share of a box that lies outside the picture.
func cutOff(b find.Box, size image.Point) float64 {
	area := b.Width * b.Height
	if area <= 0 {
		return 1
	}
	width := min(b.X+b.Width, float64(size.X)) - max(b.X, 0)
	height := min(b.Y+b.Height, float64(size.Y)) - max(b.Y, 0)
	return min(max(1-max(0, width)*max(0, height)/area, 0), 1)
}

// noseDepth is the distance of the tip of the nose from the plane of eyes and
// mouth, as a share of the distance between the eyes. It is an assumption,
// the same for everybody, so the yaw is only an estimate.
const noseDepth = 0.6

// pose estimates yaw and roll. Eyes and mouth are in the plane of the face.
func pose(p align.Points) (yaw, roll float64) {
	eyes := quality.Vector{X: p[1].X - p[0].X, Y: p[1].Y - p[0].Y}
	middleX := (p[0].X + p[1].X + p[3].X + p[4].X) / 4
	middleY := (p[0].Y + p[1].Y + p[3].Y + p[4].Y) / 4
	return quality.Pose(eyes, quality.Vector{X: p[2].X - middleX, Y: p[2].Y - middleY}, noseDepth)
}

// sharpness rates an aligned RGB face from 0 (blurred) to 1 (sharp). A face that
// was enlarged is rated as blurred.
func sharpness(rgb []byte, side int) float64 {
	at := func(x, y int) float64 {
		p := rgb[3*(y*side+x):]
		return 0.299*float64(p[0]) + 0.587*float64(p[1]) + 0.114*float64(p[2])
	}
	// Pixels outside the picture are black. Their edge is sharp however
	// blurred the face is, and interpolation mixes the pixels next to it.
	outside := func(x, y int) bool {
		const near = 2
		return at(x-near, y) == 0 || at(x+near, y) == 0 || at(x, y-near) == 0 || at(x, y+near) == 0
	}
	var edges quality.Edges
	// The middle of the square is face; the rest is hair and background.
	for y := side / 6; y < side*5/6; y++ {
		for x := side / 6; x < side*5/6; x++ {
			if !outside(x, y) {
				edges.Add(at, x, y)
			}
		}
	}
	return edges.Sharpness()
}

// limits returns the bounds of the parts of the score. More pixels than these do
// not help.
func limits() quality.Limits { return quality.Limits{GoodSize: 96, WorstSize: 12, WorstYaw: 75} }

// score combines the measures into one number from 0 to 1, for sorting and
// display. It is the geometric mean of size, sharpness, yaw and detection,
// reduced by the share that is cut off.
func score(q faces.Quality) float64 {
	mean := math.Sqrt(math.Sqrt(limits().Product(q) * quality.Unit(q.Detection)))
	return quality.Unit(mean * (1 - q.CutOff))
}
