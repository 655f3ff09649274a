package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rollcall-faces/rollcall/apps/load/internal/measure"
)

// duration writes a time with three digits.
func duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + "µs"
	case d < time.Second:
		return digits3(ms(d)) + "ms"
	case d < time.Minute:
		return digits3(d.Seconds()) + "s"
	}
	return d.Round(time.Second).String()
}

func digits3(f float64) string {
	switch {
	case f < 10:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 100:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}

func percent(share float64) string {
	return strconv.FormatFloat(share*100, 'g', 3, 64) + " %"
}

// WriteJSON writes the summary as JSON.
func (s *Summary) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(s)
}

// WriteText writes the summary for people.
func (s *Summary) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%s: %s, %s, to %s\n", s.Mode, s.Rate, s.Arrivals, s.Server)
	fmt.Fprintf(w, "measured %s after %s of warm-up; seed %d\n\n", s.run.Measured.Round(time.Second/10), s.run.WarmUp, s.Seed)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\tcount\tper second\t\n")
	row := func(name string, n int64) { fmt.Fprintf(t, "%s\t%d\t%.1f\t\n", name, n, s.perSecond(n)) }
	row("due", s.Scheduled)
	row("sent", s.Sent)
	fmt.Fprintf(t, "answered\t%d\t%.1f\t\n", s.Answered, s.AnsweredRate)
	row("errors", s.Failed)
	for _, code := range errorsByNumber(s.Errors) {
		row(code, s.Errors[code])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := s.writeTimes(w); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nin flight at most: %d (limit %d)\n", s.MostInFlight, s.InFlight)
	if o := s.Outcomes; o != nil {
		fmt.Fprintf(w, "images: %d accepted, %d answered, %d failed, %d had an outcome before, %d without one yet\n", o.Accepted, o.Answered, o.Failed, o.Before, o.Missing)
	}
	for _, n := range s.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	for _, f := range s.Failures {
		fmt.Fprintf(w, "LIMIT EXCEEDED: %s\n", f)
	}
	return nil
}

// timeRows are the rows of the table of times.
func (s *Summary) timeRows() []timeRow {
	r := s.result
	rows := []timeRow{{"latency", r.Latency.Percentiles}}
	if len(r.Kinds) > 1 {
		for _, k := range r.Kinds {
			rows = append(rows, timeRow{"latency of " + k.Name, k.Latency})
		}
	}
	if s.Outcomes != nil {
		rows = append(rows, timeRow{"post to outcome", r.OutcomeTime.Percentiles})
	}
	return append(rows, timeRow{"late start", r.Late})
}

type timeRow struct {
	name  string
	times measure.Percentiles
}

// cells returns the percentiles as text.
func (r timeRow) cells() []string {
	p := r.times
	if p.Count == 0 {
		return []string{"–", "–", "–", "–", "–"}
	}
	return []string{duration(p.P50), duration(p.P90), duration(p.P99), duration(p.P999), duration(p.Max)}
}

func (s *Summary) writeTimes(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\tp50\tp90\tp99\tp99.9\tmax\t\n")
	for _, r := range s.timeRows() {
		fmt.Fprintf(t, "%s\t%s\t\n", r.name, strings.Join(r.cells(), "\t"))
	}
	return t.Flush()
}
