package store_test

import (
	"fmt"
	"net"
	"strconv"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// throughProxy opens a store on a new, migrated database behind a proxy that
// counts.
func throughProxy(t *testing.T) (*store.Store, *proxy) {
	t.Helper()
	db := mariadbtest.Database(t)
	migrate(t, openMariaDB(t, db))
	p := newProxy(t, net.JoinHostPort(db.Host, strconv.Itoa(db.Port)))
	db.Port = p.port()
	return openMariaDB(t, db), p
}

// The original opened a pool for each call, two to store one image.
func TestCallsShareConnections(t *testing.T) {
	t.Parallel()
	s, p := throughProxy(t)
	for i := range 20 {
		images, err := s.AddImages(t.Context(), []string{fmt.Sprintf("/unknown_people/%d.jpg", i)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Image(t.Context(), images[0].ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Finish(t.Context(), noFaces([]store.Lease{claim(t, s, []int64{images[0].ID}).Claimed[0].Lease})); err != nil {
			t.Fatal(err)
		}
	}
	if connections, _ := p.counts(); connections != 1 {
		t.Errorf("%d connections for calls one after the other, want 1", connections)
	}
}

// The original's dashboard asked for the person of each row, and so did a page
// of many rows as many times.
func TestListAsksOnce(t *testing.T) {
	t.Parallel()
	s, p := throughProxy(t)
	_, err := s.SyncKnownImages(t.Context(), map[string]string{"Ada/1.jpg": "Ada"}, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	owners, err := s.Owners(t.Context(), []string{"Ada/1.jpg"})
	if err != nil {
		t.Fatal(err)
	}
	ada := owners["Ada/1.jpg"]
	var results []store.Result
	face := faces.Face{Reason: faces.Identified, Person: &ada, Best: &faces.Candidate{Person: ada, Image: "Ada/1.jpg"}}
	for _, l := range claimed(t, s, 50) {
		results = append(results, store.Result{Lease: l, Outcome: faces.Outcome{
			Reason: faces.Identified, Person: &ada, Faces: []faces.Face{face, face},
		}})
	}
	if _, err := s.Finish(t.Context(), results); err != nil {
		t.Fatal(err)
	}
	_, before := p.counts()
	images, err := s.ListImages(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range images {
		if img.Person == nil || img.Person.Name != "Ada" || faces.Describe(img) != "Ada, Ada" {
			t.Fatalf("image %d shows %v and %q, want Ada", img.ID, img.Person, faces.Describe(img))
		}
	}
	// The images, their faces, and the rules of the model sets (two tables); and the
	// level, begin and end of the transaction in which they are read.
	if _, after := p.counts(); len(images) != 50 || after-before != 7 {
		t.Errorf("%d statements for a page of %d, want 7 for 50", after-before, len(images))
	}
}
