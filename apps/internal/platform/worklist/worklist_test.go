package worklist_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/worklist"
)

func TestKeepsOrder(t *testing.T) {
	t.Parallel()
	l := worklist.New[int](10)
	for i := range 5 {
		if err := l.Push(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	got, err := l.PopBatch(t.Context(), 3)
	if err != nil || fmt.Sprint(got) != "[0 1 2]" {
		t.Fatalf("first batch = %v, %v; want [0 1 2]", got, err)
	}
	got, err = l.PopBatch(t.Context(), 3)
	if err != nil || fmt.Sprint(got) != "[3 4]" {
		t.Fatalf("second batch = %v, %v; want [3 4]", got, err)
	}
	if n := l.Len(); n != 0 {
		t.Errorf("Len = %d, want 0", n)
	}
}

// Every pushed item is popped exactly once, for any number of producers and
// workers.
func TestEveryItemOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ producers, workers, limit, batch int }{
		{1, 1, 1, 1}, {8, 1, 3, 2}, {1, 8, 4, 1}, {8, 8, 1, 1}, {8, 8, 16, 5}, {3, 5, 100, 64},
	} {
		t.Run(fmt.Sprintf("%d producers %d workers limit %d batch %d", c.producers, c.workers, c.limit, c.batch), func(t *testing.T) {
			t.Parallel()
			const each = 500
			l := worklist.New[int](c.limit)
			seen := make([]atomic.Int32, c.producers*each)
			var producers, workers sync.WaitGroup
			for p := range c.producers {
				producers.Go(func() {
					for i := range each {
						if err := l.Push(t.Context(), p*each+i); err != nil {
							t.Errorf("push: %v", err)
						}
					}
				})
			}
			for range c.workers {
				workers.Go(func() {
					for {
						batch, err := l.PopBatch(t.Context(), c.batch)
						if errors.Is(err, worklist.ErrClosed) {
							return
						}
						if len(batch) == 0 || len(batch) > c.batch {
							t.Errorf("a batch of %d, want 1 to %d", len(batch), c.batch)
						}
						for _, v := range batch {
							seen[v].Add(1)
						}
					}
				})
			}
			producers.Wait()
			l.Close()
			workers.Wait()
			for v := range seen {
				if n := seen[v].Load(); n != 1 {
					t.Fatalf("item %d came out %d times", v, n)
				}
			}
		})
	}
}

// In a synctest bubble Wait returns once every other goroutine is blocked for
// good, so "it blocks" needs no sleep.
func TestPushBlocksWhileFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := worklist.New[int](1)
		if err := l.Push(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		var pushed atomic.Bool
		go func() {
			if err := l.Push(t.Context(), 2); err != nil {
				t.Errorf("push: %v", err)
			}
			pushed.Store(true)
		}()
		synctest.Wait()
		if pushed.Load() {
			t.Fatal("Push returned though the list was full")
		}
		if _, err := l.Pop(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !pushed.Load() {
			t.Fatal("Push still blocks though there is room")
		}
	})
}

func TestWaitersObeyTheirContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := worklist.New[int](1)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 10)
		for range 5 {
			go func() { _, err := l.Pop(ctx); errs <- err }()
		}
		synctest.Wait()
		cancel()
		for range 5 {
			if err := <-errs; !errors.Is(err, context.Canceled) {
				t.Errorf("Pop = %v, want %v", err, context.Canceled)
			}
		}
		// A cancelled Pop takes no item.
		if err := l.Push(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
		if v, err := l.Pop(t.Context()); err != nil || v != 7 {
			t.Errorf("Pop = %d, %v; want 7", v, err)
		}
	})
}

func TestBlockedPushObeysItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := worklist.New[int](1)
		if err := l.Push(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- l.Push(ctx, 2) }()
		synctest.Wait()
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("Push = %v, want %v", err, context.Canceled)
		}
		if got, err := l.PopBatch(t.Context(), 10); err != nil || len(got) != 1 || got[0] != 1 {
			t.Errorf("PopBatch = %v, %v; want the first item alone", got, err)
		}
	})
}

func TestCloseWakesEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		empty, full := worklist.New[int](1), worklist.New[int](1)
		if err := full.Push(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		errs := make(chan error, 10)
		for range 3 {
			go func() { _, err := empty.Pop(t.Context()); errs <- err }()
			go func() { errs <- full.Push(t.Context(), 2) }()
		}
		synctest.Wait()
		empty.Close()
		full.Close()
		for range 6 {
			if err := <-errs; !errors.Is(err, worklist.ErrClosed) {
				t.Errorf("got %v, want ErrClosed", err)
			}
		}
		if v, err := full.Pop(t.Context()); err != nil || v != 1 {
			t.Errorf("Pop after Close = %d, %v; want what was there", v, err)
		}
		if _, err := full.Pop(t.Context()); !errors.Is(err, worklist.ErrClosed) {
			t.Errorf("Pop of a closed, empty list = %v, want ErrClosed", err)
		}
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	l := worklist.New[int](4)
	for i := range 3 {
		if err := l.Push(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(l.Drain()); got != "[0 1 2]" {
		t.Errorf("Drain = %s, want [0 1 2]", got)
	}
	if err := l.Push(t.Context(), 9); !errors.Is(err, worklist.ErrClosed) {
		t.Errorf("Push after Drain = %v, want ErrClosed", err)
	}
}
