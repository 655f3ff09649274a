package grouping

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// Options configures a Runner.
type Options struct {
	Off               bool          // delete the groups, and make none
	Threshold, Margin float64       // 0 means the model set's own
	Poll              time.Duration // time between two rounds
	// Takeover is how long the lease must have been held. It must be longer than any
	// call by which the holder before could still change a recognizer's index.
	Takeover time.Duration
	// Settle must be longer than any transaction. All faces older than this are
	// committed and visible.
	Settle time.Duration
	// Page is how many faces or events are read at a time. A page of all faces is
	// compared with the groups every Compare.
	Page    int
	Compare time.Duration
	// A checkpoint is stored when CheckpointFaces have changed since the last one, or
	// any have and Checkpoint is over.
	Checkpoint      time.Duration
	CheckpointFaces int
	Report          time.Duration // time between two reports of a long run
	Ask             time.Duration // limit of asking a recognizer for its state
}

// Defaults returns the options that suit all deployments. A checkpoint of 1,000,000 faces
// takes 10 MB, which the database also writes to its log.
func Defaults() Options {
	return Options{
		Poll: 2 * time.Second, Takeover: 6 * time.Second, Settle: 2 * time.Minute, Page: 5000, Compare: 10 * time.Second,
		Checkpoint: 15 * time.Minute, CheckpointFaces: 1 << 16, Report: 5 * time.Second, Ask: 5 * time.Second,
	}
}

// ReadOptions reads the settings for users. Threshold and margin come from the
// processor's settings.
func ReadOptions(r *config.Reader) Options {
	o := Defaults()
	o.Off = r.OneOf("ROLLCALL_GROUPS", "on", "on puts faces that nobody knows into groups of one person each; off deletes the groups", "on", "off") == "off"
	return o
}

type metrics struct {
	states  *prometheus.GaugeVec
	faces   prometheus.Gauge
	groups  prometheus.Gauge
	placed  prometheus.Counter
	seconds prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &metrics{
		states: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_grouping_state",
			Help: "1 for the state of the groups of unknown faces: building, ready, waiting. Only the processor that groups faces has it.",
		}, []string{"state"}),
		faces:  gauge("rollcall_grouping_faces", "Unknown faces that have been compared with all others."),
		groups: gauge("rollcall_grouping_groups", "Groups of unknown faces."),
		placed: prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_grouping_moved_faces_total", Help: "Unknown faces whose group changed."}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rollcall_grouping_seconds", Help: "Time of bringing the groups of unknown faces up to date, when faces changed.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2.5, 14),
		}),
	}
	reg.MustRegister(m.states, m.faces, m.groups, m.placed, m.seconds)
	return m
}

// reset is for a program that does not group.
func (m *metrics) reset() {
	m.states.Reset()
	m.faces.Set(0)
	m.groups.Set(0)
}

func (m *metrics) show(p groups.Progress) {
	for _, s := range groups.States() {
		value := 0.0
		if s == p.State {
			value = 1
		}
		m.states.WithLabelValues(string(s)).Set(value)
	}
	m.faces.Set(float64(p.Faces))
	m.groups.Set(float64(p.Groups))
}
