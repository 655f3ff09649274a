package frontend

import (
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	chartWidth  = 720 // units of an SVG; the page stretches it
	chartHeight = 160
	tableRows   = 12 // of the table with the same numbers
)

// chart is a bar chart. Its numbers are in a table, too.
type chart struct {
	Width, Height int
	Columns       []chartColumn
	Most          string // the height of the chart
	From          string // the left edge
	Summary       string
	Legend        []outcome
	Rows          []chartRow
	Empty         bool
}

// chartColumn is one column, with its bars from bottom to top.
type chartColumn struct {
	Title string
	Bars  []chartBar
}

type chartBar struct {
	X, Y, Width, Height string
	Tone                string
}

// chartRow is a row of the table: several columns of the chart.
type chartRow struct {
	From   moment
	Values []string // by the legend; "–" if it is not known
}

// series are numbers by column and tone. A column that is nil is not known.
type series struct {
	tones   []string
	columns []map[string]int64
}

func newSeries(p span, tones ...string) series {
	return series{tones: tones, columns: make([]map[string]int64, p.columns)}
}

// firstMinute returns the first minute of the charts.
func firstMinute(p span, now time.Time) int64 {
	return columnOf(p, now) - int64(p.minutes*(p.columns-1))
}

// columnOf returns the first minute of the column of a time.
func columnOf(p span, at time.Time) int64 {
	minute := at.Unix() / int64(time.Minute/time.Second)
	return minute - minute%int64(p.minutes)
}

// finishedChart shows what was finished, by what came out.
func (s *Server) finishedChart(p span, now time.Time, list []store.Bucket) chart {
	data := newSeries(p, "good", "warn", "quiet", "bad")
	for i := range data.columns {
		data.columns[i] = map[string]int64{}
	}
	sum := int64(0)
	for _, b := range list {
		if i := int(b.From-firstMinute(p, now)) / p.minutes; i >= 0 && i < p.columns {
			data.columns[i][toneOf(b.Reason.Status(), b.Reason)] += b.Images
			sum += b.Images
		}
	}
	c := s.draw(p, now, data)
	c.Empty = sum == 0
	c.Summary = s.words("operations.finished.sum", sum, s.words("operations.span."+p.Key+".in"))
	for _, tone := range data.tones {
		c.Legend = append(c.Legend, outcome{Label: s.words("operations.tone." + tone), Tone: tone})
	}
	return c
}

// waitingChart shows how many images waited at most.
func (s *Server) waitingChart(p span, now time.Time, list []store.Bucket) chart {
	data := newSeries(p, "work")
	most := int64(0)
	for _, b := range list {
		i := int(b.From-firstMinute(p, now)) / p.minutes
		if i < 0 || i >= p.columns {
			continue
		}
		if data.columns[i] == nil {
			data.columns[i] = map[string]int64{}
		}
		if b.Reason == faces.Queued || b.Reason == store.InProgress {
			data.columns[i]["work"] += b.Images
		}
		most = max(most, data.columns[i]["work"])
	}
	c := s.draw(p, now, data)
	c.Empty = !slices.ContainsFunc(data.columns, func(m map[string]int64) bool { return m != nil })
	c.Summary = s.words("operations.waited.most", most, s.words("operations.span."+p.Key+".in"))
	c.Legend = []outcome{{Label: s.words("operations.waiting"), Tone: "work"}}
	return c
}

// draw draws the bars of a series.
func (s *Server) draw(p span, now time.Time, data series) chart {
	most := int64(1)
	for _, col := range data.columns {
		sum := int64(0)
		for _, n := range col {
			sum += n
		}
		most = max(most, sum)
	}
	most = niceTop(most)
	c := chart{Width: chartWidth, Height: chartHeight, Most: strconv.FormatInt(most, 10), From: s.words("operations.span." + p.Key + ".from")}
	begin, width := firstMinute(p, now), float64(chartWidth)/float64(p.columns)
	for i, col := range data.columns {
		at := time.Unix((begin+int64(i*p.minutes))*60, 0)
		y, sum, bars := float64(chartHeight), int64(0), []chartBar(nil)
		for _, tone := range data.tones {
			n := col[tone]
			if n == 0 {
				continue
			}
			sum += n
			h := max(float64(n)/float64(most)*chartHeight, 1.5) // one among many is seen
			y -= h
			bars = append(bars, chartBar{number(float64(i)*width + width*0.1), number(y), number(width * 0.8), number(h), tone})
		}
		if len(bars) > 0 {
			c.Columns = append(c.Columns, chartColumn{Title: s.words("operations.column", s.ago(now, at), sum), Bars: bars})
		}
	}
	c.Rows = s.rowsOf(p, begin, data)
	return c
}

// rowsOf returns the numbers of a chart as a table, the newest first. What was finished
// is summed; what waited is one row's largest number.
func (s *Server) rowsOf(p span, begin int64, data series) []chartRow {
	per := (p.columns + tableRows - 1) / tableRows
	var rows []chartRow
	for i := 0; i < p.columns; i += per {
		row := chartRow{From: s.moment(time.Unix((begin+int64(i*p.minutes))*60, 0))}
		for _, tone := range data.tones {
			sum, most, known := int64(0), int64(0), false
			for _, col := range data.columns[i:min(i+per, p.columns)] {
				sum, most, known = sum+col[tone], max(most, col[tone]), known || col != nil
			}
			value := strconv.FormatInt(sum, 10)
			if len(data.tones) == 1 {
				value = strconv.FormatInt(most, 10)
			}
			if !known {
				value = "–"
			}
			row.Values = append(row.Values, value)
		}
		rows = append(rows, row)
	}
	slices.Reverse(rows)
	return rows
}

// niceTop returns a round number that is not less than n: 1, 2 or 5 with zeros.
func niceTop(n int64) int64 {
	const ten = 10
	for unit := int64(1); ; unit *= ten {
		for _, m := range []int64{1, 2, 5} {
			if m*unit >= n {
				return m * unit
			}
		}
	}
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }
