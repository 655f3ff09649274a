package groupcommit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/groupcommit"
)

var (
	errFault = errors.New("an item is at fault")
	errAway  = errors.New("the database is away")
)

// ledger commits numbers. It takes a second for each batch.
type ledger struct {
	mu      sync.Mutex
	batches [][]int
	under   int // way
	most    int // under way at once
	fail    func(batch []int) error
}

func (l *ledger) commit(ctx context.Context, batch []int) ([]string, error) {
	l.mu.Lock()
	l.batches = append(l.batches, slices.Clone(batch))
	l.under++
	l.most = max(l.most, l.under)
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.under--
	}()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l.fail != nil {
		if err := l.fail(batch); err != nil {
			return nil, err
		}
	}
	out := make([]string, len(batch))
	for i, n := range batch {
		out[i] = fmt.Sprint("stored ", n)
	}
	return out, nil
}

func (l *ledger) sizes() (sizes []int) {
	for _, b := range l.batches {
		sizes = append(sizes, len(b))
	}
	return sizes
}

func (l *ledger) group(change func(*groupcommit.Options[int, string])) *groupcommit.Group[int, string] {
	opts := groupcommit.Options[int, string]{Commit: l.commit, AtOnce: 1, Shared: func(err error) bool { return errors.Is(err, errAway) }}
	if change != nil {
		change(&opts)
	}
	return groupcommit.New(opts)
}

// doAll has each item committed by a goroutine of its own, the first one a moment
// before the others, and returns the errors by item.
func doAll(t *testing.T, g *groupcommit.Group[int, string], items int) map[int]error {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	errs := map[int]error{}
	for n := range items {
		all.Go(func() {
			out, err := g.Do(t.Context(), n)
			if err == nil && out != fmt.Sprint("stored ", n) {
				t.Errorf("%d got the result %q", n, out)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs[n] = err
			}
		})
		if n == 0 {
			synctest.Wait()
		}
	}
	all.Wait()
	g.Wait()
	return errs
}

func TestBatchesGrowWithTheLoad(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		items  int
		change func(*groupcommit.Options[int, string])
		sizes  []int
	}{
		"one":                     {1, nil, []int{1}},
		"the others together":     {10, nil, []int{1, 9}},
		"no more than the most":   {10, func(o *groupcommit.Options[int, string]) { o.Most = 4 }, []int{1, 4, 4, 1}},
		"the default of the most": {300, nil, []int{1, 256, 43}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &ledger{}
				if errs := doAll(t, l.group(c.change), c.items); len(errs) > 0 {
					t.Error(errs)
				}
				if diff := cmp.Diff(c.sizes, l.sizes()); diff != "" {
					t.Errorf("sizes of the batches (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestBatchesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		g := l.group(func(o *groupcommit.Options[int, string]) { o.AtOnce, o.Most = 3, 2 })
		begin := time.Now()
		if errs := doAll(t, g, 12); len(errs) > 0 {
			t.Error(errs)
		}
		if l.most != 3 {
			t.Errorf("at most %d batches at once, want 3", l.most)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestOnlyThoseAtFaultFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{fail: func(batch []int) error {
			if slices.Contains(batch, 3) || slices.Contains(batch, 5) {
				return errFault
			}
			return nil
		}}
		errs := doAll(t, l.group(nil), 8)
		if len(errs) != 2 || !errors.Is(errs[3], errFault) || !errors.Is(errs[5], errFault) {
			t.Errorf("errors: %v", errs)
		}
		if diff := cmp.Diff([]int{1, 7, 1, 1, 1, 1, 1, 1, 1}, l.sizes()); diff != "" {
			t.Errorf("sizes of the batches (-want +got):\n%s", diff)
		}
	})
}

// A database that is away is not asked about each item.
func TestSharedErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{fail: func([]int) error { return fmt.Errorf("store: %w", errAway) }}
		errs := doAll(t, l.group(nil), 8)
		if len(errs) != 8 {
			t.Errorf("errors: %v", errs)
		}
		if diff := cmp.Diff([]int{1, 7}, l.sizes()); diff != "" {
			t.Errorf("sizes of the batches (-want +got):\n%s", diff)
		}
	})
}

func TestCallerGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		g := l.group(nil)
		ctx, cancel := context.WithCancel(t.Context())
		var gone, stays error
		var all sync.WaitGroup
		all.Go(func() { _, gone = g.Do(ctx, 1) })
		all.Go(func() { _, stays = g.Do(t.Context(), 2) })
		synctest.Wait()
		cancel()
		all.Wait()
		g.Wait()
		if !errors.Is(gone, context.Canceled) || stays != nil {
			t.Errorf("the one who goes: %v, the one who stays: %v", gone, stays)
		}
		if n := len(slices.Concat(l.batches...)); n != 2 {
			t.Errorf("%d of 2 are committed", n)
		}
	})
}

func TestBatchesEnd(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*groupcommit.Options[int, string])
		want   string
	}{
		"after the time-out": {func(o *groupcommit.Options[int, string]) { o.Timeout = time.Millisecond }, "deadline exceeded"},
		"with a panic": {func(o *groupcommit.Options[int, string]) {
			o.Commit = func(context.Context, []int) ([]string, error) { panic("a fault of the program") }
		}, "a fault of the program"},
		"with too few results": {func(o *groupcommit.Options[int, string]) {
			o.Commit = func(context.Context, []int) ([]string, error) { return nil, nil }
		}, "it has 0 results"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &ledger{}
				errs := doAll(t, l.group(c.change), 2)
				for n := range 2 {
					if errs[n] == nil || !strings.Contains(errs[n].Error(), c.want) {
						t.Errorf("item %d: %v, want an error with %q", n, errs[n], c.want)
					}
				}
			})
		})
	}
}
