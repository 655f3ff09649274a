package faces

import (
	"fmt"
	"math"
)

// Floors are the quality limits of a model set. A face that fails one is stored
// and shown, but never named automatically. A zero floor is not checked.
type Floors struct {
	Size      int     // minimum of the box's shorter side, in pixels of the original
	Sharpness float64 // minimum sharpness, 0 to 1
	Yaw       float64 // maximum turn to a side, in degrees
	CutOff    float64 // maximum share outside the picture, 0 to 1
	Detection float64 // minimum score of the detector, 0 to 1
}

// Shortfall is a measure of a face's quality that fails its floor.
type Shortfall struct {
	Reason  Reason // TooSmall, CutOff, TurnedAway or Blurred
	Measure string // size, cut_off, yaw, sharpness or detection
	Value   float64
	Limit   float64 // the floor: a maximum for cut_off and yaw, otherwise a minimum
}

// Shortfall returns the first floor that a face fails, in the order size, cut
// off, yaw, sharpness, detection. A measure that is NaN fails. ok is false if the
// face passes all floors, or if its quality was never measured.
//
// A low score of the detector has no reason of its own. The score is low if the
// face is blurred, dark or covered, and Blurred tells people what to do about it:
// use a clearer picture.
func (fl Floors) Shortfall(q Quality) (s Shortfall, ok bool) {
	if q == (Quality{}) {
		return Shortfall{}, false
	}
	yaw := math.Abs(q.Yaw)
	switch {
	case q.Size < fl.Size:
		return Shortfall{TooSmall, "size", float64(q.Size), float64(fl.Size)}, true
	case fl.CutOff > 0 && !(q.CutOff <= fl.CutOff):
		return Shortfall{CutOff, "cut_off", q.CutOff, fl.CutOff}, true
	case fl.Yaw > 0 && !(yaw <= fl.Yaw):
		return Shortfall{TurnedAway, "yaw", yaw, fl.Yaw}, true
	case fl.Sharpness > 0 && !(q.Sharpness >= fl.Sharpness):
		return Shortfall{Blurred, "sharpness", q.Sharpness, fl.Sharpness}, true
	case fl.Detection > 0 && q.Detection != 0 && !(q.Detection >= fl.Detection): // 0: the detector gives none
		return Shortfall{Blurred, "detection", q.Detection, fl.Detection}, true
	default:
		return Shortfall{}, false
	}
}

// String describes in plain words what is wrong with the face.
func (s Shortfall) String() string {
	switch s.Measure {
	case "size":
		return fmt.Sprintf("too small to be named: %.0f px, at least %.0f are needed", s.Value, s.Limit)
	case "cut_off":
		return fmt.Sprintf("cut off by the edge of the picture: %.0f %% of the face is outside, at most %.0f %% may be", 100*s.Value, 100*s.Limit)
	case "yaw":
		return fmt.Sprintf("turned too far to a side to be named: about %.0f°, at most %.0f° are allowed", s.Value, s.Limit)
	case "sharpness":
		return fmt.Sprintf("too blurred to be named: sharpness %.2f, at least %.2f is needed", s.Value, s.Limit)
	case "detection":
		return fmt.Sprintf("not clear enough to be named: the detector's score is %.2f, at least %.2f is needed", s.Value, s.Limit)
	default:
		return belowFloor(s.Reason)
	}
}

// belowFloor describes a reason if the measure is unknown.
func belowFloor(r Reason) string {
	switch r {
	case TooSmall:
		return "too small to be named"
	case CutOff:
		return "cut off by the edge of the picture"
	case TurnedAway:
		return "turned too far to a side to be named"
	case Blurred:
		return "too blurred to be named"
	default:
		return ""
	}
}
