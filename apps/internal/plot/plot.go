// Package plot draws line charts as SVG.
package plot

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"strings"
)

// Colours that can be told from each other, also by most colour-blind people.
const (
	Blue   = "#1f5fa8"
	Red    = "#c0392b"
	Green  = "#2e7d32"
	Ochre  = "#b8860b"
	Purple = "#6a3d9a"
	Grey   = "#777777"
)

// Line is a line of a panel. A Y that is NaN is a gap.
type Line struct {
	Label, Color string
	X, Y         []float64
	Low, High    []float64 // an interval at each point; nil if there are none
	Dashed       bool
}

// Add adds a point.
func (l *Line) Add(x, y float64) { l.X, l.Y = append(l.X, x), append(l.Y, y) }

// AddInterval adds a point with an interval.
func (l *Line) AddInterval(x, y, low, high float64) {
	l.Add(x, y)
	l.Low, l.High = append(l.Low, low), append(l.High, high)
}

// Panel is one chart.
type Panel struct {
	Title string
	X, Y  Axis
	Lines []Line
}

// Page is a picture of panels, from left to right and from top to bottom.
type Page struct {
	Columns       int     // of panels; 0 means 1
	Width, Height float64 // of a panel, in pixels; 0 means 460 and 300
	Panels        []Panel
}

// The margins of a panel around its lines, in pixels.
const (
	left, right = 58.0, 26.0
	top, bottom = 30.0, 46.0
	legendRow   = 16.0 // the height of a row of the legend
)

// SVG draws the page. Text of the panels can be any text.
func (p Page) SVG() []byte {
	columns := max(1, p.Columns)
	width, height := cmp.Or(p.Width, 460), cmp.Or(p.Height, 300)
	rows := (len(p.Panels) + columns - 1) / columns
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="12" role="img">`+"\n",
		float64(columns)*width, float64(rows)*height)
	s.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, panel := range p.Panels {
		fmt.Fprintf(&s, `<g transform="translate(%g %g)">`+"\n", float64(i%columns)*width, float64(i/columns)*height)
		newDrawing(&s, panel, width, height).draw()
		s.WriteString("</g>\n")
	}
	s.WriteString("</svg>\n")
	return []byte(s.String())
}

// drawing is a panel that is being drawn.
type drawing struct {
	Panel
	s             *strings.Builder
	width, height float64
	legend        []label
	area          area
	x, y          scale
}

// area is where the lines are.
type area struct{ left, right, top, bottom float64 }

// label is a place in the legend.
type label struct {
	line Line
	x, y float64
}

func newDrawing(s *strings.Builder, p Panel, width, height float64) *drawing {
	d := &drawing{Panel: p, s: s, width: width, height: height}
	rows := d.placeLegend()
	d.area = area{left: left, right: width - right, top: top + float64(rows)*legendRow, bottom: height - bottom}
	d.x = newScale(p.X, values(p.Lines, func(l Line) [][]float64 { return [][]float64{l.X} }), d.area.left, d.area.right)
	d.y = newScale(p.Y, values(p.Lines, func(l Line) [][]float64 { return [][]float64{l.Y, l.Low, l.High} }), d.area.bottom, d.area.top)
	return d
}

// placeLegend places the labels of the lines in rows and returns the number of rows.
func (d *drawing) placeLegend() int {
	const swatch, gap, letter = 20.0, 14.0, 6.6 // the width of a letter is an estimate
	x, row := left, 1
	for _, l := range d.Lines {
		if l.Label == "" {
			continue
		}
		need := swatch + letter*float64(len([]rune(l.Label))) + gap
		if x+need > d.width && x > left {
			x, row = left, row+1
		}
		d.legend = append(d.legend, label{l, x, top + legendRow*float64(row) - 10})
		x += need
	}
	return row
}

func (d *drawing) draw() {
	d.text(left, 18, "start", ` font-weight="bold"`, d.Title)
	for _, l := range d.legend {
		fmt.Fprintf(d.s, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s" stroke-width="3"%s/>`+"\n", l.x, l.x+14, l.y-4, l.y-4, l.line.Color, dashes(l.line))
		d.text(l.x+19, l.y, "start", "", l.line.Label)
	}
	for _, t := range d.y.ticks(24) {
		at := d.y.place(t.At)
		fmt.Fprintf(d.s, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", d.area.left, d.area.right, at, at)
		d.text(d.area.left-6, at+4, "end", "", t.Text)
	}
	for _, t := range d.x.ticks(40) {
		at := d.x.place(t.At)
		fmt.Fprintf(d.s, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#eee"/>`+"\n", at, at, d.area.top, d.area.bottom+4)
		d.text(at, d.area.bottom+16, "middle", "", t.Text)
	}
	d.text((d.area.left+d.area.right)/2, d.height-10, "middle", "", d.X.Label)
	if d.Y.Label != "" {
		d.text(d.area.right, 18, "end", ` fill="#555"`, d.Y.Label)
	}
	for _, l := range d.Lines {
		d.line(l)
	}
}

func (d *drawing) text(x, y float64, anchor, more, text string) {
	fmt.Fprintf(d.s, `<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>`+"\n", x, y, anchor, more, html.EscapeString(text))
}

func dashes(l Line) string {
	if l.Dashed {
		return ` stroke-dasharray="5 4"`
	}
	return ""
}

// line draws a line: a polyline for each piece without a gap, a dot for a single point.
func (d *drawing) line(l Line) {
	var piece []string
	end := func() {
		switch len(piece) {
		case 0:
		case 1:
			x, y, _ := strings.Cut(piece[0], ",")
			fmt.Fprintf(d.s, `<circle cx="%s" cy="%s" r="2" fill="%s"/>`+"\n", x, y, l.Color)
		default:
			fmt.Fprintf(d.s, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"%s/>`+"\n", strings.Join(piece, " "), l.Color, dashes(l))
		}
		piece = nil
	}
	for i, x := range l.X {
		if !d.x.shows(x) || !d.y.shows(l.Y[i]) {
			end()
			continue
		}
		if i < len(l.Low) {
			fmt.Fprintf(d.s, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s" stroke-opacity="0.4" stroke-width="3"/>`+"\n",
				d.x.place(x), d.x.place(x), d.y.place(l.Low[i]), d.y.place(l.High[i]), l.Color)
		}
		piece = append(piece, fmt.Sprintf("%.1f,%.1f", d.x.place(x), d.y.place(l.Y[i])))
	}
	end()
}

// values returns all numbers of the lines.
func values(lines []Line, of func(Line) [][]float64) []float64 {
	var all []float64
	for _, l := range lines {
		for _, list := range of(l) {
			for _, v := range list {
				if !math.IsNaN(v) && !math.IsInf(v, 0) {
					all = append(all, v)
				}
			}
		}
	}
	return all
}
