package faces

import "math"

// MaxCertainty is the largest Certainty.
const MaxCertainty = 1000

// Certainty returns how near an image with the reason Uncertain is to being
// identified, in thousandths: that of the nearest of its faces. It is 0 if nothing
// is known about it. model returns a model set by its id.
func Certainty(list []Face, model func(id string) Model) int {
	most := 0.0
	for i := range list {
		most = max(most, list[i].certainty(model(list[i].Model)))
	}
	return int(math.Round(MaxCertainty * most))
}

// certainty returns the share of what the rule demands that a face fulfils, if it
// may show its best person. A face that needs twice the margin has 0.5, and so has
// one that needs twice the sharpness.
func (f *Face) certainty(m Model) float64 {
	if m.Threshold == 0 || !f.ResemblesBest(m) {
		return 0
	}
	share := 1.0
	if f.Second != nil && m.Margin > 0 {
		share = (f.Second.Distance - f.Best.Distance) / m.Margin
	}
	if f.Reason.BelowFloor() {
		share = min(share, m.Floors.fulfilled(f.Quality))
	}
	if !(share >= 0) { // a distance that is NaN is unknown
		return 0
	}
	return min(share, 1)
}

// fulfilled returns the smallest share of a floor that a quality fulfils.
func (fl Floors) fulfilled(q Quality) float64 {
	share := 1.0
	least := func(value, floor float64) {
		if floor > 0 {
			share = min(share, value/floor)
		}
	}
	most := func(value, limit, worst float64) {
		if limit > 0 && limit < worst {
			share = min(share, (worst-value)/(worst-limit))
		}
	}
	least(float64(q.Size), float64(fl.Size))
	least(q.Sharpness, fl.Sharpness)
	if q.Detection != 0 {
		least(q.Detection, fl.Detection)
	}
	most(math.Abs(q.Yaw), fl.Yaw, 90)
	most(q.CutOff, fl.CutOff, 1)
	return share
}
