package processor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// samples returns how many values a histogram has, in the series whose only label has the
// value, or in that without labels.
func (r *rig) samples(t *testing.T, name, value string) (n int, sum float64) {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := m.GetLabel()
			if f.GetName() == name && (value == "" && len(labels) == 0 || len(labels) == 1 && labels[0].GetValue() == value) {
				n += int(m.GetHistogram().GetSampleCount())
				sum += m.GetHistogram().GetSampleSum()
			}
		}
	}
	return n, sum
}

// Attempts, stages and distances of three images: one is answered, one can never work, and
// one is answered after a service was in the way. A fourth one was left by a processor
// that died.
func TestMetricsOfImages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		enrol(t, db)
		failed := false
		rec := newRecognizer(func(_ context.Context, path string) (faces.Recognition, error) {
			time.Sleep(time.Second)
			switch {
			case path == "/unknown_people/1.jpg":
				return faces.Recognition{}, faces.Fault(faces.CorruptImage, "not a picture")
			case path == "/unknown_people/2.jpg" && !failed:
				failed = true
				return faces.Recognition{}, errors.New("a service")
			default:
				return isAnn(), nil
			}
		})
		ids := db.add(t, 4)
		if c, err := db.Claim(t.Context(), "dead", ids[3:], time.Minute); err != nil || len(c.Claimed) != 1 {
			t.Fatal(c, err)
		}
		time.Sleep(2 * time.Minute)
		q := newMemoryQueue(t, db)
		r := newRig(t, db, rec, options()).start(t)
		q.attach(r.Processor)
		for _, name := range []string{"rollcall_outcomes_total", "rollcall_attempts_total", "rollcall_lease_takeovers_total"} {
			if n := r.count(t, name, ""); n != 0 {
				t.Errorf("%s begins with %d", name, n)
			}
		}
		q.publish(ids...)
		q.awaitFinished(ids...)
		for _, c := range []struct {
			name, value string
			want        int
		}{
			{"rollcall_attempts_total", "answered", 3}, {"rollcall_attempts_total", "picture", 1}, {"rollcall_attempts_total", "service", 1},
			{"rollcall_lease_takeovers_total", "", 1}, {"rollcall_outcomes_total", "identified", 3}, {"rollcall_outcomes_total", "corrupt_image", 1},
			{"rollcall_handed_back_total", "failed attempt", 1},
		} {
			if got := r.count(t, c.name, c.value); got != c.want {
				t.Errorf("%s %s is %d, want %d", c.name, c.value, got, c.want)
			}
		}
		for stage, want := range map[string]int{"claim": 5, "call": 5, "decide": 3, "store": 4} {
			if got, _ := r.samples(t, "rollcall_stage_seconds", stage); got != want {
				t.Errorf("stage %s has %d values, want %d", stage, got, want)
			}
		}
		if _, sum := r.samples(t, "rollcall_stage_seconds", "call"); sum != 5 {
			t.Errorf("calls took %v seconds, want 5", sum)
		}
		if n, sum := r.samples(t, "rollcall_match_distance", ""); n != 3 || sum < 1.19 || sum > 1.21 {
			t.Errorf("%d distances with the sum %v, want 3 times 0.4", n, sum)
		}
	})
}
