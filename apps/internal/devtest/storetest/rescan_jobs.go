package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var rescanJobTests = []test{
	{"AgreeOnModel starts a rescan by a newer set only", rescanStarts},
	{"A rescan looks at old pictures, newest first", rescanOrder},
	{"A rescan reports whom it found and lost", rescanReports},
	{"A rescan pauses, resumes and is cancelled", rescanTurns},
	{"A rescan that was cut off goes on", rescanCutOff},
}

// rescanner holds the lease of re-matching.
func (b *bench) rescanner() int64 {
	b.Helper()
	token, ok, err := b.store.LeaseRematch(b.Context(), "me", 0, time.Hour)
	b.must(err)
	if !ok {
		b.Fatal("the lease is not free")
	}
	return token
}

func (b *bench) agree(token int64, m faces.Model) (history.Rescan, bool) {
	b.Helper()
	b.clock.advance(time.Second)
	job, started, err := b.store.AgreeOnModel(b.Context(), token, m, true)
	b.must(err)
	return job, started
}

func rescanStarts(b *bench) {
	token := b.rescanner()
	start := func(m faces.Model) bool { _, started := b.agree(token, m); return started }
	b.equal("nothing is old yet", start(oldModel), false)
	b.answered("/u/a.jpg", []any{"anna", 0.25})
	b.equal("the same set", start(oldModel), false)
	b.must(b.store.UseModel(b.Context(), newModel)) // a first answer, while the rollout is under way
	b.equal("a newer set", start(newModel), true)
	b.equal("once", start(newModel), false)
	b.equal("a rollback", start(oldModel), false)
	b.equal("the newest set again", start(newModel), true)
	jobs, err := b.store.Rescans(b.Context(), 0, 10)
	b.must(err)
	b.equal("states", []history.RescanState{jobs[0].State, jobs[1].State}, []history.RescanState{history.RescanWaiting, history.RescanSuperseded})
	trial := faces.Model{ID: "trial"}
	b.clock.advance(time.Second)
	b.must(b.store.UseModel(b.Context(), trial)) // some recognizers, for a while
	third := faces.Model{ID: "third"}
	b.equal("a set newer than one that was tried", start(third), true)
	b.equal("the one that was tried is older", start(trial), false)
	_, started, err := b.store.AgreeOnModel(b.Context(), token, faces.Model{ID: "fourth"}, false)
	b.must(err)
	b.equal("not by itself", started, false)
	b.exec("insert into models (id, threshold, margin, official) values ('before', 1, 0, 0)") // as a program of the version before
	b.equal("a set that the version before noted", start(faces.Model{ID: "before"}), true)
	_, _, err = b.store.AgreeOnModel(b.Context(), token+1, oldModel, true)
	b.equal("without the lease", errors.Is(err, history.ErrLeaseLost), true)
}

// request asks for a rescan and begins it.
func (b *bench) beginRescan(token int64, whole bool) history.Rescan {
	b.Helper()
	job, err := b.store.RequestRescan(b.Context(), "", whole)
	b.must(err)
	job, err = b.store.BeginRescan(b.Context(), token, job.ID, newModel.ID)
	b.must(err)
	return job
}

func (b *bench) takeImages(token int64, job history.Rescan, most int) []int64 {
	b.Helper()
	ids, _, err := b.store.TakeRescanImages(b.Context(), token, job.ID, most)
	b.must(err)
	return ids
}

func rescanOrder(b *bench) {
	token := b.rescanner()
	var want []int64
	for i, r := range faces.Reasons() {
		id := b.add(fmt.Sprintf("/u/%d.jpg", i))[0]
		if r == faces.Queued {
			continue
		}
		b.finish(store.Result{Lease: b.claim(id)[0], Outcome: faces.Outcome{Reason: r, Model: oldModel.ID}})
		if r.IsAnswer() || r.IsContentFault() {
			want = append(want, id)
		}
	}
	fresh := b.add("/u/new.jpg")[0]
	b.finish(store.Result{Lease: b.claim(fresh)[0], Outcome: faces.Outcome{Reason: faces.NoFace, Model: newModel.ID}})
	slices.Reverse(want)
	job := b.beginRescan(token, false)
	b.equal("total", job.Total, int64(len(want)))
	var got []int64
	for ids := b.takeImages(token, job, 2); len(ids) > 0; ids = b.takeImages(token, job, 2) {
		got = append(got, ids...)
	}
	b.equal("images", got, want)
	backlog, err := b.store.RescanBacklog(b.Context(), job.ID, 100)
	b.must(err)
	b.equal("taken and not looked at", backlog, want)
	b.equal("the job's model set", *b.claimRescan(want[0]).Rescan, store.RescanTask{JobID: job.ID, Model: newModel.ID})
	_, err = b.store.RequestRescan(b.Context(), "", false)
	b.equal("two at once", faces.ErrorCode(err), faces.CodeConflict)
	_, err = b.store.ChangeRescanState(b.Context(), job.ID, history.RescanCancelled)
	b.must(err)
	b.equal("all, also what the set has answered", b.takeImages(token, b.beginRescan(token, true), 1), []int64{fresh})
}

func rescanReports(b *bench) {
	token := b.rescanner()
	found := b.answered("/u/found.jpg", []any{"bob", 0.75})
	lost := b.answered("/u/lost.jpg", []any{"anna", 0.25}, []any{"bob", 0.25})
	same := b.answered("/u/same.jpg", []any{"anna", 0.25})
	gone := b.answered("/u/gone.jpg", []any{"anna", 0.25})
	unread := b.answered("/u/unread.jpg", []any{"anna", 0.25})
	b.correct(faces.Statement{FaceID: b.image(lost).Faces[1].ID, PersonID: b.personID("bob")})
	job := b.beginRescan(token, false)
	b.equal("images", b.takeImages(token, job, 10), []int64{unread, gone, same, lost, found})
	for id, out := range map[int64]faces.Outcome{
		found: b.seenBy(newModel, "anna", "bob"), lost: b.seenBy(newModel, "anna"), same: b.seenBy(newModel, "anna"),
		gone: {Reason: faces.NotFound, Detail: "no file"}, unread: {Reason: faces.UnsupportedFormat, Detail: "no format"},
	} {
		b.finish(store.Result{Lease: b.claimRescan(id).Lease, Outcome: out})
	}
	for _, id := range []int64{gone, unread} {
		img := b.image(id)
		b.equal("an old answer stands", []any{img.Reason, img.Model, img.Rescan.State}, []any{faces.Identified, oldModel.ID, faces.RescanFailed})
	}
	b.equal("nothing is left", b.takeImages(token, job, 10), []int64(nil))
	job, err := b.store.FinishRescan(b.Context(), token, job.ID)
	b.must(err)
	b.equal("state", job.State, history.RescanFinished)
	b.equal("sums", []int64{job.Total, job.Done, job.Changed, job.Failed, job.PeopleFound, job.PeopleLost, job.FacesFound, job.FacesLost, job.Unplaced},
		[]int64{5, 5, 2, 2, 2, 1, 1, 1, 1})
	results, err := b.store.RescanResults(b.Context(), job.ID, 0, 10, "")
	b.must(err)
	anna, bob := faces.Person{ID: b.personID("anna"), Name: "anna"}, faces.Person{ID: b.personID("bob"), Name: "bob"}
	known := history.Outcome{Reason: faces.Identified, Person: &anna}
	b.equal("results", results, []history.RescanResult{
		{
			ImageID: unread, Path: "/u/unread.jpg", State: history.ResultFailed, From: known, To: history.Outcome{Reason: faces.UnsupportedFormat},
			FacesBefore: 1, FacesAfter: 1, Detail: "no format",
		},
		{
			ImageID: gone, Path: "/u/gone.jpg", State: history.ResultFailed, From: known, To: history.Outcome{Reason: faces.NotFound},
			FacesBefore: 1, FacesAfter: 1, Detail: "no file",
		},
		{
			// The confirmed face was the image's person before.
			ImageID: lost, Path: "/u/lost.jpg", State: history.ResultChanged, From: history.Outcome{Reason: faces.Identified, Person: &bob}, To: known,
			FacesBefore: 2, FacesAfter: 1, Lost: []faces.Person{bob}, Unplaced: 1,
		},
		{
			ImageID: found, Path: "/u/found.jpg", State: history.ResultChanged, From: history.Outcome{Reason: faces.UnknownPerson}, To: known,
			FacesBefore: 1, FacesAfter: 2, Found: []faces.Person{anna, bob},
		},
	})
	page, err := b.store.RescanResults(b.Context(), job.ID, gone, 1, history.ResultChanged)
	b.must(err)
	b.equal("a page", []int64{page[0].ImageID}, []int64{lost})
	failed, err := b.store.RescanResults(b.Context(), job.ID, 0, 10, history.ResultFailed)
	b.must(err)
	b.equal("those that failed", len(failed), 2)
}

func rescanTurns(b *bench) {
	token := b.rescanner()
	b.answered("/u/a.jpg", []any{"anna", 0.25})
	b.answered("/u/b.jpg", []any{"anna", 0.25})
	job := b.beginRescan(token, false)
	turn := func(to history.RescanState) history.RescanState {
		done, err := b.store.ChangeRescanState(b.Context(), job.ID, to)
		if err != nil {
			return history.RescanState(faces.ErrorCode(err))
		}
		return done.State
	}
	next := func() bool {
		_, ok, err := b.store.NextRescan(b.Context())
		b.must(err)
		return ok
	}
	b.equal("taken", len(b.takeImages(token, job, 1)), 1)
	b.equal("paused", turn(history.RescanPaused), history.RescanPaused)
	b.equal("paused twice", turn(history.RescanPaused), history.RescanPaused)
	b.equal("nothing to do while paused", []any{next(), len(b.takeImages(token, job, 1))}, []any{false, 0})
	_, err := b.store.BeginRescan(b.Context(), token, job.ID, newModel.ID)
	b.equal("cannot begin while paused", faces.ErrorCode(err), faces.CodeConflict)
	b.equal("resumed", turn(history.RescanWaiting), history.RescanWaiting)
	b.equal("something to do", next(), true)
	_, err = b.store.BeginRescan(b.Context(), token, job.ID, newModel.ID)
	b.must(err)
	b.equal("resumed twice", turn(history.RescanWaiting), history.RescanRunning)
	b.must(b.store.NoteRescan(b.Context(), token, job.ID, "waits"))
	again, err := b.store.Rescan(b.Context(), job.ID)
	b.must(err)
	b.equal("detail and total", []any{again.Detail, again.Total}, []any{"waits", int64(2)})
	b.equal("goes on where it was", len(b.takeImages(token, job, 10)), 1)
	b.equal("cancelled", turn(history.RescanCancelled), history.RescanCancelled)
	b.equal("nothing waits any more", b.count("select count(*) from image_rescans"), 0)
	b.equal("paused when it is over", turn(history.RescanPaused), history.RescanState(faces.CodeConflict))
	b.equal("nothing to do", next(), false)
	_, err = b.store.Rescan(b.Context(), 4711)
	b.equal("no such job", faces.ErrorCode(err), faces.CodeMissing)
}

func rescanCutOff(b *bench) {
	token := b.rescanner()
	id := b.answered("/u/a.jpg", []any{"anna", 0.25})
	job := b.beginRescan(token, false)
	b.takeImages(token, job, 10)
	b.claimRescan(id) // by a processor that dies
	b.clock.advance(lease + time.Second)
	backlog, err := b.store.RescanBacklog(b.Context(), job.ID, 10)
	b.must(err)
	b.equal("left", backlog, []int64{id})
	posted, err := b.store.RequestRescans(b.Context(), []int64{id}, true) // posted meanwhile
	b.must(err)
	b.equal("queued, too", posted.Publish, []int64{id})
	c := b.claimRescan(id)
	b.equal("still the job's", []any{c.Rescan.JobID, c.Attempts, c.Rescan.Known}, []any{job.ID, 2, faces.File{}})
	b.finish(store.Result{Lease: c.Lease, Outcome: b.seenBy(newModel, "")})
	again, err := b.store.Rescan(b.Context(), job.ID)
	b.must(err)
	b.equal("done", []int64{again.Done, again.Changed, again.PeopleLost}, []int64{1, 1, 1})
}
