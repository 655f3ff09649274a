package report_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/operations/report"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// flaky is a store that is away for a while.
type flaky struct {
	*store.Store
	away atomic.Bool
}

func (f *flaky) NoteOutcomes(ctx context.Context, instance string, list []store.MinuteOutcome) error {
	if f.away.Load() {
		return errors.New("away")
	}
	return f.Store.NoteOutcomes(ctx, instance, list)
}

func newStore(t *testing.T) *flaky {
	t.Helper()
	db, err := store.OpenSQLite(filepath.Join(t.TempDir(), "rollcall.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Migrate(t.Context(), "/unknown_people"); err != nil {
		t.Fatal(err)
	}
	return &flaky{Store: db}
}

func finished(t *testing.T, db *flaky) (n int64) {
	t.Helper()
	list, err := db.OutcomeBuckets(t.Context(), time.Now().Add(-time.Hour), 60)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range list {
		n += b.Images
	}
	return n
}

func TestReporter(t *testing.T) {
	t.Parallel()
	db := newStore(t)
	db.away.Store(true)
	tally := operations.NewTally(nil)
	r := report.New(db, report.Options{
		Program: "processor", Instance: "host/1", Tally: tally, Samples: true, Log: slog.New(slog.DiscardHandler), Every: 10 * time.Millisecond,
		Say: func(context.Context) operations.State {
			return operations.State{Volumes: report.Volumes(map[string]string{"UNKNOWN_PEOPLE": t.TempDir(), "KNOWN_PEOPLE": "/nowhere"})}
		},
	})
	r.Start()
	wait.Until(t, "the program has said how it is", func() bool {
		list, err := db.Programs(t.Context())
		if err != nil || len(list) == 0 {
			return false
		}
		state, err := operations.Read(list[0].State)
		return err == nil && len(state.Volumes) == 1 && state.Volumes[0].Size > 0
	})
	tally.Add(1, faces.Identified, time.Second)
	wait.Until(t, "the totals are sampled", func() bool {
		list, err := db.TotalBuckets(t.Context(), time.Now().Add(-time.Hour), 1)
		return err == nil && len(list) == 1
	})
	if n := finished(t, db); n != 0 {
		t.Errorf("%d images were stored while the database was away", n)
	}
	db.away.Store(false)
	wait.Until(t, "what was counted meanwhile is stored", func() bool { return finished(t, db) == 1 })
	tally.Add(2, faces.Identified, time.Second)
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := finished(t, db); n != 2 {
		t.Errorf("%d images are stored at the end, want 2", n)
	}
	if list, err := db.Programs(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("a program that has ended says %v, %v", list, err)
	}
}

func TestQueueThatIsAwayIsNotKnown(t *testing.T) {
	t.Parallel()
	if q := report.Queue(t.Context(), func(context.Context) (imagequeue.Depth, error) { return imagequeue.Depth{}, errors.New("away") }); q != nil {
		t.Errorf("got %+v", q)
	}
	if q := report.Queue(t.Context(), func(context.Context) (imagequeue.Depth, error) { return imagequeue.Depth{Waiting: 3}, nil }); q == nil || q.Waiting != 3 {
		t.Errorf("got %+v", q)
	}
}

// hanging is a store whose counts of totals do not end. It counts the reports.
type hanging struct {
	*flaky
	counting chan struct{}
	reports  atomic.Int32
}

func (h *hanging) SampleTotals(ctx context.Context) (bool, error) {
	close(h.counting)
	<-ctx.Done()
	return false, ctx.Err()
}

func (h *hanging) NoteProgram(ctx context.Context, program, instance string, state []byte) error {
	h.reports.Add(1)
	return h.flaky.NoteProgram(ctx, program, instance, state)
}

// A program says how it is while a count of many millions of images goes on.
func TestReportsGoOnDuringASlowCount(t *testing.T) {
	t.Parallel()
	db := &hanging{flaky: newStore(t), counting: make(chan struct{})}
	r := report.New(db, report.Options{
		Program: "receiver", Instance: "host/1", Samples: true, Log: slog.New(slog.DiscardHandler), Every: 10 * time.Millisecond,
		Say: func(context.Context) operations.State { return operations.State{} },
	})
	r.Start()
	<-db.counting
	before := db.reports.Load()
	wait.Until(t, "there are more reports", func() bool { return db.reports.Load() >= before+3 })
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, err := db.Programs(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("a program that has ended says %v, %v", list, err)
	}
}

func TestPauseBetweenCounts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		took time.Duration
		err  error
		want time.Duration
	}{
		"a fast one":            {time.Millisecond, nil, 10 * time.Second},
		"a slow one":            {2 * time.Second, nil, 200 * time.Second},
		"a very slow one":       {25 * time.Second, nil, 5 * time.Minute},
		"an error":              {5 * time.Second, errors.New("away"), 10 * time.Second},
		"one that ran too long": {30 * time.Second, context.DeadlineExceeded, time.Minute},
	} {
		if got := report.PauseAfter(tc.took, tc.err); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
}
