package processor

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/breaker"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/series"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/stages"
)

type metrics struct {
	outcomes   *prometheus.CounterVec
	faces      *prometheus.CounterVec
	stages     stages.Seconds
	distance   prometheus.Histogram
	attempts   *prometheus.CounterVec
	takeovers  prometheus.Counter
	stale      prometheus.Counter
	rescans    *prometheus.CounterVec
	handedBack *prometheus.CounterVec
	changes    *prometheus.CounterVec
	panics     *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, p *Processor) *metrics {
	m := &metrics{
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_outcomes_total", Help: "Outcomes recorded, by reason.",
		}, []string{"reason"}),
		faces: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_faces_decided_total", Help: "Faces of recorded outcomes, by their own reason.",
		}, []string{"reason"}),
		stages: stages.New(reg, stages.Claim, stages.Call, stages.Decide, stages.Store),
		distance: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rollcall_match_distance", Help: "Distance of each decided face to the nearest person, of those that have one.",
			Buckets: prometheus.LinearBuckets(0.1, 0.1, 15), // model sets have thresholds between 0.5 and 1.1
		}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_attempts_total", Help: "Attempts that ended, by result: answered, picture (it can never work), service (one was in the way).",
		}, []string{"result"}),
		takeovers: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_lease_takeovers_total", Help: "Images taken over because the lease of another processor had expired.",
		}),
		stale: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_stale_outcomes_total", Help: "Outcomes dropped because the lease had gone to somebody else.",
		}),
		rescans: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_rescanned_images_total", Help: "Answered images looked at again, by result: answered, unchanged or failed.",
		}, []string{"result"}),
		handedBack: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_handed_back_total", Help: "Images handed back to the queue, by why.",
		}, []string{"why"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_breaker_changes_total", Help: "Changes of the circuit's state.",
		}, []string{"state"}),
		panics: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_panics_total", Help: "Panics that one piece of work ended with, by what was being done.",
		}, []string{"where"}),
	}
	length := func(name string, f func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rollcall_worklist_length", Help: "Images on a work list.",
			ConstLabels: prometheus.Labels{"list": name},
		}, func() float64 { return float64(f()) })
	}
	m.startAtZero()
	reg.MustRegister(m.outcomes, m.faces, m.distance, m.attempts, m.takeovers, m.stale, m.rescans, m.handedBack, m.changes, m.panics,
		length("received", p.received.Len), length("claimed", p.claimed.Len), length("answered", p.answered.Len),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rollcall_breaker_open", Help: "1 while no call goes to the recognizer.",
		}, func() float64 {
			if p.breaker.State() == breaker.Open {
				return 1
			}
			return 0
		}))
	return m
}

// startAtZero makes the series of what can happen.
func (m *metrics) startAtZero() {
	for _, r := range faces.ReasonsWhere(func(r faces.Reason) bool { return r != faces.Queued }) {
		m.outcomes.WithLabelValues(string(r))
	}
	for _, r := range faces.FaceReasons() {
		m.faces.WithLabelValues(string(r))
	}
	series.AtZero(m.attempts, attemptAnswered, attemptPicture, attemptService)
	series.AtZero(m.rescans, "answered", "unchanged", "failed")
	series.AtZero(m.handedBack, "stopping", "circuit open", "twice at once", "database away", "other model set", "too many retries",
		"recognizer not reached", "failed attempt", "not written")
	series.AtZero(m.changes, breaker.Open.String(), breaker.Closed.String())
	series.AtZero(m.panics, "claim", "recognize", "ping", "renew", "decide", doRecord, doHandBack, doNoteModel)
}

// Results of an attempt.
const (
	attemptAnswered = "answered"
	attemptPicture  = "picture"
	attemptService  = "service"
)

// attempt counts an attempt that ended with err.
func (m *metrics) attempt(err error) {
	result := attemptAnswered
	switch {
	case err != nil && isServiceFault(err):
		result = attemptService
	case err != nil:
		result = attemptPicture
	}
	m.attempts.WithLabelValues(result).Inc()
}
