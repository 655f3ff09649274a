package operations_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func TestTallyCountsByMinute(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 59, 0, time.UTC)
	minute := now.Unix() / 60
	tally := operations.NewTally(func() time.Time { return now })
	tally.Add(1, faces.Identified, time.Second)
	tally.Add(2, faces.Identified, time.Second)
	now = now.Add(time.Second)
	tally.Add(3, faces.NoFace, time.Second)
	first := tally.Take()
	want := []store.MinuteOutcome{{Minute: minute, Reason: faces.Identified, Images: 2}, {Minute: minute + 1, Reason: faces.NoFace, Images: 1}}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	if again := tally.Take(); len(again) != 0 {
		t.Errorf("nothing has changed, and %v is to be stored", again)
	}
	tally.GiveBack(first)
	tally.Add(4, faces.NoFace, time.Second)
	want[1].Images = 2
	if diff := cmp.Diff(want, tally.Take()); diff != "" {
		t.Errorf("counted after a failure (-want +got):\n%s", diff)
	}
}

func TestTallyForgetsWhatTheDatabaseMissedForLong(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tally := operations.NewTally(func() time.Time { return now })
	for range 1000 {
		tally.Add(1, faces.Identified, time.Second)
		now = now.Add(time.Minute)
	}
	if n := len(tally.Take()); n > 20 {
		t.Errorf("%d minutes are kept", n)
	}
}

func TestTallyRemembersTheSlowest(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tally := operations.NewTally(func() time.Time { return now })
	tally.Add(1000, faces.Identified, time.Hour)
	now = now.Add(30 * time.Minute)
	for i := range int64(50) {
		tally.Add(i, faces.Identified, time.Duration(i)*time.Millisecond)
	}
	tally.Add(49, faces.Identified, time.Millisecond) // again, and fast
	ids := func() (ids []int64) {
		for _, s := range tally.Slowest() {
			ids = append(ids, s.Image)
		}
		return ids
	}
	if diff := cmp.Diff([]int64{1000, 49, 48, 47, 46, 45, 44, 43, 42, 41}, ids()); diff != "" {
		t.Errorf("the slowest (-want +got):\n%s", diff)
	}
	now = now.Add(30 * time.Minute)
	if diff := cmp.Diff([]int64{49, 48, 47, 46, 45, 44, 43, 42, 41}, ids()); diff != "" {
		t.Errorf("the slowest of the last hour (-want +got):\n%s", diff)
	}
	now = now.Add(time.Hour)
	if got := tally.Slowest(); len(got) != 0 {
		t.Errorf("slow images of before: %v", got)
	}
}

func TestReadPassesOverWhatIsNewer(t *testing.T) {
	t.Parallel()
	got, err := operations.Read([]byte(`{"queue":{"waiting":3,"of_tomorrow":1},"tomorrow":[]}`))
	if err != nil || got.Queue == nil || got.Queue.Waiting != 3 {
		t.Errorf("read %+v, %v", got, err)
	}
	if _, err := operations.Read([]byte("[")); err == nil {
		t.Error("half a text is read")
	}
}
