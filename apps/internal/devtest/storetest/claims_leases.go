package storetest

import (
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func renew(b *bench) {
	ids := b.addMany(3)
	first, second := b.claim(ids[:2]...), b.claim(ids[2])
	b.clock.advance(lease / 2)
	all := append(slices.Clone(second), first...)
	held, err := b.store.Renew(b.Context(), all, lease)
	b.must(err)
	b.equal("renewed", held, all)
	b.clock.advance(lease)
	want := map[int64]time.Time{ids[0]: b.clock.Now(), ids[1]: b.clock.Now(), ids[2]: b.clock.Now()}
	b.equal("busy", b.tryClaim(ids...).Busy, want)

	b.clock.advance(time.Second) // ran out, but nobody has taken it over
	held, err = b.store.Renew(b.Context(), first, lease)
	b.must(err)
	b.equal("renewed late", held, first)
}

func release(b *bench) {
	ids := b.addMany(3)
	held := b.claim(ids...)
	b.must(b.store.Release(b.Context(), held[:1], false))
	b.must(b.store.Release(b.Context(), held[1:2], true))
	b.must(b.store.Release(b.Context(), held[1:2], true)) // changes nothing any more
	for i, want := range []int{1, 0} {
		img := b.image(ids[i])
		b.equal("reason", img.Reason, faces.Queued)
		b.equal("attempts", img.Attempts, want)
	}
	b.equal("the third", b.image(ids[2]).Status, faces.Processing)
	b.exec("update images set attempts = 0 where id = ?", ids[2])
	b.must(b.store.Release(b.Context(), held[2:], true))
	b.equal("attempts do not go below 0", b.image(ids[2]).Attempts, 0)
	for i, c := range b.tryClaim(ids...).Claimed {
		b.equal("attempts after the next claim", c.Attempts, []int{2, 1, 1}[i])
	}
}

// A suspicion lasts until the image has an outcome, whoever claims it.
func releaseSuspects(b *bench) {
	ids := b.addMany(2)
	held := b.claim(ids...)
	b.must(b.store.ReleaseSuspects(b.Context(), held[:1]))
	b.must(b.store.Release(b.Context(), held[1:], false))
	b.equal("reason", b.image(ids[0]).Reason, faces.Queued)
	b.equal("what people are told", b.image(ids[0]).Detail, "")
	for range 2 { // an interrupted attempt does not end it
		c := b.tryClaim(ids...)
		for _, got := range c.Claimed {
			b.equal("suspect", got.Suspect, got.ImageID == ids[0])
		}
		held = leasesOf(c)
		b.must(b.store.Release(b.Context(), held, false))
	}
	b.equal("attempts", b.image(ids[0]).Attempts, 3)
	b.finish(store.Result{Lease: b.claim(ids[0])[0], Outcome: faces.Outcome{Reason: faces.NoFace}})
	_, err := b.store.Retry(b.Context(), store.RetryFilter{IDs: ids[:1]})
	b.must(err)
	b.equal("suspect after an outcome", b.tryClaim(ids[0]).Claimed[0].Suspect, false)
}
