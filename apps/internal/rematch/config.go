package rematch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// Modes of a Rematcher: what it does by itself when the known people change.
const (
	ModeAuto = "auto" // the answers follow
	ModeAsk  = "ask"  // a preview is made, and waits for somebody to apply it
	ModeOff  = "off"  // nothing; what is asked for through the API is done
)

// Options tune a Rematcher.
type Options struct {
	Mode              string
	Delay             time.Duration // for which the known people must stay as they are
	Poll              time.Duration // between looks
	Lease             time.Duration
	Threshold, Margin float64 // 0: the model set's
	Page              int     // faces that are matched at a time
	Ahead             int     // pages at work at the same time
	// Settle is longer than any transaction: faces older than this are all to
	// be seen.
	Settle time.Duration
}

// Defaults returns the options that suit most deployments.
func Defaults() Options {
	return Options{
		Mode: ModeAuto, Delay: 5 * time.Second, Poll: 2 * time.Second, Lease: 30 * time.Second,
		Page: 4000, Ahead: 4, Settle: 2 * time.Minute,
	}
}

// ReadOptions reads what its user may set; threshold and margin are the
// processor's.
func ReadOptions(r *config.Reader) Options {
	o := Defaults()
	o.Mode = r.OneOf("ROLLCALL_REMATCH", o.Mode,
		"when the known people change: auto lets the stored answers follow, ask makes a preview that waits, off does nothing", ModeAuto, ModeAsk, ModeOff)
	o.Delay = r.Duration("ROLLCALL_REMATCH_DELAY", o.Delay, 0, time.Hour, "time for which they must stay as they are before that")
	return o
}

type metrics struct {
	jobs    *prometheus.CounterVec
	faces   prometheus.Counter
	images  prometheus.Counter
	skipped prometheus.Counter
	caught  prometheus.Counter
	seconds prometheus.Histogram
	running prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_rematches_total", Help: "Re-matches that ended, by the state they ended in.",
		}, []string{"state"}),
		faces:   counter("rollcall_rematch_faces_total", "Stored faces that re-matches looked at."),
		images:  counter("rollcall_rematch_images_total", "Images whose answer re-matches changed, or planned to."),
		skipped: counter("rollcall_rematch_skipped_images_total", "Images left alone because they had changed meanwhile."),
		caught:  counter("rollcall_rematch_caught_up_faces_total", "Faces matched again because older known people had answered them."),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rollcall_rematch_seconds", Help: "Time of re-matches.", Buckets: prometheus.ExponentialBuckets(0.05, 2, 14),
		}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_rematch_running", Help: "1 while a re-match is at work.",
		}),
	}
	reg.MustRegister(m.jobs, m.faces, m.images, m.skipped, m.caught, m.seconds, m.running)
	return m
}
