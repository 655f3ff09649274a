package store_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// TestSweepBesideARenewedConsent renews a consent after the sweep has read that it has
// ended, and before the sweep writes what it did.
func TestSweepBesideARenewedConsent(t *testing.T) {
	t.Parallel()
	for name, lapses := range map[string]bool{"withdrawn": false, "lapsed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := mariadbtest.Database(t)
			start := time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)
			var later atomic.Int64
			now := func() time.Time { return start.Add(time.Duration(later.Load())) }
			s, raw := openMariaDB(t, db, store.WithClock(now)), rawMariaDB(t, db)
			migrate(t, s)
			zoe := personNamed(t, s, "Zoe")
			consent := faces.Consent{Person: zoe.ID, Basis: faces.BasisConsent}
			if lapses {
				consent.Until = start.Add(time.Hour)
			}
			_, _, err := s.SetConsent(t.Context(), consent)
			if err == nil && !lapses {
				_, err = s.WithdrawConsent(t.Context(), zoe.ID)
			}
			if err != nil {
				t.Fatal(err)
			}
			later.Store(int64(2 * time.Hour))
			before := len(events(t, s))
			token, leased, err := s.LeaseRematch(t.Context(), "sweeper", 0, lease)
			if err != nil || !leased {
				t.Fatal(leased, err)
			}

			renews := begin(t, raw)
			execTx(t, renews, "update consents set from_at = ?, until_at = null, withdrawn_at = null, recorded_at = ?, changed_at = ?, told = 'given', swept = 0", now(), now(), now())
			done := make(chan error, 1)
			go func() {
				_, err := s.SweepConsents(t.Context(), token)
				done <- err
			}()
			awaitStatement(t, raw, "UPDATE%consents%")
			if err := renews.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			var told string
			var swept bool
			if err := raw.QueryRowContext(t.Context(), "select told, swept from consents").Scan(&told, &swept); err != nil {
				t.Fatal(err)
			}
			if told != "given" || swept {
				t.Errorf("the renewed consent is told as %q and swept: %v; want given, and to be swept when it ends", told, swept)
			}
			if more := events(t, s)[before:]; len(more) > 0 {
				t.Errorf("events of what is not so any more: %+v", more)
			}
		})
	}
}
