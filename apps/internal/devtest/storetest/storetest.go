// Package storetest is the conformance suite of the store: what it promises,
// whatever database is under it. It uses exported methods only; raw SQL plays
// the original programs, which share three of the tables.
package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Open returns a store on a new, migrated database, and the database as
// another program sees it. Both are closed when the test ends.
type Open func(t *testing.T, opts ...store.Option) (*store.Store, *sql.DB)

// Test runs the suite; each subtest has a database of its own.
func Test(t *testing.T, open Open) {
	for _, group := range [][]test{imageTests, deleteTests, listTests, certaintyTests, claimTests, redeemTests, peopleTests, profileTests, publicIDTests, correctionTests, dismissedTests, rematchTests, rescanTests, rescanJobTests, retryTests, accessTests, idempotencyTests, momentTests, storedFaceTests, groupTests, groupChangeTests, groupSplitTests, eventTests, webhookTests, consentTests, retentionTests, auditTests, signInTests, eraseTests, operationsTests, traceTests} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(newBench(t, open))
			})
		}
	}
}

type test struct {
	name string
	run  func(b *bench)
}

// bench is a store on a database of its own, with a clock that stands still.
type bench struct {
	*testing.T
	store *store.Store
	raw   *sql.DB // what an original program has
	clock *clock
}

func newBench(t *testing.T, open Open) *bench {
	c := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)}
	s, raw := open(t, store.WithClock(c.Now))
	return &bench{T: t, store: s, raw: raw, clock: c}
}

// clock is a clock that is moved by hand.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// later returns the time on the clock plus d.
func (b *bench) later(d time.Duration) time.Time { return b.clock.Now().Add(d) }

// must ends the test on an error.
func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// equal compares; no elements and no slice or map are the same.
func (b *bench) equal(what string, got, want any) {
	b.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		b.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// exec runs a statement as another program would.
func (b *bench) exec(query string, args ...any) {
	b.Helper()
	if _, err := b.raw.ExecContext(b.Context(), query, args...); err != nil {
		b.Fatalf("%s: %v", query, err)
	}
}

// add posts paths and returns their ids.
func (b *bench) add(paths ...string) []int64 {
	b.Helper()
	images, err := b.store.AddImages(b.Context(), paths)
	b.must(err)
	return idsOf(images)
}

// addMany posts n images.
func (b *bench) addMany(n int) []int64 {
	b.Helper()
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprintf("/unknown_people/%04d.jpg", i)
	}
	return b.add(paths...)
}

func (b *bench) image(id int64) faces.Image {
	b.Helper()
	img, err := b.store.Image(b.Context(), id)
	b.must(err)
	return img
}

const lease = time.Minute

func (b *bench) tryClaim(ids ...int64) store.Claim {
	b.Helper()
	c, err := b.store.Claim(b.Context(), "processor-1", ids, lease)
	b.must(err)
	return c
}

// claim claims ids, all of which must be free.
func (b *bench) claim(ids ...int64) []store.Lease {
	b.Helper()
	c := b.tryClaim(ids...)
	if len(c.Claimed) != len(ids) {
		b.Fatalf("claimed %d of %d free images: %+v", len(c.Claimed), len(ids), c)
	}
	return leasesOf(c)
}

// finish records outcomes whose leases are held.
func (b *bench) finish(results ...store.Result) {
	b.Helper()
	stale, err := b.store.Finish(b.Context(), results)
	b.must(err)
	b.equal("stale ids", stale, []int64(nil))
}

// fail gives an image a failure, with the date of its next round.
func (b *bench) fail(id int64, reason faces.Reason, retryAt time.Time) {
	b.Helper()
	b.finish(store.Result{Lease: b.claim(id)[0], Outcome: faces.Outcome{Reason: reason, Detail: "why"}, RetryAt: retryAt})
}

func (b *bench) list(f store.Filter) []faces.Image {
	b.Helper()
	images, err := b.store.ListImages(b.Context(), f)
	b.must(err)
	return images
}

// count returns the number of rows that a query selects.
func (b *bench) count(query string, args ...any) int {
	b.Helper()
	var n int
	b.must(b.raw.QueryRowContext(b.Context(), query, args...).Scan(&n))
	return n
}

// person adds a person as the original's users do, and returns the id.
func (b *bench) person(name string) int64 {
	b.Helper()
	b.exec("insert into person (name) values (?)", name)
	return int64(b.count("select max(id) from person"))
}

// newest returns the largest id of a table. Ids need not begin with 1 nor follow each other:
// on a cluster of three databases each one uses every third.
func (b *bench) newest(table string) int64 {
	b.Helper()
	return int64(b.count("select max(id) from " + table))
}

// inParallel runs f in n goroutines and waits for them.
func inParallel(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// cancelled returns a context that has ended.
func (b *bench) cancelled() context.Context {
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	return ctx
}

func idsOf(images []faces.Image) []int64 {
	ids := make([]int64, len(images))
	for i, img := range images {
		ids[i] = img.ID
	}
	return ids
}

func leasesOf(c store.Claim) []store.Lease {
	leases := make([]store.Lease, len(c.Claimed))
	for i, l := range c.Claimed {
		leases[i] = l.Lease
	}
	return leases
}

func sorted(ids []int64) []int64 {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}
