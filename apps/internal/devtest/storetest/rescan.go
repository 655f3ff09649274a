package storetest

import (
	"fmt"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var rescanTests = []test{
	{"Finish keeps the file that was looked at", finishKeepsFile},
	{"RequestRescans takes what has an answer, and no other", rescanRequest},
	{"A rescan leaves the answer standing until the new one is there", rescanReplaces},
	{"A rescan of an unchanged file changes nothing", rescanUnchanged},
	{"A rescan that fails keeps the answer", rescanFails},
	{"A rescan of a failed picture", rescanOfFailure},
	{"A rescan's lease is one processor's", rescanLease},
	{"A rescan asked for while one is at work is not lost", rescanAgain},
	{"A rescan that the queue has lost is queued again", rescanQueued},
	{"Corrections follow the faces of another detector", correctionsFollow},
	{"NewWork", newWork},
}

var (
	oldModel = rematchModel
	newModel = faces.Model{ID: "new-1", Threshold: 0.5, Margin: 0.0625}
)

// rescans asks for another look, which all of the images must get.
func (b *bench) rescans(onlyChanged bool, ids ...int64) {
	b.Helper()
	got, err := b.store.RequestRescans(b.Context(), ids, onlyChanged)
	b.must(err)
	b.equal("images that are looked at again", got.Waiting, sorted(ids))
}

// claimRescan leases one image that is looked at again.
func (b *bench) claimRescan(id int64) store.Claimed {
	b.Helper()
	c := b.tryClaim(id)
	if len(c.Claimed) != 1 || c.Claimed[0].Rescan == nil || !c.Claimed[0].Lease.Rescan {
		b.Fatalf("image %d is not to be looked at again: %+v", id, c)
	}
	return c.Claimed[0]
}

// seenBy is an outcome by a model set, with one face a person; the empty name is
// a stranger's.
func (b *bench) seenBy(m faces.Model, names ...string) faces.Outcome {
	b.Helper()
	out := faces.Outcome{Width: 800, Height: 600, Model: m.ID}
	for i, name := range names {
		f := faces.Face{
			Box: faces.Box{X: 100*i + 5, Y: 5, Width: 80, Height: 80}, Descriptor: faces.Descriptor{float32(i)},
			Reason: faces.UnknownPerson, Model: m.ID, Gallery: "g2",
		}
		if name != "" {
			p := faces.Person{ID: b.personID(name), Name: name}
			f.Reason, f.Person, f.MatchedImage = faces.Identified, &p, name+".jpg"
			f.Best = &faces.Candidate{Person: p, Distance: 0.25, Image: name + ".jpg"}
		}
		out.Faces = append(out.Faces, f)
	}
	out.Reason, out.Person = faces.Conclude(out.Faces, m)
	return out
}

var aFile = faces.File{Size: 1234, Modified: 1_700_000_000_123_456_789, SHA256: fmt.Sprintf("%064x", 7)}

func finishKeepsFile(b *bench) {
	ids := b.addMany(2)
	held := b.claim(ids...)
	b.finish(
		store.Result{Lease: held[0], Outcome: faces.Outcome{Reason: faces.NoFace}, File: aFile},
		store.Result{Lease: held[1], Outcome: faces.Outcome{Reason: faces.CorruptImage}, File: aFile},
	)
	b.equal("file of an answer", b.image(ids[0]).File, aFile)
	b.equal("file of a failure", b.image(ids[1]).File, aFile)
}

func rescanRequest(b *bench) {
	var want []int64
	var all []int64
	for i, r := range faces.Reasons() {
		id := b.add(fmt.Sprintf("/u/%d.jpg", i))[0]
		all = append(all, id)
		if r != faces.Queued {
			b.fail(id, r, time.Time{})
		}
		if r.IsAnswer() || r.Permanent() {
			want = append(want, id)
		}
	}
	atWork := b.add("/u/at-work.jpg")[0]
	b.claim(atWork)
	got, err := b.store.RequestRescans(b.Context(), append(all, atWork, 4711), false)
	b.must(err)
	b.equal("looked at again", got, store.Rescans{Waiting: want, Publish: want})
	got, err = b.store.RequestRescans(b.Context(), []int64{atWork}, true)
	b.must(err)
	b.equal("at work, where the file may have changed", got.Publish, []int64{atWork})
	b.must(b.store.MarkPublished(b.Context(), want, b.clock.Now()))
	got, err = b.store.RequestRescans(b.Context(), all, false)
	b.must(err)
	b.equal("asked twice", got, store.Rescans{Waiting: want})
	img := b.image(want[0])
	b.equal("shown", img.Rescan, faces.Rescan{State: faces.RescanWaiting, Since: b.clock.Now()})
	b.equal("the answer stands", img.Reason, faces.Identified)
}

func rescanReplaces(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25})
	before := b.image(id)
	b.rescans(false, id)
	b.clock.advance(time.Second)
	c := b.claimRescan(id)
	b.equal("task", *c.Rescan, store.RescanTask{})
	b.equal("path and attempt", []any{c.Path, c.Attempts}, []any{"/u/a.jpg", 1})
	at := b.image(id)
	at.Rescan = faces.Rescan{}
	b.equal("while it is looked at", at, before)
	b.sync(map[string]string{"bob.jpg": "bob"}, nothing)
	b.finish(store.Result{Lease: c.Lease, Outcome: b.seenBy(newModel, "bob", ""), File: aFile})
	img := b.image(id)
	b.equal("after", shows(img), "bob, unknown_person, image of bob")
	b.equal("model, file, rescan, time", []any{img.Model, img.File, img.Rescan, img.UpdatedAt},
		[]any{newModel.ID, aFile, faces.Rescan{}, b.clock.Now()})
	b.equal("settled", b.tryClaim(id).Settled, []int64{id})
}

func rescanUnchanged(b *bench) {
	id := b.addMany(1)[0]
	b.finish(store.Result{Lease: b.claim(id)[0], Outcome: faces.Outcome{Reason: faces.NoFace, Model: "m"}, File: aFile})
	before := b.image(id)
	b.clock.advance(time.Second)
	b.rescans(true, id)
	c := b.claimRescan(id)
	b.equal("the file that is known", c.Rescan.Known, aFile)
	touched := aFile
	touched.Modified++
	b.finish(store.Result{Lease: c.Lease, Unchanged: true, File: touched})
	before.File = touched
	b.equal("the image", b.image(id), before)
	b.equal("settled", b.tryClaim(id).Settled, []int64{id})

	b.rescans(true, id)
	c = b.claimRescan(id)
	b.rescans(false, id) // somebody wants it looked at, whatever the file
	b.finish(store.Result{Lease: c.Lease, Unchanged: true, File: touched})
	b.equal("looked at all the same", b.claimRescan(id).Rescan.Known, faces.File{})
}

func rescanFails(b *bench) {
	for _, c := range []struct {
		reason faces.Reason
		stands bool
	}{
		{faces.NotFound, true}, {faces.PathNotAllowed, true}, {faces.Timeout, true}, {faces.Internal, true},
		{faces.CorruptImage, false}, {faces.UnsupportedFormat, false}, {faces.ImageTooLarge, false},
	} {
		id := b.answered("/u/"+string(c.reason)+".jpg", []any{"anna", 0.25})
		before := b.image(id)
		b.rescans(true, id)
		b.finish(store.Result{Lease: b.claimRescan(id).Lease, Outcome: faces.Outcome{Reason: c.reason, Detail: "why"}, File: aFile})
		img := b.image(id)
		if !c.stands {
			b.equal("reason, faces and rescan", []any{img.Reason, len(img.Faces), img.Rescan}, []any{c.reason, 0, faces.Rescan{}})
			continue
		}
		b.equal("rescan", img.Rescan, faces.Rescan{State: faces.RescanFailed, Reason: c.reason, Detail: "why", Since: b.clock.Now()})
		img.Rescan = faces.Rescan{}
		b.equal("the answer", img, before)
		b.equal("settled", b.tryClaim(id).Settled, []int64{id})
		b.rescans(true, id) // may be asked for again
		b.finish(store.Result{Lease: b.claimRescan(id).Lease, Outcome: b.seenBy(oldModel, "anna", "anna")})
		b.equal("answered after all", b.image(id).Rescan, faces.Rescan{})
	}
}

func rescanOfFailure(b *bench) {
	id := b.addMany(1)[0]
	b.fail(id, faces.NotFound, time.Time{})
	b.rescans(true, id)
	b.equal("nothing is known of a file that was not there", b.claimRescan(id).Rescan.Known, faces.File{})
	b.clock.advance(lease + time.Second)
	b.finish(store.Result{Lease: b.claimRescan(id).Lease, Outcome: faces.Outcome{Reason: faces.CorruptImage, Detail: "half"}, File: aFile})
	b.equal("another failure", b.image(id).Reason, faces.CorruptImage)
	b.rescans(true, id)
	c := b.claimRescan(id)
	b.equal("known", c.Rescan.Known, aFile)
	b.finish(store.Result{Lease: c.Lease, Outcome: faces.Outcome{Reason: faces.Timeout, Detail: "slow"}})
	b.equal("a service's failure", []any{b.image(id).Reason, b.image(id).Rescan.State}, []any{faces.CorruptImage, faces.RescanFailed})
	b.rescans(true, id)
	b.clock.advance(time.Second)
	before := b.image(id)
	before.Rescan = faces.Rescan{}
	b.finish(store.Result{Lease: b.claimRescan(id).Lease, Outcome: faces.Outcome{Reason: faces.CorruptImage, Detail: "half"}, File: aFile})
	b.equal("the same fault of the same file", b.image(id), before)
	b.rescans(true, id)
	b.finish(store.Result{Lease: b.claimRescan(id).Lease, Outcome: faces.Outcome{Reason: faces.NoFace}, File: aFile})
	b.equal("mended", b.image(id).Reason, faces.NoFace)

	// Posted while it was at work, and then a service failed.
	busy := b.add("/u/busy.jpg")[0]
	held := b.claim(busy)[0]
	b.rescans(true, busy)
	b.finish(store.Result{Lease: held, Outcome: faces.Outcome{Reason: faces.Timeout}})
	b.equal("it gets another round, and no other look", b.tryClaim(busy).Settled, []int64{busy})
	b.equal("nothing waits", []any{b.count("select count(*) from image_rescans"), b.image(busy).Rescan}, []any{0, faces.Rescan{}})
}

func rescanLease(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25})
	b.rescans(false, id)
	first := b.claimRescan(id)
	b.equal("busy", b.tryClaim(id).Busy, map[int64]time.Time{id: b.later(lease)})
	held, err := b.store.Renew(b.Context(), []store.Lease{first.Lease}, 2*lease)
	b.must(err)
	b.equal("renewed", held, []store.Lease{first.Lease})
	b.clock.advance(2*lease + time.Second)
	second := b.claimRescan(id)
	b.equal("attempts", second.Attempts, 2)
	held, err = b.store.Renew(b.Context(), []store.Lease{first.Lease}, lease)
	b.must(err)
	b.equal("the old lease", held, []store.Lease(nil))
	b.must(b.store.Release(b.Context(), []store.Lease{first.Lease}, true))
	stale, err := b.store.Finish(b.Context(), []store.Result{{Lease: first.Lease, Outcome: faces.Outcome{Reason: faces.NoFace}}})
	b.must(err)
	b.equal("stale", stale, []int64{id})
	b.equal("the answer", b.image(id).Reason, faces.Identified)
	b.must(b.store.Release(b.Context(), []store.Lease{second.Lease}, true))
	b.equal("handed back", b.claimRescan(id).Attempts, 2)

	n, err := b.store.ReclaimAll(b.Context())
	b.must(err)
	b.equal("taken back", n, int64(1))
	last := b.claimRescan(id)
	b.exec("update images set status = 0, reason = 'queued' where id = ?", id) // somebody puts it back
	stale, err = b.store.Finish(b.Context(), []store.Result{{Lease: last.Lease, Outcome: faces.Outcome{Reason: faces.NoFace}}})
	b.must(err)
	b.equal("put back meanwhile", stale, []int64{id})
	b.equal("it is looked at anyway", []any{b.claim(id)[0].Rescan, b.count("select count(*) from image_rescans")}, []any{false, 0})
}

func rescanAgain(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25})
	b.rescans(true, id)
	c := b.claimRescan(id)
	b.rescans(true, id) // the file may have changed after it was read
	b.finish(store.Result{Lease: c.Lease, Outcome: b.seenBy(oldModel, ""), File: aFile})
	b.equal("the new answer", b.image(id).Reason, faces.UnknownPerson)
	again := b.claimRescan(id)
	b.equal("looked at once more, with what is known now", *again.Rescan, store.RescanTask{Known: aFile})
	b.finish(store.Result{Lease: again.Lease, Unchanged: true, File: aFile})
	b.equal("settled", b.tryClaim(id).Settled, []int64{id})
}

func rescanQueued(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25})
	waiting := b.add("/u/b.jpg")[0]
	b.rescans(true, id)
	lists := func() [3][]int64 {
		var got [3][]int64
		var err error
		got[0], err = b.store.Unpublished(b.Context(), 0, b.clock.Now(), 10)
		b.must(err)
		got[1], err = b.store.NeverQueued(b.Context(), 0, b.clock.Now(), 10)
		b.must(err)
		got[2], err = b.store.Queued(b.Context(), 0, b.later(-time.Minute), 10)
		b.must(err)
		return got
	}
	both := []int64{id, waiting}
	b.equal("never queued", lists(), [3][]int64{both, both, nil})
	b.must(b.store.MarkPublished(b.Context(), both, b.clock.Now()))
	b.equal("queued", lists(), [3][]int64{})
	b.clock.advance(2 * time.Minute)
	b.equal("lost", lists(), [3][]int64{nil, nil, both})
	b.claimRescan(id)
	b.equal("at work", lists(), [3][]int64{nil, nil, {waiting}})
	b.clock.advance(lease + time.Second)
	n, err := b.store.ReclaimExpired(b.Context())
	b.must(err)
	b.equal("taken back", n, int64(1))
	b.equal("taken back, to be queued", lists()[0], []int64{id})
}

func correctionsFollow(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25}, []any{"anna", 0.75}, []any{"bob", 0.75})
	anna, bob := b.personID("anna"), b.personID("bob")
	before := b.image(id)
	b.correct(faces.Statement{FaceID: before.Faces[0].ID, PersonID: anna, Not: true})
	is := b.correct(faces.Statement{FaceID: before.Faces[1].ID, PersonID: bob}).Correction
	lost := b.correct(faces.Statement{FaceID: before.Faces[2].ID, PersonID: anna}).Correction

	again := func(boxes ...faces.Box) faces.Image {
		b.rescans(false, id)
		said, err := b.store.Corrections(b.Context(), []int64{id})
		b.must(err)
		seen := faces.Recognition{Model: newModel}
		for _, box := range boxes {
			seen.Sightings = append(seen.Sightings, faces.Sighting{
				Box: box, Descriptor: faces.Descriptor{1}, Neighbours: []faces.Neighbour{{Image: "anna.jpg", Distance: 0.25}},
			})
		}
		owners, err := b.store.AllOwners(b.Context())
		b.must(err)
		out := faces.Decide(seen, func(image string) (faces.Person, bool) { p, ok := owners[image]; return p, ok }, said...)
		b.finish(store.Result{Lease: b.claimRescan(id).Lease, Outcome: out})
		return b.image(id)
	}
	// Taller and narrower boxes; the third face is not found.
	img := again(faces.Box{X: 12, Y: -10, Width: 60, Height: 100}, faces.Box{X: 115, Y: -14, Width: 55, Height: 100})
	b.equal("after", shows(img), "unknown_person, bob, image of bob")
	placed, err := b.store.ImageCorrections(b.Context(), id)
	b.must(err)
	b.equal("faces of the corrections", []int64{placed[0].FaceID, placed[1].FaceID, placed[2].FaceID}, []int64{img.Faces[0].ID, img.Faces[1].ID, 0})
	list, err := b.store.FaceCorrections(b.Context(), img.Faces[1].ID)
	b.must(err)
	b.equal("of one face", []int64{list[0].ID}, []int64{is.ID})
	b.equal("said again", b.correct(faces.Statement{FaceID: img.Faces[1].ID, PersonID: bob}).Correction.ID, is.ID)

	img = again(faces.Box{X: 12, Y: -10, Width: 60, Height: 100}, faces.Box{X: 115, Y: -14, Width: 55, Height: 100},
		faces.Box{X: 210, Y: -8, Width: 65, Height: 95})
	b.equal("found again", shows(img), "unknown_person, bob, anna, image of bob")
	undone, err := b.store.UndoCorrection(b.Context(), lost.ID, "")
	b.must(err)
	b.equal("the face of what is undone", undone.FaceID, img.Faces[2].ID)
	_, err = b.store.ImageCorrections(b.Context(), 4711)
	b.equal("no such image", faces.ErrorCode(err), faces.CodeMissing)
}

func newWork(b *bench) {
	is := func(want bool) {
		b.Helper()
		got, err := b.store.NewWork(b.Context())
		b.must(err)
		b.equal("new work", got, want)
	}
	is(false)
	id := b.addMany(1)[0]
	is(true)
	held := b.claim(id)[0]
	is(true)
	b.finish(store.Result{Lease: held, Outcome: faces.Outcome{Reason: faces.UnknownPerson}})
	is(false)
	b.exec("update images set status = 1")
	is(false)
	b.exec("update images set status = 0, reason = 'timeout'") // as a program that knows no reasons
	is(true)
	b.exec("update images set status = 2")
	is(false)
}
