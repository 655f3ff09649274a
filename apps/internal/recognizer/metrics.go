package recognizer

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/gallery"
)

type metrics struct {
	known    prometheus.Gauge
	problems prometheus.Gauge
	kinds    *prometheus.GaugeVec

	free         *prometheus.GaugeVec
	callMemory   prometheus.Gauge
	callsRefused *prometheus.CounterVec
	pictures     *prometheus.CounterVec
	faces        prometheus.Counter
	seconds      *prometheus.HistogramVec
	renders      *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		known: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_known_pictures", Help: "Known pictures that can be matched.",
		}),
		problems: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_known_picture_problems", Help: "Known pictures that cannot be matched.",
		}),
		kinds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_known_picture_problems_by_kind", Help: "Known pictures that cannot be matched, by the kind of their problem.",
		}, []string{"kind"}),
		free: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_volume_free_bytes", Help: "Free bytes of the volumes that are written to.",
		}, []string{"volume"}),
		callMemory: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_call_memory_bytes", Help: "Memory set aside for the messages of calls in flight, in bytes.",
		}),
		callsRefused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_calls_refused_total", Help: "Calls refused because of a budget, by cause.",
		}, []string{"cause"}),
		pictures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_pictures_total", Help: "Pictures looked at, by result.",
		}, []string{"result"}),
		faces: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_faces_total", Help: "Faces found.",
		}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_picture_seconds", Help: "Time of a picture's steps.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}, []string{"step"}),
		renders: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_render_seconds", Help: "Time of rendering a picture for people to look at, by result.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"result"}),
	}
	reg.MustRegister(m.known, m.problems, m.kinds, m.free, m.callMemory, m.callsRefused, m.pictures, m.faces, m.seconds, m.renders)
	return m
}

// gallery shows the state of the known pictures.
func (m *metrics) gallery(g *gallery.Gallery) {
	m.known.Set(float64(g.Index().Pictures()))
	kinds, all := g.ProblemKinds(), 0
	m.kinds.Reset()
	for kind, n := range kinds {
		m.kinds.WithLabelValues(kind).Set(float64(n))
		all += n
	}
	m.problems.Set(float64(all))
}

func (m *metrics) observe(result string, found int, t Timings) {
	m.pictures.WithLabelValues(result).Inc()
	m.faces.Add(float64(found))
	for step, d := range map[string]time.Duration{
		"wait": t.Wait, "read": t.Read, "decode": t.Decode, "detect": t.Detect, "describe": t.Describe, "match": t.Match,
	} {
		m.seconds.WithLabelValues(step).Observe(d.Seconds())
	}
}
