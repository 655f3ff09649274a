package breaker_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/breaker"
)

var (
	errDown    = errors.New("service is down")
	errPicture = errors.New("bad picture")
)

// service is the guarded service: calls and pings fail while it is down.
type service struct {
	mu    sync.Mutex
	down  bool
	calls int
	pings []time.Time
	log   []breaker.Change
}

func (s *service) set(down bool) { s.mu.Lock(); s.down = down; s.mu.Unlock() }

func (s *service) err() error {
	if s.down {
		return errDown
	}
	return nil
}

func (s *service) call(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return s.err()
}

func (s *service) ping(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pings = append(s.pings, time.Now())
	return s.err()
}

func newBreaker(s *service) *breaker.Breaker {
	return breaker.New(breaker.Options{
		Failures: 5, Pause: 10 * time.Second, MaxPause: time.Minute,
		Ping: s.ping, PingTimeout: time.Second,
		IsFault:  func(err error) bool { return !errors.Is(err, errPicture) },
		OnChange: func(c breaker.Change) { s.mu.Lock(); s.log = append(s.log, c); s.mu.Unlock() },
	})
}

func fail(t *testing.T, b *breaker.Breaker, s *service, n int) {
	t.Helper()
	for range n {
		if err := b.Do(t.Context(), s.call); !errors.Is(err, errDown) {
			t.Fatalf("Do = %v, want %v", err, errDown)
		}
	}
}

func TestStatusSaysWhenTheServiceIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{}
		b := newBreaker(s)
		defer b.Close()
		if got := b.Status(); got != (breaker.Status{}) {
			t.Errorf("at first: %+v", got)
		}
		opened := time.Now()
		s.set(true)
		fail(t, b, s, 5)
		if got, want := b.Status(), (breaker.Status{State: breaker.Open, Since: opened, Next: opened.Add(10 * time.Second), Err: errDown}); got != want {
			t.Errorf("open: got %+v, want %+v", got, want)
		}
		time.Sleep(10*time.Second + time.Millisecond) // a ping has failed
		if got, want := b.Status(), (breaker.Status{State: breaker.Open, Since: opened, Next: opened.Add(30 * time.Second), Err: errDown}); got != want {
			t.Errorf("still open: got %+v, want %+v", got, want)
		}
		s.set(false)
		time.Sleep(20 * time.Second)
		if got, want := b.Status(), (breaker.Status{State: breaker.Closed, Since: opened.Add(30 * time.Second)}); got != want {
			t.Errorf("closed: got %+v, want %+v", got, want)
		}
	})
}

func TestOpensAfterFiveFailuresInARow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{down: true}
		b := newBreaker(s)
		defer b.Close()
		fail(t, b, s, 4)
		s.set(false)
		if err := b.Do(t.Context(), s.call); err != nil { // ends the run of failures
			t.Fatal(err)
		}
		s.set(true)
		fail(t, b, s, 4)
		if got := b.State(); got != breaker.Closed {
			t.Fatalf("after four failures in a row: %v, want closed", got)
		}
		fail(t, b, s, 1)
		if got := b.State(); got != breaker.Open {
			t.Fatalf("after five failures in a row: %v, want open", got)
		}
		before := s.calls
		if err := b.Do(t.Context(), s.call); !errors.Is(err, breaker.ErrOpen) {
			t.Errorf("Do while open = %v, want ErrOpen", err)
		}
		if s.calls != before {
			t.Error("a call went through an open circuit")
		}
	})
}

func TestBadPicturesAreNotFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{down: true}
		b := newBreaker(s)
		defer b.Close()
		bad := func(context.Context) error { return errPicture }
		for range 20 {
			if err := b.Do(t.Context(), bad); !errors.Is(err, errPicture) {
				t.Fatal(err)
			}
		}
		if got := b.State(); got != breaker.Closed {
			t.Fatalf("after 20 bad pictures: %v, want closed", got)
		}
		// "bad picture" is an answer: it ends the run of failures.
		fail(t, b, s, 4)
		_ = b.Do(t.Context(), bad)
		fail(t, b, s, 4)
		if got := b.State(); got != breaker.Closed {
			t.Fatalf("four failures, a bad picture, four failures: %v, want closed", got)
		}
	})
}

func TestCallsGivenUpSayNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{}
		b := newBreaker(s)
		defer b.Close()
		for range 10 {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_ = b.Do(ctx, func(ctx context.Context) error { return ctx.Err() })
		}
		if got := b.State(); got != breaker.Closed {
			t.Fatalf("after ten calls given up by their caller: %v, want closed", got)
		}
	})
}

func TestPingsWithGrowingPausesUntilWell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{down: true}
		b := newBreaker(s)
		defer b.Close()
		begin := time.Now()
		fail(t, b, s, 5)
		time.AfterFunc(150*time.Second, func() { s.set(false) })
		if err := b.WaitClosed(t.Context()); err != nil {
			t.Fatal(err)
		}
		var at []time.Duration
		for _, p := range s.pings {
			at = append(at, p.Sub(begin))
		}
		// 10, then doubling: 20, 40, and 60 from there on.
		want := []time.Duration{10, 30, 70, 130, 190}
		for i := range want {
			want[i] *= time.Second
		}
		if len(at) != len(want) {
			t.Fatalf("pings at %v, want %v", at, want)
		}
		for i := range want {
			if at[i] != want[i] {
				t.Fatalf("pings at %v, want %v", at, want)
			}
		}
		if err := b.Do(t.Context(), s.call); err != nil {
			t.Errorf("Do after closing = %v", err)
		}
		last := s.log[len(s.log)-1]
		if last.State != breaker.Closed || last.Err != nil {
			t.Errorf("last change = %+v, want closed", last)
		}
		// After the circuit closed, the pauses start again from the first.
		s.set(true)
		fail(t, b, s, 5)
		if got := s.log[len(s.log)-1].Next; got != 10*time.Second {
			t.Errorf("first pause after a recovery = %v, want 10s", got)
		}
	})
}

func TestHangingPingIsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{down: true}
		hang := true
		b := breaker.New(breaker.Options{
			Failures: 1, Pause: 10 * time.Second, MaxPause: time.Minute, PingTimeout: time.Second,
			IsFault: func(error) bool { return true },
			Ping: func(ctx context.Context) error {
				if !hang {
					return nil
				}
				hang = false
				<-ctx.Done()
				return ctx.Err()
			},
		})
		defer b.Close()
		begin := time.Now()
		fail(t, b, s, 1)
		if err := b.WaitClosed(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := time.Since(begin), 31*time.Second; got != want {
			t.Errorf("closed after %v, want %v (10 s, a ping of 1 s, 20 s)", got, want)
		}
	})
}

// A call that began before the circuit opened and ends after it closed again
// must not count.
func TestOldResultsDoNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{down: true}
		b := newBreaker(s)
		defer b.Close()
		var late sync.WaitGroup
		release := make(chan struct{})
		for range 5 {
			late.Go(func() {
				_ = b.Do(t.Context(), func(context.Context) error { <-release; return errDown })
			})
		}
		synctest.Wait()
		fail(t, b, s, 5)
		s.set(false)
		if err := b.WaitClosed(t.Context()); err != nil {
			t.Fatal(err)
		}
		close(release)
		late.Wait()
		if got := b.State(); got != breaker.Closed {
			t.Errorf("old failures opened the circuit again")
		}
	})
}

// model is the specification in its simplest form, driven side by side with
// the real thing by a random script on a fake clock.
type model struct {
	open     bool
	failures int
	pause    time.Duration
	pingAt   time.Time
}

func (m *model) advance(now time.Time, down bool) {
	for m.open && !m.pingAt.After(now) {
		if !down {
			*m = model{}
			return
		}
		m.pause = min(2*m.pause, time.Minute)
		m.pingAt = m.pingAt.Add(m.pause)
	}
}

func (m *model) call(now time.Time, err error) {
	switch {
	case m.open:
	case err == nil || errors.Is(err, errPicture):
		m.failures = 0
	default:
		if m.failures++; m.failures == 5 {
			*m = model{open: true, pause: 10 * time.Second, pingAt: now.Add(10 * time.Second)}
		}
	}
}

func TestAgreesWithModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			s, m := &service{}, &model{}
			b := newBreaker(s)
			defer b.Close()
			for step := range 400 {
				switch rng.IntN(4) {
				case 0:
					s.set(rng.IntN(3) > 0)
				case 1:
					time.Sleep(time.Duration(rng.IntN(30_000)+1) * time.Millisecond)
				default:
					_ = b.Do(t.Context(), func(ctx context.Context) error {
						err := s.call(ctx)
						if err == nil && rng.IntN(5) == 0 {
							err = errPicture
						}
						m.call(time.Now(), err)
						return err
					})
				}
				synctest.Wait()
				m.advance(time.Now(), s.down)
				if got := b.State() == breaker.Open; got != m.open {
					t.Fatalf("seed %d step %d: open = %v, the model says %v", seed, step, got, m.open)
				}
			}
		})
	}
}
