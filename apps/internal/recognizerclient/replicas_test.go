package recognizerclient_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
)

// A name is resolved again by each List; connections stay, and those to recognizers that
// are gone are closed.
func TestReplicas(t *testing.T) {
	t.Parallel()
	now := []string{"127.0.0.1", "127.0.0.2", "::1", "127.0.0.1"}
	var down error
	r := recognizerclient.NewReplicas(recognizerclient.Options{Address: "recognizer.test:1", Timeout: time.Minute}).
		WithLookup(func(_ context.Context, host string) ([]string, error) {
			if host != "recognizer.test" {
				t.Errorf("looked for %q", host)
			}
			return now, down
		})
	t.Cleanup(func() { r.Close() })
	list := func(want ...string) (all []*recognizerclient.Replica) {
		t.Helper()
		all, err := r.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != len(want) {
			t.Fatalf("%d recognizers, want %v", len(all), want)
		}
		for i, one := range all {
			if one.Address() != want[i] {
				t.Errorf("recognizer %d is %s, want %s", i, one.Address(), want[i])
			}
		}
		return all
	}
	first := list("127.0.0.1:1", "127.0.0.2:1", "[::1]:1")
	now = now[1:2]
	second := list("127.0.0.2:1")
	if second[0] != first[1] {
		t.Error("a connection was not kept")
	}
	if _, _, err := first[0].CheckFaces(t.Context(), "", 0, 0, 0); err == nil {
		t.Error("a recognizer that is gone was asked")
	}
	down = errors.New("no such host")
	if _, err := r.List(t.Context()); faces.ReasonOf(err) != faces.RecognizerUnavailable {
		t.Errorf("a name that cannot be resolved: %v", err)
	}
}

// TestReplicasCloseDuringList closes the connections while lists are made, as a program
// does that stops. None is left open.
func TestReplicasCloseDuringList(t *testing.T) {
	t.Parallel()
	r := recognizerclient.NewReplicas(recognizerclient.Options{Address: "recognizer.test:1", Timeout: time.Minute}).
		WithLookup(func(context.Context, string) ([]string, error) { return []string{"127.0.0.1", "127.0.0.2"}, nil })
	var lists sync.WaitGroup
	begun := make(chan bool, 4)
	for range cap(begun) {
		lists.Go(func() {
			for n := 0; ; n++ {
				list, err := r.List(t.Context())
				if n == 0 {
					begun <- true
				}
				if err != nil {
					return
				}
				if len(list) != 2 {
					t.Errorf("%d recognizers", len(list))
				}
			}
		})
	}
	for range cap(begun) {
		<-begun
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	lists.Wait() // each ends, because there are no connections any more
	if err := r.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}
