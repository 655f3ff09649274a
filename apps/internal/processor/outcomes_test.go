package processor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func enrol(t *testing.T, db *database) {
	t.Helper()
	_, err := db.SyncKnownImages(t.Context(),
		map[string]string{"ann/1.jpg": "Ann", "ben/1.jpg": "Ben"}, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		seen       faces.Recognition
		threshold  float64
		margin     float64
		wantReason faces.Reason
		wantPerson string
	}{
		{name: "no face", seen: faces.Recognition{Model: lite}, wantReason: faces.NoFace},
		{name: "nobody near", seen: near(), wantReason: faces.UnknownPerson},
		{name: "far", seen: near(faces.Neighbour{Image: "ann/1.jpg", Distance: 0.61}), wantReason: faces.UnknownPerson},
		{name: "near", seen: near(faces.Neighbour{Image: "ann/1.jpg", Distance: 0.4}), wantReason: faces.Identified, wantPerson: "Ann"},
		{
			name: "two people near", wantReason: faces.Uncertain,
			seen: near(faces.Neighbour{Image: "ann/1.jpg", Distance: 0.4}, faces.Neighbour{Image: "ben/1.jpg", Distance: 0.44}),
		},
		{name: "a known picture of nobody", seen: near(faces.Neighbour{Image: "stray.jpg", Distance: 0.1}), wantReason: faces.UnknownPerson},
		{
			name: "stricter threshold", threshold: 0.3, wantReason: faces.UnknownPerson,
			seen: near(faces.Neighbour{Image: "ann/1.jpg", Distance: 0.4}),
		},
		{
			name: "wider margin", margin: 0.2, wantReason: faces.Uncertain,
			seen: near(faces.Neighbour{Image: "ann/1.jpg", Distance: 0.4}, faces.Neighbour{Image: "ben/1.jpg", Distance: 0.55}),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := newDatabase(t)
				enrol(t, db)
				rec := newRecognizer(func(context.Context, string) (faces.Recognition, error) { return test.seen, nil })
				o := options()
				o.Threshold, o.Margin = test.threshold, test.margin
				q := newMemoryQueue(t, db)
				q.attach(newRig(t, db, rec, o).start(t).Processor)
				id := db.add(t, 1)[0]
				q.publish(id)
				q.awaitFinished(id)

				img := db.image(t, id)
				person := ""
				if img.Person != nil {
					person = img.Person.Name
				}
				if img.Reason != test.wantReason || person != test.wantPerson {
					t.Errorf("got %s %q, want %s %q", img.Reason, person, test.wantReason, test.wantPerson)
				}
				if got, want := len(img.Faces), len(test.seen.Sightings); got != want {
					t.Errorf("%d faces stored, want %d", got, want)
				}
			})
		})
	}
}

func TestPictureFaultsFailAtTheFirstAttempt(t *testing.T) {
	t.Parallel()
	reasons := []faces.Reason{
		faces.NotFound, faces.CorruptImage, faces.UnsupportedFormat, faces.ImageTooLarge, faces.PathNotAllowed,
	}
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		faultOf := map[string]faces.Reason{}
		var paths []string
		for _, r := range reasons {
			for i := range 10 { // far more than open a circuit
				paths = append(paths, fmt.Sprintf("/unknown_people/%s-%d.jpg", r, i))
				faultOf[paths[len(paths)-1]] = r
			}
		}
		ids := db.addPaths(t, paths...)
		rec := newRecognizer(func(_ context.Context, path string) (faces.Recognition, error) {
			return faces.Recognition{}, faces.Fault(faultOf[path], "cannot use %s", path)
		})
		rec.pinged = func(context.Context) error {
			t.Error("pinged: the circuit has opened")
			return nil
		}
		p := newRig(t, db, rec, options()).start(t)
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		q.publish(ids...)
		q.awaitFinished(ids...)

		for i, id := range ids {
			img := db.image(t, id)
			if img.Reason != faultOf[paths[i]] || img.Attempts != 1 || img.Detail != "cannot use "+paths[i] {
				t.Errorf("%s: %s after %d attempts (%s)", paths[i], img.Reason, img.Attempts, img.Detail)
			}
			if pauses := q.pausesOf(id); len(pauses) != 0 {
				t.Errorf("%s: requeued %v", paths[i], pauses)
			}
		}
		if got := p.Info()["circuit"]; got != "closed" {
			t.Errorf("the circuit is %v", got)
		}
	})
}

func TestServiceFaultsAreRetriedWithGrowingPauses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want faces.Reason
	}{
		{"unavailable", faces.Fault(faces.RecognizerUnavailable, "cannot be reached"), faces.RecognizerUnavailable},
		{"timeout", faces.Fault(faces.Timeout, "no answer"), faces.Timeout},
		{"internal", faces.Fault(faces.Internal, "broken"), faces.Internal},
		{"no reason at all", errors.New("?"), faces.Internal},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := newDatabase(t)
				id := db.add(t, 1)[0]
				rec := newRecognizer(func(context.Context, string) (faces.Recognition, error) { return faces.Recognition{}, test.err })
				o := options()
				o.Breaker.Failures = 100
				q := newMemoryQueue(t, db)
				q.attach(newRig(t, db, rec, o).start(t).Processor)
				q.publish(id)
				q.awaitFinished(id)

				if got, want := rec.allCalls(), o.Attempts; got != want {
					t.Errorf("%d calls, want %d", got, want)
				}
				pauses := q.pausesOf(id)
				if got, want := len(pauses), o.Attempts-1; got != want {
					t.Fatalf("requeued %d times, want %d", got, want)
				}
				for i, d := range pauses {
					middle := time.Second << i
					if d < middle/2 || d >= 3*middle/2 {
						t.Errorf("pause %d is %s, want %s give or take a half", i, d, middle)
					}
				}
				img := db.image(t, id)
				if img.Status != faces.Failed || img.Reason != test.want {
					t.Errorf("ended as %s/%s, want failed/%s", img.Status, img.Reason, test.want)
				}
				wantRetry(t, db, id, processor.RetryPauses()[0])
			})
		})
	}
}

// wantRetry checks when the redeemer may try again, counted from now; zero
// for never.
func wantRetry(t *testing.T, db *database, id int64, in time.Duration) {
	t.Helper()
	var at *time.Time
	if err := db.raw.QueryRowContext(t.Context(), "SELECT retry_at FROM images WHERE id = ?", id).Scan(&at); err != nil {
		t.Fatal(err)
	}
	switch {
	case at == nil && in != 0:
		t.Errorf("no retry, want one in %s", in)
	case at != nil && in == 0:
		t.Errorf("retry in %s, want none", time.Until(*at))
	case at != nil && (time.Until(*at) > in || time.Until(*at) < in-time.Second):
		t.Errorf("retry in %s, want %s", time.Until(*at), in)
	}
}

func TestRetryGetsLaterWithEveryRound(t *testing.T) {
	t.Parallel()
	pauses := append(processor.RetryPauses(), 0, 0) // after the last it stays failed
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		rec := newRecognizer(func(context.Context, string) (faces.Recognition, error) {
			return faces.Recognition{}, faces.Fault(faces.Internal, "broken")
		})
		o := options()
		o.Attempts, o.Breaker.Failures = 1, 100
		q := newMemoryQueue(t, db)
		q.attach(newRig(t, db, rec, o).start(t).Processor)
		ids := db.add(t, len(pauses))
		for round, id := range ids {
			db.exec(t, "UPDATE images SET rounds = ? WHERE id = ?", round, id)
		}
		q.publish(ids...)
		q.awaitFinished(ids...)
		for round, id := range ids {
			wantRetry(t, db, id, pauses[round])
		}
	})
}

// An image may have more attempts behind it than a duration has doublings.
func TestPausesStayBoundedAfterManyAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		rec := newRecognizer(func(context.Context, string) (faces.Recognition, error) {
			return faces.Recognition{}, faces.Fault(faces.Internal, "broken")
		})
		o := options()
		o.Attempts, o.Breaker.Failures = 100, 1000
		q := newMemoryQueue(t, db)
		q.attach(newRig(t, db, rec, o).start(t).Processor)
		id := db.add(t, 1)[0]
		db.exec(t, "UPDATE images SET attempts = 97 WHERE id = ?", id)
		q.publish(id)
		time.Sleep(10 * time.Minute)
		q.awaitFinished(id)
		if got := len(q.pausesOf(id)); got != 2 {
			t.Errorf("%d pauses, want 2", got)
		}
		for _, d := range q.pausesOf(id) {
			if d < 30*time.Second || d > 90*time.Second {
				t.Errorf("pause of %s, want a minute give or take a half", d)
			}
		}
	})
}

func TestPoisonEndsAsFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		rec := newRecognizer(nobody)
		o := options()
		q := newMemoryQueue(t, db)
		q.attach(newRig(t, db, rec, o).start(t).Processor)
		id := db.add(t, 1)[0]
		// Whoever held it was killed, as often as an image may be tried.
		for range o.Attempts {
			c, err := db.Claim(t.Context(), "one that crashes", []int64{id}, time.Second)
			if err != nil || len(c.Claimed) != 1 {
				t.Fatalf("claim: %+v, %v", c, err)
			}
			time.Sleep(2 * time.Second)
		}
		q.publish(id)
		q.awaitFinished(id)
		img := db.image(t, id)
		if img.Status != faces.Failed || img.Reason != faces.Internal {
			t.Errorf("ended as %s/%s, want failed/internal", img.Status, img.Reason)
		}
		if n := rec.allCalls(); n != 0 {
			t.Errorf("called %d more times", n)
		}
	})
}

func TestMessagesWithoutWorkAreFinished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		rec := newRecognizer(nobody)
		p := newRig(t, db, rec, options())
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		ids := db.add(t, 2)
		const unknown = 4711
		// One batch holds all of these, because the processor starts after them.
		// A duplicate in a later batch could wait until the lease ends.
		q.publish(ids[0], ids[0], ids[0], unknown)
		p.start(t)
		q.awaitFinished(ids[0], unknown)
		q.publish(ids[0]) // answered already
		q.publish(ids[1])
		q.awaitFinished(ids[1])
		await(t, "duplicates are finished", func() bool { return q.finishedIDs()[ids[0]] == 4 })
		if diff := cmp.Diff(map[faces.Reason]int{faces.NoFace: 2}, db.counts(t)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if got := rec.allCalls(); got != 2 {
			t.Errorf("%d calls, want 2", got)
		}
	})
}

// A long lease must not keep a message away for as long: its holder may be done
// soon, and the redeemer does not look for lost images before the queue is empty.
func TestMessageOfALeasedImageReturnsSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		q := newMemoryQueue(t, db)
		q.attach(newRig(t, db, newRecognizer(nobody), options()).start(t).Processor)
		id := db.add(t, 1)[0]
		c, err := db.Claim(t.Context(), "somebody else", []int64{id}, time.Hour)
		if err != nil || len(c.Claimed) != 1 {
			t.Fatalf("claim: %+v, %v", c, err)
		}
		q.publish(id)
		synctest.Wait()
		_, err = db.Finish(t.Context(), []store.Result{{Lease: c.Claimed[0].Lease, Outcome: faces.Outcome{Reason: faces.NotFound}}})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		q.awaitFinished(id)
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("the message was away for %s", took)
		}
	})
}

// The original finished a message when it had taken it in.
func TestMessageIsFinishedAfterOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		st := newFaulty(db)
		commit := make(chan struct{})
		st.on("Finish", func(context.Context) error { <-commit; return nil })
		q := newMemoryQueue(t, db)
		q.attach(newRig(t, st, newRecognizer(nobody), options()).start(t).Processor)
		id := db.add(t, 1)[0]
		q.publish(id)
		synctest.Wait()
		if got := q.finishedIDs(); len(got) != 0 || q.inFlight() != 1 {
			t.Errorf("before the outcome is recorded: finished %v, %d in flight", got, q.inFlight())
		}
		close(commit)
		q.awaitFinished(id) // which checks the row
	})
}
