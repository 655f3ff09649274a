package recognizer

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/gallery"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/series"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/stages"
)

type metrics struct {
	known    prometheus.Gauge
	problems prometheus.Gauge
	kinds    *prometheus.GaugeVec

	version prometheus.Gauge
	changed prometheus.Gauge
	reloads prometheus.Histogram

	free         *prometheus.GaugeVec
	size         *prometheus.GaugeVec
	callMemory   prometheus.Gauge
	callsRefused *prometheus.CounterVec
	pictures     *prometheus.CounterVec
	faces        prometheus.Counter
	stages       stages.Seconds
	calls        *prometheus.HistogramVec
	renders      *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer, model faces.Model) *metrics {
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
		version: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_gallery_version", Help: "A number that is the same where the known pictures and the model set are the same; 0 before they are read.",
		}),
		changed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_gallery_changed_timestamp_seconds", Help: "When this recognizer last took over a change of the known pictures.",
		}),
		reloads: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rollcall_gallery_reload_seconds", Help: "Time of reading a change of the known pictures.",
			Buckets: prometheus.ExponentialBuckets(0.01, 3, 12), // to half an hour
		}),
		free: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_volume_free_bytes", Help: "Free bytes of the volumes that are written to.",
		}, []string{"volume"}),
		size: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_volume_size_bytes", Help: "Size of the volumes that are written to.",
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
		stages: stages.New(reg, stages.Wait, stages.Read, stages.Decode, stages.Find, stages.Describe, stages.Match),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_grpc_request_seconds", Help: "Time of gRPC calls that this recognizer answered, but for watches.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12), // to 24 s
		}, []string{"method", "code"}),
		renders: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_render_seconds", Help: "Time of rendering a picture for people to look at, by result.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"result"}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rollcall_model_set_info", Help: "1, with the model set in use.", ConstLabels: prometheus.Labels{"model": model.ID},
	})
	info.Set(1)
	m.startAtZero()
	reg.MustRegister(m.known, m.problems, m.kinds, m.version, m.changed, m.reloads, m.free, m.size, m.callMemory, m.callsRefused, m.pictures, m.faces, m.calls, m.renders, info)
	return m
}

// startAtZero makes the series of what can happen.
func (m *metrics) startAtZero() {
	series.AtZero(m.callsRefused, "too many calls", "large answer", "slow message")
	series.AtZero(m.pictures, result(nil), resultGivenUp)
	for _, r := range faces.Reasons() {
		if r.Permanent() || r.Transient() {
			m.pictures.WithLabelValues(string(r))
		}
	}
	m.renders.WithLabelValues(result(nil))
}

// gallery shows the state of the known pictures.
func (m *metrics) gallery(g *gallery.Gallery, took time.Duration) {
	m.version.Set(versionNumber(g.Version()))
	m.changed.SetToCurrentTime()
	m.reloads.Observe(took.Seconds())
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
	for stage, took := range map[stages.Stage]time.Duration{
		stages.Wait: t.Wait, stages.Read: t.Read, stages.Decode: t.Decode, stages.Find: t.Detect, stages.Describe: t.Describe, stages.Match: t.Match,
	} {
		if took > 0 { // a stage that the picture did not come to says nothing
			m.stages.Observe(stage, took)
		}
	}
}

// versionNumber returns a number for a version of the known pictures. A number, unlike a
// label, makes no new series with each change.
func versionNumber(version string) float64 {
	sum := sha256.Sum256([]byte(version))
	return float64(binary.BigEndian.Uint64(sum[:8]) >> 16) // all of it fits into a float
}
