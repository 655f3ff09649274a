package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var eventTests = []test{
	{"Each change of an image has its event", eventsOfImage},
	{"Each change of a person has its event, and each answer that it changes", eventsOfPeople},
	{"A rescan and a re-match tell of the answers that they change", eventsOfJobs},
	{"A change that fails has no event, and nor does one that changes nothing", eventsOfNothing},
	{"A post of many paths has an event for each new one", eventsOfMany},
	{"A long list of people is cut between two", eventsOfCrowd},
	{"A reader by id misses no event and no order, whoever writes and numbers meanwhile", eventsNeverLost},
	{"Old events and those beyond a number are deleted, and readers can tell", eventsSwept},
}

// sequenced numbers all events and returns those after an id.
func (b *bench) sequenced(after int64) []faces.Event {
	b.Helper()
	for {
		n, err := b.store.SequenceEvents(b.Context(), 3)
		b.must(err)
		if n == 0 {
			break
		}
	}
	page, err := b.store.Events(b.Context(), after, nil, 10_000)
	b.must(err)
	return page.Events
}

// told returns what has happened since the last call, as texts.
func (b *bench) told(seen *int64) []string {
	b.Helper()
	var texts []string
	for _, e := range b.sequenced(*seen) {
		*seen = e.ID
		text := string(e.Type)
		if e.Cause != "" {
			text += " by " + string(e.Cause)
		}
		if e.ImageID != 0 {
			text += fmt.Sprintf(" image %d %s %s", e.ImageID, e.Path, e.Reason)
		}
		for _, id := range e.People {
			text += " " + e.Names[id]
		}
		if e.PersonID != 0 {
			text += fmt.Sprintf(" person %d %s", e.PersonID, e.Names[e.PersonID])
		}
		if e.OtherID != 0 {
			text += fmt.Sprintf(" other %d %s", e.OtherID, e.Names[e.OtherID])
		}
		texts = append(texts, strings.TrimSpace(text))
	}
	return texts
}

func eventsOfImage(b *bench) {
	var seen int64
	id := b.add("/unknown_people/a.jpg")[0]
	b.equal("posted", b.told(&seen), []string{fmt.Sprintf("image.accepted image %d /unknown_people/a.jpg queued", id)})
	b.fail(id, faces.Timeout, b.later(time.Minute))
	b.equal("failed", b.told(&seen), []string{fmt.Sprintf("image.failed image %d /unknown_people/a.jpg timeout", id)})
	b.clock.advance(time.Hour)
	_, err := b.store.Retry(b.Context(), store.RetryFilter{Due: true})
	b.must(err)
	b.equal("redeemed", b.told(&seen), []string{fmt.Sprintf("image.retried by redeemer image %d /unknown_people/a.jpg queued", id)})
	b.finish(store.Result{Lease: b.claim(id)[0], Outcome: faces.Outcome{Reason: faces.NoFace}})
	b.equal("answered", b.told(&seen), []string{fmt.Sprintf("image.answered image %d /unknown_people/a.jpg no_face", id)})
	_, err = b.store.Retry(b.Context(), store.RetryFilter{IDs: []int64{id}})
	b.must(err)
	b.equal("retried", b.told(&seen), []string{fmt.Sprintf("image.retried by request image %d /unknown_people/a.jpg no_face", id)})
	_, err = b.store.DeleteImage(b.Context(), id)
	b.must(err)
	b.equal("deleted", b.told(&seen), []string{fmt.Sprintf("image.deleted image %d", id)})
	b.equal("no more", b.told(&seen), []string(nil))
	b.equal("rows of the outbox", b.count("select count(*) from outbox"), 0)
}

func eventsOfPeople(b *bench) {
	var seen int64
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25, "bob", 0.4375})
	anna, bob := b.personID("anna"), b.personID("bob")
	b.told(&seen)
	ctx := b.Context()

	said := b.correct(faces.Statement{FaceID: b.image(id).Faces[0].ID, Name: "Cleo"})
	cleo := b.personID("Cleo")
	b.equal("corrected", b.told(&seen), []string{
		fmt.Sprintf("person.created person %d Cleo", cleo),
		fmt.Sprintf("image.changed by correction image %d /unknown_people/a.jpg identified Cleo", id),
	})
	_, err := b.store.UndoCorrection(ctx, said.Correction.ID, "")
	b.must(err)
	b.equal("undone", b.told(&seen), []string{fmt.Sprintf("image.changed by correction image %d /unknown_people/a.jpg identified anna", id)})

	name := "Anne"
	_, err = b.store.ChangePerson(ctx, anna, faces.AnyVersion, faces.ProfileChange{Name: &name})
	b.must(err)
	b.equal("renamed", b.told(&seen), []string{fmt.Sprintf("person.renamed person %d Anne", anna)})

	m, _, err := b.store.MergePeople(ctx, store.MergeRequest{Person: bob, Merged: anna, PersonVersion: faces.AnyVersion, MergedVersion: faces.AnyVersion, Name: "Anna"})
	b.must(err)
	b.equal("merged", b.told(&seen), []string{
		fmt.Sprintf("person.merged person %d Anna other %d", bob, anna),
		fmt.Sprintf("person.renamed person %d Anna", bob),
		fmt.Sprintf("image.changed by merge image %d /unknown_people/a.jpg identified Anna", id),
	})
	_, _, err = b.store.UndoMerge(ctx, m.ID)
	b.must(err)
	undone := b.told(&seen)
	b.equal("merge undone", undone[:2], []string{
		fmt.Sprintf("person.merge_undo person %d bob other %d Anne", bob, anna),
		fmt.Sprintf("person.renamed person %d bob", bob),
	})
	_, err = b.store.DeletePerson(ctx, bob, faces.AnyVersion)
	b.must(err)
	deleted := b.told(&seen)
	b.equal("deleted", deleted[0], fmt.Sprintf("person.deleted person %d", bob))
	_, err = b.store.SyncKnownImages(ctx, map[string]string{"zoe/1.jpg": "Zoë"}, func(string) bool { return true })
	b.must(err)
	b.equal("enrolled", b.told(&seen), []string{fmt.Sprintf("person.created person %d Zoë", b.personID("Zoë"))})
}

func eventsOfJobs(b *bench) {
	var seen int64
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25})
	b.told(&seen)
	_, err := b.store.RequestRescans(b.Context(), []int64{id}, false)
	b.must(err)
	b.equal("waits", b.told(&seen), []string(nil))
	b.finish(store.Result{Lease: b.claim(id)[0], Outcome: faces.Outcome{Reason: faces.NoFace}})
	b.equal("rescanned", b.told(&seen), []string{fmt.Sprintf("image.changed by rescan image %d /unknown_people/a.jpg no_face", id)})
}

func eventsOfNothing(b *bench) {
	var seen int64
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25})
	b.told(&seen)
	ctx := b.Context()
	b.add("/unknown_people/a.jpg")
	b.add("/unknown_people/a.jpg", "/unknown_people/a.jpg")
	stale, err := b.store.Finish(ctx, []store.Result{{Lease: store.Lease{ImageID: id, Token: 4711}, Outcome: faces.Outcome{Reason: faces.NoFace}}})
	b.must(err)
	b.equal("stale", stale, []int64{id})
	for name, err := range map[string]error{
		"a missing image":  onlyError(b.store.DeleteImage(ctx, 4711)),
		"a name in use":    onlyError(b.store.AddPerson(ctx, "Anna")),
		"a path too long":  onlyError(b.store.AddImages(ctx, []string{"/unknown_people/b.jpg", strings.Repeat("x", 5000)})),
		"a missing person": onlyError(b.store.DeletePerson(ctx, 4711, faces.AnyVersion)),
	} {
		if err == nil {
			b.Errorf("%s: no error", name)
		}
	}
	b.equal("events", b.told(&seen), []string(nil))
}

func onlyError[T any](_ T, err error) error { return err }

func eventsOfMany(b *bench) {
	b.add("/unknown_people/0007.jpg")
	ids := b.addMany(1203)
	var told []int64
	for _, e := range b.sequenced(0) {
		told = append(told, e.ImageID)
	}
	b.equal("events", sorted(told), sorted(ids))
}

func eventsOfCrowd(b *bench) {
	var crowd []faces.Face
	for i := range 300 {
		p := faces.Person{ID: int64(10_000 + i)}
		b.exec("insert into person (id, name) values (?, ?)", p.ID, fmt.Sprint("person ", i))
		crowd = append(crowd, faces.Face{Reason: faces.Identified, Person: &p, Best: &faces.Candidate{Person: p}})
	}
	id := b.add("/unknown_people/a.jpg")[0]
	b.finish(store.Result{Lease: b.claim(id)[0], Outcome: faces.Outcome{Reason: faces.Identified, Faces: crowd}})
	list := b.sequenced(1)
	b.equal("more", list[0].MorePeople, true)
	b.equal("people", list[0].People[:2], []int64{10_000, 10_001})
	for i, id := range list[0].People {
		b.equal("a person", id, int64(10_000+i))
	}
}

// eventsNeverLost has many writers, some of whose transactions are slow to commit,
// several numberers, and a reader that goes by id.
func eventsNeverLost(b *bench) {
	const writers, rounds = 6, 12
	var writing, reading sync.WaitGroup
	var done atomic.Bool
	for range 3 {
		reading.Go(func() {
			for !done.Load() {
				if _, err := b.store.SequenceEvents(b.Context(), 5); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	var seen []faces.Event
	reading.Go(func() {
		var after int64
		for last := false; ; {
			page, err := b.store.Events(b.Context(), after, nil, 7)
			if err != nil {
				b.Error(err)
				return
			}
			seen, after = append(seen, page.Events...), page.Next
			if len(page.Events) > 0 {
				continue
			}
			if last {
				return
			}
			if last = done.Load(); last { // nobody writes any more
				if _, err := b.store.SequenceEvents(b.Context(), 10_000); err != nil {
					b.Error(err)
					return
				}
			}
		}
	})
	for w := range writers {
		writing.Go(func() {
			for r := range rounds {
				img, err := b.store.AddImages(b.Context(), []string{fmt.Sprintf("/unknown_people/%d-%d.jpg", w, r), fmt.Sprintf("/unknown_people/%d-%d-b.jpg", w, r)})
				if err != nil {
					b.Error(err)
					return
				}
				c, err := b.store.Claim(b.Context(), "p", idsOf(img), lease)
				if err != nil {
					b.Error(err)
					return
				}
				var results []store.Result
				for _, l := range leasesOf(c) {
					results = append(results, store.Result{Lease: l, Outcome: faces.Outcome{Reason: faces.NoFace}})
				}
				if _, err := b.store.Finish(b.Context(), results); err != nil {
					b.Error(err)
				}
				if _, err := b.store.DeleteImage(b.Context(), img[0].ID); err != nil {
					b.Error(err)
				}
			}
		})
	}
	writing.Wait()
	done.Store(true)
	reading.Wait()

	byImage := map[int64][]faces.EventType{}
	for i, e := range seen {
		if i > 0 && e.ID != seen[i-1].ID+1 {
			b.Fatalf("event %d follows event %d", e.ID, seen[i-1].ID)
		}
		byImage[e.ImageID] = append(byImage[e.ImageID], e.Type)
	}
	b.equal("images", len(byImage), 2*writers*rounds)
	deleted := 0
	for id, types := range byImage {
		want := []faces.EventType{faces.ImageAccepted, faces.ImageAnswered, faces.ImageDeleted}
		if slices.Contains(types, faces.ImageDeleted) {
			deleted++
		} else {
			want = want[:2]
		}
		b.equal(fmt.Sprint("image ", id), types, want)
	}
	b.equal("deleted", deleted, writers*rounds)
}

func eventsSwept(b *bench) {
	b.addMany(20)
	b.sequenced(0)
	b.clock.advance(time.Hour)
	b.add("/unknown_people/new.jpg", "/unknown_people/new2.jpg")
	b.sequenced(0)
	sweep := func(keep store.EventLimits) (faces.EventRange, []faces.Event) {
		b.Helper()
		for more := true; more; {
			var err error
			more, err = b.store.SweepEvents(b.Context(), keep)
			b.must(err)
		}
		page, err := b.store.Events(b.Context(), 0, nil, 100)
		b.must(err)
		again, err := b.store.EventRange(b.Context())
		b.must(err)
		b.equal("range", again, page.Has)
		return page.Has, page.Events
	}
	have, list := sweep(store.EventLimits{MaxAge: 2 * time.Hour, MaxRows: 100})
	b.equal("nothing is old", []any{have, len(list)}, []any{faces.EventRange{After: 0, Newest: 22}, 22})
	have, list = sweep(store.EventLimits{MaxAge: 2 * time.Hour, MaxRows: 15})
	b.equal("too many", []any{have, len(list), list[0].ID}, []any{faces.EventRange{After: 7, Newest: 22}, 15, int64(8)})
	have, list = sweep(store.EventLimits{MaxAge: time.Minute, MaxRows: 15})
	b.equal("too old", []any{have, len(list), list[0].ID}, []any{faces.EventRange{After: 20, Newest: 22}, 2, int64(21)})
	b.equal("who has seen", []bool{have.Has(19), have.Has(20), have.Has(22), have.Has(23)}, []bool{false, true, true, false})
	b.clock.advance(time.Hour)
	have, list = sweep(store.EventLimits{MaxAge: time.Minute, MaxRows: 15})
	b.equal("all", []any{have, len(list)}, []any{faces.EventRange{After: 22, Newest: 22}, 0})
	b.add("/unknown_people/newest.jpg")
	b.equal("numbers go on", b.sequenced(0)[0].ID, int64(23))
	only, err := b.store.Events(b.Context(), 0, []faces.EventType{faces.ImageDeleted}, 10)
	b.must(err)
	b.equal("of another type", []any{len(only.Events), only.Next}, []any{0, int64(23)})
	full, err := b.store.Events(b.Context(), 22, nil, 1)
	b.must(err)
	b.equal("a full page", []any{len(full.Events), full.Next}, []any{1, int64(23)})
	n, _, err := b.store.EventBacklog(b.Context(), 10)
	b.must(err)
	b.equal("backlog", n, 0)
}
