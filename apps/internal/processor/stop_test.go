package processor_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
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

// recording counts the outcomes that were written.
type recording struct {
	processor.Store
	mu       sync.Mutex // guards outcomes
	outcomes map[int64]int
}

func (s *recording) Finish(ctx context.Context, results []store.Result) ([]int64, error) {
	stale, err := s.Store.Finish(ctx, results)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		for _, r := range results {
			s.outcomes[r.ImageID]++
		}
		for _, id := range stale {
			s.outcomes[id]--
		}
	}
	return stale, err
}

func (s *recording) of(id int64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outcomes[id]
}

// moody answers, fails, or hangs, by the path and by chance.
type moody struct {
	mu       sync.Mutex // guards the fields below
	random   *rand.Rand
	failures map[string]int // that were the service's own
}

func (m *moody) chance() (latency time.Duration, failing bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Duration(m.random.Int64N(int64(2 * time.Second))), m.random.IntN(4) == 0
}

func (m *moody) recognize(ctx context.Context, path string) (faces.Recognition, error) {
	hash := fnv.New32()
	fmt.Fprint(hash, path)
	kind := hash.Sum32() % 10
	latency, failing := m.chance()
	if kind == 0 {
		latency = time.Hour // hangs
	}
	select {
	case <-time.After(latency):
	case <-ctx.Done():
		return faces.Recognition{}, faces.Fault(faces.RecognizerUnavailable, "given up").WithCause(ctx.Err())
	}
	switch {
	case kind == 1:
		return faces.Recognition{}, faces.Fault(faces.CorruptImage, "torn")
	case failing:
		m.mu.Lock()
		defer m.mu.Unlock()
		m.failures[path]++
		return faces.Recognition{}, faces.Fault(faces.Timeout, "too busy")
	default:
		return nobody(ctx, path)
	}
}

func TestStopAtAnyMoment(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { stopAtAnyMoment(t, seed) })
		})
	}
}

func stopAtAnyMoment(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	db := newDatabase(t)
	st := newFaulty(db)
	var trouble atomic.Bool
	trouble.Store(true)
	for i, method := range []string{"Claim", "Renew", "Release", "Owners", "Finish"} {
		r := rand.New(rand.NewPCG(seed, uint64(2+i)))
		var mu sync.Mutex // guards r
		st.on(method, func(context.Context) error {
			mu.Lock()
			latency, fails := time.Duration(r.Int64N(int64(300*time.Millisecond))), r.IntN(8) == 0
			mu.Unlock()
			time.Sleep(latency)
			if fails && trouble.Load() {
				return errAway
			}
			return nil
		})
	}
	rec := &recording{Store: st, outcomes: map[int64]int{}}
	mood := &moody{random: rand.New(rand.NewPCG(seed, 9)), failures: map[string]int{}}
	o := options()
	o.Calls, o.Batch, o.InFlight, o.Attempts = 3, 8, 16, 50
	p := newRig(t, rec, newRecognizer(mood.recognize), o)
	p.Start()
	q := newMemoryQueue(t, db)
	q.attach(p.Processor)
	ids := db.add(t, 24)
	go q.publish(ids...)
	time.Sleep(time.Duration(random.Int64N(int64(20 * time.Second))))

	q.attach(nil) // as the queue is paused before
	trouble.Store(false)
	begin := time.Now()
	within := time.Minute
	p.stop(t, within)
	if took := time.Since(begin); took > within {
		t.Errorf("stop took %s, want at most %s", took, within)
	}
	synctest.Wait()
	if n := q.inFlight(); n != 0 {
		t.Errorf("%d messages were neither finished nor handed back", n)
	}
	if n := db.counts(t)[faces.NoReason]; n != 0 {
		t.Errorf("%d images are still leased", n)
	}
	for _, id := range ids {
		img := db.image(t, id)
		if settled := db.settled(t, id); settled != (q.finishedIDs()[id] == 1) || q.finishedIDs()[id] > 1 {
			t.Errorf("image %d: answered %v, message finished %d times", id, settled, q.finishedIDs()[id])
		}
		if want := mood.failures[img.Path]; img.Reason == faces.Queued && img.Attempts != want {
			t.Errorf("image %d has used up %d attempts, want %d: those that failed by themselves", id, img.Attempts, want)
		}
	}

	second := newRig(t, rec, newRecognizer(nobody), o).start(t)
	q.attach(second.Processor)
	q.awaitFinishedWithin(10*time.Minute, ids...)
	for _, id := range ids {
		if n, finished := rec.of(id), q.finishedIDs()[id]; n != 1 || finished != 1 {
			t.Errorf("image %d: %d outcomes, message finished %d times, want one of each", id, n, finished)
		}
	}
	q.attach(nil)
}

func TestStopLetsCallsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		rec := newRecognizer(func(ctx context.Context, path string) (faces.Recognition, error) {
			time.Sleep(5 * time.Second)
			return nobody(ctx, path)
		})
		o := options()
		p := newRig(t, db, rec, o)
		p.Start()
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		ids := db.add(t, 30)
		q.publish(ids...)
		time.Sleep(time.Second)
		q.attach(nil)
		begin := time.Now()
		p.stop(t, 30*time.Second)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("stop took %s, want no longer than the calls in flight", took)
		}
		want := map[faces.Reason]int{faces.NoFace: o.Calls, faces.Queued: len(ids) - o.Calls}
		if diff := cmp.Diff(want, db.counts(t)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestStopKeepsItsDeadline(t *testing.T) {
	t.Parallel()
	const within = 20 * time.Second
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	tests := []struct {
		name    string
		hanging string // method of the store; empty: the recognizer
		clean   bool
	}{
		{name: "hanging recognizer", clean: true},
		{name: "database hangs while claiming", hanging: "Claim", clean: true},
		{name: "database hangs while recording", hanging: "Finish"},
		{name: "database hangs while handing back", hanging: "Release"},
		{name: "database hangs while renewing", hanging: "Renew", clean: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := newDatabase(t)
				st := newFaulty(db)
				rec := newRecognizer(nobody)
				if test.hanging == "" || test.hanging == "Release" || test.hanging == "Renew" {
					rec.recognize = func(ctx context.Context, _ string) (faces.Recognition, error) {
						return faces.Recognition{}, hang(ctx)
					}
				}
				if test.hanging != "" {
					st.on(test.hanging, hang)
				}
				o := options()
				p := newRig(t, st, rec, o)
				p.Start()
				q := newMemoryQueue(t, db)
				q.attach(p.Processor)
				ids := db.add(t, 60)
				q.publish(ids...)
				time.Sleep(o.Lease/3 + time.Second)
				q.attach(nil)

				begin := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), within)
				defer cancel()
				err := p.Stop(ctx)
				if took := time.Since(begin); took > within {
					t.Errorf("stop took %s, want at most %s", took, within)
				}
				if (err == nil) != test.clean {
					t.Errorf("stop says %v", err)
				}
				synctest.Wait()
				if n := q.inFlight(); n != 0 {
					t.Errorf("%d messages were not handed back", n)
				}
				if n := db.counts(t)[faces.NoReason]; test.clean && n != 0 {
					t.Errorf("%d images are still leased", n)
				}

				// Whatever it was, somebody else ends it.
				second := newRig(t, db, newRecognizer(nobody), o).start(t)
				q.attach(second.Processor)
				q.awaitFinishedWithin(10*time.Minute, ids...)
				if diff := cmp.Diff(map[faces.Reason]int{faces.NoFace: len(ids)}, db.counts(t)); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestStopWithoutStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		p := newRig(t, db, newRecognizer(nobody), options())
		q := newMemoryQueue(t, db)
		q.attach(p.Processor)
		id := db.add(t, 1)[0]
		q.publish(id)
		q.attach(nil)
		p.stop(t, time.Second)
		if q.inFlight() != 0 {
			t.Error("the message was not handed back")
		}
	})
}
