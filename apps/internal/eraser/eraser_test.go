package eraser_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/eraser"
	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// leases is a database with one erasure, whose lease it keeps by the clock of synctest.
// Its step "notes" takes a while.
type leases struct {
	eraser.Store
	notes   time.Duration
	until   time.Time
	expired bool // at a renewal
	stolen  time.Time
	cut     time.Time // when the step "notes" was told to end
	ended   bool
}

func (s *leases) ErasuresChanged(context.Context) (string, error) { return "", nil }

func (s *leases) ClaimErasure(_ context.Context, lease time.Duration) (store.ErasureLease, bool, error) {
	if !s.until.IsZero() {
		return store.ErasureLease{}, false, nil
	}
	s.until = time.Now().Add(lease)
	return store.ErasureLease{Entry: erasure.Entry{ID: "one"}}, true, nil
}

func (s *leases) RenewErasure(_ context.Context, _ store.ErasureLease, lease time.Duration) (bool, error) {
	if !s.stolen.IsZero() && !time.Now().Before(s.stolen) {
		return false, nil
	}
	s.expired = s.expired || time.Now().After(s.until)
	s.until = time.Now().Add(lease)
	return true, nil
}

func (s *leases) ForgetErasedNotes(ctx context.Context, _ erasure.Entry) (int, error) {
	select {
	case <-time.After(s.notes):
		return 1, nil
	case <-ctx.Done():
		s.cut = time.Now()
		return 0, ctx.Err()
	}
}

func (s *leases) EndErasure(context.Context, store.ErasureLease, map[string]int) error {
	s.ended = true
	return nil
}

func (*leases) SweepErasedPlaces(context.Context, int64) (int, int64, error)     { return 0, 0, nil }
func (*leases) ForgetErasedMentions(context.Context, erasure.Entry) (int, error) { return 0, nil }
func (*leases) ForgetErasedAnswers(context.Context, erasure.Entry) (int, error)  { return 0, nil }
func (*leases) ForgetErasedTexts(context.Context, erasure.Entry) (int, error)    { return 0, nil }
func (*leases) Compact(context.Context) error                                    { return nil }
func (*leases) SelectErasedImages(context.Context, erasure.Entry, int) ([]store.Selected, error) {
	return nil, nil
}

type noFiles struct{}

func (noFiles) EraseKnown(context.Context, erasure.Entry) (int, error)   { return 0, nil }
func (noFiles) EraseUploads(context.Context, erasure.Entry) (int, error) { return 0, nil }
func (noFiles) ForgetRenderings()                                        {}

// A step that takes longer than a lease must not lose it: two programs would take the
// erasure from each other for ever. A program that has lost it must stop.
func TestLongStepKeepsItsLease(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		notes, stolen time.Duration
		ended         bool
	}{
		"a step of ten minutes":             {notes: 10 * time.Minute, ended: true},
		"a step of exactly one lease":       {notes: 30 * time.Second, ended: true},
		"another program takes the erasure": {notes: 10 * time.Minute, stolen: 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := &leases{notes: c.notes}
				start := time.Now()
				if c.stolen > 0 {
					st.stolen = start.Add(c.stolen)
				}
				e := eraser.New(st, noFiles{}, eraser.Options{}, slog.New(slog.NewTextHandler(io.Discard, nil)))
				if err := e.Work(t.Context()); err != nil {
					t.Error(err)
				}
				if st.expired || st.ended != c.ended {
					t.Errorf("expired: %t, ended: %t, want %t", st.expired, st.ended, c.ended)
				}
				if c.stolen > 0 && (st.cut.IsZero() || st.cut.After(st.stolen.Add(10*time.Second))) {
					t.Errorf("the step was ended after %v, want %v", st.cut.Sub(start), c.stolen)
				}
			})
		})
	}
}
