package events_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/events"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// table has events in memory. Those up to after are gone.
type table struct {
	mu            sync.Mutex // guards the fields below
	after, newest int64
	away          bool
	reads         int
}

var errAway = errors.New("the database is away")

func (t *table) set(after, newest int64, away bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.after, t.newest, t.away = after, newest, away
}

func (t *table) Events(_ context.Context, after int64, _ []faces.EventType, limit int) (store.EventPage, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reads++
	if t.away {
		return store.EventPage{}, errAway
	}
	page := store.EventPage{Next: after, Has: faces.EventRange{After: t.after, Newest: t.newest}}
	for id := max(after, t.after) + 1; id <= t.newest && len(page.Events) < limit; id++ {
		page.Events = append(page.Events, faces.Event{ID: id, Type: faces.ImageDeleted, ImageID: id})
		page.Next = id
	}
	return page, nil
}

func (t *table) EventRange(context.Context) (faces.EventRange, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.away {
		return faces.EventRange{}, errAway
	}
	return faces.EventRange{After: t.after, Newest: t.newest}, nil
}

func (t *table) EventBacklog(context.Context, int) (int, time.Time, error) {
	return 0, time.Time{}, nil
}
func (t *table) SequenceEvents(context.Context, int) (int, error) { return 0, nil }
func (t *table) SweepEvents(context.Context, store.EventLimits) (more bool, err error) {
	return false, nil
}

// next waits for events and returns their first and last ids.
func next(t *testing.T, l *events.Listener) (first, last int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	list, err := l.Next(ctx)
	if err != nil || len(list) == 0 {
		t.Fatalf("%d events, %v", len(list), err)
	}
	return list[0].ID, list[len(list)-1].ID
}

func start(t *testing.T, db *table) *events.Feed {
	t.Helper()
	f := events.New(db, events.Options{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	part := f.Part()
	if err := part.Start(t.Context(), func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = part.Stop(context.Background()) })
	return f
}

// A database that is restored while somebody listens has lower ids: the listener is told,
// and does not wait for ids that come again.
func TestListenerNoticesARestoredDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &table{newest: 100}
		f := start(t, db)
		l, err := f.Listen(t.Context(), faces.EventPosition{ID: events.Newest}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		time.Sleep(time.Minute) // of the bubble: the feed polls meanwhile
		db.set(0, 101, false)
		if first, last := next(t, l); first != 101 || last != 101 {
			t.Errorf("events %d to %d", first, last)
		}
		db.set(0, 101, true)
		time.Sleep(time.Minute)
		db.set(5, 40, false)
		var gone *events.GoneError
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := l.Next(ctx); !errors.As(err, &gone) || gone.Seen != 101 || gone.Has.Newest != 40 {
			t.Fatalf("%v", err)
		}
		if first, last := next(t, l); first != 6 || last != 40 {
			t.Errorf("events %d to %d", first, last)
		}
	})
}

// A slow listener falls behind the memory and catches up from the database; who is
// quick costs no reads of its own.
func TestListenersFallBehindAndCatchUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &table{}
		f := start(t, db)
		slow, err := f.Listen(t.Context(), faces.EventPosition{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer slow.Close()
		quick, err := f.Listen(t.Context(), faces.EventPosition{}, []faces.EventType{faces.ImageDeleted})
		if err != nil {
			t.Fatal(err)
		}
		defer quick.Close()
		for newest := int64(1000); newest <= 10_000; newest += 1000 {
			db.set(0, newest, false)
			for last := int64(0); last < newest; {
				_, last = next(t, quick)
			}
		}
		want := int64(1)
		for want <= 10_000 {
			first, last := next(t, slow)
			if first != want {
				t.Fatalf("event %d follows event %d", first, want-1)
			}
			want = last + 1
		}
		f.Close()
		if _, err := slow.Next(t.Context()); !errors.Is(err, events.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
		if _, err := f.Listen(t.Context(), faces.EventPosition{}, nil); !errors.Is(err, events.ErrClosed) {
			t.Errorf("a new listener after the end: %v", err)
		}
	})
}
