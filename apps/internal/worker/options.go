package worker

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// Cause is why a child was replaced.
type Cause string

// Causes.
const (
	Time      Cause = "time"      // its picture took too long
	Memory    Cause = "memory"    // its picture took too much memory
	Crash     Cause = "crash"     // it ended by itself, panicked or broke the protocol
	Cancelled Cause = "cancelled" // its caller gave up, and it did not stop in time
	Recycle   Cause = "recycle"   // its memory stayed large after its pictures
)

// Options tune a worker. The zero value of a field other than Command means
// its default.
type Options struct {
	Command Command

	// PictureTimeout is the longest time for one call of the engine; 20 s. It
	// does not include the wait for a child.
	PictureTimeout time.Duration
	// PictureMemory is the most resident memory of the child while it looks at a
	// picture, in bytes; 768 MiB.
	PictureMemory int64
	// RestMemory is the most resident memory between pictures, in bytes; 350
	// MiB. A child that has more trims itself, and is replaced if that does not
	// help.
	RestMemory int64
	// RestPictures is after how many pictures in a row above RestMemory a child
	// is replaced though it is never idle; 50.
	RestPictures int
	// RestAfter is how long a worker is idle before it counts as at rest; 5 s.
	RestAfter time.Duration
	// StartTimeout is the longest wait for a child to be ready; 60 s.
	StartTimeout time.Duration
	// CancelGrace is the time that a child has to stop by itself once its caller
	// has given up; 250 ms.
	CancelGrace time.Duration

	// Probe is a picture that every sound engine can look at. Before a picture
	// is blamed for the end of a child, the next child looks at the probe: an
	// engine that fails there fails on every picture, and the picture is not at
	// fault. Empty for no probe.
	Probe []byte
	// Replaced is called each time a child has ended and is replaced. It is
	// called from several goroutines. It may be nil.
	Replaced func(Cause)
	Log      *slog.Logger // nil for none
}

// ReadOptions reads the settings of workers.
func ReadOptions(r *config.Reader) Options {
	return Options{
		PictureTimeout: r.Duration("ROLLCALL_PICTURE_TIMEOUT", 20*time.Second, 100*time.Millisecond, 10*time.Minute,
			"time limit of one picture; a picture that takes longer fails permanently; keep it some seconds below ROLLCALL_RECOGNIZER_TIMEOUT"),
		PictureMemory: int64(r.Int("ROLLCALL_WORKER_MEMORY", 768, 128, 65536,
			"memory limit of one worker process in MiB; a picture that needs more fails permanently")) << 20,
	}
}

// CountReplaced registers the count of replaced children and returns a function
// for Options.Replaced. All workers of a program share one.
func CountReplaced(reg prometheus.Registerer) func(Cause) {
	count := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_worker_restarts_total", Help: "Worker processes that were replaced, by cause.",
	}, []string{"cause"})
	reg.MustRegister(count)
	for _, c := range []Cause{Time, Memory, Crash, Cancelled, Recycle} {
		count.WithLabelValues(string(c))
	}
	return func(c Cause) { count.WithLabelValues(string(c)).Inc() }
}

// withDefaults fills in what is not set.
func (o Options) withDefaults() (Options, error) {
	if o.Command.Path == "" || len(o.Command.Args) == 0 {
		return o, errors.New("the worker has no command")
	}
	o.PictureTimeout = cmp.Or(o.PictureTimeout, 20*time.Second)
	o.PictureMemory = cmp.Or(o.PictureMemory, 768<<20)
	o.RestMemory = cmp.Or(o.RestMemory, 350<<20)
	o.RestPictures = cmp.Or(o.RestPictures, 50)
	o.RestAfter = cmp.Or(o.RestAfter, 5*time.Second)
	o.StartTimeout = cmp.Or(o.StartTimeout, time.Minute)
	o.CancelGrace = cmp.Or(o.CancelGrace, 250*time.Millisecond)
	if o.Replaced == nil {
		o.Replaced = func(Cause) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}
