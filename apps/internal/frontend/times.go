package frontend

import (
	"strconv"
	"strings"
	"time"
)

// ago describes how long ago t was.
func (l *language) ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return l.words("ago.never")
	case d < 5*time.Second: // also times in the future by another machine's clock
		return l.words("ago.now")
	case d < time.Minute:
		return l.words("ago.seconds", int(d.Seconds()))
	case d < time.Hour:
		return l.words("age.minutes", int(d.Minutes()))
	case d < hoursOfDay*time.Hour:
		return l.words("age.hours", int(d.Hours()))
	case d < 2*hoursOfDay*time.Hour:
		return l.words("ago.yesterday")
	case d < 7*hoursOfDay*time.Hour:
		return l.counted("ago.days", int(d.Hours()/hoursOfDay))
	default:
		return l.date(t)
	}
}

// date writes the day of a time in UTC.
func (l *language) date(t time.Time) string {
	t = t.UTC()
	return l.words("date", t.Day(), l.words("month."+strings.ToLower(t.Month().String())), t.Year())
}

// took writes a duration.
func (l *language) took(d time.Duration) string {
	const long = 10 * time.Second
	switch {
	case d < time.Second:
		return l.words("took.millis", d.Milliseconds())
	case d < long:
		return l.words("took.seconds", strconv.FormatFloat(d.Seconds(), 'f', 1, 64))
	}
	d = d.Round(time.Second)
	switch whole := int(d.Minutes()); {
	case d < time.Minute:
		return l.words("took.seconds", strconv.FormatFloat(d.Seconds(), 'f', 0, 64))
	case d < time.Hour:
		return l.words("took.minutes", whole, int(d.Seconds())-60*whole)
	default:
		return l.words("took.hours", whole/60, whole%60)
	}
}

// moment is a time in the forms that a page shows.
type moment struct {
	Ago     string // like "5 min ago"
	Exact   string // in UTC, as ISO 8601 has it; "" for no time
	Machine string // RFC 3339, for <time>
}

func (s *Server) moment(t time.Time) moment {
	m := moment{Ago: s.ago(s.opts.Now(), t)}
	if !t.IsZero() {
		m.Exact = t.UTC().Format("2006-01-02 15:04:05 UTC")
		m.Machine = t.UTC().Format(time.RFC3339)
	}
	return m
}
