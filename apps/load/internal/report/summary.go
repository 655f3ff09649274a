// Package report shows what was measured: live, as text, as JSON, and as a folder with
// plots.
package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/load/internal/measure"
)

// Run says what was run.
type Run struct {
	Started     time.Time
	Server      string
	Mode        string
	Requests    string // of which kinds
	Rate        string
	Arrivals    string
	Seed        uint64
	WarmUp      time.Duration
	Length      time.Duration // planned, without the warm-up
	Measured    time.Duration // without the warm-up; shorter than Length if it was interrupted
	Interrupted bool
	InFlight    int // the limit
	Timeout     time.Duration
	Waited      time.Duration // for outcomes, at the end
	Follows     bool          // outcomes
	Notes       []string
	Program     string // name and version
	// RateAt returns the rate that was asked for at a time after the warm-up.
	RateAt func(time.Duration) float64
}

// Limits are what must hold. 0 and nil are no limit.
type Limits struct {
	P99    time.Duration
	Errors *float64 // a share: 0.001 is 0.1 %
}

// Times are percentiles in milliseconds.
type Times struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p99_9_ms"`
	Max   float64 `json:"max_ms"`
	Mean  float64 `json:"mean_ms"`
}

func timesOf(p measure.Percentiles) Times {
	return Times{p.Count, ms(p.P50), ms(p.P90), ms(p.P99), ms(p.P999), ms(p.Max), ms(p.Mean)}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Kind is a kind of requests.
type Kind struct {
	Name      string `json:"name"`
	Scheduled int64  `json:"scheduled"`
	Sent      int64  `json:"sent"`
	Answered  int64  `json:"answered"`
	Failed    int64  `json:"failed"`
	Latency   Times  `json:"latency"`
}

// Outcomes is what became of the images.
type Outcomes struct {
	Accepted int64 `json:"accepted"`
	Before   int64 `json:"answered_before"`
	Answered int64 `json:"answered"`
	Failed   int64 `json:"failed"`
	Missing  int64 `json:"missing"`
	Time     Times `json:"time"`
}

// Second is a part of the run.
type Second struct {
	From      float64 `json:"from_s"`
	Scheduled int64   `json:"scheduled"`
	Sent      int64   `json:"sent"`
	Answered  int64   `json:"answered"`
	Failed    int64   `json:"failed"`
	Latency   Times   `json:"latency"`
	Outcome   *Times  `json:"outcome,omitempty"`
}

// Summary is the result of a run. Its JSON is a contract for scripts.
type Summary struct {
	Program      string           `json:"program"`
	Started      time.Time        `json:"started_at"`
	Server       string           `json:"server"`
	Mode         string           `json:"mode"`
	Requests     string           `json:"requests"`
	Rate         string           `json:"rate"`
	Arrivals     string           `json:"arrivals"`
	Seed         uint64           `json:"seed"`
	WarmUp       float64          `json:"warm_up_s"`
	Seconds      float64          `json:"measured_s"`
	Planned      float64          `json:"planned_s"`
	Interrupted  bool             `json:"interrupted"`
	Scheduled    int64            `json:"scheduled"`
	Sent         int64            `json:"sent"`
	Answered     int64            `json:"answered"`
	Failed       int64            `json:"failed"`
	CutOff       int64            `json:"cut_off"`
	ErrorShare   float64          `json:"error_share"`
	Errors       map[string]int64 `json:"errors"`
	SentRate     float64          `json:"sent_per_s"`
	AnsweredRate float64          `json:"answered_per_s"`
	Latency      Times            `json:"latency"`
	LateStart    Times            `json:"late_start"`
	LateStarts   int64            `json:"late_starts"`
	MostInFlight int              `json:"most_in_flight"`
	InFlight     int              `json:"in_flight_limit"`
	Timeout      float64          `json:"timeout_s"`
	Kinds        []Kind           `json:"kinds"`
	Outcomes     *Outcomes        `json:"outcomes"`
	Notes        []string         `json:"notes"`
	Failures     []string         `json:"limits_exceeded"`
	WindowLength float64          `json:"window_s"`
	Windows      []Second         `json:"windows"`

	result measure.Result
	run    Run
	limits Limits
}

// Summarize returns the summary of a run.
func Summarize(run Run, r measure.Result, limits Limits) *Summary {
	s := &Summary{
		Program: run.Program, Started: run.Started.UTC(), Server: run.Server, Mode: run.Mode, Requests: run.Requests,
		Rate: run.Rate, Arrivals: run.Arrivals, Seed: run.Seed,
		WarmUp: run.WarmUp.Seconds(), Seconds: round(run.Measured.Seconds()), Planned: run.Length.Seconds(), Interrupted: run.Interrupted,
		Scheduled: r.Scheduled, Sent: r.Sent, Answered: r.Answered, Failed: r.Failed, CutOff: r.CutOff, Errors: r.Errors,
		Latency: timesOf(r.Latency.Percentiles), LateStart: timesOf(r.Late), LateStarts: r.LateStarts,
		MostInFlight: r.MostInFlight, InFlight: run.InFlight, Timeout: run.Timeout.Seconds(),
		Notes: append([]string{}, run.Notes...), Failures: []string{}, WindowLength: r.Window.Seconds(),
		result: r, run: run, limits: limits,
	}
	if s.Scheduled > 0 {
		s.ErrorShare = float64(s.Failed) / float64(s.Scheduled)
	}
	if t := run.Measured.Seconds(); t > 0 {
		s.SentRate, s.AnsweredRate = round(float64(s.Sent)/t), round(float64(r.InTime)/t)
	}
	for _, k := range r.Kinds {
		s.Kinds = append(s.Kinds, Kind{k.Name, k.Scheduled, k.Sent, k.Answered, k.Failed, timesOf(k.Latency)})
	}
	if o := r.Outcomes; run.Follows {
		s.Outcomes = &Outcomes{o.Accepted, o.Before, o.Answered, o.Failed, o.Missing(), timesOf(r.OutcomeTime.Percentiles)}
	}
	for _, w := range r.Windows {
		part := Second{w.From.Seconds(), w.Scheduled, w.Sent, w.Answered, w.Failed, timesOf(w.Latency), nil}
		if w.Outcome.Count > 0 {
			t := timesOf(w.Outcome)
			part.Outcome = &t
		}
		s.Windows = append(s.Windows, part)
	}
	s.note()
	s.check()
	return s
}

// round keeps two digits behind the point.
func round(f float64) float64 { return float64(int64(f*100+0.5)) / 100 }

// lateShare is how many requests may start late before the run is doubted.
const lateShare = 0.01

// note says what a reader of the numbers must know.
func (s *Summary) note() {
	add := func(format string, args ...any) { s.Notes = append(s.Notes, fmt.Sprintf(format, args...)) }
	if s.Interrupted {
		add("The run was interrupted after %s of %s.", s.run.Measured.Round(time.Second/10), s.run.Length)
	}
	if s.CutOff > 0 {
		add("%d requests had no answer when the run was interrupted. They are no errors and are in no percentile, so the slowest are missing.", s.CutOff)
	}
	if s.Scheduled == 0 {
		add("Nothing was measured: no request was due after the warm-up.")
	}
	if float64(s.LateStarts) > lateShare*float64(s.Sent) {
		add("THIS PROGRAM COULD NOT KEEP UP: %d of %d requests started more than %s late (p99 %s). The latencies have that time, too. "+
			"Use a lower rate, or a machine that is not busy.", s.LateStarts, s.Sent, measure.LateAfter, duration(s.result.Late.P99))
	}
	if n := s.unsent(); n > 0 {
		add("%d requests were not sent, because %d had no answer at that time. They count as errors. The system is slower than the rate; "+
			"-in-flight sets another limit.", n, s.InFlight)
	}
	if s.Outcomes != nil && s.Outcomes.Missing > 0 {
		add("%d images had no outcome %s after the end. They are in no percentile of the outcome times, which are longer than these say.",
			s.Outcomes.Missing, s.run.Waited.Round(time.Second/10))
	}
}

// unsent returns how many requests were over the limit in flight.
func (s *Summary) unsent() int64 { return s.Scheduled - s.Sent }

// check compares the limits.
func (s *Summary) check() {
	if limit := s.limits.P99; limit > 0 {
		switch {
		case s.Latency.Count == 0:
			s.Failures = append(s.Failures, fmt.Sprintf("no request has a latency; the p99 must be at most %s", limit))
		case s.result.Latency.P99 > limit:
			s.Failures = append(s.Failures, fmt.Sprintf("the p99 of the latency is %s; at most %s is allowed", duration(s.result.Latency.P99), limit))
		}
		if n := s.unsent(); n > 0 { // the slowest would be among them
			s.Failures = append(s.Failures, fmt.Sprintf("%d requests were not sent, so there is no p99 of all requests; it must be at most %s", n, limit))
		}
	}
	if limit := s.limits.Errors; limit != nil && (s.ErrorShare > *limit || s.Scheduled == 0) {
		s.Failures = append(s.Failures, fmt.Sprintf("%s of the requests failed; at most %s is allowed", percent(s.ErrorShare), percent(*limit)))
	}
}

// errorsByNumber returns the codes of errors, the most frequent first.
func errorsByNumber(errors map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(errors), func(a, b string) int {
		return cmp.Or(cmp.Compare(errors[b], errors[a]), cmp.Compare(a, b))
	})
}
