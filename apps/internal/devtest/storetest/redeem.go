package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var redeemTests = []test{
	{"Retry gives what is due another round", retryDue},
	{"Retry takes an original's failure as due, once", retryOriginals},
	{"Retry on a person's request", retryRequest},
	{"Retry by reason agrees with what is shown", retryByReason},
	{"Retry in pages", retryPages},
	{"Retry from many at once gives each image one round", retryConcurrently},
	{"ReclaimExpired", reclaimExpired},
	{"Queued and Unpublished", queuedAndUnpublished},
}

func (b *bench) retry(f store.RetryFilter) []int64 {
	b.Helper()
	ids, err := b.store.Retry(b.Context(), f)
	b.must(err)
	return ids
}

// rounds returns how many rounds an image that is free has had.
func (b *bench) rounds(id int64) int {
	b.Helper()
	c := b.tryClaim(id).Claimed
	if len(c) != 1 {
		b.Fatalf("image %d is not free", id)
	}
	b.must(b.store.Release(b.Context(), leasesOf(store.Claim{Claimed: c}), true))
	return c[0].Rounds
}

func retryDue(b *bench) {
	soon, late := b.later(time.Minute), b.later(time.Hour)
	var due, never, notYet []int64
	for i, r := range faces.Reasons() {
		path := func(when string) string { return fmt.Sprintf("/u/%d-%s.jpg", i, when) }
		if r == faces.Queued {
			never = append(never, b.add(path("queued"))...)
			continue
		}
		ids := b.add(path("soon"), path("late"), path("never"))
		b.fail(ids[0], r, soon)
		b.fail(ids[1], r, late)
		b.fail(ids[2], r, time.Time{})
		if r.Transient() {
			due, notYet, never = append(due, ids[0]), append(notYet, ids[1]), append(never, ids[2])
		} else {
			never = append(never, ids...)
		}
	}
	b.equal("before its time", b.retry(store.RetryFilter{Due: true, Limit: 100}), []int64(nil))
	b.clock.advance(time.Minute)
	for _, id := range due {
		b.must(b.store.MarkPublished(b.Context(), []int64{id}, b.clock.Now()))
	}
	b.equal("due", b.retry(store.RetryFilter{Due: true, Limit: 100}), due)
	for _, id := range due {
		img := b.image(id)
		b.equal("reason", img.Reason, faces.Queued)
		b.equal("detail", img.Detail, "")
		b.equal("attempts", img.Attempts, 0)
		b.equal("published_at", img.PublishedAt, time.Time{})
		b.equal("updated_at", img.UpdatedAt, b.clock.Now())
		b.equal("rounds", b.rounds(id), 1)
	}
	b.equal("again", b.retry(store.RetryFilter{Due: true, Limit: 100}), []int64(nil))
	b.clock.advance(time.Hour)
	b.equal("later", b.retry(store.RetryFilter{Due: true}), notYet)
	b.clock.advance(1000 * time.Hour)
	b.equal("ever", b.retry(store.RetryFilter{Due: true}), []int64(nil))

	b.fail(due[0], faces.Timeout, b.clock.Now())
	b.equal("a second round", b.retry(store.RetryFilter{Due: true}), due[:1])
	b.equal("rounds", b.rounds(due[0]), 2)
	waiting := idsOf(b.list(store.Filter{Reason: faces.Queued}))
	for _, id := range never[1:] { // the first was added so
		if slices.Contains(waiting, id) {
			b.Errorf("image %d, with nothing due, waits for its turn again", id)
		}
	}
}

func retryOriginals(b *bench) {
	id := b.addMany(1)[0]
	b.exec("update images set status = 2 where id = ?", id)
	b.equal("due", b.retry(store.RetryFilter{Due: true}), []int64{id})
	b.exec("update images set status = 2 where id = ?", id)
	b.equal("not for ever", b.retry(store.RetryFilter{Due: true}), []int64(nil))
}

func retryRequest(b *bench) {
	ids := b.addMany(6)
	b.fail(ids[0], faces.NotFound, time.Time{})
	b.fail(ids[1], faces.CorruptImage, time.Time{})
	b.fail(ids[2], faces.Timeout, b.later(time.Hour))
	b.fail(ids[3], faces.Identified, time.Time{})
	b.exec("update images set rounds = 4 where id = ?", ids[2])
	claimed := b.claim(ids[4])
	failed := ids[:3]

	b.equal("a filter that selects nothing", b.retry(store.RetryFilter{Limit: 100}), []int64(nil))
	b.equal("an empty list of ids", b.retry(store.RetryFilter{IDs: []int64{}}), []int64(nil))
	b.equal("ids that wait or are at work", b.retry(store.RetryFilter{IDs: append([]int64{4711}, ids[4:]...)}), []int64(nil))
	b.equal("by id", b.retry(store.RetryFilter{IDs: []int64{ids[2], ids[0]}}), []int64{ids[0], ids[2]})
	b.equal("rounds start over", b.rounds(ids[2]), 0)
	b.fail(ids[0], faces.NotFound, time.Time{})
	b.fail(ids[2], faces.Timeout, time.Time{})
	b.equal("by id and reason", b.retry(store.RetryFilter{IDs: failed, Reasons: []faces.Reason{faces.Timeout}}), ids[2:3])
	b.fail(ids[2], faces.Timeout, time.Time{})
	b.equal("by reasons", b.retry(store.RetryFilter{
		Reasons: []faces.Reason{faces.NotFound, faces.Timeout},
	}), []int64{ids[0], ids[2]})
	b.fail(ids[0], faces.NotFound, time.Time{})
	b.fail(ids[2], faces.Timeout, time.Time{})
	b.equal("all", b.retry(store.RetryFilter{All: true}), failed)
	b.equal("an answer stays", b.image(ids[3]).Reason, faces.Identified)
	held, err := b.store.Renew(b.Context(), claimed, lease)
	b.must(err)
	b.equal("a lease stays", held, claimed)
}

func retryByReason(b *bench) {
	b.everyCombination()
	all := b.list(store.Filter{Oldest: true})
	for _, r := range faces.Reasons() {
		want := idsOf(pick(all, func(img faces.Image) bool {
			return img.Reason == r && (img.Status == faces.Failed || r.IsAnswer())
		}))
		b.equal("retried for "+string(r), b.retry(store.RetryFilter{Reasons: []faces.Reason{r}}), want)
	}
}

func retryPages(b *bench) {
	ids := b.addMany(7)
	b.exec("update images set status = 2")
	var got []int64
	f := store.RetryFilter{All: true, Limit: 3}
	for _, want := range []int{3, 3, 1, 0} {
		page := b.retry(f)
		b.equal("length of a page", len(page), want)
		got = append(got, page...)
		if len(page) > 0 {
			f.After = page[len(page)-1]
		}
	}
	b.equal("ids", got, ids)

	b.exec("update images set status = 2")
	b.equal("after an id", b.retry(store.RetryFilter{All: true, After: ids[4]}), ids[5:])
}

func retryConcurrently(b *bench) {
	ids := b.addMany(40)
	b.exec("update images set status = 2")
	var mu sync.Mutex // guards got
	var got []int64
	inParallel(4, func(int) {
		f := store.RetryFilter{Due: true, Limit: 7}
		for {
			page, err := b.store.Retry(b.Context(), f)
			if err != nil {
				b.Error(err)
			}
			if len(page) == 0 {
				return
			}
			f.After = page[len(page)-1]
			mu.Lock()
			got = append(got, page...)
			mu.Unlock()
		}
	})
	b.equal("each id from one", sorted(got), ids)
	for _, c := range b.tryClaim(ids...).Claimed {
		b.equal("rounds", c.Rounds, 1)
	}
}

func reclaimExpired(b *bench) {
	ids := b.addMany(4)
	old := b.claim(ids[0])
	b.exec("update images set status = 3 where id = ?", ids[1])
	b.must(b.store.MarkPublished(b.Context(), ids, b.clock.Now()))
	b.clock.advance(lease + time.Second)
	b.claim(ids[2])
	for _, want := range []int64{2, 0} {
		n, err := b.store.ReclaimExpired(b.Context())
		b.must(err)
		b.equal("taken back", n, want)
	}
	for _, id := range ids[:2] {
		img := b.image(id)
		b.equal("reason", img.Reason, faces.Queued)
		b.equal("published_at", img.PublishedAt, time.Time{})
	}
	b.equal("attempts are kept", b.image(ids[0]).Attempts, 1)
	b.equal("a lease stays", b.image(ids[2]).Status, faces.Processing)
	held, err := b.store.Renew(b.Context(), old, lease)
	b.must(err)
	b.equal("renewed", held, []store.Lease(nil))

	all, err := b.store.ReclaimAll(b.Context())
	b.must(err)
	b.equal("taken back, with those that last", all, int64(1))
	b.equal("a lease that lasted", b.image(ids[2]).Reason, faces.Queued)
}

func queuedAndUnpublished(b *bench) {
	ids := b.addMany(6)
	start := b.clock.Now()
	b.claim(ids[0])
	b.fail(ids[1], faces.NoFace, time.Time{})
	b.must(b.store.MarkPublished(b.Context(), ids[2:3], start))
	b.must(b.store.MarkPublished(b.Context(), ids[3:4], start.Add(time.Minute)))
	b.clock.advance(time.Minute)
	ids = append(ids, b.add("/u/new.jpg")...)

	type ask func(after int64, before time.Time, limit int) []int64
	list := func(f func(after int64, before time.Time, limit int) ([]int64, error)) ask {
		return func(after int64, before time.Time, limit int) []int64 {
			got, err := f(after, before, limit)
			b.must(err)
			return got
		}
	}
	queued := list(func(after int64, before time.Time, limit int) ([]int64, error) {
		return b.store.Queued(b.Context(), after, before, limit)
	})
	unpublished := list(func(after int64, before time.Time, limit int) ([]int64, error) {
		return b.store.Unpublished(b.Context(), after, before, limit)
	})
	never := list(func(after int64, before time.Time, limit int) ([]int64, error) {
		return b.store.NeverQueued(b.Context(), after, before, limit)
	})
	for _, c := range []struct {
		name   string
		ask    ask
		after  int64
		before time.Time
		limit  int
		want   []int64
	}{
		{"queued", queued, 0, start.Add(time.Minute), 100, ids[2:7]},
		{"queued before", queued, 0, start, 100, []int64{ids[2], ids[4], ids[5]}},
		{"queued, a page", queued, ids[2], start.Add(time.Minute), 2, ids[3:5]},
		{"queued, too new", queued, 0, start.Add(-time.Second), 100, nil},
		{"unpublished", unpublished, 0, start.Add(time.Minute), 100, ids[4:7]},
		{"unpublished before", unpublished, 0, start, 100, ids[4:6]},
		{"unpublished, a page", unpublished, ids[4], start.Add(time.Minute), 1, ids[5:6]},
		{"never queued", never, 0, start.Add(time.Minute), 100, ids[4:7]},
		{"never queued, stored before", never, 0, start, 100, ids[4:6]},
		{"never queued, a page", never, ids[4], start.Add(time.Minute), 1, ids[5:6]},
		{"never queued, just stored", never, 0, start.Add(-time.Second), 100, nil},
		{"unpublished, too new", unpublished, 0, start.Add(-time.Second), 100, nil},
	} {
		got := c.ask(c.after, c.before.In(time.FixedZone("elsewhere", 5*3600)), c.limit)
		if !slices.Equal(got, c.want) {
			b.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	b.must(b.store.Release(b.Context(), b.claim(ids[5]), true))
	if got := never(0, start.Add(-time.Second), 100); !slices.Equal(got, ids[5:6]) {
		b.Errorf("never queued, handed back since: got %v, want %v", got, ids[5:6])
	}
}
