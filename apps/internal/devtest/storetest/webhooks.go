package storetest

import (
	"sync/atomic"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

var webhookTests = []test{
	{"A webhook is added, changed and deleted, with lines in the audit log", changeWebhooks},
	{"A webhook has one sender at a time, and who lost the lease stores nothing", leaseWebhooks},
	{"A declared webhook follows its file", declareWebhooks},
}

func changeWebhooks(b *bench) {
	ctx := access.WithActor(b.Context(), access.Actor{KeyID: "k"})
	b.addMany(3)
	b.sequenced(0)
	w, err := b.store.AddWebhook(ctx, faces.Webhook{Name: "a", URL: "https://example.com", Types: []faces.EventType{faces.ImageFailed, faces.ImageDeleted}, Sealed: "x"})
	b.must(err)
	b.equal("it begins with the next event", []any{w.Delivered, w.State}, []any{int64(3), faces.WebhookActive})
	_, err = b.store.AddWebhook(ctx, faces.Webhook{Name: "a", URL: "https://example.com"})
	b.equal("a name twice", faces.ErrorCode(err), faces.CodeConflict)
	b.clock.advance(time.Minute)
	changed, err := b.store.ChangeWebhook(ctx, w.ID, access.WebhookChanged, func(w *faces.Webhook, has faces.EventRange) error {
		b.equal("the events", has, faces.EventRange{Newest: 3})
		w.Types, w.State, w.OldSealed, w.OldUntil = nil, faces.WebhookPaused, w.Sealed, b.later(time.Hour)
		return nil
	})
	b.must(err)
	again, err := b.store.Webhook(ctx, w.ID)
	b.must(err)
	b.equal("changed", again, changed)
	b.equal("what it is", []any{again.State, len(again.Types), again.OldSealed, again.UpdatedAt}, []any{faces.WebhookPaused, 0, "x", b.clock.Now()})
	refused := faces.Errorf(faces.CodeInvalid, "no")
	_, err = b.store.ChangeWebhook(ctx, w.ID, access.WebhookChanged, func(w *faces.Webhook, _ faces.EventRange) error {
		w.Name = "b"
		return refused
	})
	b.equal("a change that is refused", faces.ErrorCode(err), faces.CodeInvalid)
	b.must(b.store.AddDelivery(ctx, faces.Delivery{WebhookID: w.ID, Message: "m", Type: "t", CreatedAt: b.clock.Now()}))
	b.must(b.store.DeleteWebhook(ctx, w.ID))
	b.equal("deleted twice", faces.ErrorCode(b.store.DeleteWebhook(ctx, w.ID)), faces.CodeMissing)
	b.equal("the log of a deleted one", b.count("select count(*) from webhook_deliveries"), 0)
	log, err := b.store.Audit(ctx, 0, 10)
	b.must(err)
	var actions []access.Action
	for _, e := range log {
		actions = append(actions, e.Action)
	}
	b.equal("the audit log", actions, []access.Action{access.WebhookDeleted, access.WebhookChanged, access.WebhookAdded})
}

func leaseWebhooks(b *bench) {
	ctx := b.Context()
	w, err := b.store.AddWebhook(ctx, faces.Webhook{Name: "a", URL: "https://example.com"})
	b.must(err)
	_, _, ok, err := b.store.ClaimWebhook(ctx, []int64{w.ID}, time.Minute)
	b.must(err)
	b.equal("nothing to deliver", ok, false)
	b.addMany(3)
	b.sequenced(0)
	var won atomic.Int64
	leases := make([]faces.WebhookLease, 8)
	inParallel(8, func(i int) {
		_, l, ok, err := b.store.ClaimWebhook(ctx, []int64{w.ID}, time.Minute)
		if err != nil {
			b.Error(err)
		}
		if ok {
			won.Add(1)
			leases[0] = l
		}
	})
	b.equal("who won", won.Load(), int64(1))
	b.clock.advance(2 * time.Minute)
	_, second, ok, err := b.store.ClaimWebhook(ctx, []int64{w.ID}, time.Minute)
	b.must(err)
	b.equal("taken over", ok, true)
	held, err := b.store.EndWebhookLease(ctx, leases[0], faces.WebhookProgress{Delivered: 3, State: faces.WebhookDead})
	b.must(err)
	b.equal("who lost it stores", held, false)
	at := b.later(time.Hour)
	held, err = b.store.EndWebhookLease(ctx, second, faces.WebhookProgress{
		Delivered: 1, State: faces.WebhookActive, Failures: 1, FailingSince: b.clock.Now(), NextAttempt: at,
		Deliveries: []faces.Delivery{{WebhookID: w.ID, EventID: 2, Message: "evt_2", Type: "image.accepted", Status: 500, Problem: "it fails", Took: time.Second, CreatedAt: b.clock.Now()}},
	})
	b.must(err)
	b.equal("who has it stores", held, true)
	_, _, ok, err = b.store.ClaimWebhook(ctx, []int64{w.ID}, time.Minute)
	b.must(err)
	b.equal("before its time", ok, false)
	b.clock.advance(time.Hour)
	claimed, _, ok, err := b.store.ClaimWebhook(ctx, []int64{w.ID, 4711}, time.Minute)
	b.must(err)
	b.equal("in time", []any{ok, claimed.Delivered, claimed.Failures, claimed.NextAttempt}, []any{true, int64(1), 1, at})
	log, err := b.store.Deliveries(ctx, w.ID, 0, 10)
	b.must(err)
	b.equal("the log", []any{len(log), log[0].Problem, log[0].Took}, []any{1, "it fails", time.Second})
}

func declareWebhooks(b *bench) {
	ctx := b.Context()
	inParallel(4, func(int) {
		if _, err := b.store.DeclareWebhook(ctx, faces.Webhook{Name: "hr", URL: "https://example.com"}); err != nil {
			b.Error(err)
		}
	})
	b.equal("rows", b.count("select count(*) from webhooks"), 1)
	w, err := b.store.DeclareWebhook(ctx, faces.Webhook{Name: "hr", URL: "https://example.org", Types: []faces.EventType{faces.ImageFailed}})
	b.must(err)
	again, err := b.store.Webhook(ctx, w.ID)
	b.must(err)
	b.equal("it follows", []any{again.URL, again.Types, again.Declared}, []any{"https://example.org", []faces.EventType{faces.ImageFailed}, true})
	_, err = b.store.AddWebhook(ctx, faces.Webhook{Name: "own", URL: "https://example.com"})
	b.must(err)
	_, err = b.store.DeclareWebhook(ctx, faces.Webhook{Name: "own", URL: "https://example.com"})
	b.equal("the name of another", faces.ErrorCode(err), faces.CodeConflict)
}
