package storetest

import (
	"fmt"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var deleteTests = []test{
	{"DeleteImage leaves nothing of the image, and all of the others", deleteLeavesNothing},
	{"DeleteImage takes an image away from the processor that works on it", deleteAtWork},
	{"DeleteImage makes a duplicate the image of its path", deleteDuplicate},
	{"A deleted image's path is a new image", deletePostAgain},
	{"Jobs go on without a deleted image", deleteFromJobs},
	{"DeleteImages leaves images that are not what was selected any more", deleteSelected},
}

func (b *bench) delete(id int64) string {
	b.Helper()
	path, err := b.store.DeleteImage(b.Context(), id)
	b.must(err)
	return path
}

// TablesOfImages returns the tables whose rows are about an image, in order. The
// tests of DeleteImage look into all of them.
func TablesOfImages() []string {
	return []string{"corrections", "faces", "image_rescans", "rematch_changes", "rescan_results"}
}

// everythingOf has an image in all tables.
func (b *bench) everythingOf(path string) int64 {
	b.Helper()
	id := b.answered(path, []any{"anna", 0.25, "bob", 0.75}, []any{"bob", 0.125})
	b.correct(faces.Statement{FaceID: b.image(id).Faces[0].ID, Name: "cleo"})
	b.rescans(false, id)
	b.exec("insert into rescan_results (rescan_id, image_id, state, from_reason, from_person, to_reason, to_person, faces_before, faces_after, "+
		"people_found, people_lost, corrections_unplaced) values (?, ?, 'changed', 'no_face', -1, 'identified', 1, 0, 1, '[]', '[]', 0)", b.aRescan(), id)
	token, _ := b.leaseRematch("one", 0)
	job := b.job(token, false)
	_, _, err := b.store.StepRematch(b.Context(), token, job, history.Step{Changes: []history.Change{b.toBob(id)}, Seek: 1})
	b.must(err)
	b.must(b.store.FreeRematch(b.Context(), token))
	return id
}

// aRescan returns the id of a job, which it makes at first.
func (b *bench) aRescan() int64 {
	b.Helper()
	if b.count("select count(*) from rescans") == 0 {
		_, err := b.store.RequestRescan(b.Context(), "", true)
		b.must(err)
	}
	return int64(b.count("select max(id) from rescans"))
}

func deleteLeavesNothing(b *bench) {
	gone, stays := b.everythingOf("/u/gone.jpg"), b.everythingOf("/u/stays.jpg")
	rows := func(id int64) map[string]int {
		counts := map[string]int{}
		for _, table := range TablesOfImages() {
			counts[table] = b.count("select count(*) from "+table+" where image_id = ?", id)
		}
		return counts
	}
	full := rows(stays)
	for table, n := range full {
		if n == 0 {
			b.Fatalf("%s has nothing of the image: this test would prove nothing", table)
		}
	}
	before := b.image(stays)
	b.equal("path", b.delete(gone), "/u/gone.jpg")
	_, err := b.store.Image(b.Context(), gone)
	b.equal("code", faces.ErrorCode(err), faces.CodeMissing)
	b.equal("left", rows(gone), map[string]int{"faces": 0, "corrections": 0, "image_rescans": 0, "rematch_changes": 0, "rescan_results": 0})
	b.equal("of the other", rows(stays), full)
	b.equal("the other", b.image(stays), before)
	b.equal("listed", idsOf(b.list(filterAll)), []int64{stays})
	_, err = b.store.DeleteImage(b.Context(), gone)
	b.equal("code of deleting twice", faces.ErrorCode(err), faces.CodeMissing)
	used, err := b.store.HasPath(b.Context(), "/u/gone.jpg")
	b.must(err)
	b.equal("path in use", used, false)
	used, err = b.store.HasPath(b.Context(), "/u/stays.jpg")
	b.must(err)
	b.equal("path of the other in use", used, true)
}

func deleteAtWork(b *bench) {
	fresh := b.add("/u/fresh.jpg")[0]
	again := b.answered("/u/again.jpg", []any{"anna", 0.25})
	b.rescans(false, again)
	held := []store.Lease{b.claim(fresh)[0], b.claimRescan(again).Lease}
	b.delete(fresh)
	b.delete(again)
	still, err := b.store.Renew(b.Context(), held, lease)
	b.must(err)
	b.equal("leases still held", still, []store.Lease{})
	var results []store.Result
	for _, l := range held {
		results = append(results, store.Result{Lease: l, Outcome: b.seenBy(newModel, "anna", "")})
	}
	stale, err := b.store.Finish(b.Context(), results)
	b.must(err)
	b.equal("stale", sorted(stale), sorted([]int64{fresh, again}))
	b.must(b.store.Release(b.Context(), held, true))
	b.equal("images", b.count("select count(*) from images"), 0)
	for _, table := range TablesOfImages() {
		b.equal(table, b.count("select count(*) from "+table), 0)
	}
	b.equal("a message of it needs no work", b.tryClaim(fresh, again).Settled, []int64{fresh, again})
	left, err := b.store.Queued(b.Context(), 0, b.later(time.Hour), 0)
	b.must(err)
	b.equal("queued again", left, []int64(nil))
}

func deleteSelected(b *bench) {
	waits, answered, gone := b.add("/u/waits.jpg")[0], b.add("/u/answered.jpg")[0], b.add("/u/gone.jpg")[0]
	everything := func(f store.Filter) []store.Selected {
		list, next, err := b.store.SelectImages(b.Context(), f)
		b.must(err)
		b.equal("next", next, int64(0))
		return list
	}
	selected := everything(store.Filter{Reason: faces.Queued, Oldest: true})
	b.clock.advance(time.Second)
	b.finish(store.Result{Lease: b.claim(answered)[0], Outcome: b.seenBy(newModel, "")})
	b.delete(gone)
	deleted, err := b.store.DeleteImages(b.Context(), selected)
	b.must(err)
	if len(selected) != 3 || len(deleted) != 1 || deleted[0].ID != waits || deleted[0].Path != "/u/waits.jpg" {
		b.Errorf("selected %+v, deleted %+v", selected, deleted)
	}
	b.equal("left", idsOf(b.list(filterAll)), []int64{answered})
	// Without a condition that can change, an image goes as it is.
	selected = everything(store.Filter{Query: "/U/"})
	b.clock.advance(time.Second)
	b.rescans(false, answered)
	deleted, err = b.store.DeleteImages(b.Context(), selected)
	b.must(err)
	b.equal("deleted", len(deleted), 1)
	for _, table := range append(TablesOfImages(), "images") {
		b.equal(table, b.count("select count(*) from "+table), 0)
	}
}

func deleteDuplicate(b *bench) {
	ids := b.addMany(4)
	for _, id := range ids[1:3] {
		b.exec("update images set path = '/unknown_people/0000.jpg', dedup = ?, duplicate_of = ? where id = ?", id, ids[0], id)
	}
	b.delete(ids[0])
	b.equal("the path finds", b.add("/unknown_people/0000.jpg"), []int64{ids[1]})
	b.equal("a duplicate of", []int64{b.image(ids[1]).DuplicateOf, b.image(ids[2]).DuplicateOf}, []int64{0, ids[1]})
	b.delete(ids[2])
	b.equal("after the duplicate", b.add("/unknown_people/0000.jpg"), []int64{ids[1]})
	b.equal("images", len(b.list(filterAll)), 2)
}

func deletePostAgain(b *bench) {
	old := b.answered("/u/a.jpg", []any{"anna", 0.25})
	b.delete(old)
	again := b.add("/u/a.jpg")[0]
	if again <= old {
		b.Errorf("the new image has the id %d, which messages of image %d may mean", again, old)
	}
	b.equal("reason", b.image(again).Reason, faces.Queued)
	b.equal("nobody", idsOf(b.list(store.Filter{Person: "anna"})), []int64{})
}

func deleteFromJobs(b *bench) {
	var ids []int64
	for i := range 3 {
		ids = append(ids, b.answered(fmt.Sprintf("/u/%d.jpg", i), []any{"anna", 0.25, "bob", 0.75}))
	}
	token, _ := b.leaseRematch("one", 0)
	preview := b.job(token, false)
	changes := []history.Change{b.toBob(ids[0]), b.toBob(ids[1]), b.toBob(ids[2])}
	_, _, err := b.store.StepRematch(b.Context(), token, preview, history.Step{Changes: changes[:2], Seek: 2})
	b.must(err)
	b.delete(ids[0])
	b.delete(ids[2])
	// The job has read ids[2] before it was deleted.
	_, skipped, err := b.store.StepRematch(b.Context(), token, b.job(token, true), history.Step{Changes: changes[2:], Seek: 3})
	b.must(err)
	b.equal("skipped", skipped, []int64{ids[2]})
	list, err := b.store.RematchChanges(b.Context(), preview.ID, 0, 10)
	b.must(err)
	b.equal("changes", len(list), 1)
	more, err := b.store.ApplyPlanned(b.Context(), token, preview, 10)
	b.must(err)
	b.equal("more", more, true)
	b.equal("applied", shows(b.image(ids[1])), "bob, image of bob")
	b.equal("images", b.count("select count(*) from images"), 1)
	b.equal("faces", b.count("select count(*) from faces"), 1)
}
