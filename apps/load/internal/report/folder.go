package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The files of a report folder.
const (
	textFile         = "report.md"
	jsonFile         = "report.json"
	latencyFile      = "latency.svg"
	throughputFile   = "throughput.svg"
	distributionFile = "distribution.svg"
	outcomesFile     = "outcomes.svg"
)

// MakeFolder makes the folder of a report, before the run, so that no run is lost to a
// folder that cannot be written.
func MakeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder of the report: %w", err)
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("write into the folder of the report: %w", err)
	}
	_ = probe.Close()
	return os.Remove(probe.Name())
}

// WriteFolder writes the report into a folder. Files of an older report are replaced.
func (s *Summary) WriteFolder(dir string) error {
	var data bytes.Buffer
	if err := s.WriteJSON(&data); err != nil {
		return err
	}
	files := map[string][]byte{
		textFile: s.Markdown(), jsonFile: data.Bytes(),
		latencyFile: s.latencyPlot(), throughputFile: s.throughputPlot(), distributionFile: s.distributionPlot(),
	}
	if s.Outcomes != nil {
		files[outcomesFile] = s.outcomesPlot()
	} else if err := os.Remove(filepath.Join(dir, outcomesFile)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("write the report: %w", err) // of an older report
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	return nil
}

// Markdown returns the report's text.
func (s *Summary) Markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Load: %s, %s\n\n", s.Mode, s.Rate)
	s.verdict(&b)
	fmt.Fprintf(&b, "| what | value |\n| --- | --- |\n")
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | %s |\n", name, fmt.Sprintf(format, args...))
	}
	row("target", "%s", s.Server)
	row("started", "%s", s.Started.Format(time.RFC3339))
	row("requests", "%s", s.Requests)
	row("rate", "%s, %s arrivals, seed %d", s.Rate, s.Arrivals, s.Seed)
	row("measured", "%s, after %s of warm-up that is not counted", s.run.Measured.Round(time.Second/10), s.run.WarmUp)
	row("in flight", "at most %d; the limit was %d", s.MostInFlight, s.InFlight)
	row("time limit of a request", "%s", s.run.Timeout)
	row("program", "%s", s.Program)
	b.WriteString("\n## Requests\n\n| requests | due | sent | answered | errors |\n| --- | ---: | ---: | ---: | ---: |\n")
	fmt.Fprintf(&b, "| all | %d | %d | %d | %d (%s) |\n", s.Scheduled, s.Sent, s.Answered, s.Failed, percent(s.ErrorShare))
	fmt.Fprintf(&b, "| per second | %.1f | %.1f | %.1f | %.1f |\n", s.perSecond(s.Scheduled), s.perSecond(s.Sent), s.AnsweredRate, s.perSecond(s.Failed))
	if len(s.Kinds) > 1 {
		for _, k := range s.Kinds {
			fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", k.Name, k.Scheduled, k.Sent, k.Answered, k.Failed)
		}
	}
	if len(s.Errors) > 0 {
		b.WriteString("\n| error | requests |\n| --- | ---: |\n")
		for _, code := range errorsByNumber(s.Errors) {
			fmt.Fprintf(&b, "| `%s` | %d |\n", code, s.Errors[code])
		}
	}
	b.WriteString("\n## Times\n\n| time | p50 | p90 | p99 | p99.9 | max |\n| --- | ---: | ---: | ---: | ---: | ---: |\n")
	for _, r := range s.timeRows() {
		fmt.Fprintf(&b, "| %s | %s |\n", r.name, strings.Join(r.cells(), " | "))
	}
	b.WriteString("\n*Latency* is the time from when a request was due to the end of its answer. Requests without an answer\n" +
		"within the time limit are in it; refused ones are not. *Late start* is how late this program sent them.\n")
	s.outcomesText(&b)
	fmt.Fprintf(&b, "\n## Plots\n\n![Latency over time](%s)\n\n![Throughput over time](%s)\n\n![Distribution of the latency](%s)\n", latencyFile, throughputFile, distributionFile)
	if s.Outcomes != nil {
		fmt.Fprintf(&b, "\n![Time from post to outcome](%s)\n", outcomesFile)
	}
	return b.Bytes()
}

// verdict writes what matters most.
func (s *Summary) verdict(b *bytes.Buffer) {
	switch {
	case len(s.Failures) > 0:
		b.WriteString("**Failed.**\n\n")
	case s.limits != (Limits{}):
		b.WriteString("**Passed.**\n\n")
	}
	for _, f := range s.Failures {
		fmt.Fprintf(b, "- Limit exceeded: %s.\n", f)
	}
	for _, n := range s.Notes {
		fmt.Fprintf(b, "- %s\n", n)
	}
	if len(s.Failures)+len(s.Notes) > 0 {
		b.WriteString("\n")
	}
}

func (s *Summary) perSecond(n int64) float64 {
	if s.Seconds == 0 {
		return 0
	}
	return float64(n) / s.Seconds
}

func (s *Summary) outcomesText(b *bytes.Buffer) {
	o := s.Outcomes
	if o == nil {
		return
	}
	b.WriteString("\n## Outcomes\n\n| images | number |\n| --- | ---: |\n")
	for _, row := range []struct {
		name string
		n    int64
	}{
		{"accepted", o.Accepted}, {"had an outcome before", o.Before}, {"answered", o.Answered}, {"failed", o.Failed},
		{"without an outcome at the end", o.Missing},
	} {
		fmt.Fprintf(b, "| %s | %d |\n", row.name, row.n)
	}
	b.WriteString("\n*Post to outcome* is the time from when the post was due to when the outcome was stored.\n")
}
