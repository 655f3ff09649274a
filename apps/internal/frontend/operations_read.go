package frontend

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight" // tabs that ask at the same time share one look

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	operationsFor = 2 * time.Second // how long a look is shown to all tabs
	jobsShown     = 5               // of each kind
	slowShown     = 8
)

// operationsFound is one look at the system, for all who have the page open.
type operationsFound struct {
	at       time.Time
	programs []program
	samples
	oldest      int64
	oldestSince time.Time
	rescans     []history.Rescan
	rematches   []history.Job
	erasures    []erasure.Receipt
	grouping    store.GroupingState
	webhooks    []faces.Webhook
	newest      int64 // event
	retention   faces.RetentionRun
	model       *modelView
	slow        []slowImage
}

// samples are the numbers of the charts.
type samples struct {
	outcomes, totals []store.Bucket
	at               time.Time // when they were read
}

// program is what a program said last.
type program struct {
	name, instance string
	seen           time.Time
	state          operations.State
}

type slowImage struct {
	image faces.Image
	took  time.Duration
	at    time.Time
}

// operationsLooks keeps the last look for each span. It is safe for concurrent use.
type operationsLooks struct {
	flight singleflight.Group
	mu     sync.Mutex // guards the fields below
	looks  map[string]*operationsFound
	last   map[string]samples
	change int // counts what forms have changed
}

// operationsOf returns a look that is two seconds old at most.
func (s *Server) operationsOf(ctx context.Context, shown span) (*operationsFound, error) {
	l := &s.operationsLooks
	if s.opts.CountsFor < 0 {
		return s.lookAtOperations(ctx, shown)
	}
	if found := l.current(shown.Key); found != nil {
		return found, nil
	}
	answer := l.flight.DoChan(shown.Key, func() (any, error) {
		if found := l.current(shown.Key); found != nil {
			return found, nil
		}
		change := l.changes()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout) // for others, too, when this tab is closed
		defer cancel()
		found, err := s.lookAtOperations(ctx, shown)
		if err == nil {
			l.keep(shown.Key, found, change)
		}
		return found, err
	})
	select {
	case r := <-answer:
		found, _ := r.Val.(*operationsFound)
		return found, r.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *operationsLooks) current(key string) *operationsFound {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found := l.looks[key]; found != nil && time.Since(found.at) < operationsFor {
		return found
	}
	return nil
}

func (l *operationsLooks) changes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.change
}

// keep keeps a look that began after so many changes, unless there was another one since.
func (l *operationsLooks) keep(key string, found *operationsFound, change int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if change != l.change {
		return
	}
	if l.looks == nil {
		l.looks = map[string]*operationsFound{}
	}
	l.looks[key] = found
}

// lookAtOperations reads all that the page shows but for the counts. Each part is a few
// rows, found by an index.
func (s *Server) lookAtOperations(ctx context.Context, shown span) (*operationsFound, error) {
	now := s.opts.Now()
	found := &operationsFound{at: now}
	for _, read := range []func() error{
		func() (err error) { found.programs, err = s.programs(ctx); return },
		func() (err error) { found.samples, err = s.samplesOf(ctx, shown, now); return },
		func() (err error) { found.oldest, found.oldestSince, err = s.store.OldestWaiting(ctx); return },
		func() (err error) { found.rescans, err = s.store.Rescans(ctx, 0, jobsShown); return },
		func() (err error) { found.rematches, err = s.store.Rematches(ctx, 0, jobsShown); return },
		func() (err error) { found.erasures, err = s.store.Erasures(ctx, "", jobsShown); return },
		func() (err error) { found.webhooks, err = s.store.Webhooks(ctx); return },
		func() (err error) { _, found.retention, err = s.store.Retention(ctx); return },
		func() (err error) { found.model, err = s.model(ctx); return },
		func() (err error) { found.grouping, err = s.store.GroupingOf(ctx, found.model.ID); return },
		func() error {
			has, err := s.store.EventRange(ctx)
			found.newest = has.Newest
			return err
		},
		func() error { return s.findSlowest(ctx, found) },
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// lateFor is for how many minutes samples may still change: while they cannot write,
// processors keep theirs for a quarter of an hour.
const lateFor = 16

// samplesOf returns the samples of a span. A day has ten thousands of rows, so those of
// columns that have been read before are not read again.
func (s *Server) samplesOf(ctx context.Context, shown span, now time.Time) (samples, error) {
	l := &s.operationsLooks
	l.mu.Lock()
	last := l.last[shown.Key]
	l.mu.Unlock()
	first, found := firstMinute(shown, now), samples{at: now}
	from := first
	if s.opts.CountsFor >= 0 && !last.at.IsZero() && !last.at.After(now) {
		from = max(first, columnOf(shown, last.at.Add(-lateFor*time.Minute)))
	}
	var err error
	if found.outcomes, err = s.store.OutcomeBuckets(ctx, time.Unix(from*60, 0), shown.minutes); err != nil {
		return samples{}, err
	}
	if found.totals, err = s.store.TotalBuckets(ctx, time.Unix(from*60, 0), shown.minutes); err != nil {
		return samples{}, err
	}
	found.outcomes = append(between(last.outcomes, first, from), found.outcomes...)
	found.totals = append(between(last.totals, first, from), found.totals...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		l.last = map[string]samples{}
	}
	l.last[shown.Key] = found
	return found, nil
}

// between returns those buckets that begin at first or later, and before end.
func between(list []store.Bucket, first, end int64) (in []store.Bucket) {
	for _, b := range list {
		if b.From >= first && b.From < end {
			in = append(in, b)
		}
	}
	return in
}

// programs returns what all programs say. What cannot be read is not known.
func (s *Server) programs(ctx context.Context) ([]program, error) {
	rows, err := s.store.Programs(ctx)
	if err != nil {
		return nil, err
	}
	var list []program
	for _, r := range rows {
		state, err := operations.Read(r.State)
		if err != nil {
			s.log.DebugContext(ctx, "what a program says about itself is passed over", "program", r.Program, "error", err)
		}
		list = append(list, program{name: r.Program, instance: r.Instance, seen: r.SeenAt, state: state})
	}
	return list, nil
}

// findSlowest reads the images that took longest. Those that are gone are left out.
func (s *Server) findSlowest(ctx context.Context, found *operationsFound) error {
	var all []operations.Slow
	for _, p := range found.programs {
		if p.state.Processor != nil {
			all = append(all, p.state.Processor.Slowest...)
		}
	}
	slices.SortFunc(all, func(a, b operations.Slow) int {
		return cmp.Or(cmp.Compare(b.Took, a.Took), cmp.Compare(b.Image, a.Image))
	})
	seen := map[int64]bool{}
	for _, one := range all {
		if seen[one.Image] || len(found.slow) == slowShown {
			continue
		}
		seen[one.Image] = true
		img, err := s.store.Image(ctx, one.Image)
		if faces.ErrorCode(err) == faces.CodeMissing {
			continue
		}
		if err != nil {
			return err
		}
		found.slow = append(found.slow, slowImage{image: img, took: time.Duration(one.Took) * time.Millisecond, at: one.At})
	}
	return nil
}
