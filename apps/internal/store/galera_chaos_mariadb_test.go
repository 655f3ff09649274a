package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// chaosLease is short, so that what a program held that could not store it is soon
	// somebody else's.
	chaosLease = 5 * time.Second
	// chaosCall limits a call. One to a node that is paused is given up then.
	chaosCall = 8 * time.Second
	// chaosPace is the pause of a program that has nothing to do, or could do nothing.
	chaosPace   = 20 * time.Millisecond
	chaosPosts  = 3 // programs that post
	chaosClaims = 4 // programs that answer
	chaosBatch  = 5
)

// TestGaleraChaos posts and answers images while a node is killed, cut off, and joins again,
// one after the other. Each image that was accepted has one outcome at the end.
func TestGaleraChaos(t *testing.T) {
	t.Parallel()
	c := mariadbtest.GaleraCluster(t)
	const name = "chaos"
	if err := c.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	front := balance(t, c)
	chaos := &galeraChaos{t: t, begin: time.Now()}
	open := func() *store.Store { return openMariaDB(t, front.Database(name)) }
	migrate(t, open())
	posting, stopPosting := context.WithCancel(t.Context())
	defer stopPosting()
	var posts, claims sync.WaitGroup
	for i := range chaosPosts {
		s := open()
		posts.Go(func() { chaos.post(posting, s, i) })
	}
	for i := range chaosClaims {
		s := open()
		claims.Go(func() { chaos.answer(s, fmt.Sprintf("processor-%d", i)) })
	}

	chaos.await("500 images are accepted before the first fault", 500)
	for _, fault := range []struct {
		name  string
		cause func() error
		heal  func() error
		node  int
	}{
		{"node 2 is killed", c.Node(2).Kill, func() error { return c.Node(2).Restart(t.Context()) }, 2},
		{"node 1 is cut off", c.Node(1).Pause, c.Node(1).Resume, 1},
		{"node 0, the first, is killed", c.Node(0).Kill, func() error { return c.Node(0).Restart(t.Context()) }, 0},
	} {
		began := time.Now()
		if err := fault.cause(); err != nil {
			t.Fatal(err)
		}
		if err := c.AwaitRest(t.Context(), fault.node); err != nil {
			t.Fatal(err)
		}
		without := time.Since(began)
		chaos.await("the other two accept 200 more", chaos.accepted()+200)
		if err := fault.heal(); err != nil {
			t.Fatal(err)
		}
		if err := c.AwaitWhole(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: the others went on as two after %.1f s, all three were there again after %.1f s; the longest time without a post was %.1f s",
			fault.name, without.Seconds(), time.Since(began).Seconds(), chaos.longestGap().Seconds())
	}
	stopPosting()
	posts.Wait()
	chaos.done.Store(true)
	claims.Wait()
	chaos.check(open())
}

// galeraChaos is what the programs of a run know.
type galeraChaos struct {
	t     *testing.T
	begin time.Time
	done  atomic.Bool // nothing more is posted

	failedPosts, failedClaims, failedFinishes, stale atomic.Int64

	mu   sync.Mutex // guards the fields below
	ids  []int64    // accepted, in the order of the answers
	open []int64    // those that nobody has seen settled
	last time.Time  // of the last post that was accepted
	gap  time.Duration
}

func (c *galeraChaos) accepted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ids)
}

// longestGap returns the longest time without a post that was accepted, since the call before.
func (c *galeraChaos) longestGap() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	gap := c.gap
	c.gap = 0
	return gap
}

func (c *galeraChaos) await(what string, images int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 3*time.Minute)
	defer cancel()
	for c.accepted() < images {
		if !pace(ctx) {
			c.t.Fatalf("waited in vain until %s: there are %d", what, c.accepted())
		}
	}
}

// pace waits for the next turn of a program. It returns false if ctx has ended.
func pace(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(chaosPace):
		return true
	}
}

// post posts paths, each until it is accepted.
func (c *galeraChaos) post(ctx context.Context, s *store.Store, program int) {
	for n := 0; ; n++ {
		paths := make([]string, 1+n%chaosBatch)
		for i := range paths {
			paths[i] = fmt.Sprintf("/unknown_people/%d/%d/%d.jpg", program, n, i)
		}
		for {
			call, cancel := context.WithTimeout(c.t.Context(), chaosCall)
			added, err := s.AddImages(call, paths)
			cancel()
			if err == nil {
				c.note(added)
				break
			}
			if code := faces.ErrorCode(err); code != faces.CodeUnavailable {
				c.t.Errorf("a post: code %q, %v", code, err)
			}
			c.failedPosts.Add(1)
			if !pace(ctx) {
				return // it was never accepted
			}
		}
		if !pace(ctx) {
			return
		}
	}
}

func (c *galeraChaos) note(added []faces.Image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, img := range added {
		c.ids, c.open = append(c.ids, img.ID), append(c.open, img.ID)
	}
	now := time.Now()
	if !c.last.IsZero() {
		c.gap = max(c.gap, now.Sub(c.last))
	}
	c.last = now
}

// some returns images that may need an answer. Several programs get the same ones.
func (c *galeraChaos) some() []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) == 0 {
		return nil
	}
	from := rand.IntN(len(c.open))
	return slices.Clone(c.open[from:min(from+chaosBatch, len(c.open))])
}

// settle forgets images that have an outcome.
func (c *galeraChaos) settle(ids []int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = slices.DeleteFunc(c.open, func(id int64) bool { return slices.Contains(ids, id) })
}

// answer claims and finishes images until all have an outcome.
func (c *galeraChaos) answer(s *store.Store, program string) {
	for {
		ids := c.some()
		if len(ids) == 0 {
			if c.done.Load() || !pace(c.t.Context()) {
				return
			}
			continue
		}
		call, cancel := context.WithTimeout(c.t.Context(), chaosCall)
		got, err := s.Claim(call, program, ids, chaosLease)
		cancel()
		if err != nil {
			c.failedClaims.Add(1)
			if !pace(c.t.Context()) {
				return
			}
			continue
		}
		c.settle(got.Settled)
		if len(got.Claimed) == 0 {
			if !pace(c.t.Context()) {
				return
			}
			continue
		}
		results := make([]store.Result, len(got.Claimed))
		for i, claimed := range got.Claimed {
			results[i] = store.Result{Lease: claimed.Lease, Outcome: faces.Outcome{Reason: faces.NoFace}}
		}
		call, cancel = context.WithTimeout(c.t.Context(), chaosCall)
		stale, err := s.Finish(call, results)
		cancel()
		c.stale.Add(int64(len(stale)))
		if err != nil {
			c.failedFinishes.Add(1)
		}
	}
}

// check compares what was accepted with what is stored.
func (c *galeraChaos) check(s *store.Store) {
	c.t.Helper()
	if n := len(slices.Compact(slices.Sorted(slices.Values(c.ids)))); n != len(c.ids) {
		c.t.Errorf("%d answers named %d images: two paths have one id", len(c.ids), n)
	}
	outcomes := map[int64]int{}
	for after := int64(0); ; {
		for {
			n, err := s.SequenceEvents(c.t.Context(), 1000)
			if err != nil {
				c.t.Fatal(err)
			}
			if n == 0 {
				break
			}
		}
		page, err := s.Events(c.t.Context(), after, []faces.EventType{faces.ImageAnswered}, 1000)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, e := range page.Events {
			outcomes[e.ImageID]++
		}
		if page.Next == after {
			break
		}
		after = page.Next
	}
	lost, twice := 0, 0
	for _, id := range c.ids {
		img, err := s.Image(c.t.Context(), id)
		if err != nil || img.Reason != faces.NoFace || outcomes[id] == 0 {
			lost++
			c.t.Errorf("image %d: %d outcomes, %s, %v", id, outcomes[id], img.Reason, err)
		}
		if outcomes[id] > 1 {
			twice++
			c.t.Errorf("image %d has %d outcomes", id, outcomes[id])
		}
	}
	c.t.Logf("%d images were accepted in %.1f s: %d lost, %d with two outcomes; %d posts, %d claims and %d results could not be stored at once, %d results were late",
		len(c.ids), time.Since(c.begin).Seconds(), lost, twice, c.failedPosts.Load(), c.failedClaims.Load(), c.failedFinishes.Load(), c.stale.Load())
}
