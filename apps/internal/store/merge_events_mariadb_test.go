package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// TestImagesThatBeginToShowAPersonMeanwhile lets an image get its answer while a change
// of the person in it waits for another image. Nothing shows who has gone in the end, and
// the last event of each image tells what its row has.
func TestImagesThatBeginToShowAPersonMeanwhile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, s *store.Store, stays, goes int64) error{
		"a merge": func(t *testing.T, s *store.Store, stays, goes int64) error {
			_, _, err := s.MergePeople(t.Context(), store.MergeRequest{Person: stays, Merged: goes, PersonVersion: faces.AnyVersion, MergedVersion: faces.AnyVersion})
			return err
		},
		"a deletion": func(t *testing.T, s *store.Store, _, goes int64) error {
			_, err := s.DeletePerson(t.Context(), goes, faces.AnyVersion)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := mariadbtest.Database(t)
			s, raw := openMariaDB(t, db), rawMariaDB(t, db)
			migrate(t, s)
			stays, goes := personNamed(t, s, "Ada"), personNamed(t, s, "Zoe")
			leases := claimed(t, s, 2)
			finishShowing(t, s, leases[0], goes)
			events(t, s)

			blocks := begin(t, raw)
			execTx(t, blocks, "select id from images where id = ? for update", leases[0].ImageID)
			done := make(chan error, 1)
			go func() { done <- change(t, s, stays.ID, goes.ID) }()
			awaitFinish(t, raw)
			finished := make(chan error, 1)
			go func() { finished <- finishAs(t.Context(), s, leases[1], goes) }() // it may wait for the person
			if err := blocks.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if err := <-finished; err != nil {
				t.Fatal(err)
			}
			last := map[int64]faces.Event{}
			for _, e := range events(t, s) {
				if e.ImageID != 0 {
					last[e.ImageID] = e
				}
			}
			for _, l := range leases {
				img, err := s.Image(t.Context(), l.ImageID)
				if err != nil {
					t.Fatal(err)
				}
				var shown []int64
				if best := img.Faces[0].Best; best != nil {
					shown = append(shown, best.Person.ID)
				}
				if slices.Contains(shown, goes.ID) {
					t.Errorf("image %d still shows who has gone", l.ImageID)
				}
				if e := last[l.ImageID]; !slices.Equal(e.People, shown) {
					t.Errorf("image %d shows %v, and its last event is %s of %v", l.ImageID, shown, e.Type, e.People)
				}
			}
		})
	}
}

func personNamed(t *testing.T, s *store.Store, name string) faces.Person {
	t.Helper()
	p, err := s.AddPerson(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return faces.Person{ID: p.ID, Name: p.Name}
}

func finishShowing(t *testing.T, s *store.Store, l store.Lease, p faces.Person) {
	t.Helper()
	if err := finishAs(t.Context(), s, l, p); err != nil {
		t.Fatal(err)
	}
}

// finishAs gives an image an answer that shows a person.
func finishAs(ctx context.Context, s *store.Store, l store.Lease, p faces.Person) error {
	stale, err := s.Finish(ctx, []store.Result{{Lease: l, Outcome: faces.Outcome{
		Reason: faces.Identified, Person: &p, Width: 800, Height: 600, Model: "lite-1",
		Faces: []faces.Face{{
			Box: faces.Box{Width: 80, Height: 80}, Descriptor: faces.Descriptor{1}, Reason: faces.Identified, Person: &p, Model: "lite-1",
			Best: &faces.Candidate{Person: p, Distance: 0.25, Image: p.Name + "/1.jpg"}, MatchedImage: p.Name + "/1.jpg",
		}},
	}}})
	if err == nil && len(stale) > 0 {
		err = fmt.Errorf("stale: %v", stale)
	}
	return err
}

// events numbers all events and returns them.
func events(t *testing.T, s *store.Store) []faces.Event {
	t.Helper()
	for {
		n, err := s.SequenceEvents(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	page, err := s.Events(t.Context(), 0, nil, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return page.Events
}
