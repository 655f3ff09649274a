package pixels

import (
	"image"
	"math"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// turned returns the landmarks of a face with 1000 pixels between the outer
// corners of the eyes, with this yaw and roll in degrees: points of a head in
// space, seen from far away.
func turned(yaw, roll float64) []image.Point {
	sin, cos := math.Sincos(yaw * math.Pi / 180)
	sinRoll, cosRoll := math.Sincos(roll * math.Pi / 180)
	at := func(x, y, depth float64) image.Point {
		x = x*cos + depth*sin
		return image.Pt(int(math.Round(2000+x*cosRoll-y*sinRoll)), int(math.Round(2000+x*sinRoll+y*cosRoll)))
	}
	return []image.Point{at(500, 0, 0), at(200, 0, 0), at(-500, 0, 0), at(-200, 0, 0), at(0, 500, 1000*noseDepth)}
}

func TestPose(t *testing.T) {
	t.Parallel()
	for _, want := range []struct{ yaw, roll float64 }{{0, 0}, {20, 0}, {-20, 0}, {45, 0}, {0, 30}, {0, -30}, {25, 15}, {-40, -20}} {
		if yaw, roll := pose(turned(want.yaw, want.roll)); math.Abs(yaw-want.yaw) > 1 || math.Abs(roll-want.roll) > 1 {
			t.Errorf("yaw %.1f, roll %.1f; want %v", yaw, roll, want)
		}
	}
	for name, points := range map[string][]image.Point{"none": nil, "four": make([]image.Point, 4), "all in one": make([]image.Point, 5)} {
		if yaw, roll := pose(points); yaw != 0 || roll != 0 {
			t.Errorf("%s: yaw %v, roll %v; want 0", name, yaw, roll)
		}
	}
}

// Whatever makes a face worse lowers its score, and a useless part makes it
// 0.
func TestQuality(t *testing.T) {
	t.Parallel()
	of := func(size int, sharp, yaw float64) faces.Quality {
		return qualityOf(faces.Box{Width: size, Height: size + 3}, engine.PixelFace{Sharpness: sharp, Landmarks: turned(yaw, 5)})
	}
	good := of(200, 0.9, 0)
	if good.Size != 200 || good.Sharpness != 0.9 || good.Score < 0.9 || good.Score > 1 || math.Abs(good.Roll-5) > 1 {
		t.Errorf("a good face has %+v", good)
	}
	for name, q := range map[string]faces.Quality{"smaller": of(60, 0.9, 0), "blurred": of(200, 0.3, 0), "turned": of(200, 0.9, 40)} {
		if q.Score >= good.Score-0.05 || q.Score <= 0 {
			t.Errorf("%s: score %.2f, a good face has %.2f", name, q.Score, good.Score)
		}
	}
	for name, q := range map[string]faces.Quality{"tiny": of(20, 0.9, 0), "no edges": of(200, 0, 0), "profile": of(200, 0.9, 70)} {
		if q.Score > 0.01 {
			t.Errorf("%s: score %.2f, want 0", name, q.Score)
		}
	}
}
