package frontend

import (
	"fmt"
	"math"
	"strconv"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// why says why a face has its reason, as faces.Explain does in English for the API. m is the
// model set of the face. If its numbers are unknown (Threshold is 0), the text omits them.
func (l *language) why(f *faces.Face, m faces.Model) string {
	switch {
	case f.Confirmed:
		return l.words("why.confirmed")
	case f.Reason.IsDismissed():
		return l.words("why." + string(f.Reason))
	case f.Drawn && f.Model == "":
		return l.words("why.drawn")
	case f.Reason.BelowFloor():
		return l.whyPoor(f, m)
	case f.Best == nil:
		return l.words("why.alone")
	}
	switch f.Reason {
	case faces.Identified:
		return l.whyIdentified(f, m)
	case faces.Uncertain:
		return l.whyUncertain(f, m)
	default:
		return l.whyUnknown(f, m)
	}
}

// whyPoor says which floor of quality a face fails.
func (l *language) whyPoor(f *faces.Face, m faces.Model) string {
	s, ok := m.Floors.Shortfall(f.Quality)
	if !ok || s.Reason != f.Reason {
		return l.words("poor." + string(f.Reason))
	}
	value, limit := s.Value, s.Limit
	digits := 0
	switch s.Measure {
	case "cut_off":
		value, limit = 100*value, 100*limit // per cent
	case "sharpness", "detection":
		digits = 2
	}
	return l.words("poor.measured."+s.Measure, strconv.FormatFloat(value, 'f', digits, 64), strconv.FormatFloat(limit, 'f', digits, 64))
}

func (l *language) whyIdentified(f *faces.Face, m faces.Model) string {
	d := f.Best.Distance
	switch {
	case m.Threshold == 0:
		return l.words("why.distance", distance(d))
	case d <= m.Threshold:
		return l.words("why.within", distance(d), distance(m.Threshold))
	default:
		return l.words("why.far", distance(d), distance(m.Threshold), distance(m.FarThreshold), distance(m.FarMargin))
	}
}

func (l *language) whyUncertain(f *faces.Face, m faces.Model) string {
	if !f.IsAmbiguous(m) {
		return l.words("why.taken", distance(f.Best.Distance))
	}
	apart := distance(f.Second.Distance - f.Best.Distance)
	if m.Threshold == 0 {
		return l.words("why.close", apart)
	}
	return l.words("why.close.margin", apart, distance(m.Margin))
}

func (l *language) whyUnknown(f *faces.Face, m faces.Model) string {
	d := f.Best.Distance
	switch {
	case m.Threshold == 0:
		return l.words("why.nearest", distance(d))
	case d <= m.Reach() && d > m.Threshold:
		return l.words("why.beyond.far", distance(d), distance(m.Threshold), distance(m.FarThreshold), distance(m.FarMargin))
	default:
		return l.words("why.beyond", distance(d), distance(m.Threshold))
	}
}

// quality describes how well a face is visible. It returns "" for faces stored before
// quality was measured.
func (l *language) quality(q faces.Quality) string {
	if q == (faces.Quality{}) {
		return ""
	}
	number := func(x float64, digits int) string { return strconv.FormatFloat(x, 'f', digits, 64) }
	list := []string{l.words("quality", number(q.Score, 2), q.Size, number(q.Sharpness, 2), number(math.Abs(q.Yaw), 0), number(math.Abs(q.Roll), 0))}
	if q.CutOff > 0 {
		list = append(list, l.words("quality.cutoff", number(100*q.CutOff, 0)))
	}
	if q.Detection > 0 {
		list = append(list, l.words("quality.detection", number(q.Detection, 2)))
	}
	return l.parts(list)
}

// omitted says how many faces were found and left out.
func (l *language) omitted(n int) string {
	if n == 0 {
		return ""
	}
	return l.counted("face.omitted", n)
}

// place says where the box of a face is.
func (l *language) place(f faces.Face) string {
	box := fmt.Sprintf("%d × %d", f.Box.Width, f.Box.Height)
	at := fmt.Sprintf("(%d, %d)", f.Box.X, f.Box.Y)
	if f.Drawn {
		return l.words("face.place.drawn", box, at)
	}
	return l.words("face.place", box, at)
}

// maybeNear is the share of the threshold up to which somebody may say yes.
const maybeNear = 1.15

// nearness says how near a distance is, measured by the threshold; "" if that is
// unknown.
func (l *language) nearness(d, threshold float64) string {
	if threshold <= 0 {
		return ""
	}
	switch share := d / threshold; {
	case share <= 0.55:
		return l.words("near.very")
	case share <= 0.85:
		return l.words("near.near")
	case share <= 1:
		return l.words("near.just")
	case share <= maybeNear:
		return l.words("near.beyond")
	default:
		return l.words("near.far")
	}
}

// isFar reports whether a distance is so large that nobody would say yes.
func isFar(d, threshold float64) bool { return threshold > 0 && d/threshold > maybeNear }

func distance(d float64) string { return strconv.FormatFloat(d, 'f', 3, 64) }
