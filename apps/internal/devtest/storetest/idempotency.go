package storetest

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var idempotencyTests = []test{
	{"the answer for an idempotency key is kept for its time", idempotencyKept},
	{"one of many requests with an idempotency key is carried out", idempotencyRace},
	{"a lease that ends lets the request run again, if it changed nothing", idempotencyLease},
	{"a change is made by the attempt that has the lease, and once", idempotencyActs},
	{"old answers for idempotency keys are forgotten, and the oldest of too many", idempotencyForgotten},
}

const (
	attemptLease = time.Minute
	keepAnswers  = time.Hour
)

func printOf(text string) (f store.Fingerprint) {
	copy(f[:], text)
	return f
}

func (b *bench) begin(key, head string) (store.Attempt, *store.KeptAnswer) {
	b.Helper()
	a, before, err := b.store.BeginAttempt(b.Context(), printOf(key), printOf(head), attemptLease, keepAnswers)
	b.must(err)
	return a, before
}

// begins expects that a request is carried out.
func (b *bench) begins(key, head string) store.Attempt {
	b.Helper()
	a, before := b.begin(key, head)
	if before != nil {
		b.Fatalf("%s is in use: %+v", key, before)
	}
	return a
}

func (b *bench) end(a store.Attempt, answer string) {
	b.Helper()
	b.must(b.store.EndAttempt(b.Context(), a, store.KeptAnswer{
		Body: printOf("body"), BodySize: 4, Status: 201, Headers: map[string]string{"ETag": `"1"`}, Answer: []byte(answer),
	}))
}

func idempotencyKept(b *bench) {
	b.end(b.begins("k", "head"), "answer")
	want := &store.KeptAnswer{
		Head: printOf("head"), Body: printOf("body"), BodySize: 4, Status: 201, Headers: map[string]string{"ETag": `"1"`}, Answer: []byte("answer"),
	}
	for _, head := range []string{"head", "other"} {
		if _, got := b.begin("k", head); !cmp.Equal(want, got) {
			b.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
		}
	}
	b.begins("other key", "head")
	large := bytes.Repeat([]byte("x"), 256<<10)
	b.end(b.begins("large", "head"), string(large))
	if _, got := b.begin("large", "head"); got == nil || !bytes.Equal(got.Answer, large) {
		b.Error("a large answer is not kept whole")
	}
	b.clock.advance(keepAnswers)
	b.begins("k", "other")
}

func idempotencyRace(b *bench) {
	var all sync.WaitGroup
	var began atomic.Int32
	for range 8 {
		all.Go(func() {
			_, before, err := b.store.BeginAttempt(b.Context(), printOf("k"), printOf("head"), attemptLease, keepAnswers)
			if err != nil {
				b.Error(err)
			}
			if before == nil {
				began.Add(1)
			}
		})
	}
	all.Wait()
	if n := began.Load(); n != 1 {
		b.Errorf("%d attempts began, want 1", n)
	}
}

func idempotencyLease(b *bench) {
	first := b.begins("k", "head")
	b.clock.advance(attemptLease - time.Second)
	held, err := b.store.RenewAttempt(b.Context(), first, attemptLease)
	b.must(err)
	b.clock.advance(attemptLease - time.Second)
	if _, before := b.begin("k", "head"); !held || before == nil || before.Status != 0 || before.Lost {
		b.Errorf("a renewed lease: held %v, %+v", held, before)
	}
	b.clock.advance(time.Second)
	if _, before := b.begin("k", "other"); before == nil {
		b.Error("another request took the key over")
	}
	second := b.begins("k", "head")
	held, err = b.store.RenewAttempt(b.Context(), first, attemptLease)
	b.must(err)
	if held {
		b.Error("both attempts have the lease")
	}
	b.end(first, "too late")
	b.must(b.store.DropAttempt(b.Context(), first))
	b.end(second, "answer")
	if _, before := b.begin("k", "head"); before == nil || string(before.Answer) != "answer" {
		b.Errorf("got %+v", before)
	}
	dropped := b.begins("k2", "head")
	b.must(b.store.DropAttempt(b.Context(), dropped))
	b.begins("k2", "other")
}

func idempotencyActs(b *bench) {
	act := func(a store.Attempt, name string) error {
		_, err := b.store.AddPerson(store.WithAttempt(b.Context(), a), name)
		return err
	}
	first := b.begins("k", "head")
	b.clock.advance(2 * attemptLease)
	second := b.begins("k", "head")
	if err := act(first, "anna"); faces.ErrorCode(err) != faces.CodeUnavailable {
		b.Errorf("an attempt without a lease acted: %v", err)
	}
	if n := b.count("select count(*) from person"); n != 0 {
		b.Errorf("%d people", n)
	}
	b.must(act(second, "anna"))
	b.must(act(second, "bob")) // a request may need several transactions
	b.clock.advance(2 * attemptLease)
	if _, before := b.begin("k", "head"); before == nil || !before.Lost {
		b.Errorf("a request that acted may run again: %+v", before)
	}
	// Its receiver lives, and fails.
	third := b.begins("k2", "head")
	b.must(act(third, "cleo"))
	b.must(b.store.DropAttempt(b.Context(), third))
	if _, before := b.begin("k2", "head"); before == nil || !before.Lost {
		b.Errorf("a request that acted and failed may run again: %+v", before)
	}
	// What is said to be safe to repeat.
	fourth := b.begins("k3", "head")
	_, err := b.store.AddPerson(store.WithoutAttempt(store.WithAttempt(b.Context(), fourth)), "dora")
	b.must(err)
	b.clock.advance(2 * attemptLease)
	b.begins("k3", "head")
}

func idempotencyForgotten(b *bench) {
	forget := func(most int, want int64) {
		b.Helper()
		n, err := b.store.ForgetAnswers(context.WithoutCancel(b.Context()), most)
		b.must(err)
		if n != want {
			b.Errorf("%d are forgotten, want %d", n, want)
		}
	}
	for i := range 700 { // more than one statement takes
		b.end(b.begins(strings.Repeat("o", 1+i%30)+string(rune('A'+i/30)), "head"), "old")
		if i == 649 {
			b.clock.advance(time.Minute)
		}
	}
	b.clock.advance(keepAnswers - time.Minute)
	b.begins("under way", "head")
	forget(1000, 650)
	b.clock.advance(time.Second)
	b.end(b.begins("new", "head"), "new")
	forget(1000, 0)
	forget(1, 50) // the one under way stays
	if _, before := b.begin("new", "head"); before == nil {
		b.Error("the newest is forgotten")
	}
	forget(0, 1)
}
