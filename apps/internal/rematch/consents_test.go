package rematch_test

import (
	"context"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/rematch"
)

// consent records the consent of a person.
func (r *rig) consent(name string) {
	r.Helper()
	_, _, err := r.store.SetConsent(r.Context(), faces.Consent{Person: r.personID(name), Basis: faces.BasisConsent, Until: time.Now().Add(time.Hour)})
	r.must(err)
}

// lapse lets the consent of a person end a while ago: the clock has moved.
func (r *rig) lapse(name string, ago time.Duration) {
	r.Helper()
	at := time.Now().UTC().Add(-ago)
	_, err := r.raw.ExecContext(r.Context(), "update consents set from_at = ?, changed_at = ?, until_at = ? where person_id = ?", at.Add(-time.Hour), at.Add(-time.Hour), at, r.personID(name))
	r.must(err)
}

func (r *rig) personID(name string) int64 {
	r.Helper()
	people, err := r.store.People(r.Context())
	r.must(err)
	for _, p := range people {
		if p.Name == name {
			return p.ID
		}
	}
	r.Fatalf("nobody has the name %s", name)
	return 0
}

// When a consent lapses, a re-match takes the answers back and looks who is next. When
// it is renewed, a re-match brings them back.
func TestAnswersFollowConsents(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0, "Ada/2.jpg": 1, "Bruno/1.jpg": 0.375})
		m := r.rematcher(options())
		settle(m)
		alone, near, bruno := r.see(1), r.see(0.125), r.see(0.375)
		before := map[int64]string{alone: "Ada", near: "Ada", bruno: "Bruno"}
		after := map[int64]string{alone: "unknown_person", near: "Bruno", bruno: "Bruno"}
		r.expect("at first", before)
		r.consent("Ada")
		settle(m)
		r.expect("with a consent", before)
		r.lapse("Ada", time.Second)
		settle(m)
		r.expect("lapsed", after)
		if job := r.latest(); job.State != history.Applied || job.Images != 2 {
			r.Errorf("the job is %+v", job)
		}
		r.expect("a new picture", map[int64]string{r.see(1): "unknown_person"})
		r.consent("Ada")
		settle(m)
		r.expect("renewed", before)
		_, err := r.store.WithdrawConsent(r.Context(), r.personID("Ada"))
		r.must(err)
		settle(m)
		r.expect("withdrawn", after)
	})
}

// When all consents lapse at once, no volume is lost, so nobody must confirm it.
func TestAllConsentsLapse(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 10})
		m := r.rematcher(options())
		settle(m)
		first, second := r.see(0), r.see(10)
		for _, name := range []string{"Ada", "Bruno"} {
			r.consent(name)
			r.lapse(name, time.Second)
		}
		settle(m)
		r.expect("all lapsed", map[int64]string{first: "unknown_person", second: "unknown_person"})
		if job := r.latest(); job.State != history.Applied {
			r.Errorf("the job is %+v", job)
		}
	})
}

// Where no re-match takes answers back, the sweep does: whatever the mode, and while no
// recognizer answers.
func TestConsentsLapseWithoutRematches(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 10})
		settle(r.rematcher(options()))
		id := r.see(0)
		r.consent("Ada")
		r.lapse("Ada", time.Minute)
		r.rec.mu.Lock()
		r.rec.before = func(context.Context) error { return faces.Fault(faces.RecognizerUnavailable, "away") }
		r.rec.mu.Unlock()
		r.must(r.freeLease())
		o := options()
		o.Mode = rematch.ModeOff
		r.rematcher(o).RunOnce()
		r.expect("swept", map[int64]string{id: "unknown_person"})
	})
}

// freeLease ends the lease of whoever has it.
func (r *rig) freeLease() error {
	_, err := r.raw.ExecContext(r.Context(), "update rematch_state set lease_owner = '', lease_token = 0, lease_until = null")
	return err
}
