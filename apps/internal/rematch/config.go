package rematch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/series"
)

// Modes of a Rematcher: its reaction to a change of the known people. Jobs that
// are requested through the API run in every mode.
const (
	ModeAuto = "auto" // update the answers
	ModeAsk  = "ask"  // prepare a preview, which somebody can apply
	ModeOff  = "off"  // do nothing
)

// Options configures a Rematcher.
type Options struct {
	Mode              string
	Delay             time.Duration // the known people must be unchanged for this time
	Poll              time.Duration // time between two checks
	Lease             time.Duration
	Threshold, Margin float64 // 0 means the model set's own
	Page              int     // faces per match call
	Ahead             int     // pages that are matched at the same time
	// Settle must be longer than any transaction. All faces older than this are
	// committed and visible.
	Settle time.Duration
}

// Defaults returns the options that suit most deployments.
func Defaults() Options {
	return Options{
		Mode: ModeAuto, Delay: 5 * time.Second, Poll: 2 * time.Second, Lease: 30 * time.Second,
		Page: 4000, Ahead: 4, Settle: 2 * time.Minute,
	}
}

// ReadOptions reads the settings for users. Threshold and margin come from the
// processor's settings.
func ReadOptions(r *config.Reader) Options {
	o := Defaults()
	o.Mode = r.OneOf("ROLLCALL_REMATCH", o.Mode,
		"when the known people change: auto re-matches the stored answers, ask makes a preview, off does nothing", ModeAuto, ModeAsk, ModeOff)
	o.Delay = r.Duration("ROLLCALL_REMATCH_DELAY", o.Delay, 0, time.Hour, "time without a further change before a re-match starts")
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
			Name: "rollcall_rematch_running", Help: "1 while this program works on a re-match.",
		}),
	}
	series.AtZero(m.jobs, string(history.Ready), string(history.Applied), string(history.Undone), string(history.Outdated), string(history.Failed))
	reg.MustRegister(m.jobs, m.faces, m.images, m.skipped, m.caught, m.seconds, m.running)
	return m
}
