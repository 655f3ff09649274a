package plot_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/plot"
)

// texts returns the texts of a picture, and fails if it is no XML.
func texts(t *testing.T, svg []byte) []string {
	t.Helper()
	var list []string
	inside := false
	d := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("the plot is no XML: %v", err)
		}
		switch v := token.(type) {
		case xml.StartElement:
			inside = v.Name.Local == "text"
		case xml.CharData:
			if inside {
				list = append(list, string(v))
			}
		case xml.EndElement:
			inside = false
		}
	}
}

func draw(x, y plot.Axis, points ...float64) plot.Panel {
	l := plot.Line{Label: "line", Color: plot.Blue}
	for i := 0; i < len(points); i += 2 {
		l.Add(points[i], points[i+1])
	}
	return plot.Panel{Title: "<b>title</b>", X: x, Y: y, Lines: []plot.Line{l}}
}

func TestAxes(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	for _, c := range []struct {
		name  string
		panel plot.Panel
		want  []string // on the axes
	}{
		{"linear", draw(plot.Axis{}, plot.Axis{}, 0, 3, 10, 47), []string{"0", "10", "20", "30", "40", "50", "0", "2", "4", "6", "8", "10"}},
		{"two decades", draw(plot.Axis{Min: 0, Max: 1}, plot.Axis{Log: true}, 0, 1.5, 1, 90), []string{"1", "2", "5", "10", "20", "50", "100", "0", "0.2", "0.4", "0.6", "0.8", "1"}},
		{"many decades", draw(plot.Axis{Min: 0, Max: 1}, plot.Axis{Log: true}, 0, 0.2, 1, 9000), []string{"1", "10", "100", "1000", "10000", "0", "0.2", "0.4", "0.6", "0.8", "1"}},
		{"one value", draw(plot.Axis{}, plot.Axis{Log: true}, 5, 5), []string{"5", "10", "20", "50", "0", "1", "2", "3", "4", "5"}},
		{"nothing", draw(plot.Axis{Min: 0, Max: 1}, plot.Axis{Log: true}, 0, nan), []string{"1", "2", "5", "10", "0", "0.2", "0.4", "0.6", "0.8", "1"}},
		{"nothing, linear", draw(plot.Axis{}, plot.Axis{}), []string{"2", "4", "6", "8", "10", "2", "4", "6", "8", "10"}},
		{"ticks", draw(plot.Axis{Ticks: []plot.Tick{{At: 0, Text: "a"}, {At: 0.1, Text: "too near"}, {At: 10, Text: "c"}, {At: 5, Text: "b"}, {At: 99, Text: "outside"}}},
			plot.Axis{Min: 0, Max: 1, Ticks: []plot.Tick{}}, 0, 0, 10, 1), []string{"a", "b", "c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			svg := plot.Page{Panels: []plot.Panel{c.panel}}.SVG()
			got := texts(t, svg)
			if len(got) < 3 || got[0] != "<b>title</b>" || got[1] != "line" {
				t.Fatalf("texts %q", got)
			}
			got = slices.DeleteFunc(got[2:], func(s string) bool { return s == "" })
			if !slices.Equal(got, c.want) {
				t.Errorf("ticks %q, want %q", got, c.want)
			}
			if strings.Contains(string(svg), "NaN") || strings.Contains(string(svg), "Inf") {
				t.Errorf("numbers that are none:\n%s", svg)
			}
		})
	}
}

// A value that is none is a gap, and a point alone is a dot.
func TestGaps(t *testing.T) {
	t.Parallel()
	svg := string(plot.Page{Panels: []plot.Panel{draw(plot.Axis{}, plot.Axis{Log: true}, 1, 1, 2, 2, 3, math.NaN(), 4, 0, 5, 5)}}.SVG())
	if strings.Count(svg, "<polyline") != 1 || strings.Count(svg, "<circle") != 1 {
		t.Errorf("want a line of two points and a dot:\n%s", svg)
	}
}

// Intervals stay inside of the panel, and the panels beside each other.
func TestIntervals(t *testing.T) {
	t.Parallel()
	l := plot.Line{Label: "share", Color: plot.Red}
	l.AddInterval(1, 0.5, 0, 1)
	l.AddInterval(2, 0.6, 0.5, 0.7)
	p := plot.Panel{Y: plot.Axis{Min: 0, Max: 1}, Lines: []plot.Line{l}}
	svg := string(plot.Page{Columns: 2, Panels: []plot.Panel{p, p, p}}.SVG())
	if !strings.Contains(svg, `viewBox="0 0 920 600"`) || !strings.Contains(svg, "translate(460 0)") || !strings.Contains(svg, "translate(0 300)") {
		t.Errorf("the panels are not in two columns:\n%s", svg)
	}
	if n := strings.Count(svg, "stroke-opacity"); n != 6 {
		t.Errorf("%d intervals, want 6", n)
	}
}

// A legend that does not fit into a row has more of them, above the lines.
func TestLegendWraps(t *testing.T) {
	t.Parallel()
	var p plot.Panel
	for range 4 {
		l := plot.Line{Label: strings.Repeat("long ", 6), Color: plot.Green, Dashed: true}
		l.Add(0, 0)
		l.Add(1, 1)
		p.Lines = append(p.Lines, l)
	}
	svg := string(plot.Page{Panels: []plot.Panel{p}}.SVG())
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile(`y="([0-9.]+)"[^>]*>long`).FindAllStringSubmatch(svg, -1) {
		rows[m[1]] = true
	}
	if len(rows) != 4 && len(rows) != 2 {
		t.Errorf("the legend has %d rows", len(rows))
	}
	if !strings.Contains(svg, "stroke-dasharray") {
		t.Error("the lines are not dashed")
	}
}
