package store_test

import (
	"fmt"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// TestImagesThatBeginToShowAPersonMeanwhile lets an image get its answer while a change
// of the person in it waits for another image. What the change makes of the new answer
// has an event, too.
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
			finishShowing(t, s, leases[1], goes)
			if err := blocks.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			told := map[int64]bool{}
			for _, e := range events(t, s) {
				told[e.ImageID] = told[e.ImageID] || e.Type == faces.ImageChanged
			}
			for _, l := range leases {
				img, err := s.Image(t.Context(), l.ImageID)
				if err != nil {
					t.Fatal(err)
				}
				isOld := img.Faces[0].Best != nil && img.Faces[0].Best.Person.ID == goes.ID
				if !isOld && !told[l.ImageID] {
					t.Errorf("image %d changed to %+v without an event", l.ImageID, img.Faces[0].Best)
				}
				if isOld {
					t.Errorf("image %d still shows who has gone", l.ImageID)
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
	stale, err := s.Finish(t.Context(), []store.Result{{Lease: l, Outcome: faces.Outcome{
		Reason: faces.Identified, Person: &p, Width: 800, Height: 600, Model: "lite-1",
		Faces: []faces.Face{{
			Box: faces.Box{Width: 80, Height: 80}, Descriptor: faces.Descriptor{1}, Reason: faces.Identified, Person: &p, Model: "lite-1",
			Best: &faces.Candidate{Person: p, Distance: 0.25, Image: p.Name + "/1.jpg"}, MatchedImage: p.Name + "/1.jpg",
		}},
	}}})
	if err != nil || len(stale) > 0 {
		t.Fatal(fmt.Errorf("stale %v: %w", stale, err))
	}
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
