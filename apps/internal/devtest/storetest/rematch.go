package storetest

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var rematchTests = []test{
	{"LeaseRematch is one program's", rematchLease},
	{"Reflect keeps the known pictures", rematchReflect},
	{"Faces are found by id, by time and by who is near", rematchFaces},
	{"StepRematch compares and sets", rematchCompareAndSet},
	{"StepRematch changes more than one statement holds", rematchMany},
	{"StepRematch without the lease writes nothing", rematchFenced},
	{"Programs of the first version write faces", facesOfFirstVersion},
	{"Programs of the first version read faces", facesForFirstVersion},
	{"ForgetRematches keeps the newest", rematchForget},
}

func (b *bench) leaseRematch(owner string, token int64) (int64, bool) {
	b.Helper()
	token, ok, err := b.store.LeaseRematch(b.Context(), owner, token, lease)
	b.must(err)
	return token, ok
}

func rematchLease(b *bench) {
	first, ok := b.leaseRematch("one", 0)
	b.equal("taken", ok, true)
	_, ok = b.leaseRematch("two", 0)
	b.equal("taken twice", ok, false)
	b.clock.advance(lease - time.Second)
	_, ok = b.leaseRematch("one", first)
	b.equal("renewed", ok, true)
	b.clock.advance(lease + time.Second)
	second, ok := b.leaseRematch("two", 0)
	b.equal("taken over", ok, true)
	_, ok = b.leaseRematch("one", first)
	b.equal("renewed by the first", ok, false)
	b.must(b.store.FreeRematch(b.Context(), first)) // which is not its own any more
	_, ok = b.leaseRematch("three", 0)
	b.equal("freed by another", ok, false)
	b.must(b.store.FreeRematch(b.Context(), second))
	_, ok = b.leaseRematch("three", 0)
	b.equal("freed", ok, true)
}

func rematchReflect(b *bench) {
	token, _ := b.leaseRematch("one", 0)
	state, err := b.store.Reflected(b.Context())
	b.must(err)
	b.equal("at first", state, history.Reflected{})
	reflects := func(basis history.Basis, mark int64, pictures ...faces.KnownPicture) {
		b.Helper()
		b.must(b.store.Reflect(b.Context(), token, basis, pictures, mark))
		state, err := b.store.Reflected(b.Context())
		b.must(err)
		b.equal("state", state, history.Reflected{Basis: basis, FaceMark: mark})
		got, err := b.store.ReflectedPictures(b.Context())
		b.must(err)
		b.equal("pictures", got, pictures)
	}
	reflects(history.Basis{Fingerprint: "f1", Gallery: "g1", Model: "m", Threshold: 0.5, Margin: 0.1}, 7,
		faces.KnownPicture{Image: "Anna/1.jpg", Content: "c1", Person: 1}, faces.KnownPicture{Image: "anna/1.jpg", Content: "c1", Person: faces.NoPerson})
	reflects(history.Basis{Fingerprint: "f2", Gallery: "g2", Model: "m"}, 9,
		faces.KnownPicture{Image: "Anna/1.jpg", Content: "c1", Person: 2}, faces.KnownPicture{Image: "b.jpg", Content: "c3", Person: 1})
	many := make([]faces.KnownPicture, 1300)
	for i := range many {
		many[i] = faces.KnownPicture{Image: fmt.Sprintf("%04d.jpg", i), Content: "c", Person: int64(i)}
	}
	reflects(history.Basis{Fingerprint: "f3"}, 9, many...)
	b.must(b.store.AdvanceFaceMark(b.Context(), token, 8))
	b.must(b.store.AdvanceFaceMark(b.Context(), token, 12))
	state, err = b.store.Reflected(b.Context())
	b.must(err)
	b.equal("mark", state.FaceMark, int64(12))
}

func rematchFaces(b *bench) {
	first := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25, "bob", 0.75}, []any{"bob", 0.125})
	b.clock.advance(time.Hour)
	second := b.answered("/unknown_people/b.jpg", []any{"anna", 0.5, "bob", 0.5})
	ids := func(list []history.StoredFace, err error) []int64 {
		b.Helper()
		b.must(err)
		var ids []int64
		for _, f := range list {
			ids = append(ids, f.ID)
		}
		return ids
	}
	all := ids(b.store.FacesPage(b.Context(), "lite-1", 0, math.MaxInt64, 10))
	b.equal("all", len(all), 3)
	b.equal("of another model set", ids(b.store.FacesPage(b.Context(), "other", 0, math.MaxInt64, 10)), []int64(nil))
	b.equal("a page", ids(b.store.FacesPage(b.Context(), "lite-1", all[0], math.MaxInt64, 1)), all[1:2])
	b.equal("up to one", ids(b.store.FacesPage(b.Context(), "lite-1", 0, all[1], 10)), all[:2])
	b.equal("by id", ids(b.store.FacesByID(b.Context(), []int64{all[2], 99, all[0]})), []int64{all[0], all[2]})
	b.equal("of other known people", ids(b.store.LateFaces(b.Context(), "lite-1", "g2", all[0], 10)), all[1:])
	b.equal("of these", ids(b.store.LateFaces(b.Context(), "lite-1", "g1", 0, 10)), []int64(nil))
	settled, err := b.store.SettledFace(b.Context(), b.later(-time.Minute))
	b.must(err)
	b.equal("settled", settled, all[1])

	anna, bob := b.personID("anna"), b.personID("bob")
	touched := func(pictures ...faces.KnownPicture) []int64 {
		b.Helper()
		ids, err := b.store.TouchedFaces(b.Context(), "lite-1", pictures)
		b.must(err)
		return ids
	}
	b.equal("near anna", touched(faces.KnownPicture{Image: "anna.jpg", Person: anna}), []int64{all[0], all[2]})
	b.equal("near both", touched(faces.KnownPicture{Image: "anna.jpg", Person: anna}, faces.KnownPicture{Image: "bob.jpg", Person: bob}), all)
	b.equal("another's picture", touched(faces.KnownPicture{Image: "anna.jpg", Person: bob}), []int64(nil))

	images, err := b.store.ImagesWithFaces(b.Context(), []int64{second, first, 99})
	b.must(err)
	b.equal("images", []int64{images[0].ID, images[1].ID}, []int64{first, second})
	b.equal("its faces", []int{len(images[0].Faces), len(images[1].Faces)}, []int{2, 1})
	f := images[0].Faces[1]
	b.equal("a face", f, history.StoredFace{
		FaceAnswer: history.FaceAnswer{ID: all[1], Reason: "identified", BestPerson: bob, BestDistance: 0.125, BestImage: "bob.jpg", SecondPerson: faces.NoPerson},
		ImageID:    first, Box: faces.Box{X: 100, Width: 80, Height: 80}, Model: "lite-1", Gallery: "g1",
		Descriptor: (faces.Descriptor{1}).Bytes(),
	})
	n, err := b.store.OtherModels(b.Context(), "other")
	b.must(err)
	b.equal("of other model sets", n, int64(3))
}

// toBob changes an image's only face to bob's.
func (b *bench) toBob(id int64) history.Change {
	b.Helper()
	list, err := b.store.ImagesWithFaces(b.Context(), []int64{id})
	b.must(err)
	bob := b.personID("bob")
	c := history.Change{ImageID: id, Before: list[0].Answer}
	c.After = history.ImageAnswer{Reason: "identified", Person: bob, Faces: []history.FaceAnswer{{
		ID: list[0].Faces[0].ID, Reason: "identified", BestPerson: bob, BestDistance: 0.1234567890123, BestImage: "bob.jpg", SecondPerson: faces.NoPerson,
	}}}
	return c
}

// job begins a job that applies at once.
func (b *bench) job(token int64, apply bool) history.Job {
	b.Helper()
	job, err := b.store.RequestRematch(b.Context(), history.CauseRequest, apply, false)
	b.must(err)
	job.Basis = history.Basis{Fingerprint: "f", Gallery: "g2", Model: "lite-1"}
	b.must(b.store.BeginRematch(b.Context(), token, job))
	return job
}

func rematchCompareAndSet(b *bench) {
	b.person("bob")
	token, _ := b.leaseRematch("one", 0)
	var ids []int64
	var changes []history.Change
	for i := range 6 {
		ids = append(ids, b.answered(fmt.Sprintf("/unknown_people/%d.jpg", i), []any{"anna", 0.25}))
	}
	for _, id := range ids {
		changes = append(changes, b.toBob(id))
	}
	b.exec("update images set status = 0, reason = 'queued' where id = ?", ids[1]) // will be answered again
	b.exec("update images set status = 0, reason = 'queued' where id = ?", ids[2])
	b.claim(ids[2]) // is at work
	b.correct(faces.Statement{FaceID: b.image(ids[3]).Faces[0].ID, Name: "Cleo"})
	b.exec("delete from faces where image_id = ?", ids[4])
	b.exec("update images set status = 1 where id = ?", ids[5]) // which it was
	job := b.job(token, true)
	b.clock.advance(time.Second)
	visible, skipped, err := b.store.StepRematch(b.Context(), token, job, history.Step{
		Seek: 6, Faces: 6, Changes: changes, CaughtUp: []int64{changes[0].After.Faces[0].ID},
	})
	b.must(err)
	b.equal("visible", visible, int64(2))
	b.equal("skipped", sorted(skipped), []int64{ids[1], ids[2], ids[3], ids[4]})
	b.equal("changed", shows(b.image(ids[0])), "bob, image of bob")
	b.equal("changed as well", shows(b.image(ids[5])), "bob, image of bob")
	b.equal("corrected", shows(b.image(ids[3])), "Cleo, image of Cleo")
	changed := b.image(ids[0])
	b.equal("its row", []any{changed.Status, faces.Describe(changed), changed.UpdatedAt, changed.Faces[0].Gallery, changed.Faces[0].Best.Distance},
		[]any{faces.Processed, "bob", b.clock.Now(), "g2", 0.1234567890123})
	_, skipped, err = b.store.StepRematch(b.Context(), token, job, history.Step{Seek: 7, Changes: changes[:1]})
	b.must(err)
	b.equal("skipped where it is so already", skipped, []int64(nil))
	got, err := b.store.Rematch(b.Context(), job.ID)
	b.must(err)
	b.equal("progress", []int64{got.Seek, got.Faces, got.Images, got.Skipped}, []int64{7, 6, 2, 4})
	state, err := b.store.Reflected(b.Context())
	b.must(err)
	b.equal("dirty meanwhile", state.Dirty, true)
	b.must(b.store.EndRematch(b.Context(), token, job, history.Applied, "done", nil, 5))
	state, err = b.store.Reflected(b.Context())
	b.must(err)
	b.equal("the state", state, history.Reflected{Basis: job.Basis, FaceMark: 5})
}

func rematchMany(b *bench) {
	b.person("bob")
	token, _ := b.leaseRematch("one", 0)
	const n = 1203
	ids := b.addMany(n)
	out := func(i int) faces.Outcome {
		return faces.Outcome{Reason: faces.UnknownPerson, Faces: []faces.Face{{Reason: faces.UnknownPerson, Model: "lite-1", Box: faces.Box{X: i}}}}
	}
	var results []store.Result
	for i, l := range b.claim(ids...) {
		results = append(results, store.Result{Lease: l, Outcome: out(i)})
	}
	b.finish(results...)
	var changes []history.Change
	list, err := b.store.ImagesWithFaces(b.Context(), ids)
	b.must(err)
	bob := b.personID("bob")
	for i, img := range list {
		c := history.Change{ImageID: img.ID, Before: img.Answer}
		c.After = history.ImageAnswer{Reason: "identified", Person: bob, Faces: []history.FaceAnswer{{
			ID: img.Faces[0].ID, Reason: "identified", BestPerson: bob, BestDistance: float64(i) / 7, BestImage: fmt.Sprintf("bob/ü %d.jpg", i), SecondPerson: faces.NoPerson,
		}}}
		changes = append(changes, c)
	}
	job := b.job(token, true)
	visible, skipped, err := b.store.StepRematch(b.Context(), token, job, history.Step{Seek: n, Faces: n, Changes: changes})
	b.must(err)
	b.equal("changed", []int{int(visible), len(skipped)}, []int{n, 0})
	for _, i := range []int{0, 499, 500, n - 1} {
		best := b.image(ids[i]).Faces[0].Best
		b.equal("a face", []any{best.Distance, best.Image}, []any{float64(i) / 7, fmt.Sprintf("bob/ü %d.jpg", i)})
	}
	sum, err := b.store.RematchSummary(b.Context(), job.ID, 10)
	b.must(err)
	b.equal("in sum", history.Summarize(visible, sum), "1203 images change: 1203 unknown → bob")
	b.must(b.store.EndRematch(b.Context(), token, job, history.Applied, "", nil, 0))
	job, err = b.store.ChangeRematchState(b.Context(), job.ID, history.Undoing)
	b.must(err)
	for more := true; more; {
		more, err = b.store.UndoApplied(b.Context(), token, job, 500)
		b.must(err)
		job, err = b.store.Rematch(b.Context(), job.ID)
		b.must(err)
	}
	b.equal("undone", b.count("select count(*) from images where reason = 'unknown_person' and person = -1 and status = 0"), n)
	b.equal("undone faces", b.count("select count(*) from faces where best_person_id = -1 and matched_image = ''"), n)
}

func rematchFenced(b *bench) {
	b.person("bob")
	token, _ := b.leaseRematch("one", 0)
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25})
	job := b.job(token, true)
	b.clock.advance(2 * lease)
	b.leaseRematch("two", 0)
	step := history.Step{Seek: 1, Faces: 1, Changes: []history.Change{b.toBob(id)}}
	_, _, err := b.store.StepRematch(b.Context(), token, job, step)
	b.equal("lost", errors.Is(err, history.ErrLeaseLost), true)
	_, err = b.store.SetAnswers(b.Context(), token, step.Changes, nil, "")
	b.equal("lost", errors.Is(err, history.ErrLeaseLost), true)
	err = b.store.EndRematch(b.Context(), token, job, history.Applied, "", nil, 0)
	b.equal("lost", errors.Is(err, history.ErrLeaseLost), true)
	b.equal("unchanged", shows(b.image(id)), "anna, image of anna")
	got, err := b.store.Rematch(b.Context(), job.ID)
	b.must(err)
	b.equal("progress", []any{got.State, got.Faces}, []any{history.Running, int64(0)})
}

// facesOfFirstVersion are written beside ours while programs are replaced.
func facesOfFirstVersion(b *bench) {
	id := b.add("/unknown_people/a.jpg")[0]
	b.exec("update images set status = 1, reason = 'identified', person = 1 where id = ?", id)
	anna := b.person("anna")
	b.exec("insert into faces (image_id, position, x, y, width, height, landmarks, descriptor, model, reason, best_person_id, best_distance, "+
		"matched_image, second_person_id, second_distance, second_image) values (?, 0, 1, 2, 3, 4, '[]', ?, 'm', 'identified', ?, 0.5, 'anna.jpg', -1, 0, '')",
		id, make(faces.Descriptor, 128).Bytes(), anna)
	f := b.image(id).Faces[0]
	b.equal("what was not known", []any{f.Gallery, f.Quality, f.Corrected, f.Confirmed}, []any{"", faces.Quality{}, false, false})
	b.equal("the file", []any{b.image(id).Warning, b.image(id).Omitted}, []any{"", 0})
	b.equal("what was", f.Person, &faces.Person{ID: anna, Name: "anna"})
	late, err := b.store.LateFaces(b.Context(), "m", "g1", 0, 10)
	b.must(err)
	b.equal("is caught up", len(late), 1)
}

// facesForFirstVersion are read by programs of the first version, which know
// descriptors of 512 bytes only, and no uncertain face without a second person.
func facesForFirstVersion(b *bench) {
	id := b.add("/unknown_people/a.jpg")[0]
	outcome := b.seen()
	b.finish(store.Result{Lease: b.claim(id)[0], Outcome: outcome})
	b.equal("long descriptors", b.count("select count(*) from faces where length(descriptor) not in (0, 512)"), 0)
	b.equal("whole descriptors", b.count("select max(length(descriptor) + length(descriptor_rest)) from faces"), 4*320)
	b.equal("uncertain faces alone", b.count("select count(*) from faces where reason = 'uncertain' and second_person_id = -1"), 0)
	images, err := b.store.ImagesWithFaces(b.Context(), []int64{id})
	b.must(err)
	for i, f := range images[0].Faces {
		want := outcome.Faces[i]
		b.equal("descriptor", len(f.Descriptor), 4*len(want.Descriptor))
		b.equal("quality", f.Quality, want.Quality)
		got := f.Face(func(int64) string { return "" })
		b.equal("second", got.Second == nil, want.Second == nil)
		b.equal("answer", history.AnswerOf(got), f.FaceAnswer)
	}
}

func rematchForget(b *bench) {
	token, _ := b.leaseRematch("one", 0)
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25})
	b.person("bob")
	var last int64
	for range 5 {
		job := b.job(token, false)
		_, _, err := b.store.StepRematch(b.Context(), token, job, history.Step{Seek: 1, Faces: 1, Changes: []history.Change{b.toBob(id)}})
		b.must(err)
		b.must(b.store.EndRematch(b.Context(), token, job, history.Ready, "", nil, 0))
		last = job.ID
	}
	for more := true; more; {
		var err error
		more, err = b.store.ForgetRematches(b.Context(), token, 2)
		b.must(err)
	}
	list, err := b.store.Rematches(b.Context(), 0, 0)
	b.must(err)
	b.equal("kept", []int64{list[0].ID, int64(len(list))}, []int64{last, 2})
	b.equal("changes", b.count("select count(*) from rematch_changes"), 2)
}
