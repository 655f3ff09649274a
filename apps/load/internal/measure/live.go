package measure

import (
	"maps"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// live is what happened since the last call of Live. waiting is a number of now.
type live struct {
	sent, answered, failed, outcomes int64
	waiting                          int64
	latency                          *hdrhistogram.Histogram
}

// Live is what is shown while requests run. It has the warm-up, too.
type Live struct {
	Sent, Answered, Failed, Outcomes int64       // since the last call
	Latency                          Percentiles // of what ended since the last call
	InFlight                         int
	Waiting                          int64 // images without an outcome
	// Since the end of the warm-up:
	Scheduled   int64
	Errors      map[string]int64
	All         Percentiles
	OutcomeTime Percentiles
}

// Live returns what happened since the last call.
func (r *Recorder) Live() Live {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := Live{
		Sent: r.live.sent, Answered: r.live.answered, Failed: r.live.failed, Outcomes: r.live.outcomes,
		Latency: percentiles(r.live.latency), InFlight: r.inFlight, Waiting: r.live.waiting,
		Scheduled: r.sum.scheduled, Errors: maps.Clone(r.errors), All: percentiles(r.latency), OutcomeTime: percentiles(r.outcomes.took),
	}
	r.live.latency.Reset()
	r.live = live{waiting: r.live.waiting, latency: r.live.latency}
	return l
}
