package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/load/internal/measure"
)

// Screen shows a run while it is under way: a line each time, or one screen that is
// refreshed.
type Screen struct {
	W       io.Writer
	Refresh bool          // W is a terminal
	Title   string        // the first line of a refreshed screen
	WarmUp  time.Duration // then the counting begins
	End     time.Duration // of the sending
	Follows bool          // outcomes are seen

	drawn int // lines on the terminal
}

// Show shows the state at a time since the beginning, and what happened since it was
// shown before.
func (s *Screen) Show(at, since time.Duration, l measure.Live) {
	if s.Refresh {
		s.draw(s.lines(at, since, l))
		return
	}
	fmt.Fprintln(s.W, s.line(at, since, l))
}

// phase says what happens at a time.
func (s *Screen) phase(at time.Duration) string {
	switch {
	case at < s.WarmUp:
		return "warm-up"
	case at >= s.End:
		return "waiting"
	}
	return "measuring"
}

func (s *Screen) line(at, since time.Duration, l measure.Live) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%3ds %-9s sent %.0f/s answered %.0f/s errors %d in flight %d", int(at.Seconds()), s.phase(at-since/2),
		rate(l.Sent, since), rate(l.Answered, since), l.Failed, l.InFlight)
	fmt.Fprintf(&b, " | p50 %s p90 %s p99 %s p99.9 %s max %s", times(l.Latency)...)
	if s.Follows {
		fmt.Fprintf(&b, " | outcomes %.0f/s waiting %d", rate(l.Outcomes, since), l.Waiting)
	}
	return b.String()
}

func rate(n int64, since time.Duration) float64 {
	return float64(n) / max(since.Seconds(), 1e-3)
}

func times(p measure.Percentiles) []any {
	if p.Count == 0 {
		return []any{"–", "–", "–", "–", "–"}
	}
	return []any{duration(p.P50), duration(p.P90), duration(p.P99), duration(p.P999), duration(p.Max)}
}

func (s *Screen) lines(at, since time.Duration, l measure.Live) []string {
	list := []string{
		s.Title,
		fmt.Sprintf("%s of %s  %s", at.Truncate(time.Second), s.End, s.phase(at-since/2)),
		"",
		fmt.Sprintf("sent %8.0f/s   answered %8.0f/s   in flight %d", rate(l.Sent, since), rate(l.Answered, since), l.InFlight),
		"",
		fmt.Sprintf("%-16s %8s %8s %8s %8s %8s", "", "p50", "p90", "p99", "p99.9", "max"),
		fmt.Sprintf("%-16s %8s %8s %8s %8s %8s", append([]any{"last second"}, times(l.Latency)...)...),
		fmt.Sprintf("%-16s %8s %8s %8s %8s %8s", append([]any{"since warm-up"}, times(l.All)...)...),
	}
	if s.Follows {
		list = append(list,
			fmt.Sprintf("%-16s %8s %8s %8s %8s %8s", append([]any{"post to outcome"}, times(l.OutcomeTime)...)...),
			"", fmt.Sprintf("outcomes %6.0f/s   images without one %d", rate(l.Outcomes, since), l.Waiting))
	}
	list = append(list, "", fmt.Sprintf("errors since warm-up: %s", errorsText(l)))
	return list
}

// errorsText lists the most frequent errors.
func errorsText(l measure.Live) string {
	const most = 6
	var words []string
	for i, code := range errorsByNumber(l.Errors) {
		if i == most {
			words = append(words, "…")
			break
		}
		words = append(words, fmt.Sprintf("%s %d", code, l.Errors[code]))
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// columns is how wide a terminal is at least.
const columns = 79

// draw replaces the lines of the last time.
func (s *Screen) draw(lines []string) {
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	for _, l := range lines {
		if text := []rune(l); len(text) > columns {
			l = string(text[:columns]) // a line that wraps would be two
		}
		b.WriteString("\r\x1b[K" + l + "\n")
	}
	b.WriteString("\x1b[J")
	s.drawn = len(lines)
	_, _ = io.WriteString(s.W, b.String())
}
