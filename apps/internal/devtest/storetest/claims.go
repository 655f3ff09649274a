package storetest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var claimTests = []test{
	{"Claim sorts ids into claimed, busy and settled", claimSorts},
	{"Claim takes over a lease that ran out", claimTakesOver},
	{"Claim counts what it takes over", claimCountsTakeovers},
	{"Claim takes what a program without leases left", claimTakesLeaseless},
	{"Claim follows a status that the original changed", claimFollowsStatus},
	{"Claim counts attempts anew where a status was put back", claimAfterPuttingBack},
	{"Claim takes more than one statement holds", claimThousands},
	{"Claim from many at once leases each image to one", claimConcurrently},
	{"Finish stores all that was seen", finishStoresAll},
	{"Finish stores each outcome", finishOutcomes},
	{"Finish replaces faces", finishReplacesFaces},
	{"Finish cuts a long detail", finishCutsDetail},
	{"Finish records a batch or nothing of it", finishAllOrNothing},
	{"Old leases change nothing", oldLeases},
	{"An old lease beside a new one of the same image changes nothing", oldBesideNew},
	{"An image that the original has answered is not held", answeredByOriginal},
	{"Finish from many at once is written once", finishConcurrently},
	{"Renew", renew},
	{"Release", release},
	{"ReleaseSuspects", releaseSuspects},
	{"Nothing to claim, renew, release or finish", claimNothing},
}

func claimSorts(b *bench) {
	ids := b.addMany(8)
	free, busy, gone := ids[0], ids[1], int64(4711)
	settled := ids[2:8]
	held := b.claim(busy)[0]
	for i, r := range []faces.Reason{faces.Identified, faces.UnknownPerson, faces.Uncertain, faces.NoFace, faces.NotFound, faces.Timeout} {
		b.fail(settled[i], r, time.Time{})
	}
	b.clock.advance(10 * time.Second)
	got := b.tryClaim(append([]int64{gone, busy, free, free}, settled...)...)
	if len(got.Claimed) != 1 {
		b.Fatalf("claimed %+v", got.Claimed)
	}
	token := got.Claimed[0].Token
	if token == 0 || token == held.Token {
		b.Errorf("token %d, and another lease's is %d", token, held.Token)
	}
	b.equal("claim", got, store.Claim{
		Claimed: []store.Claimed{{
			Lease: store.Lease{ImageID: free, Token: token}, Path: "/unknown_people/0000.jpg", Attempts: 1,
		}},
		Busy:    map[int64]time.Time{busy: b.later(50 * time.Second)},
		Settled: append([]int64{gone}, settled...),
	})
	img := b.image(free)
	b.equal("status", img.Status, faces.Processing)
	b.equal("reason", img.Reason, faces.NoReason)
	b.equal("updated_at", img.UpdatedAt, b.clock.Now())
}

func claimTakesOver(b *bench) {
	id := b.addMany(1)[0]
	first := b.claim(id)[0]
	b.clock.advance(lease)
	b.equal("busy until the very end", b.tryClaim(id).Busy, map[int64]time.Time{id: b.clock.Now()})
	b.clock.advance(time.Microsecond)
	got := b.tryClaim(id).Claimed
	if len(got) != 1 || got[0].Attempts != 2 || got[0].Token == first.Token {
		b.Errorf("after the lease claimed %+v; the old token is %d", got, first.Token)
	}
}

func claimCountsTakeovers(b *bench) {
	ids := b.addMany(5)
	b.claim(ids[:2]...)
	b.clock.advance(lease / 2)
	b.claim(ids[2])
	b.clock.advance(lease/2 + time.Second)
	got := b.tryClaim(ids...)
	b.equal("taken over", got.TakenOver, int64(2))
	b.equal("all", []int{len(got.Claimed), len(got.Busy)}, []int{4, 1})
	b.equal("nothing twice", b.tryClaim(ids...).TakenOver, int64(0))
}

func claimTakesLeaseless(b *bench) {
	id := b.addMany(1)[0]
	b.exec("update images set status = 3 where id = ?", id)
	b.claim(id)
}

func claimFollowsStatus(b *bench) {
	id := b.addMany(1)[0]
	b.fail(id, faces.Identified, time.Time{})
	b.equal("answered", b.tryClaim(id).Settled, []int64{id})
	b.exec("update images set status = 0 where id = ?", id)
	b.claim(id)
	b.exec("update images set status = 2 where id = ?", id)
	b.equal("failed", b.tryClaim(id).Settled, []int64{id})
}

// Whoever puts an image back by its status alone asks for a new round: attempts
// that are used up must not end it at once.
func claimAfterPuttingBack(b *bench) {
	id := b.addMany(1)[0]
	b.exec("update images set attempts = 5 where id = ?", id)
	b.equal("attempts of an image that waits", b.tryClaim(id).Claimed[0].Attempts, 6)
	for _, r := range []faces.Reason{faces.NoReason, faces.Timeout, faces.NotFound, faces.Identified} {
		b.exec("update images set status = 0, reason = ?, attempts = 5 where id = ?", string(r), id)
		b.equal("attempts after "+string(r), b.tryClaim(id).Claimed[0].Attempts, 1)
	}
}

func claimThousands(b *bench) {
	ids := b.addMany(1200)
	got := b.tryClaim(ids...)
	if len(got.Claimed) != len(ids) {
		b.Fatalf("claimed %d of %d", len(got.Claimed), len(ids))
	}
	leases := leasesOf(got)
	held, err := b.store.Renew(b.Context(), leases, lease)
	b.must(err)
	b.equal("leases held", len(held), len(ids))
	b.must(b.store.Release(b.Context(), leases, true))
	b.equal("claimed again", len(b.tryClaim(ids...).Claimed), len(ids))
}

// claimConcurrently is a property: in each round, which lasts as long as a
// lease, every image has one holder, however the batches overlap.
func claimConcurrently(b *bench) {
	const images, workers, batches, rounds = 60, 8, 6, 3
	ids := b.addMany(images)
	tokens := map[int64]bool{}
	for round := 1; round <= rounds; round++ {
		var mu sync.Mutex // guards holder
		holder := map[int64][]store.Claimed{}
		inParallel(workers, func(w int) {
			random := rand.New(rand.NewPCG(uint64(round), uint64(w)))
			for range batches {
				batch := shuffled(random, ids)[:1+random.IntN(20)]
				c, err := b.store.Claim(b.Context(), "worker", batch, lease)
				if err != nil {
					b.Error(err)
					return
				}
				if n := len(c.Claimed) + len(c.Busy) + len(c.Settled); n != len(batch) || len(c.Settled) > 0 {
					b.Errorf("of %d ids: %+v", len(batch), c)
				}
				mu.Lock()
				for _, got := range c.Claimed {
					holder[got.ImageID] = append(holder[got.ImageID], got)
				}
				mu.Unlock()
			}
		})
		for _, got := range b.tryClaim(ids...).Claimed {
			holder[got.ImageID] = append(holder[got.ImageID], got)
		}
		for _, id := range ids {
			if got := holder[id]; len(got) != 1 || got[0].Attempts != round {
				b.Errorf("round %d: image %d was leased as %+v", round, id, got)
			}
		}
		for token := range tokensOf(holder) {
			if tokens[token] {
				b.Errorf("round %d: token %d was used before", round, token)
			}
			tokens[token] = true
		}
		b.clock.advance(lease + time.Second)
	}
}

func tokensOf(holder map[int64][]store.Claimed) map[int64]bool {
	tokens := map[int64]bool{}
	for _, list := range holder {
		for _, c := range list {
			tokens[c.Token] = true
		}
	}
	return tokens
}

func shuffled(random *rand.Rand, ids []int64) []int64 {
	ids = slices.Clone(ids)
	random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids
}

// seen returns an outcome that fills every field.
func (b *bench) seen() faces.Outcome {
	anna := faces.Person{ID: b.person("Anna"), Name: "Anna"}
	bob := faces.Person{ID: b.person("Bob Ö'Neil"), Name: "Bob Ö'Neil"}
	first, second := make(faces.Descriptor, 320), make(faces.Descriptor, 128)
	for i := range first {
		first[i] = float32(i)/7 - 3
	}
	for i := range second {
		second[i] = -float32(i) * 1e-9
	}
	return faces.Outcome{
		Reason: faces.Identified, Person: &anna,
		Warning: "the file ends early", Omitted: 7, Width: 640, Height: 480, Model: "lite-1",
		Faces: []faces.Face{
			{
				Box:        faces.Box{X: -3, Y: 2, Width: 30, Height: 40},
				Landmarks:  []faces.Point{{X: 1, Y: -2}, {X: 3, Y: 4}},
				Descriptor: first, Reason: faces.Identified, Person: &anna,
				Best:         &faces.Candidate{Person: anna, Distance: 0.123456789, Image: "anna/ä 1.jpg", Parts: faces.Parts{0.25, 0.3333333}},
				Second:       &faces.Candidate{Person: bob, Distance: 0.75, Image: "bob/1.jpg", Parts: faces.Parts{0, 1e-9, 0.5}},
				MatchedImage: "anna/ä 1.jpg", Model: "lite-1", Gallery: "g7",
				Quality: faces.Quality{Score: 0.875, Size: 30, Sharpness: 0.123456789, Yaw: -12.5, Roll: 3, Detection: 0.9375, CutOff: 0.125},
			},
			{
				Box: faces.Box{X: 100, Y: 100, Width: 5, Height: 5}, Descriptor: second,
				Reason: faces.Identified, Person: &bob, Model: "lite-1", Corrected: true, Confirmed: true,
			},
			{
				Box: faces.Box{X: 50}, Reason: faces.Uncertain, Model: "lite-1",
				Best:         &faces.Candidate{Person: bob, Distance: 0.4, Image: "bob/1.jpg"},
				Second:       &faces.Candidate{Person: anna, Distance: 0.41, Image: "anna/2.jpg"},
				MatchedImage: "bob/1.jpg", Corrected: true,
			},
			{ // another face of the picture is Anna's
				Box: faces.Box{X: 60}, Reason: faces.Uncertain, Model: "lite-1",
				Best:         &faces.Candidate{Person: anna, Distance: 0.3, Image: "anna/2.jpg"},
				MatchedImage: "anna/2.jpg",
			},
			{
				Box: faces.Box{X: 70}, Reason: faces.TooSmall, Model: "lite-1", Quality: faces.Quality{Size: 12, Score: 0.25},
				Best:         &faces.Candidate{Person: bob, Distance: 0.3, Image: "bob/1.jpg"},
				MatchedImage: "bob/1.jpg",
			},
		},
	}
}

// stored returns an image as it should be read after an outcome.
func stored(before faces.Image, o faces.Outcome, at time.Time) faces.Image {
	before.Status, before.Reason, before.Detail = o.Reason.Status(), o.Reason, o.Detail
	before.Person, before.Faces = o.Person, slices.Clone(o.Faces)
	before.Width, before.Height, before.Model = o.Width, o.Height, o.Model
	before.Warning, before.Omitted = o.Warning, o.Omitted
	before.UpdatedAt = at
	return before
}

// withoutFaceIDs drops what only the database knows, and checks it.
func (b *bench) withoutFaceIDs(img faces.Image) faces.Image {
	b.Helper()
	for i := range img.Faces {
		if img.Faces[i].ID == 0 {
			b.Errorf("face %d has no id", i)
		}
		img.Faces[i].ID = 0
	}
	return img
}

func finishStoresAll(b *bench) {
	id := b.addMany(1)[0]
	held := b.claim(id)[0]
	before := b.image(id)
	outcome := b.seen()
	b.clock.advance(time.Second)
	b.finish(store.Result{Lease: held, Outcome: outcome})
	want := asBefore(stored(before, outcome, b.clock.Now()))
	b.equal("the image", asBefore(b.withoutFaceIDs(b.image(id))), want)
	for i := range want.Faces { // which are read without these
		want.Faces[i].Landmarks, want.Faces[i].Descriptor = nil, nil
	}
	list := b.list(filterAll)
	list[0] = b.withoutFaceIDs(list[0])
	b.equal("in a list", list, []faces.Image{want})
	b.equal("the column detail", b.count("select count(*) from images where detail = 'the file ends early'"), 1)
}

func finishOutcomes(b *bench) {
	reasons := slices.DeleteFunc(faces.Reasons(), func(r faces.Reason) bool { return r == faces.Queued })
	ids := b.addMany(len(reasons))
	var results []store.Result
	for i, l := range b.claim(ids...) {
		results = append(results, store.Result{Lease: l, Outcome: faces.Outcome{Reason: reasons[i]}})
	}
	b.finish(results...)
	for i, id := range ids {
		img := b.image(id)
		b.equal("reason", img.Reason, reasons[i])
		b.equal("status of "+string(reasons[i]), img.Status, reasons[i].Status())
	}
	b.equal("all settled", b.tryClaim(ids...).Settled, ids)
}

func finishReplacesFaces(b *bench) {
	ids := b.addMany(2)
	held := b.claim(ids...)
	outcome := b.seen()
	b.finish(store.Result{Lease: held[0], Outcome: outcome}, store.Result{Lease: held[1], Outcome: outcome})
	b.exec("update images set status = 0 where id = ?", ids[0])
	fewer := outcome
	fewer.Faces = outcome.Faces[1:2]
	b.finish(store.Result{Lease: b.claim(ids[0])[0], Outcome: fewer})
	b.equal("faces", b.withoutFaceIDs(b.image(ids[0])).Faces, fewer.Faces)
	b.equal("the other's faces", b.withoutFaceIDs(b.image(ids[1])).Faces, outcome.Faces)
	b.equal("rows", b.count("select count(*) from faces"), 1+len(outcome.Faces))

	b.exec("update images set status = 0 where id = ?", ids[1])
	b.fail(ids[1], faces.NoFace, time.Time{})
	b.equal("no faces", b.image(ids[1]).Faces, []faces.Face(nil))
}

func finishCutsDetail(b *bench) {
	for name, c := range map[string]struct{ detail, want string }{
		"fits": {strings.Repeat("ß", 500), strings.Repeat("ß", 500)},
		"long": {strings.Repeat("🙂", 501), strings.Repeat("🙂", 499) + "…"},
	} {
		id := b.add("/u/" + name)[0]
		b.finish(store.Result{Lease: b.claim(id)[0], Outcome: faces.Outcome{Reason: faces.Internal, Detail: c.detail}})
		b.equal(name, b.image(id).Detail, c.want)
	}
}

func finishAllOrNothing(b *bench) {
	ids := b.addMany(2)
	held := b.claim(ids...)
	outcome := b.seen()
	results := []store.Result{{Lease: held[0], Outcome: outcome}, {Lease: held[1], Outcome: outcome}}
	if _, err := b.store.Finish(b.cancelled(), results); err == nil {
		b.Error("no error from a context that has ended")
	}
	for n := range int64(16) {
		ctx, cancel := newCountdown(b.Context(), n+1)
		_, err := b.store.Finish(ctx, results)
		cancel()
		written := []faces.Status{b.image(ids[0]).Status, b.image(ids[1]).Status}
		want, rows := faces.Processing, 0
		if err == nil {
			want, rows = faces.Processed, 6
		}
		b.equal("statuses", written, []faces.Status{want, want})
		b.equal("faces", b.count("select count(*) from faces"), rows)
		if err == nil {
			return
		}
	}
	b.finish(results...)
}

func oldLeases(b *bench) {
	ids := b.addMany(3)
	old := b.claim(ids...)
	b.clock.advance(lease + time.Second)
	taken := b.claim(ids[0])[0]                                                         // taken over
	b.finish(store.Result{Lease: old[1], Outcome: faces.Outcome{Reason: faces.NoFace}}) // finished
	b.must(b.store.Release(b.Context(), []store.Lease{old[2]}, false))                  // handed back
	before := []faces.Image{b.image(ids[0]), b.image(ids[1]), b.image(ids[2])}
	b.clock.advance(time.Second)

	held, err := b.store.Renew(b.Context(), old, time.Hour)
	b.must(err)
	b.equal("renewed", held, []store.Lease(nil))
	b.must(b.store.Release(b.Context(), old, true))
	var results []store.Result
	for _, l := range old {
		results = append(results, store.Result{Lease: l, Outcome: b.seen()})
	}
	stale, err := b.store.Finish(b.Context(), results)
	b.must(err)
	b.equal("stale", sorted(stale), ids)
	b.equal("images", []faces.Image{b.image(ids[0]), b.image(ids[1]), b.image(ids[2])}, before)
	b.equal("faces", b.count("select count(*) from faces"), 0)

	// The token 0 is what an image has that nobody holds.
	nobody := []store.Lease{{ImageID: ids[2]}}
	stale, err = b.store.Finish(b.Context(), []store.Result{{Lease: nobody[0], Outcome: b.seen()}})
	b.must(err)
	b.equal("stale", stale, []int64{ids[2]})
	b.finish(store.Result{Lease: taken, Outcome: faces.Outcome{Reason: faces.NoFace}})
}

func oldBesideNew(b *bench) {
	ids := b.addMany(2)
	old := b.claim(ids[0])[0]
	b.clock.advance(lease + time.Second)
	current := b.claim(ids...) // both, under one token
	mixed := []store.Lease{old, current[1]}

	held, err := b.store.Renew(b.Context(), mixed, time.Hour)
	b.must(err)
	b.equal("renewed", held, current[1:])
	b.must(b.store.Release(b.Context(), mixed, false))
	b.equal("the first is still held", b.tryClaim(ids[0]).Busy, map[int64]time.Time{ids[0]: b.later(lease)})
	b.equal("the second was handed back", b.image(ids[1]).Status, faces.Pending)
}

func answeredByOriginal(b *bench) {
	id := b.addMany(1)[0]
	held := b.claim(id)
	b.exec("update images set status = 1, person = 7 where id = ?", id)
	still, err := b.store.Renew(b.Context(), held, lease)
	b.must(err)
	b.equal("renewed", still, []store.Lease(nil))
	stale, err := b.store.Finish(b.Context(), []store.Result{{Lease: held[0], Outcome: faces.Outcome{Reason: faces.NoFace}}})
	b.must(err)
	b.equal("stale", stale, []int64{id})
	b.equal("reason", b.image(id).Reason, faces.Identified)
}

func finishConcurrently(b *bench) {
	ids := b.addMany(20)
	held := b.claim(ids...)
	outcome := b.seen()
	var mu sync.Mutex // guards written
	written := 0
	inParallel(6, func(i int) {
		random := rand.New(rand.NewPCG(uint64(i), 2))
		var results []store.Result
		for _, n := range random.Perm(len(held)) {
			results = append(results, store.Result{Lease: held[n], Outcome: outcome})
		}
		stale, err := b.store.Finish(b.Context(), results)
		if err != nil {
			b.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		written += len(results) - len(stale)
	})
	b.equal("results written", written, len(ids))
	b.equal("faces", b.count("select count(*) from faces"), len(outcome.Faces)*len(ids))
}

func claimNothing(b *bench) {
	b.addMany(1)
	b.equal("claim", b.tryClaim(), store.Claim{})
	held, err := b.store.Renew(b.Context(), nil, lease)
	b.must(err)
	b.equal("held", held, []store.Lease(nil))
	b.must(b.store.Release(b.Context(), nil, true))
	b.finish()
	b.equal("reason", b.list(filterAll)[0].Reason, faces.Queued)
}
