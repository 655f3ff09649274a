package measure

import (
	"fmt"

	"github.com/rollcall-faces/rollcall/apps/internal/plot"
)

// SVG returns the report's plot: shares with their 95 % intervals by size of
// the face, turn, blur, darkness, size of the gallery and threshold.
func (r *Report) SVG() []byte {
	return plot.Page{Columns: 2, Panels: []plot.Panel{
		tallyPanel("By size of the face", "height of the face's box, pixels", true, r.Worse[Size]),
		tallyPanel("By turn of the picture", "degrees clockwise", false, r.Worse[Turn]),
		tallyPanel("By blur", "standard deviation, share of the face's height", false, r.Worse[Blur]),
		tallyPanel("By darkness", "divisor of the light", true, r.Worse[Dark]),
		r.galleryPanel(), r.thresholdPanel(),
	}}.SVG()
}

// sharesPanel is a diagram of shares. The points of the first line are the ticks.
func sharesPanel(title, axis string, logarithmic bool, lines ...plot.Line) plot.Panel {
	p := plot.Panel{Title: title, Lines: lines, Y: plot.Axis{Min: 0, Max: 1}}
	for i := range 6 {
		share := float64(i) / 5
		p.Y.Ticks = append(p.Y.Ticks, plot.Tick{At: share, Text: fmt.Sprintf("%.0f %%", 100*share)})
	}
	p.X = plot.Axis{Label: axis, Log: logarithmic, Ticks: []plot.Tick{}}
	for _, x := range lines[0].X {
		p.X.Ticks = append(p.X.Ticks, plot.Tick{At: x, Text: fmt.Sprintf("%.4g", x)})
	}
	p.X.Min, p.X.Max = span(lines)
	return p
}

// span returns the smallest and the largest x.
func span(lines []plot.Line) (low, high float64) {
	first := true
	for _, l := range lines {
		for _, x := range l.X {
			if first {
				low, high, first = x, x, false
			}
			low, high = min(low, x), max(high, x)
		}
	}
	if first { // nothing to draw
		return 1, 2
	}
	return low, high
}

func tallyPanel(title, axis string, logarithmic bool, list []*Tally) plot.Panel {
	named, strangers := plot.Line{Label: "known named", Color: plot.Blue}, plot.Line{Label: "strangers named", Color: plot.Red}
	for _, t := range list {
		if t.Found.Of == 0 {
			continue
		}
		addRate(&named, t.Value, t.Named)
		addRate(&strangers, t.Value, t.StrangersNamed)
	}
	return sharesPanel(title, axis, logarithmic, named, strangers)
}

func (r *Report) galleryPanel() plot.Panel {
	var lines []plot.Line
	colors := []string{plot.Ochre, plot.Green, plot.Blue}
	strangers := plot.Line{Label: "strangers named (most pictures)", Color: plot.Red}
	for i, pictures := range perPerson() {
		l := plot.Line{Label: fmt.Sprintf("known named, %d", pictures), Color: colors[i%len(colors)]}
		for _, g := range r.Galleries {
			if g.Pictures != pictures {
				continue
			}
			addRate(&l, float64(g.People), g.Named)
			if i == len(perPerson())-1 {
				addRate(&strangers, float64(g.People), g.StrangersNamed)
			}
		}
		lines = append(lines, l)
	}
	return sharesPanel("By gallery, 1 to 10 pictures of each", "people (those beyond the real ones are generated)", true, append(lines, strangers)...)
}

func (r *Report) thresholdPanel() plot.Panel {
	named, strangers := plot.Line{Label: "known named", Color: plot.Blue}, plot.Line{Label: "strangers named", Color: plot.Red}
	lost := plot.Line{Label: "pairs of one person lost", Color: plot.Ochre}
	for _, p := range r.Calibration {
		addRate(&named, p.Threshold, p.Named)
		addRate(&strangers, p.Threshold, p.StrangersNamed)
		addRate(&lost, p.Threshold, p.PairsLost)
	}
	return sharesPanel("By threshold", "threshold (distance)", false, named, strangers, lost)
}

// addRate adds a share with its interval.
func addRate(l *plot.Line, x float64, y Rate) {
	low, high := y.Interval()
	l.AddInterval(x, y.Share(), low, high)
}
