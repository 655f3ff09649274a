package processor

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/breaker"
)

type metrics struct {
	outcomes   *prometheus.CounterVec
	faces      *prometheus.CounterVec
	seconds    prometheus.Histogram
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
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rollcall_recognizer_call_seconds", Help: "Time of calls to the recognizer.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
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
	reg.MustRegister(m.outcomes, m.faces, m.seconds, m.stale, m.rescans, m.handedBack, m.changes, m.panics,
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
