package rematch_test

import (
	"context"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/rematch"
)

// A trial says what another threshold would change. It changes nothing, cannot be applied,
// and does not stand in the way of the re-match that follows when the rule is set.
func TestTrial(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0})
		m := r.rematcher(options())
		settle(m)
		near, far := r.see(0.3), r.see(0.45)
		r.expect("before", map[int64]string{near: "Ada", far: "Ada"})
		waiting, err := r.store.RequestRematch(r.Context(), history.CauseRequest, false, true)
		r.must(err)
		settle(m)
		_, err = r.store.RequestTrial(r.Context(), 0.4, 0)
		r.must(err)
		settle(m)
		trial := r.latest()
		if trial.State != history.Ready || trial.Cause != history.CauseTrial || trial.Images != 1 || trial.Basis.Threshold != 0.4 || trial.Scope != history.ScopeFull {
			r.Fatalf("the trial is %+v", trial)
		}
		moved, err := r.store.RematchSummary(r.Context(), trial.ID, 10)
		r.must(err)
		if len(moved) != 1 || moved[0].From.Person.Name != "Ada" || moved[0].To.Reason != faces.UnknownPerson {
			r.Errorf("the trial moves %+v", moved)
		}
		if job, err := r.store.Rematch(r.Context(), waiting.ID); err != nil || job.State != history.Ready {
			r.Errorf("the preview before is %s (%v); a trial must leave it alone", job.State, err)
		}
		_, err = r.store.ChangeRematchState(r.Context(), trial.ID, history.Applying)
		if faces.ErrorCode(err) != faces.CodeConflict {
			r.Errorf("applying the trial: got %v, want a conflict", err)
		}
		r.expect("nothing is applied", map[int64]string{near: "Ada", far: "Ada"})

		o := options()
		o.Threshold = 0.4
		other := r.rematcher(o)
		settle(m)
		r.must(m.Stop(r.Context()))
		settle(other)
		r.expect("the rule is set", map[int64]string{near: "Ada", far: "unknown_person"})
		if job, err := r.store.Rematch(r.Context(), trial.ID); err != nil || job.State == history.Applied {
			r.Errorf("the trial is %s (%v)", job.State, err)
		}
	})
}

// A trial of the known people of yesterday is outdated.
func TestTrialOfOtherPeople(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0})
		o := options()
		o.Mode = rematch.ModeOff
		m := r.rematcher(o)
		settle(m)
		id := r.see(0.55)
		_, err := r.store.RequestTrial(r.Context(), 0.4, 0.01)
		r.must(err)
		settle(m)
		trial := r.latest()
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 0.56})
		_, err = r.store.RequestRematch(r.Context(), history.CauseRequest, true, false)
		r.must(err)
		settle(m)
		r.expect("the known people changed", map[int64]string{id: "Bruno"})
		if job, err := r.store.Rematch(r.Context(), trial.ID); err != nil || job.State != history.Outdated {
			r.Errorf("the trial is %s (%v), want outdated", job.State, err)
		}
	})
}

// A program of schema 9 knows no trials. In a rollout it must not find one to run, to take
// over, to overtake or to apply: it would match with the rule in use. The statements are
// those of that program.
func TestTrialIsHiddenFromOlderPrograms(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0})
		m := r.rematcher(options())
		settle(m)
		r.see(0.45)
		trial, err := r.store.RequestTrial(r.Context(), 0.4, 0)
		r.must(err)
		hidden := func(want history.State) {
			r.Helper()
			var taken, ready int
			r.must(r.raw.QueryRowContext(r.Context(), "SELECT COUNT(*) FROM rematches WHERE state IN ('requested', 'running', 'applying', 'undoing')").Scan(&taken))
			r.must(r.raw.QueryRowContext(r.Context(), "SELECT COUNT(*) FROM rematches WHERE id = ? AND state IN ('ready', 'applied')", trial.ID).Scan(&ready))
			if taken != 0 || ready != 0 {
				r.Errorf("an older program finds %d jobs to run and %d to apply or undo while the trial is %s", taken, ready, want)
			}
			if job, err := r.store.Rematch(r.Context(), trial.ID); err != nil || job.State != want || job.Cause != history.CauseTrial {
				r.Errorf("the trial is %s because of %s (%v), want %s", job.State, job.Cause, err, want)
			}
		}
		hidden(history.Requested)
		r.rec.before = func(context.Context) error {
			hidden(history.Running)
			return nil
		}
		settle(m)
		r.rec.before = nil
		hidden(history.Ready)
		_, err = r.raw.ExecContext(r.Context(), "UPDATE rematches SET state = 'outdated' WHERE state = 'ready' AND fingerprint <> 'of a newer job'")
		r.must(err)
		hidden(history.Ready)
		if got := r.latest(); got.Images != 1 || got.Basis.Threshold != 0.4 {
			r.Errorf("the trial is %+v", got)
		}
	})
}
