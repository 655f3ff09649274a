package measure

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The size of one panel of the plot and its margins, in pixels.
const (
	panelWidth, panelHeight = 460.0, 300.0
	left, right             = 52.0, 16.0
	top, bottom             = 34.0, 46.0
)

// curve is a line with an interval at each point.
type curve struct {
	label, color string
	x            []float64
	y            []Rate
}

// panel is one diagram of shares.
type panel struct {
	title, axis string
	logarithmic bool
	curves      []curve
}

// SVG returns the report's plot: shares with their 95 % intervals by size of
// the face, turn, blur, darkness, size of the gallery and threshold.
func (r *Report) SVG() []byte {
	panels := []panel{
		tallyPanel("By size of the face", "height of the face's box, pixels", true, r.Worse[Size]),
		tallyPanel("By turn of the picture", "degrees clockwise", false, r.Worse[Turn]),
		tallyPanel("By blur", "standard deviation, share of the face's height", false, r.Worse[Blur]),
		tallyPanel("By darkness", "divisor of the light", true, r.Worse[Dark]),
		r.galleryPanel(), r.thresholdPanel(),
	}
	var s strings.Builder
	rows := (len(panels) + 1) / 2
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="12">`+"\n", 2*panelWidth, float64(rows)*panelHeight)
	s.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, p := range panels {
		fmt.Fprintf(&s, `<g transform="translate(%g %g)">`+"\n", float64(i%2)*panelWidth, float64(i/2)*panelHeight)
		p.draw(&s)
		s.WriteString("</g>\n")
	}
	s.WriteString("</svg>\n")
	return []byte(s.String())
}

const (
	blue  = "#1f5fa8"
	red   = "#c0392b"
	green = "#2e7d32"
	ochre = "#b8860b"
)

func tallyPanel(title, axis string, logarithmic bool, list []*Tally) panel {
	named, strangers := curve{label: "known named", color: blue}, curve{label: "strangers named", color: red}
	for _, t := range list {
		if t.Found.Of == 0 {
			continue
		}
		named.add(t.Value, t.Named)
		strangers.add(t.Value, t.StrangersNamed)
	}
	return panel{title, axis, logarithmic, []curve{named, strangers}}
}

func (r *Report) galleryPanel() panel {
	p := panel{title: "By gallery, 1 to 10 pictures of each", axis: "people (those beyond the real ones are generated)", logarithmic: true}
	colors := []string{ochre, green, blue}
	strangers := curve{label: "strangers named (most pictures)", color: red}
	for i, pictures := range perPerson() {
		c := curve{label: fmt.Sprintf("known named, %d", pictures), color: colors[i%len(colors)]}
		for _, g := range r.Galleries {
			if g.Pictures != pictures {
				continue
			}
			c.add(float64(g.People), g.Named)
			if i == len(perPerson())-1 {
				strangers.add(float64(g.People), g.StrangersNamed)
			}
		}
		p.curves = append(p.curves, c)
	}
	p.curves = append(p.curves, strangers)
	return p
}

func (r *Report) thresholdPanel() panel {
	named, strangers := curve{label: "known named", color: blue}, curve{label: "strangers named", color: red}
	lost := curve{label: "pairs of one person lost", color: ochre}
	for _, p := range r.Calibration {
		named.add(p.Threshold, p.Named)
		strangers.add(p.Threshold, p.StrangersNamed)
		lost.add(p.Threshold, p.PairsLost)
	}
	return panel{"By threshold", "threshold (distance)", false, []curve{named, strangers, lost}}
}

func (c *curve) add(x float64, y Rate) {
	c.x = append(c.x, x)
	c.y = append(c.y, y)
}

func (p panel) draw(s *strings.Builder) {
	low, high := p.span()
	place := func(x float64) float64 {
		x, from, to := x, low, high
		if p.logarithmic {
			x, from, to = math.Log(x), math.Log(from), math.Log(to)
		}
		return left + (panelWidth-left-right)*(x-from)/max(to-from, 1e-9)
	}
	height := func(share float64) float64 { return top + (panelHeight-top-bottom)*(1-share) }
	fmt.Fprintf(s, `<text x="%g" y="20" font-weight="bold">%s</text>`+"\n", left, html.EscapeString(p.title))
	for i := range 6 {
		share := float64(i) / 5
		fmt.Fprintf(s, `<line x1="%g" x2="%g" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%g" y="%.1f" text-anchor="end">%.0f %%</text>`+"\n",
			left, panelWidth-right, height(share), height(share), left-6, height(share)+4, 100*share)
	}
	p.ticks(s, place)
	fmt.Fprintf(s, `<text x="%g" y="%g" text-anchor="middle">%s</text>`+"\n", (left+panelWidth-right)/2, panelHeight-8, html.EscapeString(p.axis))
	for i, c := range p.curves {
		c.draw(s, place, height)
		fmt.Fprintf(s, `<text x="%g" y="%g" text-anchor="end" fill="%s">%s</text>`+"\n", panelWidth-right-4, panelHeight/2+16*float64(i), c.color, html.EscapeString(c.label))
	}
}

// span returns the smallest and the largest x.
func (p panel) span() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, c := range p.curves {
		for _, x := range c.x {
			low, high = min(low, x), max(high, x)
		}
	}
	if low > high { // nothing to draw
		return 1, 2
	}
	return low, high
}

// ticks labels the points of the first curve where there is room.
func (p panel) ticks(s *strings.Builder, place func(float64) float64) {
	last := math.Inf(-1)
	for _, x := range p.curves[0].x {
		at := place(x)
		if at-last < 34 {
			continue
		}
		last = at
		fmt.Fprintf(s, `<text x="%.1f" y="%g" text-anchor="middle">%.4g</text>`+"\n", at, panelHeight-bottom+16, x)
	}
}

func (c curve) draw(s *strings.Builder, place, height func(float64) float64) {
	var points []string
	for i, x := range c.x {
		low, high := c.y[i].Interval()
		fmt.Fprintf(s, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s" stroke-opacity="0.4" stroke-width="3"/>`+"\n",
			place(x), place(x), height(low), height(high), c.color)
		points = append(points, fmt.Sprintf("%.1f,%.1f", place(x), height(c.y[i].Share())))
	}
	fmt.Fprintf(s, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", strings.Join(points, " "), c.color)
}
