package processor_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// outage is a recognizer's: calls and pings fail while it lasts.
type outage struct{ atomic.Bool }

func (o *outage) recognizer() *recognizer {
	rec := newRecognizer(func(ctx context.Context, path string) (faces.Recognition, error) {
		if o.Load() {
			return faces.Recognition{}, faces.Fault(faces.RecognizerUnavailable, "down")
		}
		return nobody(ctx, path)
	})
	rec.pinged = func(context.Context) error {
		if o.Load() {
			return errors.New("down")
		}
		return nil
	}
	return rec
}

func TestNoAttemptIsUsedWhileTheCircuitIsOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		var down outage
		down.Store(true)
		rec := down.recognizer()
		o := options()
		o.Attempts = 2
		p := newRig(t, db, rec, o).start(t)
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		ids := db.add(t, 100)
		q.publish(ids...)

		time.Sleep(20 * time.Minute) // pings fail all the while
		if got := p.Info()["circuit"]; got != "open" {
			t.Errorf("the circuit is %v, want open", got)
		}
		// What opened the circuit, and what was on its way then.
		calls, most := rec.allCalls(), o.Breaker.Failures+o.Calls
		if calls > most {
			t.Errorf("%d calls to a recognizer that is down, want at most %d", calls, most)
		}
		attempts := 0
		for _, id := range ids {
			img := db.image(t, id)
			attempts += img.Attempts
			if img.Reason != faces.Queued {
				t.Fatalf("image %d became %s/%s while the circuit was open", id, img.Status, img.Reason)
			}
		}
		if attempts != calls {
			t.Errorf("%d attempts used up by %d calls", attempts, calls)
		}
		if got := len(q.pausesOf(ids[len(ids)-1])); got == 0 {
			t.Error("the message was kept, want it back in the queue")
		}

		down.Store(false)
		begin := time.Now()
		q.awaitFinishedWithin(o.Breaker.MaxPause+time.Minute, ids...)
		t.Logf("all answered %s after the recognizer came back", time.Since(begin))
		if diff := cmp.Diff(map[faces.Reason]int{faces.NoFace: len(ids)}, db.counts(t)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// The original's ping reported a healthy service as broken, so that its
// circuit stayed open.
func TestPingSuccessClosesCircuit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		var down outage
		down.Store(true)
		rec := down.recognizer()
		o := options()
		p := newRig(t, db, rec, o).start(t)
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		ids := db.add(t, 20)
		q.publish(ids...)
		await(t, "the circuit opens", func() bool { return p.Info()["circuit"] == "open" })
		if got := p.count(t, "rollcall_breaker_open", ""); got != 1 {
			t.Errorf("rollcall_breaker_open = %d, want 1", got)
		}
		time.Sleep(o.Breaker.Pause + time.Second) // a ping that fails changes nothing
		if got := p.count(t, "rollcall_breaker_changes_total", "open"); got != 1 {
			t.Errorf("the circuit opened %d times, want once", got)
		}
		down.Store(false)
		time.Sleep(2*o.Breaker.Pause + time.Second)
		if got := p.Info()["circuit"]; got != "closed" {
			t.Errorf("a ping interval after the recognizer came back the circuit is %v", got)
		}
		q.awaitFinishedWithin(10*time.Second, ids...)
	})
}

// An open circuit must not make every program turn the whole queue over and
// over.
func TestOpenCircuitLeavesALongQueueAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		var down outage
		down.Store(true)
		o := options()
		o.InFlight = 64
		p := newRig(t, db, down.recognizer(), o).start(t)
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		ids := db.add(t, 150)
		go q.publish(ids...) // as NSQ does: no faster than they are taken
		await(t, "the circuit opens", func() bool { return p.Info()["circuit"] == "open" })
		time.Sleep(10 * time.Minute)
		if got, most := p.count(t, "rollcall_handed_back_total", ""), 10*60/5*o.Batch+o.InFlight; got > most {
			t.Errorf("%d messages handed back in ten minutes, want at most %d", got, most)
		}
		down.Store(false)
		q.awaitFinishedWithin(o.Breaker.MaxPause+time.Minute, ids...)
	})
}

func TestHangingRecognizerEndsInTimeoutAndOpensTheCircuit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		const deadline = 30 * time.Second
		rec := newRecognizer(func(ctx context.Context, _ string) (faces.Recognition, error) {
			ctx, cancel := context.WithTimeout(ctx, deadline) // as recognizerclient does
			defer cancel()
			<-ctx.Done()
			return faces.Recognition{}, faces.Fault(faces.Timeout, "no answer").WithCause(ctx.Err())
		})
		rec.pinged = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		o := options()
		o.Attempts, o.Calls = 1, 5
		p := newRig(t, db, rec, o).start(t)
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		ids := db.add(t, 5)
		q.publish(ids...)
		time.Sleep(deadline + time.Second)
		if diff := cmp.Diff(map[faces.Reason]int{faces.Timeout: 5}, db.counts(t)); diff != "" {
			t.Errorf("outcomes after the deadline (-want +got):\n%s", diff)
		}
		if got := p.Info()["circuit"]; got != "open" {
			t.Errorf("the circuit is %v, want open", got)
		}
	})
}

func TestPanicIsOneFailedAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		var first sync.Once
		rec := newRecognizer(func(ctx context.Context, path string) (faces.Recognition, error) {
			first.Do(func() { panic("out of bounds") })
			return nobody(ctx, path)
		})
		p := newRig(t, db, rec, options()).start(t)
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		ids := db.add(t, 3)
		q.publish(ids...)
		q.awaitFinished(ids...)
		if diff := cmp.Diff(map[faces.Reason]int{faces.NoFace: 3}, db.counts(t)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if got := rec.allCalls(); got != 4 {
			t.Errorf("%d calls, want one more than images", got)
		}
		if got := p.count(t, "rollcall_panics_total", "recognize"); got != 1 {
			t.Errorf("%d panics counted, want 1", got)
		}
	})
}

func TestPingThatPanicsIsAFailedPing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		var down outage
		down.Store(true)
		rec := down.recognizer()
		var first sync.Once
		well := rec.pinged
		rec.pinged = func(ctx context.Context) error {
			first.Do(func() { panic("nil map") })
			return well(ctx)
		}
		p := newRig(t, db, rec, options()).start(t)
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		ids := db.add(t, 20)
		q.publish(ids...)
		await(t, "the circuit opens", func() bool { return p.Info()["circuit"] == "open" })
		down.Store(false)
		q.awaitFinished(ids...)
		if got := p.count(t, "rollcall_panics_total", "ping"); got != 1 {
			t.Errorf("%d panics counted, want 1", got)
		}
	})
}

// Whatever breaks inside a visit to the database costs that visit only.
func TestPanicInTheStoreLosesNothing(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Claim", "Renew", "Release", "Owners", "Finish", "UseModel"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := newDatabase(t)
				st := newFaulty(db)
				var first sync.Once
				st.on(method, func(context.Context) error {
					first.Do(func() { panic("broken " + method) })
					return nil
				})
				var second sync.Once
				rec := newRecognizer(func(ctx context.Context, path string) (faces.Recognition, error) {
					time.Sleep(25 * time.Second) // long enough for a renewal
					var err error
					second.Do(func() { err = faces.Fault(faces.Timeout, "once") }) // for a release
					if err != nil {
						return faces.Recognition{}, err
					}
					return nobody(ctx, path)
				})
				p := newRig(t, st, rec, options()).start(t)
				q := newMemoryQueue(t, db)
				q.attach(p.Processor)
				ids := db.add(t, 8)
				q.publish(ids...)
				q.awaitFinishedWithin(10*time.Minute, ids...)
				if diff := cmp.Diff(map[faces.Reason]int{faces.NoFace: 8}, db.counts(t)); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
				if got := p.count(t, "rollcall_panics_total", ""); got != 1 {
					t.Errorf("%d panics counted, want 1", got)
				}
			})
		})
	}
}

func TestDatabaseAwayLosesNothing(t *testing.T) {
	t.Parallel()
	methods := []string{"Claim", "Renew", "Release", "Owners", "Finish", "UseModel"}
	for _, method := range append(methods, strings.Join(methods, " ")) {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := newDatabase(t)
				st := newFaulty(db)
				var down outage
				rec := newRecognizer(func(ctx context.Context, path string) (faces.Recognition, error) {
					time.Sleep(time.Second)
					if down.CompareAndSwap(true, false) { // once: something to release
						return faces.Recognition{}, faces.Fault(faces.Timeout, "once")
					}
					return nobody(ctx, path)
				})
				down.Store(true)
				q := newMemoryQueue(t, db)
				q.attach(newRig(t, st, rec, options()).start(t).Processor)
				ids := db.add(t, 30)
				q.publish(ids[:10]...)
				for _, m := range strings.Fields(method) {
					st.on(m, away)
				}
				q.publish(ids[10:]...)
				time.Sleep(5 * time.Minute) // many leases long
				for _, m := range strings.Fields(method) {
					st.on(m, nil)
				}
				q.awaitFinished(ids...)
				if diff := cmp.Diff(map[faces.Reason]int{faces.NoFace: 30}, db.counts(t)); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
				if got, want := rec.allCalls(), len(ids)+1; got != want {
					t.Errorf("%d calls, want %d: an answer that waits for the database is kept", got, want)
				}
			})
		})
	}
}

// An outcome that the database will never take is a failed attempt of its
// image, and holds up nobody else.
func TestRefusedOutcomeHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		ids := db.add(t, 20)
		st := &refusing{Store: db, id: ids[7]}
		o := options()
		o.Attempts = 3
		q := newMemoryQueue(t, db)
		q.attach(newRig(t, st, newRecognizer(nobody), o).start(t).Processor)
		q.publish(ids...)
		q.awaitFinished(ids...)
		want := map[faces.Reason]int{faces.NoFace: 19, faces.Internal: 1}
		if diff := cmp.Diff(want, db.counts(t)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		for _, id := range ids {
			if got := db.image(t, id).Attempts; id != ids[7] && got != 1 {
				t.Errorf("image %d took %d attempts", id, got)
			}
		}
	})
}

// refusing does not take one image's answer, as a database that finds it too
// long would not.
type refusing struct {
	processor.Store
	id int64
}

func (s *refusing) Finish(ctx context.Context, results []store.Result) ([]int64, error) {
	for _, r := range results {
		if r.ImageID == s.id && r.Reason == faces.NoFace {
			return nil, errors.New("data too long")
		}
	}
	return s.Store.Finish(ctx, results)
}

// All images of a batch are leased at once, and the last may wait long for its
// call.
func TestLeasesAreRenewedWhileImagesWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		slow := func(ctx context.Context, path string) (faces.Recognition, error) {
			time.Sleep(50 * time.Second)
			return nobody(ctx, path)
		}
		rec := newRecognizer(slow)
		o := options()
		o.Calls = 1
		p := newRig(t, db, rec, o)
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		ids := db.add(t, 12)
		// All images are in the list before the processor starts, so its first
		// batch holds them all. A running processor could claim a part of them,
		// and the others would have no lease until the caller reached the end of that part.
		q.publish(ids...)
		p.start(t)
		synctest.Wait()
		if diff := cmp.Diff(map[faces.Reason]int{faces.NoReason: len(ids)}, db.counts(t)); diff != "" {
			t.Fatalf("not all images are leased at once (-want +got):\n%s", diff)
		}
		for range 60 { // ten minutes: all the while somebody else wants them
			time.Sleep(10 * time.Second)
			c, err := db.Claim(t.Context(), "somebody else", ids, o.Lease)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Claimed) > 0 {
				t.Fatalf("somebody else could lease %v", c.Claimed)
			}
		}
		q.awaitFinished(ids...)
		if got := rec.allCalls(); got != len(ids) {
			t.Errorf("%d calls for %d images", got, len(ids))
		}
	})
}

// takenOver starts a call that never ends on its own, lets its lease run out
// and somebody else answer the image.
func takenOver(t *testing.T, db *database, st *faulty, o processor.Options, q *memoryQueue) (id int64) {
	t.Helper()
	id = db.add(t, 1)[0]
	st.on("Renew", away)
	q.publish(id)
	time.Sleep(o.Lease + time.Second)
	c, err := db.Claim(t.Context(), "somebody else", []int64{id}, o.Lease)
	if err != nil || len(c.Claimed) != 1 {
		t.Fatalf("take over: %+v, %v", c, err)
	}
	_, err = db.Finish(t.Context(), []store.Result{{Lease: c.Claimed[0].Lease, Outcome: faces.Outcome{Reason: faces.NotFound}}})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestLateAnswerIsDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		st := newFaulty(db)
		answer := make(chan struct{})
		rec := newRecognizer(func(ctx context.Context, path string) (faces.Recognition, error) {
			<-answer
			return nobody(ctx, path)
		})
		o := options()
		p := newRig(t, st, rec, o).start(t)
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		id := takenOver(t, db, st, o, q)
		close(answer)
		q.awaitFinished(id)
		if got := db.image(t, id).Reason; got != faces.NotFound {
			t.Errorf("the late answer replaced the other's by %s", got)
		}
		if got := p.count(t, "rollcall_stale_outcomes_total", ""); got != 1 {
			t.Errorf("%d stale outcomes counted, want 1", got)
		}
		if got := p.count(t, "rollcall_outcomes_total", ""); got != 0 {
			t.Errorf("%d outcomes counted, want 0", got)
		}
	})
}

func TestLostLeaseEndsTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		st := newFaulty(db)
		rec := newRecognizer(func(ctx context.Context, _ string) (faces.Recognition, error) {
			<-ctx.Done()
			return faces.Recognition{}, faces.Fault(faces.RecognizerUnavailable, "given up").WithCause(ctx.Err())
		})
		o := options()
		o.Breaker.Failures = 1
		p := newRig(t, st, rec, o).start(t)
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		id := takenOver(t, db, st, o, q)
		st.on("Renew", nil)
		q.awaitFinished(id)
		if got := db.image(t, id).Reason; got != faces.NotFound {
			t.Errorf("got %s, want the other's answer", got)
		}
		if got := p.count(t, "rollcall_stale_outcomes_total", ""); got != 1 {
			t.Errorf("%d stale outcomes counted, want 1", got)
		}
		if got := p.Info()["circuit"]; got != "closed" {
			t.Error("a call that was given up has opened the circuit")
		}
	})
}

// Whoever changes the row itself takes the lease away, and has no message of
// its own: ours must come back.
func TestImagePutBackByHandIsAnsweredAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		var first sync.Once
		hold := make(chan struct{})
		rec := newRecognizer(func(ctx context.Context, path string) (faces.Recognition, error) {
			first.Do(func() { <-hold })
			return nobody(ctx, path)
		})
		q := newMemoryQueue(t, db)
		q.attach(newRig(t, db, rec, options()).start(t).Processor)
		id := db.add(t, 1)[0]
		q.publish(id)
		synctest.Wait()
		db.exec(t, "UPDATE images SET status = 0 WHERE id = ?", id)
		close(hold)
		q.awaitFinished(id)
		if got := rec.allCalls(); got != 2 {
			t.Errorf("%d calls, want 2", got)
		}
	})
}

func TestModelInUseIsNotedOnceTheDatabaseIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		st := newFaulty(db)
		st.on("UseModel", away)
		p := newRig(t, st, newRecognizer(nobody), options()).start(t)
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		ids := db.add(t, 2)
		q.publish(ids[0])
		q.awaitFinished(ids[0])
		synctest.Wait()
		st.on("UseModel", nil)
		q.publish(ids[1])
		q.awaitFinished(ids[1])
		synctest.Wait()
		if m, ok, err := db.ModelInUse(t.Context()); err != nil || !ok || m != lite {
			t.Errorf("model in use: %+v, %v, %v", m, ok, err)
		}
		if got := p.Info()["model"]; got != "lite" {
			t.Errorf("Info says %v", got)
		}
	})
}
