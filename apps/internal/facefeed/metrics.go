package facefeed

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	recognizers *prometheus.GaugeVec
	sent        prometheus.Counter
	repaired    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		recognizers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_face_index_recognizers",
			Help: "Recognizers by the state of their index of stored faces: filling, complete, full, off, old, unreachable. Only the processor that fills the indexes has it.",
		}, []string{"state"}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_face_index_sent_faces_total", Help: "Stored faces sent to recognizers for their indexes.",
		}),
		repaired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_face_index_repaired_ranges_total", Help: "Ranges of stored faces in which an index differed from the database.",
		}),
	}
	reg.MustRegister(m.recognizers, m.sent, m.repaired)
	return m
}

func (m *metrics) show(states map[string]int) {
	m.recognizers.Reset()
	for state, n := range states {
		m.recognizers.WithLabelValues(state).Set(float64(n))
	}
}
