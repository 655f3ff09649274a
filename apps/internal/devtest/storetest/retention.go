package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var retentionTests = []test{
	{"The rules of retention are stored", retentionRules},
	{"Images expire by outcome and age", retentionExpires},
	{"Images under work, or about which somebody has said something, do not expire", retentionKeeps},
	{"What a dry run counts is what a run deletes", retentionAsTried},
	{"An image that changes before its turn stays", retentionAtWork},
	{"What retention deletes has its event and its line in the audit log", retentionTold},
}

const aDay = 24 * time.Hour

func retentionRules(b *bench) {
	rules, last, err := b.store.Retention(b.Context())
	b.must(err)
	b.equal("at first", rules, faces.Retention(nil))
	b.equal("last run", last, faces.RetentionRun{})
	want := faces.Retention{{Outcome: "unknown_person", Days: 30}, {Outcome: "failed", Days: 7, Corrected: true}}
	b.must(b.store.SetRetention(b.asked(), want))
	rules, _, err = b.store.Retention(b.Context())
	b.must(err)
	b.equal("stored", rules, want)
	b.equal("the log", b.actions(), []string{"retention.set retention 1"})
	for what, bad := range map[string]faces.Retention{
		"no such outcome": {{Outcome: "unknown", Days: 1}}, "queued": {{Outcome: "queued", Days: 1}}, "no days": {{Outcome: "no_face"}},
		"twice": {{Outcome: "no_face", Days: 1}, {Outcome: "no_face", Days: 2}}, "too many days": {{Outcome: "no_face", Days: 1 << 30}},
	} {
		b.code(what, b.store.SetRetention(b.Context(), bad), faces.CodeInvalid)
	}
	run := faces.RetentionRun{Started: b.clock.Now(), Images: 3, Files: 2}
	b.must(b.store.NoteRetention(b.Context(), run))
	_, last, err = b.store.Retention(b.Context())
	b.must(err)
	b.equal("under way", last, run)
	run.Finished, run.Complete = b.later(time.Minute), true
	b.must(b.store.NoteRetention(b.Context(), run))
	rules, last, err = b.store.Retention(b.Context())
	b.must(err)
	b.equal("ended", last, run)
	b.equal("rules", rules, want)
}

func (b *bench) expired(rules faces.Retention, page int) (ids []int64) {
	b.Helper()
	for after := int64(0); ; {
		list, err := b.store.ExpiredImages(b.Context(), rules, after, page)
		b.must(err)
		if len(list) == 0 {
			return ids
		}
		for _, e := range list {
			ids, after = append(ids, e.ID), e.ID
		}
	}
}

func retentionExpires(b *bench) {
	unknown := b.answered("/u/unknown.jpg", []any{"anna", 0.9})
	named := b.answered("/u/named.jpg", []any{"anna", 0.25})
	lost, broken := b.add("/u/lost.jpg")[0], b.add("/u/broken.jpg")[0]
	b.fail(lost, faces.NotFound, time.Time{})
	b.fail(broken, faces.CorruptImage, time.Time{})
	original := b.add("/u/original.jpg")[0]
	b.exec("update images set status = 1 where id = ?", original) // an original program knows no reason
	rules := faces.Retention{{Outcome: "unknown_person", Days: 30}, {Outcome: "failed", Days: 7}, {Outcome: "not_found", Days: 3}, {Outcome: "identified", Days: 60}}
	for _, step := range []struct {
		at   time.Duration
		want []int64
	}{
		{0, nil},
		{3 * aDay, nil},
		{3*aDay + time.Second, []int64{lost}},
		{7*aDay + time.Second, []int64{lost, broken}},
		{30 * aDay, []int64{lost, broken}},
		{31 * aDay, []int64{unknown, lost, broken}},
		{61 * aDay, []int64{unknown, named, lost, broken, original}},
	} {
		b.clock.advance(step.at - b.clock.Now().Sub(time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)))
		b.equal(fmt.Sprint("after ", step.at), b.expired(rules, 2), step.want)
	}
	b.equal("without rules", b.expired(nil, 10), []int64(nil))
	// The file has changed since.
	b.exec("update images set file_modified = ? where id = ?", b.later(-aDay).UnixNano(), named)
	b.exec("update images set file_modified = ? where id = ?", b.later(1000*aDay).UnixNano(), unknown)
	b.equal("with other files", b.expired(rules, 10), []int64{unknown, lost, broken, original})
}

func retentionKeeps(b *bench) {
	rules := faces.Retention{{Outcome: "unknown_person", Days: 1}, {Outcome: "failed", Days: 1}}
	said := b.answered("/u/said.jpg", []any{"anna", 0.9})
	done := b.correct(faces.Statement{FaceID: b.image(said).Faces[0].ID, Not: true, Name: "anna"})
	again := b.answered("/u/again.jpg", []any{"anna", 0.9})
	b.rescans(false, again)
	retried, waits, leased := b.add("/u/retried.jpg")[0], b.add("/u/waits.jpg")[0], b.add("/u/leased.jpg")[0]
	b.fail(retried, faces.Timeout, b.later(time.Minute))
	b.clock.advance(10 * aDay)
	b.claim(leased)
	b.equal("expired", b.expired(rules, 10), []int64(nil))
	rules[0].Corrected = true
	b.equal("with corrected ones", b.expired(rules, 10), []int64{said})
	rules[0].Corrected = false
	_, err := b.store.UndoCorrection(b.Context(), done.Correction.ID, "")
	b.must(err)
	b.equal("after undoing it", b.expired(rules, 10), []int64{said})
	deleted, err := b.store.DeleteExpired(b.Context(), rules, []int64{said, again, retried, waits, leased, 99})
	b.must(err)
	b.equal("deleted", []any{len(deleted), deleted[0].ID}, []any{1, said})
}

// retentionAsTried makes images at random, with many outcomes and ages. The ages fall, as
// ids rise with the time. None is a whole number of days, because the database's clock is
// not that of the test.
func retentionAsTried(b *bench) {
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	outcomes := []string{"unknown_person", "identified", "no_face", "uncertain", "not_found", "corrupt_image", "timeout", "queued"}
	var ids []int64
	age := 100 * aDay
	for i := range 60 {
		age -= time.Duration(random.IntN(4)) * aDay
		id := b.add(fmt.Sprintf("/u/%d.jpg", i))[0]
		ids = append(ids, id)
		reason := faces.Reason(outcomes[random.IntN(len(outcomes))])
		b.exec("update images set reason = ?, status = ?, created_at = ? where id = ?", string(reason), int(reason.Status()), b.later(-max(age, 0)-aDay/2), id)
	}
	for _, id := range b.list(store.Filter{Reason: faces.UnknownPerson})[:1] {
		b.exec("insert into corrections (image_id, x, y, width, height, descriptor, model, person_id, excludes, candidates, created_at, changed_at, pending) "+
			"values (?, 1, 1, 9, 9, '', '', 1, 0, '[]', ?, ?, 0)", id.ID, b.clock.Now(), b.clock.Now())
	}
	for range 5 {
		var rules faces.Retention
		for _, o := range append(outcomes[:7:7], faces.OutcomeFailed) {
			if random.IntN(2) == 0 {
				rules = append(rules, faces.RetentionRule{Outcome: o, Days: 1 + random.IntN(100), Corrected: random.IntN(2) == 0})
			}
		}
		tried := b.expired(rules, 1+random.IntN(20))
		b.equal("in one page", b.expired(rules, 1000), tried)
		var deleted []int64
		for part := range slices.Chunk(tried, 7) {
			gone, err := b.store.DeleteExpired(b.Context(), rules, part)
			b.must(err)
			for _, e := range gone {
				deleted = append(deleted, e.ID)
			}
		}
		b.equal("deleted by "+rules.String(), deleted, tried)
		ids = slices.DeleteFunc(ids, func(id int64) bool { return slices.Contains(deleted, id) })
		b.equal("left", sorted(idsOf(b.list(store.Filter{}))), sorted(ids))
		b.equal("expired", b.expired(rules, 1000), []int64(nil))
	}
}

func retentionAtWork(b *bench) {
	rules := faces.Retention{{Outcome: "unknown_person", Days: 1}}
	var ids []int64
	for i := range 5 {
		ids = append(ids, b.answered(fmt.Sprintf("/u/%d.jpg", i), []any{"anna", 0.9}))
	}
	b.clock.advance(2 * aDay)
	b.equal("expired", b.expired(rules, 10), ids)
	b.correct(faces.Statement{FaceID: b.image(ids[0]).Faces[0].ID, Name: "anna"})
	b.correct(faces.Statement{FaceID: b.image(ids[1]).Faces[0].ID, Not: true, Name: "anna"})
	b.rescans(true, ids[2])
	b.delete(ids[3])
	deleted, err := b.store.DeleteExpired(b.Context(), rules, ids)
	b.must(err)
	b.equal("deleted", []any{len(deleted), deleted[0].ID, deleted[0].Path}, []any{1, ids[4], "/u/4.jpg"})
	b.equal("left", sorted(idsOf(b.list(store.Filter{}))), ids[:3])
}

func retentionTold(b *bench) {
	id := b.everythingOf("/u/a.jpg")
	b.exec("delete from image_rescans")
	b.clock.advance(2 * aDay)
	var seen int64
	b.told(&seen)
	ctx := access.WithActor(b.Context(), access.Actor{RequestID: "retention"})
	_, err := b.store.DeleteExpired(ctx, faces.Retention{{Outcome: "identified", Days: 1, Corrected: true}}, []int64{id})
	b.must(err)
	b.equal("told", b.told(&seen), []string{fmt.Sprintf("image.deleted image %d", id)})
	log, err := b.store.Audit(b.Context(), 0, 1)
	b.must(err)
	b.equal("log", fmt.Sprint(log[0].Action, log[0].Target, log[0].TargetIDs, log[0].Actor), fmt.Sprint(access.ImageDeleted, "image", []string{fmt.Sprint(id)}, access.Actor{RequestID: "retention"}))
	for _, table := range append(TablesOfImages(), "images") {
		b.equal(table, b.count("select count(*) from "+table), 0)
	}
}
