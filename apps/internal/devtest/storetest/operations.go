package storetest

import (
	"strings"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var operationsTests = []test{
	{"What a program says replaces what it said before", programStates},
	{"What silent programs said is swept, but for the last run of one", sweepPrograms},
	{"Outcomes of a minute are summed over instances, and stored twice they count once", outcomeMinutes},
	{"The totals of a minute are those of its first look", imageTotals},
	{"Many who sample the totals of a minute at once store them once", sampleAtOnce},
	{"The oldest waiting image is the one that waits for the longest time", oldestWaiting},
}

func programStates(b *bench) {
	b.must(b.store.NoteProgram(b.Context(), "processor", "b/1", []byte(`{"a":1}`)))
	b.must(b.store.NoteProgram(b.Context(), "processor", "a/1", []byte(`{}`)))
	b.clock.advance(5 * time.Second)
	b.must(b.store.NoteProgram(b.Context(), "processor", "b/1", []byte(`{"a":2,"text":"'é☺"}`)))
	b.must(b.store.NoteProgram(b.Context(), "processor", "B/1", []byte(strings.Repeat(" ", 100_000))))
	list, err := b.store.Programs(b.Context())
	b.must(err)
	b.equal("all", list, []store.ProgramState{
		{Program: "processor", Instance: "B/1", SeenAt: b.clock.Now(), State: []byte(strings.Repeat(" ", 100_000))},
		{Program: "processor", Instance: "a/1", SeenAt: b.later(-5 * time.Second), State: []byte(`{}`)},
		{Program: "processor", Instance: "b/1", SeenAt: b.clock.Now(), State: []byte(`{"a":2,"text":"'é☺"}`)},
	})
	for range 2 {
		b.must(b.store.ForgetProgram(b.Context(), "processor", "b/1"))
	}
	list, err = b.store.Programs(b.Context())
	b.must(err)
	b.equal("those that did not end", len(list), 2)
}

func sweepPrograms(b *bench) {
	b.must(b.store.NoteProgram(b.Context(), "processor", "gone", []byte(`{}`)))
	b.must(b.store.NoteProgram(b.Context(), "redeemer", "", []byte(`{}`)))
	b.clock.advance(time.Hour)
	b.must(b.store.NoteProgram(b.Context(), "processor", "here", []byte(`{}`)))
	b.must(b.store.SweepOperations(b.Context(), b.later(-time.Minute), b.later(-aDay)))
	list, err := b.store.Programs(b.Context())
	b.must(err)
	var left []string
	for _, p := range list {
		left = append(left, p.Program+" "+p.Instance)
	}
	b.equal("left", left, []string{"processor here", "redeemer "})
}

func outcomeMinutes(b *bench) {
	begin := b.clock.Now().Truncate(time.Hour)
	minute := begin.Unix() / 60
	note := func(instance string, list ...store.MinuteOutcome) {
		b.Helper()
		for range 2 {
			b.must(b.store.NoteOutcomes(b.Context(), instance, list))
		}
	}
	note("a", store.MinuteOutcome{Minute: minute, Reason: faces.Identified, Images: 2})
	note("a", store.MinuteOutcome{Minute: minute, Reason: faces.Identified, Images: 3}, store.MinuteOutcome{Minute: minute + 1, Reason: faces.NoFace, Images: 1})
	note("b", store.MinuteOutcome{Minute: minute, Reason: faces.Identified, Images: 4}, store.MinuteOutcome{Minute: minute + 16, Reason: faces.Timeout, Images: 5})
	note("b")
	read := func(since time.Time, size int) []store.Bucket {
		b.Helper()
		list, err := b.store.OutcomeBuckets(b.Context(), since, size)
		b.must(err)
		return list
	}
	b.equal("by minute", read(begin, 1), []store.Bucket{
		{From: minute, Reason: faces.Identified, Images: 7}, {From: minute + 1, Reason: faces.NoFace, Images: 1}, {From: minute + 16, Reason: faces.Timeout, Images: 5},
	})
	b.equal("by quarters of an hour", read(begin.Add(time.Minute), 15), []store.Bucket{
		{From: minute, Reason: faces.NoFace, Images: 1}, {From: minute + 15, Reason: faces.Timeout, Images: 5},
	})
	b.must(b.store.SweepOperations(b.Context(), begin, begin.Add(2*time.Minute)))
	b.equal("swept", len(read(begin, 1)), 1)
}

func imageTotals(b *bench) {
	sample := func(want bool) {
		b.Helper()
		done, err := b.store.SampleTotals(b.Context())
		b.must(err)
		b.equal("sampled", done, want)
	}
	minute := b.clock.Now().Unix() / 60
	sample(true)
	b.add("/unknown_people/a.jpg", "/unknown_people/b.jpg")
	sample(false)
	b.clock.advance(time.Minute)
	sample(true)
	b.answered("/unknown_people/c.jpg", []any{"anna", 0.25})
	b.clock.advance(time.Minute)
	sample(true)
	latest, err := b.store.LatestTotals(b.Context(), b.later(-time.Minute))
	b.must(err)
	b.equal("the newest", latest, []store.Count{
		{Status: faces.Processed, Reason: faces.Identified, Images: 1}, {Status: faces.Pending, Reason: faces.Queued, Images: 2},
	})
	latest, err = b.store.LatestTotals(b.Context(), b.later(time.Minute))
	b.must(err)
	b.equal("none as new as that", len(latest), 0)
	list, err := b.store.TotalBuckets(b.Context(), b.later(-time.Hour), 1)
	b.must(err)
	b.equal("by minute", list, []store.Bucket{
		{From: minute, Reason: faces.Queued}, {From: minute + 1, Reason: faces.Queued, Images: 2},
		{From: minute + 2, Reason: faces.Identified, Images: 1}, {From: minute + 2, Reason: faces.Queued, Images: 2},
	})
	list, err = b.store.TotalBuckets(b.Context(), b.later(-time.Hour), 60)
	b.must(err)
	b.equal("the most of an hour", list, []store.Bucket{
		{From: minute - minute%60, Reason: faces.Identified, Images: 1}, {From: minute - minute%60, Reason: faces.Queued, Images: 2},
	})
}

func sampleAtOnce(b *bench) {
	b.add("/unknown_people/a.jpg")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := b.store.SampleTotals(b.Context()); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	b.equal("rows", b.count("select count(*) from image_totals"), 1)
}

func oldestWaiting(b *bench) {
	want := func(what string, id int64, since time.Time) {
		b.Helper()
		got, at, err := b.store.OldestWaiting(b.Context())
		b.must(err)
		b.equal(what, []any{got, at}, []any{id, since})
	}
	want("nothing", 0, time.Time{})
	first := b.add("/unknown_people/a.jpg")[0]
	b.clock.advance(time.Second)
	second, posted := b.add("/unknown_people/b.jpg")[0], b.clock.Now()
	b.finish(store.Result{Lease: b.claim(first)[0], Outcome: faces.Failure(faces.Fault(faces.Timeout, "slow"))})
	want("the one that waits", second, posted)
	b.clock.advance(time.Second)
	_, err := b.store.Retry(b.Context(), store.RetryFilter{All: true})
	b.must(err)
	want("an old one waits since its retry", second, posted)
	b.claim(second)
	want("the retried one", first, b.clock.Now())
}
