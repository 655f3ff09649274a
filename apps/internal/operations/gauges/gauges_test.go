package gauges_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/operations/gauges"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var quiet = slog.New(slog.DiscardHandler)

// shown returns the values of metrics, by name and label.
func shown(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetGauge().GetValue()
		}
	}
	return values
}

func TestGauges(t *testing.T) {
	t.Parallel()
	db, err := store.OpenSQLite(filepath.Join(t.TempDir(), "rollcall.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Migrate(t.Context(), "/unknown_people"); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewPedanticRegistry()
	g := gauges.New(db, quiet, reg)
	if got := shown(t, reg); len(got) != 0 {
		t.Errorf("before the first look: %v", got)
	}
	g.Look(t.Context())
	want := map[string]float64{
		"rollcall_oldest_waiting_seconds": 0, "rollcall_erasures_unverified": 0, "rollcall_erasure_unverified_seconds": 0,
		"rollcall_next_key_expiry_timestamp_seconds": 0,
	}
	if diff := cmp.Diff(want, shown(t, reg)); diff != "" {
		t.Errorf("of an empty database (-want +got):\n%s", diff)
	}

	images, err := db.AddUploads(t.Context(), []string{"/unknown_people/a.jpg", "/unknown_people/b.jpg"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Claim(t.Context(), "one", []int64{images[0].ID}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := db.SampleTotals(t.Context()); err != nil {
		t.Fatal(err)
	}
	finished := time.Now().Add(-time.Hour).Truncate(time.Second)
	run := `{"redeemer":{"finished":"` + finished.UTC().Format(time.RFC3339) + `","failed":true}}`
	for instance, state := range map[string]string{"": run, "damaged": "[", "older": `{"redeemer":{"finished":"2020-01-01T00:00:00Z"}}`} {
		if err := db.NoteProgram(t.Context(), "redeemer", instance, []byte(state)); err != nil {
			t.Fatal(err)
		}
	}
	g.Look(t.Context())
	got := shown(t, reg)
	for name, want := range map[string]float64{
		"rollcall_waiting_images": 2, "rollcall_images queued": 1, "rollcall_images processing": 1, "rollcall_images identified": 0,
		"rollcall_redeemer_last_pass_timestamp_seconds": float64(finished.Unix()), "rollcall_redeemer_last_pass_failed": 1,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v (there: %v), want %v", name, value, ok, want)
		}
	}
	if waits := got["rollcall_oldest_waiting_seconds"]; waits <= 0 || waits > 60 {
		t.Errorf("the oldest image waits for %v seconds", waits)
	}
}

// memory is a database that may be away.
type memory struct {
	away atomic.Bool
	asks atomic.Int32
}

var errAway = errors.New("away")

func (m *memory) err() error {
	m.asks.Add(1)
	if m.away.Load() {
		return errAway
	}
	return nil
}

func (m *memory) LatestTotals(context.Context, time.Time) ([]store.Count, error) {
	return []store.Count{{Status: faces.Pending, Reason: faces.Queued, Images: 7}}, m.err()
}

func (m *memory) OldestWaiting(context.Context) (int64, time.Time, error) {
	return 1, time.Now().Add(-time.Hour), nil
}

func (m *memory) ErasuresNotVerified(context.Context) (int64, time.Time, error) {
	return 2, time.Now().Add(-time.Minute), nil
}

func (m *memory) NextKeyExpiry(context.Context, time.Time, time.Duration) (time.Time, error) {
	return time.Now().Add(time.Hour), nil
}

func (m *memory) Programs(context.Context) ([]store.ProgramState, error) { return nil, nil }

// While the database is away, the values of before stay for a moment, and then there are
// none. A scrape asks nothing.
func TestGaugesOfADatabaseThatGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, reg := &memory{}, prometheus.NewPedanticRegistry()
		g := gauges.New(db, quiet, reg)
		part := g.Part()
		if err := part.Start(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		asked := db.asks.Load()
		for range 10 {
			if got := shown(t, reg); got["rollcall_waiting_images"] != 7 || got["rollcall_oldest_waiting_seconds"] != 3600 || got["rollcall_erasure_unverified_seconds"] != 60 {
				t.Fatalf("got %v", got)
			}
		}
		if now := db.asks.Load(); now != asked {
			t.Errorf("scrapes asked the database %d times", now-asked)
		}
		db.away.Store(true)
		time.Sleep(45 * time.Second)
		if got := shown(t, reg); got["rollcall_waiting_images"] != 7 {
			t.Errorf("after some seconds: %v", got)
		}
		time.Sleep(time.Minute)
		if got := shown(t, reg); len(got) != 0 {
			t.Errorf("long after the database has gone: %v", got)
		}
		db.away.Store(false)
		time.Sleep(time.Minute)
		if got := shown(t, reg); got["rollcall_waiting_images"] != 7 {
			t.Errorf("after it is back: %v", got)
		}
		if err := part.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
