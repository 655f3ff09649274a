// Package gauges shows as metrics what the database says about the whole of Rollcall: how
// much waits and for how long, erasures that nobody has verified, the next key to expire,
// and the last pass of the redeemer, which has no port that could be asked.
package gauges

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Store is the part of the database that Gauges use. No method reads a table that grows
// with the images, but for a limited number of rows by an index.
type Store interface {
	LatestTotals(ctx context.Context, since time.Time) ([]store.Count, error)
	OldestWaiting(ctx context.Context) (id int64, since time.Time, err error)
	ErasuresNotVerified(ctx context.Context) (n int64, since time.Time, err error)
	NextKeyExpiry(ctx context.Context, usedSince time.Time, madeFor time.Duration) (time.Time, error)
	Programs(ctx context.Context) ([]store.ProgramState, error)
}

const (
	every  = 15 * time.Second
	within = 10 * time.Second // for one look
	// keptFor is how long values are shown that no look has replaced. Then they are
	// absent, which is better than wrong.
	keptFor = time.Minute
	// totalsKept is how old a sample of totals may be: large tables are counted rarely.
	totalsKept = 15 * time.Minute
	// keyUsed and keyMadeFor say which keys count for the next expiry: those that somebody
	// still uses, and that were not made for a short time on purpose.
	keyUsed    = 30 * 24 * time.Hour
	keyMadeFor = 14 * 24 * time.Hour
)

// Gauges shows what the database says. Nothing is asked at a scrape: each look is the
// same for all who scrape.
type Gauges struct {
	store Store
	log   *slog.Logger
	loop  *background.Loop
	last  atomic.Pointer[values]

	waiting, oldest, images, erasures, erasure, expiry, pass, failed *prometheus.Desc
}

// values are what a look found.
type values struct {
	at       time.Time
	images   map[string]int64 // by reason; nil if there is no sample
	waiting  int64
	oldest   time.Time // since when an image waits; zero if none does
	erasures int64     // not verified
	erased   time.Time // when the oldest of them began
	expiry   time.Time // of a key; zero if none expires
	pass     *operations.Run
}

// New returns Gauges and registers them. They show nothing before their part has started.
func New(st Store, log *slog.Logger, reg prometheus.Registerer) *Gauges {
	g := &Gauges{
		store: st, log: log,
		waiting:  prometheus.NewDesc("rollcall_waiting_images", "Images without an outcome: queued or being processed.", nil, nil),
		oldest:   prometheus.NewDesc("rollcall_oldest_waiting_seconds", "Time that the image has been queued that waits for the longest time; 0 if none waits.", nil, nil),
		images:   prometheus.NewDesc("rollcall_images", "Images by their outcome now; processing for those that are being processed.", []string{"reason"}, nil),
		erasures: prometheus.NewDesc("rollcall_erasures_unverified", "Erasures that no search has found to be complete.", nil, nil),
		erasure:  prometheus.NewDesc("rollcall_erasure_unverified_seconds", "Age of the oldest erasure that no search has found to be complete; 0 if there is none.", nil, nil),
		expiry:   prometheus.NewDesc("rollcall_next_key_expiry_timestamp_seconds", "When the next API key expires that was used in the last 30 days and was made for 14 days or more; 0 if none.", nil, nil),
		pass:     prometheus.NewDesc("rollcall_redeemer_last_pass_timestamp_seconds", "When the last pass of the redeemer ended.", nil, nil),
		failed:   prometheus.NewDesc("rollcall_redeemer_last_pass_failed", "1 if the last pass of the redeemer was not complete.", nil, nil),
	}
	g.loop = background.New(background.Options{What: "reading gauges from the database", Poll: every, Log: log, Round: func(ctx context.Context) bool {
		g.Look(ctx)
		return false
	}})
	reg.MustRegister(g)
	return g
}

// Part returns the Gauges as a part of a program.
func (g *Gauges) Part() lifecycle.Part {
	return lifecycle.Part{Name: "gauges", Start: func(context.Context, func(error)) error {
		g.loop.Start()
		return nil
	}, Stop: g.loop.Stop}
}

// Look asks the database once.
func (g *Gauges) Look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	v, err := g.read(ctx)
	if err != nil {
		g.log.DebugContext(ctx, "the gauges from the database are not up to date", "error", err)
		return
	}
	g.last.Store(v)
}

func (g *Gauges) read(ctx context.Context) (*values, error) {
	v := &values{at: time.Now()}
	counts, err := g.store.LatestTotals(ctx, v.at.Add(-totalsKept))
	if err != nil {
		return nil, err
	}
	if len(counts) > 0 {
		v.count(counts)
	}
	if _, v.oldest, err = g.store.OldestWaiting(ctx); err != nil {
		return nil, err
	}
	if v.erasures, v.erased, err = g.store.ErasuresNotVerified(ctx); err != nil {
		return nil, err
	}
	if v.expiry, err = g.store.NextKeyExpiry(ctx, v.at.Add(-keyUsed), keyMadeFor); err != nil {
		return nil, err
	}
	programs, err := g.store.Programs(ctx)
	if err != nil {
		return nil, err
	}
	v.pass = lastPass(programs)
	return v, nil
}

func (v *values) count(counts []store.Count) {
	v.images = map[string]int64{string(store.InProgress): 0}
	for _, r := range faces.Reasons() {
		v.images[string(r)] = 0
	}
	for _, c := range counts {
		reason := c.Reason
		if c.Status == faces.Processing {
			reason = store.InProgress
		}
		v.images[string(reason)] += c.Images
	}
	v.waiting = v.images[string(faces.Queued)] + v.images[string(store.InProgress)]
}

// lastPass returns the newest pass of a redeemer that a program tells of.
func lastPass(programs []store.ProgramState) (last *operations.Run) {
	for _, p := range programs {
		state, err := operations.Read(p.State)
		if err != nil || state.Redeemer == nil {
			continue
		}
		if last == nil || state.Redeemer.Finished.After(last.Finished) {
			last = state.Redeemer
		}
	}
	return last
}

// Describe implements prometheus.Collector.
func (g *Gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.waiting, g.oldest, g.images, g.erasures, g.erasure, g.expiry, g.pass, g.failed} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *Gauges) Collect(ch chan<- prometheus.Metric) {
	v := g.last.Load()
	if v == nil || time.Since(v.at) > keptFor {
		return
	}
	show := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	if v.images != nil {
		show(g.waiting, float64(v.waiting))
	}
	for reason, n := range v.images {
		show(g.images, float64(n), reason)
	}
	show(g.oldest, age(v.oldest))
	show(g.erasures, float64(v.erasures))
	show(g.erasure, age(v.erased))
	show(g.expiry, timestamp(v.expiry))
	if v.pass != nil {
		show(g.pass, timestamp(v.pass.Finished))
		show(g.failed, oneIf(v.pass.Failed))
	}
}

// age returns the seconds since a time, and 0 for none.
func age(since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(0, time.Since(since).Seconds())
}

// timestamp returns a Unix time in seconds, and 0 for none.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
