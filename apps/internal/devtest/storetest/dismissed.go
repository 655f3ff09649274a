package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var dismissedTests = []test{
	{"CorrectFace dismisses a face, and undo brings it back", dismissFace},
	{"CorrectFace keeps a dismissed face so over a rescan", dismissOverRescan},
	{"CorrectFace shows older programs no dismissed face", dismissBesideOlder},
	{"CorrectFace refuses a statement about an image that has changed", refuseStale},
	{"CorrectFace takes one of two statements about one version", correctOneVersion},
	{"Corrections undone in any order leave the image as it was", undoInAnyOrder},
}

func dismissFace(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25, "bob", 0.4375}, nil)
	before := b.image(id)
	first, second := before.Faces[0].ID, before.Faces[1].ID

	ignored := b.correct(faces.Statement{FaceID: first, Kind: faces.SaysIgnore})
	b.equal("the stranger is left", shows(ignored.Image), "ignored, unknown_person, unknown_person")
	b.equal("nobody is suggested", []any{ignored.Image.Faces[0].Best, ignored.Image.Faces[0].Second, ignored.Image.Faces[0].Corrected}, []any{(*faces.Candidate)(nil), (*faces.Candidate)(nil), true})
	b.equal("said twice", b.correct(faces.Statement{FaceID: first, Kind: faces.SaysIgnore}).Correction.ID, ignored.Correction.ID)
	none := b.correct(faces.Statement{FaceID: second, Kind: faces.SaysNoFace})
	b.equal("no face counts", shows(none.Image), "ignored, not_a_face, no_face")
	b.equal("its row", []any{none.Image.Status, faces.Describe(none.Image)}, []any{faces.Pending, "1 ignored"})
	list, err := b.store.ListImages(b.Context(), store.Filter{Reason: faces.NoFace})
	b.must(err)
	b.equal("in the list", []any{len(list), faces.Describe(list[0])}, []any{1, "1 ignored"})

	is := b.correct(faces.Statement{FaceID: second, Name: "Cleo"})
	b.equal("a face after all", shows(is.Image), "ignored, Cleo, image of Cleo")
	for _, c := range []store.Corrected{is, ignored, none} {
		_, err := b.store.UndoCorrection(b.Context(), c.Correction.ID, "")
		b.must(err)
	}
	b.equal("undone", asBefore(b.image(id)), asBefore(before))
}

func dismissOverRescan(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25})
	done := b.correct(faces.Statement{FaceID: b.image(id).Faces[0].ID, Kind: faces.SaysNoFace})
	b.rescanWith(id, faces.Box{X: 4, Y: 2, Width: 84, Height: 80})
	again := b.image(id)
	b.equal("another model set", shows(again), "not_a_face, no_face")
	undone, err := b.store.UndoCorrection(b.Context(), done.Correction.ID, again.Version)
	b.must(err)
	b.equal("undone", []any{undone.FaceID, shows(undone.Image)}, []any{again.Faces[0].ID, "unknown_person, unknown_person"})
}

// rescanWith lets another model set find faces in boxes, far from everybody, and
// decides them as a processor does.
func (b *bench) rescanWith(id int64, boxes ...faces.Box) {
	b.Helper()
	said, err := b.store.Corrections(b.Context(), []int64{id})
	b.must(err)
	seen := faces.Recognition{Width: 800, Height: 600, Model: newModel}
	for _, box := range boxes {
		seen.Sightings = append(seen.Sightings, faces.Sighting{Box: box, Descriptor: faces.Descriptor{1}})
	}
	b.exec("update images set status = 0, reason = 'queued' where id = ?", id)
	b.finish(store.Result{
		Lease:   b.claim(id)[0],
		Outcome: faces.Decide(seen, func(string) (faces.Person, bool) { return faces.Person{}, false }, said...),
	})
}

// An older program joins the person of a correction, and reads excludes.
func dismissBesideOlder(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25})
	b.correct(faces.Statement{FaceID: b.image(id).Faces[0].ID, Kind: faces.SaysIgnore})
	b.equal("rows", b.count("select count(*) from corrections where kind = 'ignore'"), 1)
	b.equal("read by the release before", b.count("select count(*) from corrections join person on person.id = corrections.person_id"), 0)
	b.exec("insert into corrections (image_id, x, y, width, height, descriptor, model, person_id, excludes, candidates, created_at, changed_at) "+
		"select image_id, x, y, width, height, descriptor, model, ?, 0, '[]', created_at, changed_at from corrections", b.personID("anna"))
	said, err := b.store.Corrections(b.Context(), []int64{id})
	b.must(err)
	b.equal("written by the release before", []any{said[1].Kind, said[1].Person.Name}, []any{faces.AboutPerson, "anna"})
}

func refuseStale(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25}, []any{"bob", 0.75})
	seen := b.image(id)
	first, second := seen.Faces[0].ID, seen.Faces[1].ID
	b.equal("a version", seen.Version != "", true)
	b.equal("read again", b.image(id).Version, seen.Version)
	done := b.correct(faces.Statement{FaceID: first, Version: seen.Version, PersonID: b.personID("bob"), Not: true})
	b.equal("it changed what is said, if not what is shown", []any{done.Changed, shows(done.Image), done.Image.Version != seen.Version}, []any{true, shows(seen), true})
	people := b.count("select count(*) from person")
	for name, say := range map[string]faces.Statement{
		"is":         {FaceID: second, Name: "Cleo"},
		"is not":     {FaceID: second, PersonID: b.personID("anna"), Not: true},
		"ignore":     {FaceID: second, Kind: faces.SaysIgnore},
		"not a face": {FaceID: first, Kind: faces.SaysNoFace},
	} {
		say.Version = seen.Version
		_, err := b.store.CorrectFace(b.Context(), say)
		b.equal(name, faces.ErrorCode(err), faces.CodeStale)
	}
	_, err := b.store.UndoCorrection(b.Context(), done.Correction.ID, seen.Version)
	b.equal("undo", faces.ErrorCode(err), faces.CodeStale)
	b.equal("what is said", b.count("select count(*) from corrections where undone_at is null"), 1)
	b.equal("people", b.count("select count(*) from person"), people)

	undone, err := b.store.UndoCorrection(b.Context(), done.Correction.ID, done.Image.Version)
	b.must(err)
	b.equal("a statement and its undoing make a new version", undone.Image.Version == seen.Version, false)
	again, err := b.store.UndoCorrection(b.Context(), done.Correction.ID, undone.Image.Version)
	b.must(err)
	b.equal("undone twice", again.Changed, false)
	b.rescanWith(id, faces.Box{Width: 80, Height: 80})
	b.equal("new faces make a new version", b.image(id).Version == again.Image.Version, false)
	rescanned := b.image(id)
	b.exec("update faces set reason = 'blurred' where image_id = ?", id) // by a program of another release
	b.equal("a decision makes a new version", b.image(id).Version == rescanned.Version, false)
}

func correctOneVersion(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.75})
	seen := b.image(id)
	var taken, stale atomic.Int64
	inParallel(6, func(i int) {
		say := faces.Statement{FaceID: seen.Faces[0].ID, Version: seen.Version, Name: fmt.Sprintf("person %d", i)}
		if i%2 == 1 {
			say = faces.Statement{FaceID: seen.Faces[0].ID, Version: seen.Version, Kind: faces.SaysIgnore}
		}
		_, err := b.store.CorrectFace(b.Context(), say)
		switch faces.ErrorCode(err) {
		case "":
			taken.Add(1)
		case faces.CodeStale:
			stale.Add(1)
		default:
			b.Error(err)
		}
	})
	b.equal("taken and refused", []int64{taken.Load(), stale.Load()}, []int64{1, 5})
	b.equal("corrections", b.count("select count(*) from corrections"), 1)
}

// undoInAnyOrder says random things about the faces of a picture, in which one
// person is near several faces, and undoes all of them in another order.
func undoInAnyOrder(b *bench) {
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		id := b.answered(fmt.Sprintf("/unknown_people/%d.jpg", seed),
			[]any{"anna", 0.25, "bob", 0.4375}, []any{"anna", 0.375, "cleo", 0.5}, []any{"bob", 0.4375, "anna", 0.46875}, nil)
		before := b.image(id)
		people := []int64{b.personID("anna"), b.personID("bob"), b.personID("cleo")}
		var said []int64
		for range 3 + rnd.IntN(6) {
			said = append(said, b.correct(anything(rnd, before.Faces, people)).Correction.ID)
		}
		rnd.Shuffle(len(said), func(i, j int) { said[i], said[j] = said[j], said[i] })
		for _, c := range said {
			_, err := b.store.UndoCorrection(b.Context(), c, b.image(id).Version)
			b.must(err)
		}
		b.equal(fmt.Sprintf("seed %d", seed), asBefore(b.image(id)), asBefore(before))
	}
}

// anything returns a random statement about one of the faces.
func anything(rnd *rand.Rand, list []faces.Face, people []int64) faces.Statement {
	say := faces.Statement{FaceID: list[rnd.IntN(len(list))].ID}
	switch person := people[rnd.IntN(len(people))]; rnd.IntN(5) {
	case 0:
		say.Kind = faces.SaysIgnore
	case 1:
		say.Kind = faces.SaysNoFace
	case 2, 3:
		say.PersonID, say.Not = person, true
	default:
		say.PersonID = person
	}
	return say
}
