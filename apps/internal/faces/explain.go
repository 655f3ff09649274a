package faces

import "fmt"

// Explain describes in plain words why a face has its reason. It mentions no
// names, so that the text stays true when a person is renamed. m is the model
// set of the face. If its numbers are unknown (Threshold is 0), the text omits
// them.
func (f *Face) Explain(m Model) string {
	switch {
	case f.Confirmed:
		return "a person said who it is"
	case f.Reason == Ignored:
		return "a person said that this face is to be ignored"
	case f.Reason == NotAFace:
		return "a person said that this is not a face"
	case f.Drawn && f.Model == "":
		return "a person drew it; it is not compared with the known people yet"
	case f.Reason.BelowFloor():
		if s, ok := m.Floors.Shortfall(f.Quality); ok && s.Reason == f.Reason {
			return s.String()
		}
		return belowFloor(f.Reason)
	case f.Best == nil:
		return "there is no known person near this face"
	}
	switch f.Reason {
	case Identified:
		return f.explainIdentified(m)
	case Uncertain:
		return f.explainUncertain(m)
	default:
		return f.explainUnknown(m)
	}
}

func (f *Face) explainIdentified(m Model) string {
	d := f.Best.Distance
	switch {
	case m.Threshold == 0:
		return fmt.Sprintf("distance %.3f", d)
	case d <= m.Threshold:
		return fmt.Sprintf("distance %.3f, within the threshold of %.3f", d, m.Threshold)
	default:
		return fmt.Sprintf("distance %.3f, beyond the threshold of %.3f but within %.3f, and the second person is more than %.3f farther",
			d, m.Threshold, m.FarThreshold, m.FarMargin)
	}
}

func (f *Face) explainUncertain(m Model) string {
	if f.IsAmbiguous(m) {
		text := fmt.Sprintf("too close to call: the second person is only %.3f farther", f.Second.Distance-f.Best.Distance)
		if m.Threshold > 0 {
			text += fmt.Sprintf(", at least %.3f is needed", m.Margin)
		}
		return text
	}
	return fmt.Sprintf("distance %.3f, but another face of this picture fits the same person better", f.Best.Distance)
}

func (f *Face) explainUnknown(m Model) string {
	d := f.Best.Distance
	switch {
	case m.Threshold == 0:
		return fmt.Sprintf("the nearest known person is at distance %.3f", d)
	case d <= m.Reach() && d > m.Threshold:
		return fmt.Sprintf("the nearest known person is at distance %.3f, beyond the threshold of %.3f; up to %.3f is near enough only where the second person is more than %.3f farther",
			d, m.Threshold, m.FarThreshold, m.FarMargin)
	default:
		return fmt.Sprintf("the nearest known person is at distance %.3f, beyond the threshold of %.3f", d, m.Threshold)
	}
}
