package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var correctionTests = []test{
	{"A decision that is made again names nobody who is gone", decideWithoutGone},
	{"CorrectFace changes the answer at once, and undo restores it", correctFace},
	{"CorrectFace gives nobody two faces by itself", correctNamesOnce},
	{"CorrectFace knows one spelling of a name", correctSpellings},
	{"CorrectFace takes a face with a long descriptor", correctLongDescriptor},
	{"CorrectFace leaves an image at work alone", correctAtWork},
	{"CorrectFace by several at once adds one person", correctTogether},
	{"Corrections of a person who is gone do not count", correctGonePerson},
	{"Corrections wait to be looked after", correctionsPending},
}

func (b *bench) correct(say faces.Statement) store.Corrected {
	b.Helper()
	done, err := b.store.CorrectFace(b.Context(), say)
	b.must(err)
	return done
}

// asBefore returns the image without its version, which lists do not have, and
// which statements and their undoing change for good.
func asBefore(img faces.Image) faces.Image {
	img.Version = ""
	return img
}

func correctFace(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25, "bob", 0.4375}, []any{"anna", 0.75})
	anna, bob := b.personID("anna"), b.personID("bob")
	before := b.image(id)
	first, second := before.Faces[0].ID, before.Faces[1].ID
	b.equal("before", shows(before), "anna, unknown_person, image of anna")

	not := b.correct(faces.Statement{FaceID: first, PersonID: anna, Not: true})
	b.equal("not anna", shows(not.Image), "bob, unknown_person, image of bob")
	b.equal("not anna, read again", b.image(id), not.Image)
	b.equal("the face", []any{not.FaceID, not.Image.Faces[0].Corrected, not.Image.Faces[0].Confirmed}, []any{first, true, false})
	b.equal("nor bob", shows(b.correct(faces.Statement{FaceID: first, PersonID: bob, Not: true}).Image), "unknown_person, unknown_person, unknown_person")
	is := b.correct(faces.Statement{FaceID: second, Name: "Cleo "})
	b.equal("somebody new", shows(is.Image), "unknown_person, Cleo, image of Cleo")
	b.equal("status", is.Image.Status, faces.Processed)
	b.equal("who was near is told as second", is.Image.Faces[1].Second.Person.Name, "anna")
	b.equal("said twice", b.correct(faces.Statement{FaceID: second, Name: "Cleo "}).Correction.ID, is.Correction.ID)
	b.equal("rows", b.count("select count(*) from corrections"), 3)
	said, err := b.store.FaceCorrections(b.Context(), first)
	b.must(err)
	b.equal("said of the first", len(said), 2)
	said, err = b.store.Corrections(b.Context(), []int64{id, 4711})
	b.must(err)
	b.equal("said of the image", len(said), 3)

	b.clock.advance(time.Minute)
	for _, c := range said {
		_, err := b.store.UndoCorrection(b.Context(), c.ID, "")
		b.must(err)
	}
	undone := b.image(id)
	b.equal("when it was undone", undone.UpdatedAt, b.clock.Now())
	undone.UpdatedAt = before.UpdatedAt
	b.equal("undone", asBefore(undone), asBefore(before))
	again, err := b.store.UndoCorrection(b.Context(), said[0].ID, "")
	b.must(err)
	b.equal("undone twice", again.Correction.UndoneAt, b.clock.Now())

	for _, say := range []faces.Statement{{FaceID: 99, PersonID: anna}, {FaceID: first, PersonID: 99}} {
		_, err := b.store.CorrectFace(b.Context(), say)
		b.equal(fmt.Sprintf("%+v", say), faces.ErrorCode(err), faces.CodeMissing)
	}
	_, err = b.store.CorrectFace(b.Context(), faces.Statement{FaceID: first, Name: "\xff"})
	b.equal("a name that is no text", faces.ErrorCode(err), faces.CodeInvalid)
	_, err = b.store.UndoCorrection(b.Context(), 99, "")
	b.equal("no such correction", faces.ErrorCode(err), faces.CodeMissing)
}

func correctSpellings(b *bench) {
	id := b.answered("/u/1.jpg", []any{"anna", 0.75})
	face := b.image(id).Faces[0].ID
	named := func(name string) faces.Person {
		b.Helper()
		return b.correct(faces.Statement{FaceID: face, Name: name}).Correction.Person
	}
	jose := named("  Jose\u0301 ")
	b.equal("stored", jose.Name, "Jos\u00e9")
	for _, name := range []string{"Jos\u00e9", "Jose\u0301", "Jos\u00e9\u00a0"} {
		b.equal(name, named(name), jose)
	}
	old := faces.Person{ID: b.person("Zoe\u0308"), Name: "Zoe\u0308"} // of an older release
	b.equal("an old spelling", named("Zo\u00eb"), old)
	people := b.count("select count(*) from person")
	for name, existing := range map[string]string{"JOS\u00c9": "Jos\u00e9", "ANNA": "anna", " Anna": "anna"} {
		_, err := b.store.CorrectFace(b.Context(), faces.Statement{FaceID: face, Name: name})
		if faces.ErrorCode(err) != faces.CodeConflict || !strings.Contains(faces.ErrorMessage(err), existing) {
			b.Errorf("%q: %v, want a conflict that names %s", name, err, existing)
		}
	}
	b.equal("people", b.count("select count(*) from person"), people)
	lower, upper := b.person("max"), b.person("Max") // both from an older release
	b.equal("max", named("max").ID, lower)
	b.equal("Max", named("Max").ID, upper)
}

// A confirmed face takes the name from a face that was only recognized, and
// gives it back.
func correctNamesOnce(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25}, []any{"anna", 0.75})
	b.exec("update images set warning = 'the file ends early', detail = 'anna, 1 unknown; the file ends early' where id = ?", id)
	before := b.image(id)
	is := b.correct(faces.Statement{FaceID: before.Faces[1].ID, PersonID: b.personID("anna")})
	b.equal("only the confirmed face", shows(is.Image), "uncertain, anna, image of anna")
	b.equal("who is in it", faces.Describe(is.Image), "anna?, anna; the file ends early")
	b.equal("the column", b.count("select count(*) from images where detail = 'the file ends early'"), 1)
	both := b.correct(faces.Statement{FaceID: before.Faces[0].ID, PersonID: b.personID("anna")})
	b.equal("two confirmed faces", shows(both.Image), "anna, anna, image of anna")
	for _, c := range []store.Corrected{both, is} {
		_, err := b.store.UndoCorrection(b.Context(), c.Correction.ID, "")
		b.must(err)
	}
	b.equal("undone", asBefore(b.image(id)), asBefore(before))
}

func correctLongDescriptor(b *bench) {
	long := make(faces.Descriptor, 320)
	for i := range long {
		long[i] = float32(i)
	}
	id := b.add("/unknown_people/a.jpg")[0]
	b.finish(store.Result{Lease: b.claim(id)[0], Outcome: faces.Outcome{
		Reason: faces.UnknownPerson, Model: "m", Faces: []faces.Face{{Descriptor: long, Reason: faces.UnknownPerson, Model: "m", Box: faces.Box{Width: 9, Height: 9}}},
	}})
	b.correct(faces.Statement{FaceID: b.image(id).Faces[0].ID, Name: "anna"})
	b.equal("the face's", b.image(id).Faces[0].Descriptor, long)
	b.equal("the correction's", b.count("select length(descriptor) + length(descriptor_rest) from corrections"), 4*320)
}

func correctAtWork(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25})
	face := b.image(id).Faces[0].ID
	b.exec("update images set status = 0, reason = 'queued' where id = ?", id)
	lease := b.claim(id)[0]
	done := b.correct(faces.Statement{FaceID: face, Name: "bob"})
	b.equal("at work", done.Image.Status, faces.Processing)
	b.finish(store.Result{Lease: lease, Outcome: faces.Outcome{Reason: faces.NoFace}})
	_, err := b.store.CorrectFace(b.Context(), faces.Statement{FaceID: face, Name: "bob"})
	b.equal("a face that was there before", faces.ErrorCode(err), faces.CodeMissing)
	undone, err := b.store.UndoCorrection(b.Context(), done.Correction.ID, "")
	b.must(err)
	b.equal("undone without its face", undone.FaceID, int64(0))
}

func correctTogether(b *bench) {
	var found []int64
	for i := range 6 {
		id := b.answered(fmt.Sprintf("/unknown_people/%d.jpg", i), []any{"anna", 0.25})
		found = append(found, b.image(id).Faces[0].ID)
	}
	errs := make([]error, len(found))
	inParallel(len(found), func(i int) {
		_, errs[i] = b.store.CorrectFace(b.Context(), faces.Statement{FaceID: found[i], Name: "Cleo"})
	})
	b.must(errors.Join(errs...))
	b.equal("people", b.count("select count(*) from person where name = 'Cleo'"), 1)
	b.equal("corrections", b.count("select count(*) from corrections"), 6)
}

func correctGonePerson(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25})
	done := b.correct(faces.Statement{FaceID: b.image(id).Faces[0].ID, Name: "bob"})
	b.exec("delete from person where id = ?", done.Correction.Person.ID)
	said, err := b.store.Corrections(b.Context(), []int64{id})
	b.must(err)
	b.equal("said", said, []faces.Correction(nil))
}

func correctionsPending(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25})
	done := b.correct(faces.Statement{FaceID: b.image(id).Faces[0].ID, Name: "bob"})
	pending := func() []history.PendingCorrection {
		b.Helper()
		list, err := b.store.PendingCorrections(b.Context(), 10)
		b.must(err)
		return list
	}
	list := pending()
	b.equal("pending", len(list), 1)
	ids, err := b.store.CorrectedImages(b.Context())
	b.must(err)
	b.equal("corrected images", ids, []int64{id})

	b.clock.advance(time.Second)
	_, err = b.store.UndoCorrection(b.Context(), done.Correction.ID, "") // while a recognizer was asked
	b.must(err)
	b.must(b.store.SettleCorrections(b.Context(), list))
	list = pending()
	b.equal("pending again", len(list), 1)
	b.must(b.store.SettleCorrections(b.Context(), list))
	b.equal("settled", len(pending()), 0)

	// An answer that honours a correction may know too few people.
	done = b.correct(faces.Statement{FaceID: b.image(id).Faces[0].ID, PersonID: b.personID("anna"), Not: true})
	b.must(b.store.SettleCorrections(b.Context(), pending()))
	b.exec("update images set status = 0, reason = 'queued' where id = ?", id)
	b.clock.advance(time.Second)
	f := faces.Face{Box: done.Correction.Box, Reason: faces.UnknownPerson, Corrected: true, Model: "lite-1"}
	b.finish(store.Result{Lease: b.claim(id)[0], Outcome: faces.Outcome{Reason: faces.UnknownPerson, Faces: []faces.Face{f}}})
	b.equal("after another answer", len(pending()), 1)
}

// Rows of before a mend, or of an older program, may name people who are gone.
func decideWithoutGone(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25, "bob", 0.75}, []any{"bob", 0.25, "anna", 0.75})
	anna, bob := b.personID("anna"), b.personID("bob")
	var said []store.Corrected
	for _, f := range b.image(id).Faces {
		said = append(said, b.correct(faces.Statement{FaceID: f.ID, Name: "cleo"}))
	}
	b.exec("delete from person where id = ?", bob)
	b.exec("update faces set second_person_id = ?, second_distance = 0.75, second_image = 'image of bob'", bob)
	b.exec("update faces set best_person_id = ? where position = 1", bob)
	b.exec("update corrections set person_id = ? where id = ?", bob, said[1].Correction.ID)
	_, err := b.store.UndoCorrection(b.Context(), said[0].Correction.ID, "")
	b.must(err)
	b.equal("anna again", b.count("select count(*) from faces where best_person_id = ? and position = 0", anna), 1)
	b.equal("answers that name bob", b.count("select count(*) from faces where best_person_id = ? or second_person_id = ?", bob, bob), 0)
}
