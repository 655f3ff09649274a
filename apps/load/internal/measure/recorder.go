// Package measure counts requests and their times while they run.
package measure

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Codes of errors that are not answers.
const (
	CodeTimeout    = "timeout"         // no answer within the time limit
	CodeOverflow   = "in_flight_limit" // not sent: too many requests had no answer yet
	CodeConnection = "connection"      // no whole answer arrived
	CodeOther      = "other"           // one of more codes than are kept
)

// maxCodes bounds the number of different codes that are kept.
const maxCodes = 40

// LateAfter is from when on a request that starts late counts as a late start: then the
// program that measures was too slow, not the system.
const LateAfter = 10 * time.Millisecond

// Options configures a Recorder.
type Options struct {
	WarmUp time.Duration // at the beginning, not counted
	Length time.Duration // after the warm-up
}

// Recorder counts. Its times "at" are those when requests were due, since the beginning
// of the run. What was due in the warm-up is not counted. It is safe for concurrent use.
type Recorder struct {
	opts   Options
	window time.Duration

	mu       sync.Mutex // guards the fields below
	sum      counts
	inTime   int64 // answers
	errors   map[string]int64
	cutOff   int64
	inFlight int
	most     int // in flight
	latency  *hdrhistogram.Histogram
	late     *hdrhistogram.Histogram
	lateOnes int64
	kinds    map[string]*kind
	outcomes outcomes
	windows  []*window
	live     live
}

// counts are numbers of requests.
type counts struct{ scheduled, sent, answered, failed int64 }

type kind struct {
	counts
	latency *hdrhistogram.Histogram
}

type outcomes struct {
	Outcomes
	took *hdrhistogram.Histogram
}

type window struct {
	counts
	latency, outcome *hdrhistogram.Histogram // nil while they are empty
}

// windowsWanted is about how many windows a run has.
const windowsWanted = 120

// New returns a Recorder.
func New(o Options) *Recorder {
	return &Recorder{
		opts: o, window: max(time.Second, (o.Length / windowsWanted).Round(time.Second)),
		errors: map[string]int64{}, kinds: map[string]*kind{},
		latency: newHistogram(digits), late: newHistogram(digits),
		outcomes: outcomes{took: newHistogram(digits)},
		live:     live{latency: newHistogram(digits)},
	}
}

// Overflow records a request that was due and not sent, because too many had no answer.
func (r *Recorder) Overflow(name string, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live.failed++
	if !r.counts(at) {
		return
	}
	for _, c := range r.of(name, at) {
		c.scheduled++
		c.failed++
	}
	r.fail(CodeOverflow)
}

// Start records that a request is sent, late by a time after it was due.
func (r *Recorder) Start(name string, at, late time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live.sent++
	r.inFlight++
	if !r.counts(at) {
		return
	}
	r.most = max(r.most, r.inFlight)
	for _, c := range r.of(name, at) {
		c.scheduled++
		c.sent++
	}
	record(r.late, late)
	if late > LateAfter {
		r.lateOnes++
	}
}

// End records the end of a request: its time since it was due, and the code of its error,
// which is empty for an answer.
func (r *Recorder) End(name string, at, took time.Duration, code string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight--
	if code == "" {
		r.live.answered++
	} else {
		r.live.failed++
	}
	// A refusal is quick, and would make the system look quick. One that waited in vain
	// has waited.
	timed := code == "" || code == CodeTimeout
	if timed {
		record(r.live.latency, took)
	}
	if code == "" {
		r.answered(at + took)
	}
	if !r.counts(at) {
		return
	}
	all := r.of(name, at)
	if code == "" {
		for _, c := range all[:2] { // the whole run and the kind
			c.answered++
		}
	} else {
		for _, c := range all {
			c.failed++
		}
		r.fail(code)
	}
	if timed {
		record(r.latency, took)
		record(r.kind(name).latency, took)
		recordIn(&r.at(at).latency, took)
	}
}

// answered counts an answer by when it came, whenever its request was due: so many the
// system can do in this time.
func (r *Recorder) answered(came time.Duration) {
	if !r.counts(came) {
		return
	}
	r.at(came).answered++
	if came < r.opts.WarmUp+r.opts.Length {
		r.inTime++
	}
}

// Stop records that the sending ended at a time, if that was earlier than planned.
func (r *Recorder) Stop(at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opts.Length = min(r.opts.Length, max(0, at-r.opts.WarmUp))
}

// CutOff records that a request was given up because the run ended.
func (r *Recorder) CutOff(at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight--
	if r.counts(at) {
		r.cutOff++
	}
}

// Accept records images that will have an outcome. answered of them have one already.
func (r *Recorder) Accept(at time.Duration, images, answered int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live.waiting += int64(images - answered)
	if r.counts(at) {
		r.outcomes.Accepted += int64(images)
		r.outcomes.Before += int64(answered)
	}
}

// Outcome records the outcome of an image: the time since its post was due, and whether it
// failed.
func (r *Recorder) Outcome(at, took time.Duration, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live.waiting--
	r.live.outcomes++
	if !r.counts(at) {
		return
	}
	if failed {
		r.outcomes.Failed++
	} else {
		r.outcomes.Answered++
	}
	record(r.outcomes.took, took)
	recordIn(&r.at(at).outcome, took)
}

func (r *Recorder) counts(at time.Duration) bool { return at >= r.opts.WarmUp }

// of returns the counters of a request: of the whole run, of its kind, and of the time
// when it was due.
func (r *Recorder) of(name string, at time.Duration) []*counts {
	return []*counts{&r.sum, &r.kind(name).counts, &r.at(at).counts}
}

func (r *Recorder) kind(name string) *kind {
	k := r.kinds[name]
	if k == nil {
		k = &kind{latency: newHistogram(digits)}
		r.kinds[name] = k
	}
	return k
}

// at returns the window of a time.
func (r *Recorder) at(at time.Duration) *window {
	n := int(max(0, at-r.opts.WarmUp) / r.window)
	for len(r.windows) <= n {
		r.windows = append(r.windows, &window{})
	}
	return r.windows[n]
}

func (r *Recorder) fail(code string) {
	if _, there := r.errors[code]; !there && len(r.errors) >= maxCodes {
		code = CodeOther
	}
	r.errors[code]++
}

// Kind is what became of one kind of requests.
type Kind struct {
	Name                              string
	Scheduled, Sent, Answered, Failed int64
	Latency                           Percentiles
}

// Window is a part of the run.
type Window struct {
	From                    time.Duration // since the end of the warm-up
	Scheduled, Sent, Failed int64         // of the requests that were due in it
	Answered                int64         // in this time, whenever they were due
	Latency, Outcome        Percentiles   // of what was due in it
}

// Outcomes is what became of the images.
type Outcomes struct {
	Accepted         int64 // by the answers to posts
	Before           int64 // had an outcome when they were posted
	Answered, Failed int64
}

// Missing returns how many images have no outcome yet.
func (o Outcomes) Missing() int64 { return o.Accepted - o.Before - o.Answered - o.Failed }

// Result is everything that was measured.
type Result struct {
	Scheduled, Sent, Answered int64
	InTime                    int64 // answers that came while requests were sent, of those due in the warm-up too
	Failed                    int64 // of those scheduled, also the ones that were not sent
	CutOff                    int64
	Errors                    map[string]int64
	MostInFlight              int
	Latency                   Distribution
	Late                      Percentiles
	LateStarts                int64 // later than LateAfter
	Kinds                     []Kind
	Outcomes                  Outcomes
	OutcomeTime               Distribution
	Window                    time.Duration
	Windows                   []Window
}

// Result returns what was measured until now.
func (r *Recorder) Result() Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := Result{
		Scheduled: r.sum.scheduled, Sent: r.sum.sent, Answered: r.sum.answered, InTime: r.inTime, Failed: r.sum.failed, CutOff: r.cutOff,
		Errors: maps.Clone(r.errors), MostInFlight: r.most,
		Latency: distribution(r.latency), Late: percentiles(r.late), LateStarts: r.lateOnes,
		Outcomes: r.outcomes.Outcomes, OutcomeTime: distribution(r.outcomes.took), Window: r.window,
	}
	for name, k := range r.kinds {
		out.Kinds = append(out.Kinds, Kind{name, k.scheduled, k.sent, k.answered, k.failed, percentiles(k.latency)})
	}
	slices.SortFunc(out.Kinds, func(a, b Kind) int { return cmp.Compare(a.Name, b.Name) })
	for i, w := range r.windows {
		out.Windows = append(out.Windows, Window{
			From: time.Duration(i) * r.window, Scheduled: w.scheduled, Sent: w.sent, Failed: w.failed, Answered: w.answered,
			Latency: percentiles(w.latency), Outcome: percentiles(w.outcome),
		})
	}
	return out
}
