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
	{"DrawFace adds a face, and undo removes it", drawFace},
	{"DrawFace keeps the face over a rescan, until it is found", drawOverRescan},
	{"DrawFace and its undoing hold while an image is processed", drawWhileProcessed},
	{"DrawFace adds one face for several at once", drawTogether},
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

func (b *bench) draw(d faces.Drawing) store.Corrected {
	b.Helper()
	done, err := b.store.DrawFace(b.Context(), d)
	b.must(err)
	return done
}

var drawnBox = faces.Box{X: 250, Y: 20, Width: 60, Height: 70}

func drawFace(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25}, nil, nil, nil)
	before := b.image(id)
	between := faces.Box{X: 185, Y: 300, Width: 60, Height: 70}
	done := b.draw(faces.Drawing{ImageID: id, Version: before.Version, Box: between, Name: " Cleo"})
	b.equal("drawn", []any{shows(done.Image), done.Correction.Kind, done.FaceID, done.Changed},
		[]any{"anna, unknown_person, Cleo, unknown_person, unknown_person, image of Cleo", faces.SaysDrawn, done.Image.Faces[2].ID, true})
	f := done.Image.Faces[2]
	b.equal("the face", []any{f.Box, f.Drawn, f.Model, f.Descriptor, f.Best}, []any{between, true, "", faces.Descriptor(nil), (*faces.Candidate)(nil)})
	b.equal("in a list", b.list(filterAll)[0].Faces[2].Drawn, true)
	b.equal("ignored", shows(b.correct(faces.Statement{FaceID: f.ID, Kind: faces.SaysIgnore}).Image),
		"anna, unknown_person, ignored, unknown_person, unknown_person, image of anna")
	_, err := b.store.DrawFace(b.Context(), faces.Drawing{ImageID: id, Version: before.Version, Box: faces.Box{X: 700, Width: 50, Height: 50}})
	b.equal("stale", faces.ErrorCode(err), faces.CodeStale)

	undone, err := b.store.UndoCorrection(b.Context(), done.Correction.ID, "")
	b.must(err)
	b.equal("undone", []any{asBefore(undone.Image), undone.FaceID}, []any{asBefore(before), int64(0)})
	again := b.draw(faces.Drawing{ImageID: id, Box: between})
	b.equal("what was said counts again", again.Image.Faces[2].Reason, faces.Ignored)

	empty := b.add("/unknown_people/empty.jpg")[0]
	b.finish(store.Result{Lease: b.claim(empty)[0], Outcome: faces.Outcome{Reason: faces.NoFace, Width: 800, Height: 600, Model: rematchModel.ID}})
	only := b.draw(faces.Drawing{ImageID: empty, Box: between})
	b.equal("the only face", shows(only.Image), "unknown_person, unknown_person")
	undone, err = b.store.UndoCorrection(b.Context(), only.Correction.ID, only.Image.Version)
	b.must(err)
	b.equal("no face again", shows(undone.Image), "no_face")
}

func drawOverRescan(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25})
	drawn := b.draw(faces.Drawing{ImageID: id, Box: drawnBox, Name: "Cleo"})
	b.rescanWith(id, faces.Box{X: 2, Width: 80, Height: 80}, faces.Box{X: 400, Width: 80, Height: 80})
	img := b.image(id)
	b.equal("drawn faces stay", []any{shows(img), img.Faces[1].Drawn, img.Faces[1].Box}, []any{"unknown_person, Cleo, unknown_person, image of Cleo", true, drawnBox})
	b.rescanWith(id, faces.Box{X: 245, Y: 10, Width: 70, Height: 85})
	img = b.image(id)
	b.equal("found", []any{shows(img), img.Faces[0].Drawn, img.Faces[0].Model}, []any{"Cleo, image of Cleo", false, newModel.ID})
	undone, err := b.store.UndoCorrection(b.Context(), drawn.Correction.ID, "")
	b.must(err)
	b.equal("a found face stays when the drawing is undone", shows(undone.Image), "Cleo, image of Cleo")
}

// A processor reads the corrections, then decides, then writes.
func drawWhileProcessed(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25})
	drawn := b.draw(faces.Drawing{ImageID: id, Box: drawnBox})
	_, err := b.store.RequestRescans(b.Context(), []int64{id}, false)
	b.must(err)
	lease := b.claimRescan(id).Lease
	said, err := b.store.Corrections(b.Context(), []int64{id})
	b.must(err)
	other := faces.Box{X: 500, Y: 20, Width: 60, Height: 70}
	b.draw(faces.Drawing{ImageID: id, Box: other})
	_, err = b.store.UndoCorrection(b.Context(), drawn.Correction.ID, "")
	b.must(err)
	found := faces.Recognition{Width: 800, Height: 600, Model: newModel, Sightings: []faces.Sighting{{Box: faces.Box{Width: 80, Height: 80}, Descriptor: faces.Descriptor{1}}}}
	b.finish(store.Result{Lease: lease, Outcome: faces.Decide(found, func(string) (faces.Person, bool) { return faces.Person{}, false }, said...)})
	img := b.image(id)
	b.equal("the faces", []any{shows(img), img.Faces[1].Box}, []any{"unknown_person, unknown_person, unknown_person", other})
}

func drawTogether(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25})
	var taken, conflicts atomic.Int64
	inParallel(5, func(i int) {
		box := drawnBox
		box.X += i
		_, err := b.store.DrawFace(b.Context(), faces.Drawing{ImageID: id, Box: box})
		switch faces.ErrorCode(err) {
		case "":
			taken.Add(1)
		case faces.CodeConflict:
			conflicts.Add(1)
		default:
			b.Error(err)
		}
	})
	b.equal("taken and refused", []int64{taken.Load(), conflicts.Load()}, []int64{1, 4})
	b.equal("faces", len(b.image(id).Faces), 2)
}

// undoInAnyOrder says random things about the faces of a picture, in which one
// person is near several faces, and undoes all of them in another order. It draws
// faces, too.
func undoInAnyOrder(b *bench) {
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		id := b.answered(fmt.Sprintf("/unknown_people/%d.jpg", seed),
			[]any{"anna", 0.25, "bob", 0.4375}, []any{"anna", 0.375, "cleo", 0.5}, []any{"bob", 0.4375, "anna", 0.46875}, nil)
		before := b.image(id)
		people := []int64{b.personID("anna"), b.personID("bob"), b.personID("cleo")}
		said := []int64{b.draw(faces.Drawing{ImageID: id, Box: faces.Box{X: 150, Y: 300, Width: 50, Height: 50}, PersonID: people[0]}).Correction.ID}
		said = append(said, int64(b.count("select max(id) from corrections"))) // who it is
		list := b.image(id).Faces
		for range 3 + rnd.IntN(6) {
			said = append(said, b.correct(anything(rnd, list, people)).Correction.ID)
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
