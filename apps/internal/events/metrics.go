package events

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of a Feed.
type metrics struct {
	sequenced prometheus.Counter
	backlog   prometheus.Gauge
	late      prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, listeners func() float64) metrics {
	m := metrics{
		sequenced: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_events_total", Help: "Events that this process has numbered.",
		}),
		backlog: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_events_backlog", Help: "Events that have no number yet, so nobody reads them; counted up to 10,000.",
		}),
		late: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_events_backlog_seconds", Help: "Age of the oldest event without a number.",
		}),
	}
	reg.MustRegister(m.sequenced, m.backlog, m.late, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_event_listeners", Help: "Streams and webhooks that listen to events in this process.",
	}, listeners))
	return m
}

// observe sets how late the oldest event without a number is.
func (m metrics) observe(since time.Time) {
	if since.IsZero() {
		m.late.Set(0)
		return
	}
	m.late.Set(max(0, time.Since(since).Seconds()))
}
