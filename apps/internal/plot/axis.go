package plot

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// Axis is one axis of a panel.
type Axis struct {
	Label string
	Log   bool
	// Min and Max are its ends. If they are equal, the lines decide: a linear axis
	// begins at 0, and both end at a round number.
	Min, Max float64
	Ticks    []Tick // nil for round numbers
	// Text writes a round number; nil writes the number.
	Text func(float64) string
}

// Tick is a place on an axis that has a text.
type Tick struct {
	At   float64
	Text string
}

// scale maps the numbers of an axis to pixels.
type scale struct {
	Axis
	from, to float64 // pixels
}

// newScale returns the scale of an axis for the given numbers.
func newScale(a Axis, numbers []float64, from, to float64) scale {
	if a.Min == a.Max {
		a.Min, a.Max = ends(a.Log, numbers)
	}
	return scale{a, from, to}
}

// ends returns the ends of an axis that shows all numbers.
func ends(logarithmic bool, numbers []float64) (low, high float64) {
	if logarithmic {
		numbers = slices.DeleteFunc(slices.Clone(numbers), func(v float64) bool { return v <= 0 })
	}
	if len(numbers) == 0 {
		return 1, 10
	}
	low, high = slices.Min(numbers), slices.Max(numbers)
	if logarithmic {
		low, high = roundDown(low), roundUp(high)
		if low >= high {
			high = 10 * low
		}
		return low, high
	}
	low = min(low, 0)
	if high <= low {
		return low, low + 1
	}
	step := step(high - low)
	return low, math.Ceil(high/step-1e-9) * step
}

// roundDown returns the largest 1, 2 or 5 with zeros that is not above v; roundUp the
// smallest that is not below.
func roundDown(v float64) float64 { return nice(v, false) }
func roundUp(v float64) float64   { return nice(v, true) }

func nice(v float64, up bool) float64 {
	const slack = 1e-9
	unit := math.Pow(10, math.Floor(math.Log10(v)+slack))
	list := []float64{1, 2, 5, 10}
	if up {
		for _, m := range list {
			if m*unit >= v*(1-slack) {
				return m * unit
			}
		}
	}
	for _, m := range slices.Backward(list) {
		if m*unit <= v*(1+slack) {
			return m * unit
		}
	}
	return unit
}

// step returns a round distance of ticks, of which about five are in the span.
func step(span float64) float64 { return roundUp(span / 6) }

// shows reports whether a number has a place.
func (s scale) shows(v float64) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!s.Log || v > 0)
}

// place returns the pixel of a number; one outside of the axis is at its end.
func (s scale) place(v float64) float64 {
	low, high := s.Min, s.Max
	v = min(max(v, low), high)
	if s.Log {
		v, low, high = math.Log(v), math.Log(low), math.Log(high)
	}
	return s.from + (s.to-s.from)*(v-low)/max(high-low, 1e-9)
}

// ticks returns the ticks that are at least gap pixels apart, and inside of the axis.
func (s scale) ticks(gap float64) []Tick {
	list := s.Ticks
	if list == nil {
		list = s.round()
	}
	var kept []Tick
	last := math.Inf(-1)
	for _, t := range slices.SortedFunc(slices.Values(list), func(a, b Tick) int { return cmp.Compare(a.At, b.At) }) {
		if t.At < s.Min-1e-9 || t.At > s.Max*(1+1e-9) {
			continue
		}
		at := math.Abs(s.place(t.At) - s.from)
		if at-last < gap {
			continue
		}
		last, kept = at, append(kept, t)
	}
	return kept
}

// round returns round numbers over the whole axis.
func (s scale) round() []Tick {
	text := s.Text
	if text == nil {
		text = func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	}
	var list []Tick
	if !s.Log {
		step := step(s.Max - s.Min)
		for i := math.Ceil(s.Min / step); i*step <= s.Max*(1+1e-9); i++ {
			list = append(list, Tick{i * step, text(i * step)})
		}
		return list
	}
	steps := []float64{1, 2, 5}
	if s.Max/s.Min > 2000 { // more than three decades: there is room for tens only
		steps = steps[:1]
	}
	for unit := math.Pow(10, math.Floor(math.Log10(s.Min)+1e-9)); unit <= s.Max*(1+1e-9); unit *= 10 {
		for _, m := range steps {
			list = append(list, Tick{m * unit, text(m * unit)})
		}
	}
	return list
}
