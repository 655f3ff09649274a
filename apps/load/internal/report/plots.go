package report

import (
	"math"
	"strconv"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/plot"
	"github.com/rollcall-faces/rollcall/apps/load/internal/measure"
)

// The size of a plot, in pixels.
const plotWidth, plotHeight = 900, 360

func page(panels ...plot.Panel) []byte {
	return plot.Page{Width: plotWidth, Height: plotHeight, Panels: panels}.SVG()
}

// milliseconds writes the ticks of an axis of milliseconds.
func milliseconds(v float64) string {
	if v >= 1000 {
		return strconv.FormatFloat(v/1000, 'g', 6, 64) + " s"
	}
	return strconv.FormatFloat(v, 'g', 6, 64) + " ms"
}

func timeAxis() plot.Axis { return plot.Axis{Log: true, Text: milliseconds} }

// overTime is the axis of the time since the warm-up.
func (s *Summary) overTime() plot.Axis {
	end := s.run.Measured
	for _, w := range s.result.Windows {
		if w.Scheduled+w.Sent+w.Failed+w.Answered > 0 || w.Outcome.Count > 0 {
			end = max(end, w.From+s.result.Window)
		}
	}
	return plot.Axis{Label: "seconds since the warm-up", Min: 0, Max: max(1, end.Seconds())}
}

// middle returns the middle of a window in seconds.
func (s *Summary) middle(w measure.Window) float64 { return (w.From + s.result.Window/2).Seconds() }

// byTime is a panel of percentiles over time.
func (s *Summary) byTime(title string, of func(measure.Window) measure.Percentiles) plot.Panel {
	lines := []plot.Line{
		{Label: "max", Color: plot.Grey}, {Label: "p99.9", Color: plot.Purple}, {Label: "p99", Color: plot.Red},
		{Label: "p90", Color: plot.Ochre}, {Label: "p50", Color: plot.Blue},
	}
	for _, w := range s.result.Windows {
		p := of(w)
		for i, d := range []time.Duration{p.Max, p.P999, p.P99, p.P90, p.P50} {
			y := ms(d)
			if p.Count == 0 {
				y = math.NaN()
			}
			lines[i].Add(s.middle(w), y)
		}
	}
	return plot.Panel{Title: title, X: s.overTime(), Y: timeAxis(), Lines: lines}
}

func (s *Summary) latencyPlot() []byte {
	p := s.byTime("Latency, by when requests were due", func(w measure.Window) measure.Percentiles { return w.Latency })
	if limit := s.limits.P99; limit > 0 {
		line := plot.Line{Label: "limit of the p99", Color: plot.Green, Dashed: true}
		line.Add(p.X.Min, ms(limit))
		line.Add(p.X.Max, ms(limit))
		p.Lines = append(p.Lines, line)
	}
	return page(p)
}

func (s *Summary) throughputPlot() []byte {
	asked := plot.Line{Label: "asked for", Color: plot.Grey, Dashed: true}
	sent, answered := plot.Line{Label: "sent", Color: plot.Ochre}, plot.Line{Label: "answered", Color: plot.Blue}
	failed := plot.Line{Label: "errors", Color: plot.Red}
	for _, w := range s.result.Windows {
		// The last window may be shorter than the others.
		length := min(s.result.Window, s.run.Measured-w.From)
		if length <= 0 {
			length = s.result.Window
		}
		x, seconds := s.middle(w), length.Seconds()
		if s.run.RateAt != nil {
			asked.Add(x, s.run.RateAt(w.From+length/2))
		}
		sent.Add(x, float64(w.Sent)/seconds)
		answered.Add(x, float64(w.Answered)/seconds)
		failed.Add(x, float64(w.Failed)/seconds)
	}
	return page(plot.Panel{
		Title: "Requests a second", X: s.overTime(), Lines: []plot.Line{asked, sent, answered, failed},
	})
}

// byShare is a panel of a distribution: the axis of shares is as long from 90 to 99 % as
// from 99 to 99.9 %.
func byShare(title, of string, d measure.Distribution) plot.Panel {
	line := plot.Line{Label: strconv.FormatInt(d.Count, 10) + " " + of, Color: plot.Blue}
	x := plot.Axis{Label: "share that took no longer", Log: true, Min: 1, Max: 10, Ticks: []plot.Tick{
		{At: 1, Text: "0 %"}, {At: 2, Text: "50 %"}, {At: 10, Text: "90 %"}, {At: 100, Text: "99 %"}, {At: 1000, Text: "99.9 %"},
		{At: 1e4, Text: "99.99 %"}, {At: 1e5, Text: "99.999 %"}, {At: 1e6, Text: "99.9999 %"},
	}}
	for _, p := range d.Curve {
		if p.Share >= 1 {
			continue // the maximum: its place would be infinite
		}
		at := 1 / (1 - p.Share)
		x.Max = max(x.Max, at)
		line.Add(at, ms(p.Time))
	}
	if n := len(line.X); n > 0 {
		line.Add(x.Max, ms(d.Max))
	}
	return plot.Panel{Title: title, X: x, Y: timeAxis(), Lines: []plot.Line{line}}
}

func (s *Summary) distributionPlot() []byte {
	return page(byShare("Latency, by share of the requests", "requests", s.result.Latency))
}

func (s *Summary) outcomesPlot() []byte {
	return page(
		s.byTime("Time from post to outcome, by when posts were due", func(w measure.Window) measure.Percentiles { return w.Outcome }),
		byShare("Time from post to outcome, by share of the images", "images", s.result.OutcomeTime),
	)
}
