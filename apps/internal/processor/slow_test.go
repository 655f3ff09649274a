package processor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// engines is a recognizer with a number of engines: a quick picture takes one for
// half a second, a slow one until the call's deadline.
func engines(n int) *recognizer {
	const deadline = 30 * time.Second
	free := make(chan struct{}, n)
	timedOut := faces.Fault(faces.Timeout, "no answer")
	return newRecognizer(func(ctx context.Context, path string) (faces.Recognition, error) {
		ctx, cancel := context.WithTimeout(ctx, deadline) // as recognizerclient does
		defer cancel()
		select {
		case free <- struct{}{}:
			defer func() { <-free }()
		case <-ctx.Done():
			return faces.Recognition{}, timedOut
		}
		work := 500 * time.Millisecond
		if strings.Contains(path, "slow") {
			work = time.Hour
		}
		select {
		case <-time.After(work):
			return nobody(ctx, path)
		case <-ctx.Done():
			return faces.Recognition{}, timedOut
		}
	})
}

// Slow pictures cost their own time: the first attempt of each, and after that a
// small share of the calls.
func TestSlowPicturesDelayNobody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ calls, engines int }{
		"an engine for each call":   {8, 8},
		"two calls for each engine": {4, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const quick, slow = 400, 10
			alone := timeOfQuick(t, c.calls, c.engines, quick, 0)
			beside := timeOfQuick(t, c.calls, c.engines, quick, slow)
			firstAttempts := slow * 30 * time.Second / time.Duration(c.engines)
			if limit := alone*12/10 + firstAttempts; beside > limit {
				t.Errorf("%d pictures took %s beside %d slow ones, want at most %s; without them they took %s", quick, beside, slow, limit, alone)
			}
		})
	}
}

// timeOfQuick returns how long it takes until all quick pictures are answered,
// with slow ones spread among them. It waits for the slow ones, too: they fail.
func timeOfQuick(t *testing.T, calls, n, quick, slow int) (took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		o := options()
		o.Calls = calls
		var paths []string
		for i := range quick {
			if slow > 0 && i%(quick/slow) == 0 {
				paths = append(paths, fmt.Sprintf("/unknown_people/slow-%d.jpg", i))
			}
			paths = append(paths, fmt.Sprintf("/unknown_people/%d.jpg", i))
		}
		ids := db.addPaths(t, paths...)
		var quickIDs []int64
		for i, id := range ids {
			if !strings.Contains(paths[i], "slow") {
				quickIDs = append(quickIDs, id)
			}
		}
		rec := engines(n)
		q := newMemoryQueue(t, db)
		q.attach(newRig(t, db, rec, o).start(t).Processor)
		begin := time.Now()
		q.publish(ids...)
		q.awaitFinishedWithin(time.Hour, quickIDs...)
		took = time.Since(begin)
		q.awaitFinishedWithin(2*time.Hour, ids...)
		want := map[faces.Reason]int{faces.NoFace: quick, faces.Timeout: slow}
		if got := db.counts(t); got[faces.NoFace] != quick || got[faces.Timeout] != slow {
			t.Errorf("outcomes: %v, want %v", got, want)
		}
		for i, id := range ids {
			if img := db.image(t, id); strings.Contains(paths[i], "slow") && rec.calls[img.Path] != o.Attempts {
				t.Errorf("%s was tried %d times, want %d", img.Path, rec.calls[img.Path], o.Attempts)
			}
		}
	})
	return took
}
