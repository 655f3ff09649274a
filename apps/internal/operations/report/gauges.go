package report

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
)

// Gauges shows as metrics what a processor sees around it: the queue and the recognizers.
type Gauges struct {
	depth       *prometheus.GaugeVec
	ready       prometheus.Gauge
	recognizers *prometheus.GaugeVec
}

// NewGauges returns Gauges and registers them.
func NewGauges(reg prometheus.Registerer) *Gauges {
	g := &Gauges{
		depth: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_queue_depth", Help: "Messages of the queue, by state: waiting, in_flight, deferred (handed back, to be delivered later). Absent while the queue does not answer.",
		}, []string{"state"}),
		ready: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_recognizer_ready", Help: "1 if at least one recognizer says that it is ready.",
		}),
		recognizers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_recognizers", Help: "Recognizers, by state: ready, not_ready (it does not answer, or is not ready).",
		}, []string{"state"}),
	}
	for _, state := range []string{"ready", "not_ready"} {
		g.recognizers.WithLabelValues(state)
	}
	reg.MustRegister(g.depth, g.ready, g.recognizers)
	return g
}

// Queue shows the depth of the queue, and returns it. nil means that it is not known.
func (g *Gauges) Queue(q *operations.Queue) *operations.Queue {
	if q == nil {
		g.depth.Reset() // better none than an old one
		return nil
	}
	for state, n := range map[string]int64{"waiting": q.Waiting, "in_flight": q.InFlight, "deferred": q.Deferred} {
		g.depth.WithLabelValues(state).Set(float64(n))
	}
	return q
}

// Ready asks each recognizer whether it is ready, and shows it.
func (g *Gauges) Ready(ctx context.Context, list func(context.Context) ([]*recognizerclient.Replica, error)) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	replicas, err := list(ctx)
	if err != nil {
		replicas = nil // nobody knows where they are, so no picture gets there
	}
	answers := make([]error, len(replicas))
	var all sync.WaitGroup
	for i, one := range replicas {
		all.Go(func() { answers[i] = one.Ping(ctx) })
	}
	all.Wait()
	ready := 0
	for _, err := range answers {
		if err == nil {
			ready++
		}
	}
	g.recognizers.WithLabelValues("ready").Set(float64(ready))
	g.recognizers.WithLabelValues("not_ready").Set(float64(len(replicas) - ready))
	g.ready.Set(float64(min(ready, 1)))
}

// volumeRoom shows the room of a volume.
type volumeRoom struct {
	name, folder string
	free, size   *prometheus.Desc
}

// VolumeRoom returns the metrics of the room of a folder's volume.
func VolumeRoom(name, folder string) prometheus.Collector {
	return volumeRoom{
		name: name, folder: folder,
		free: prometheus.NewDesc("rollcall_volume_free_bytes", "Free bytes of the volumes that are written to.", []string{"volume"}, nil),
		size: prometheus.NewDesc("rollcall_volume_size_bytes", "Size of the volumes that are written to.", []string{"volume"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (r volumeRoom) Describe(to chan<- *prometheus.Desc) {
	to <- r.free
	to <- r.size
}

// Collect implements prometheus.Collector.
func (r volumeRoom) Collect(to chan<- prometheus.Metric) {
	v, err := picturefiles.VolumeOf(r.folder)
	if err != nil {
		return // no value is not the same as full
	}
	to <- prometheus.MustNewConstMetric(r.free, prometheus.GaugeValue, float64(v.Free), r.name)
	to <- prometheus.MustNewConstMetric(r.size, prometheus.GaugeValue, float64(v.Size), r.name)
}
