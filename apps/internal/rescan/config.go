package rescan

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/series"
)

// Options configures a Runner.
type Options struct {
	// Auto starts a rescan when a new model set comes into use.
	Auto bool
	// Calls is the number of pictures that are processed at the same time.
	Calls int
	// Rate limits the pictures per second. 0 means no limit.
	Rate int
	// Slice limits the time of one call of Work, so that its caller can do other
	// things in between.
	Slice time.Duration
	// Busy is the time between two checks for new pictures while there are some.
	Busy time.Duration
	// Check is the time between two requests for the model sets of all recognizers.
	Check time.Duration
}

// Defaults returns the options that suit most deployments.
func Defaults() Options {
	return Options{Auto: true, Calls: 2, Slice: 5 * time.Second, Busy: 200 * time.Millisecond, Check: 30 * time.Second}
}

// ReadOptions reads the settings for users.
func ReadOptions(r *config.Reader) Options {
	o := Defaults()
	const auto, off = "auto", "off"
	o.Auto = r.OneOf("ROLLCALL_RESCAN", auto,
		"when a new model set comes into use: auto processes old pictures again in the background, off only on request", auto, off) == auto
	o.Calls = r.Int("ROLLCALL_RESCAN_CALLS", o.Calls, 1, 1000, "maximum number of old pictures processed at the same time, while no new ones wait")
	o.Rate = r.Int("ROLLCALL_RESCAN_RATE", o.Rate, 0, 1_000_000, "maximum number of old pictures per second; 0 is no limit")
	return o
}

type metrics struct {
	jobs    *prometheus.CounterVec
	running prometheus.Gauge
	left    prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_rescans_total", Help: "Rescans by what became of them: started by itself, finished.",
		}, []string{"state"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_rescan_running", Help: "1 while this program works on a rescan.",
		}),
		left: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_rescan_images_left", Help: "Old pictures that the running rescan has not processed yet.",
		}),
	}
	series.AtZero(m.jobs, "started", string(history.RescanFinished))
	reg.MustRegister(m.jobs, m.running, m.left)
	return m
}
