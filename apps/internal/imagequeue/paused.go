package imagequeue

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
)

// Paused is a topic or channel of ours that an nsqd holds back, because an operator
// paused it: its messages wait until an operator resumes it.
type Paused struct {
	Node string // HTTP host:port of the nsqd
	What string // topic or channel
}

// String says what is paused, and how to resume it.
func (p Paused) String() string {
	name, query := Topic, "topic="+Topic
	if p.What == "channel" {
		name, query = Channel, query+"&channel="+Channel
	}
	return fmt.Sprintf("the %s %q of nsqd %s is paused, so its images wait; resume it: curl -X POST 'http://%[3]s/%[1]s/unpause?%[4]s'",
		p.What, name, p.Node, query)
}

// Paused returns what is paused at any nsqd. It fails if any nsqlookupd or nsqd does
// not answer.
func (m *Monitor) Paused(ctx context.Context) ([]Paused, error) {
	nodes, err := m.nodes(ctx)
	if err != nil {
		return nil, err
	}
	var all []Paused
	for _, node := range nodes {
		topics, err := m.topics(ctx, node)
		if err != nil {
			return nil, fmt.Errorf("ask nsqd what is paused: %w", err)
		}
		for _, t := range topics {
			if t.Paused {
				all = append(all, Paused{Node: node, What: "topic"})
			}
			for _, c := range t.Channels {
				if c.Name == Channel && c.Paused {
					all = append(all, Paused{Node: node, What: "channel"})
				}
			}
		}
	}
	return all, nil
}

// PauseWatchOptions configures a PauseWatch. Registry and Log are required.
type PauseWatchOptions struct {
	Lookupd  []string      // HTTP host:port of each nsqlookupd
	Every    time.Duration // between two looks; 0 means 15 seconds
	Registry prometheus.Registerer
	Log      *slog.Logger
}

// PauseWatch looks periodically whether the queue is paused, and tells it in the
// log, in a metric and by Warnings. Without it a paused queue looks like one
// without work. It is safe for concurrent use.
type PauseWatch struct {
	opts    PauseWatchOptions
	monitor *Monitor
	paused  *prometheus.GaugeVec
	end     context.CancelFunc
	loop    sync.WaitGroup

	mu      sync.Mutex // guards warning
	warning string
}

// NewPauseWatch returns a PauseWatch, which does not look before its part starts.
func NewPauseWatch(opts PauseWatchOptions) *PauseWatch {
	if opts.Every == 0 {
		opts.Every = 15 * time.Second
	}
	w := &PauseWatch{opts: opts, monitor: NewMonitor(opts.Lookupd), paused: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "rollcall_queue_paused", Help: "Number of nsqds whose topic or channel of images is paused; absent while an nsqd does not answer.",
	}, []string{"what"})}
	opts.Registry.MustRegister(w.paused)
	return w
}

// Part returns the watch as a part of a program.
func (w *PauseWatch) Part() lifecycle.Part {
	return lifecycle.Part{
		Name: "watch of the queue",
		Start: func(ctx context.Context, _ func(error)) error {
			ctx, end := context.WithCancel(context.WithoutCancel(ctx))
			w.end = end
			w.loop.Go(func() { w.watch(ctx) })
			return nil
		},
		Stop: func(context.Context) error {
			w.end()
			w.loop.Wait()
			return nil
		},
	}
}

// Warnings says what is paused, for /readyz. It is empty if nothing is, or if that
// is unknown: consuming needs no answer from nsqd's HTTP port.
func (w *PauseWatch) Warnings() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	warnings := map[string]string{}
	if w.warning != "" {
		warnings["queue"] = w.warning
	}
	return warnings
}

func (w *PauseWatch) watch(ctx context.Context) {
	w.look(ctx)
	background.Every(ctx, w.opts.Every, w.look)
}

func (w *PauseWatch) look(ctx context.Context) {
	paused, err := w.monitor.Paused(ctx)
	if err != nil {
		w.opts.Log.Debug("cannot tell whether the queue is paused", "error", err)
		w.paused.Reset() // better none than an old one
		w.tell("")
		return
	}
	count, texts := map[string]int{}, make([]string, len(paused))
	for i, p := range paused {
		count[p.What]++
		texts[i] = p.String()
	}
	for _, what := range []string{"topic", "channel"} {
		w.paused.WithLabelValues(what).Set(float64(count[what]))
	}
	w.tell(strings.Join(texts, "; "))
}

// tell stores the warning, and logs it where it is a new one.
func (w *PauseWatch) tell(warning string) {
	w.mu.Lock()
	before := w.warning
	w.warning = warning
	w.mu.Unlock()
	if warning != "" && warning != before {
		w.opts.Log.Warn("the queue is paused; images wait", "error", warning)
	}
}
