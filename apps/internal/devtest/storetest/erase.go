package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/erasedsearch"
	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var eraseTests = []test{
	{"Erase and its steps leave nothing of a person, and all of the others", eraseLeavesNothing},
	{"The search finds what is left, wherever it is", searchFinds},
	{"Nothing is erased before the entry is durable", eraseRecordsFirst},
	{"A face at an erased place is never stored again", erasedPlaces},
	{"What was decided before an erasure names nobody after it", eraseInFlight},
	{"PlanErasure changes nothing, and says what goes", erasePlan},
	{"Erasing again is the same erasure", eraseAgain},
	{"An erasure is replayed on a database of before", eraseReplay},
	{"A replay hits nobody else who has the id", eraseReplayOther},
	{"An erasure deletes the images that show the person", eraseImages},
	{"An erasure is one program's, and another one's when that is silent", eraseLease},
	{"The folder of an erased person is passed over", eraseFolder},
	{"Erasures count until a search has found nothing", eraseNotVerified},
	{"Erasure replay erases people who were merged later", eraseReplayMerged},
	{"Erase after a known picture was taken away", eraseTakenAway},
	{"A replay leaves the notes of somebody else", eraseReplayNotes},
	{"Erasure forgets notes in pages", eraseNotesInPages},
	{"Erase thousands of pictures", eraseThousands},
	{"Erase refuses before the ledger", eraseTooLarge},
	{"Erasure forgets what an older program writes after it", eraseOlderProgram},
}

// erasedName must be nowhere in the end.
const erasedName = "Zoë Quux"

// everythingOfPerson has a person in all tables, and returns the id of the person and of
// the images that show them. What others have stays.
func (b *bench) everythingOfPerson() (person int64, images []int64) {
	b.Helper()
	b.sync(map[string]string{erasedName + "/1.jpg": erasedName, "bob/1.jpg": "bob"}, everything)
	person = b.personID(erasedName)
	b.enrol(person, faces.WrittenFolder+"/ab/"+strings.Repeat("ab", 32)+".jpg")
	b.exec("update person_images set sha256 = ? where image_name like ?", strings.Repeat("ab", 32), faces.WrittenFolder+"%")
	alias := b.newPerson("Zed Alias")
	shown := b.answered("/u/shown.jpg", []any{erasedName, 0.25, "bob", 0.3}, []any{"bob", 0.125})
	second := b.answered("/u/second.jpg", []any{"bob", 0.25, erasedName, 0.4})
	unsure := b.answered("/u/unsure.jpg", []any{erasedName, 0.3, "bob", 0.31})
	said := b.answered("/u/said.jpg", []any{"bob", 0.45})
	names := []string{"quux zoë.jpg", erasedName + " on a boat.png", "", ""}
	for i, id := range []int64{shown, second, unsure, said} {
		b.exec("update images set file_name = ? where id = ?", names[i], id)
	}
	b.exec("update faces set descriptor = 'of bobby' where best_person_id = ? and reason = 'identified'", b.personID("bob"))
	b.exec("update faces set descriptor = 'of alias' where image_id = ?", said)
	b.correct(faces.Statement{FaceID: b.image(said).Faces[0].ID, Name: "Zed Alias"})
	b.correct(faces.Statement{FaceID: b.image(shown).Faces[1].ID, PersonID: person, Not: true})
	b.correct(faces.Statement{FaceID: b.image(second).Faces[0].ID, Name: "dan", Not: true})
	b.correct(faces.Statement{FaceID: b.image(shown).Faces[1].ID, Name: "bob"})
	b.merge(person, alias)
	b.draw(faces.Drawing{ImageID: shown, Box: faces.Box{X: 500, Y: 400, Width: 60, Height: 60}, PersonID: person})
	b.rescans(false, shown)
	b.exec("insert into rescan_results (rescan_id, image_id, state, from_reason, from_person, to_reason, to_person, faces_before, faces_after, "+
		"people_found, people_lost, corrections_unplaced) values (?, ?, 'changed', 'no_face', -1, 'identified', 1, 0, 1, ?, '[]', 0)", b.aRescan(), said, fmt.Sprintf("[%d]", person))
	token, _ := b.leaseRematch("one", 0)
	b.must(b.store.Reflect(b.Context(), token, history.Basis{Fingerprint: "f"}, []faces.KnownPicture{
		{Image: erasedName + "/1.jpg", Content: strings.Repeat("cd", 16), Person: person}, {Image: "bob/1.jpg", Content: "c2", Person: b.personID("bob")},
	}, 0))
	change := b.toBob(second)
	change.Before.Faces = slices.Clone(change.Before.Faces)
	change.Before.Faces[0].BestPerson, change.Before.Faces[0].BestImage = person, erasedName+"/1.jpg"
	_, _, err := b.store.StepRematch(b.Context(), token, b.job(token, false), history.Step{Changes: []history.Change{change}, Seek: 1})
	b.must(err)
	b.exec("update rematches set detail = ?", "1 image changes: 1 unknown → "+erasedName)
	b.must(b.store.FreeRematch(b.Context(), token))
	b.end(b.begins("create", "h"), `{"id":1,"name":"`+erasedName+`"}`)
	b.end(b.begins("other", "h"), `{"id":2,"name":"bob"}`)
	_, err = b.store.ChangePerson(b.Context(), person, faces.AnyVersion, faces.ProfileChange{Name: ptr(erasedName + " Senior")})
	b.must(err)
	b.end(b.begins("rename", "h"), `{"name":"`+erasedName+` Senior"}`)
	return person, []int64{shown, unsure, said}
}

// erased erases a person, and does the job's steps that need no files.
func (b *bench) erased(person int64, images erasure.Policy) erasure.Entry {
	b.Helper()
	var entry erasure.Entry
	_, _, err := b.store.Erase(b.Context(), store.EraseRequest{ID: erasure.NewID(), Person: person, Version: faces.AnyVersion, Images: images},
		func(e erasure.Entry) error { entry = e; return nil })
	b.must(err)
	b.finishErasure(entry)
	return entry
}

// finishErasure does the steps twice, because a job that was killed begins again.
func (b *bench) finishErasure(e erasure.Entry) {
	b.Helper()
	l, ok, err := b.store.ClaimErasure(b.Context(), lease)
	b.must(err)
	b.equal("there is work", ok, true)
	for range 2 {
		_, _, err := b.store.SweepErasedPlaces(b.Context(), 0)
		b.must(err)
		for _, step := range []func(context.Context, erasure.Entry) (int, error){b.store.ForgetErasedMentions, b.store.ForgetErasedNotes, b.store.ForgetErasedAnswers, b.store.ForgetErasedTexts} {
			_, err := step(b.Context(), e)
			b.must(err)
		}
		list, err := b.store.SelectErasedImages(b.Context(), e, 100)
		b.must(err)
		if len(list) > 0 {
			_, err = b.store.DeleteImages(b.Context(), list)
			b.must(err)
		}
		b.must(b.store.Compact(b.Context()))
	}
	b.must(b.store.EndErasure(b.Context(), l, map[string]int{"notes": 1}))
}

// search searches the database, and empty volumes.
func (b *bench) search(entries ...erasure.Entry) []erasedsearch.Result {
	b.Helper()
	results, err := erasedsearch.Run(b.Context(), b.store, entries, erasedsearch.Options{KnownPeople: b.TempDir(), UnknownPeople: b.TempDir()})
	b.must(err)
	return results
}

// dump returns all values of all tables as texts, by place.
func (b *bench) dump() map[string][]string {
	b.Helper()
	values := map[string][]string{}
	tables, err := b.store.Tables(b.Context())
	b.must(err)
	for _, table := range tables {
		b.must(b.store.EachRow(b.Context(), table, func(r store.Row) error {
			for i, column := range r.Columns {
				switch v := r.Values[i].(type) {
				case []byte:
					values[table+"."+column] = append(values[table+"."+column], string(v))
				default:
					values[table+"."+column] = append(values[table+"."+column], fmt.Sprint(v))
				}
			}
			return nil
		}))
	}
	return values
}

func (b *bench) placesWith(texts ...string) (places []string) {
	for place, values := range b.dump() {
		for _, v := range values {
			if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(v), strings.ToLower(text)) }) {
				places = append(places, place)
				break
			}
		}
	}
	slices.Sort(places)
	return places
}

func eraseLeavesNothing(b *bench) {
	person, images := b.everythingOfPerson()
	var descriptors []string
	for _, id := range images {
		for _, f := range b.image(id).Faces {
			if f.Person != nil && f.Person.ID != b.personID("bob") && len(f.Descriptor) > 0 {
				descriptors = append(descriptors, string(f.Descriptor.Bytes()))
			}
		}
	}
	traces := append([]string{"Zoë", "Quux", "Alias", strings.Repeat("ab", 32), strings.Repeat("cd", 16)}, "\"best\":"+fmt.Sprint(person)+",")
	before := b.placesWith(traces...)
	for _, place := range []string{
		"person.name", "person_images.image_name", "person_images.sha256", "merges.merged_name", "person_folders.name", "faces.matched_image",
		"faces.second_image", "corrections.candidates", "rematch_changes.before_change", "rematch_known.image_name",
		"idempotency_keys.answer", "images.file_name",
	} {
		if !slices.Contains(before, place) {
			b.Errorf("nothing of the person is in %s before: this test would prove nothing", place)
		}
	}
	b.exec("create table about_people_tomorrow (person_id bigint primary key)")
	b.exec("insert into about_people_tomorrow values (?), (?)", person, b.personID("bob"))
	var changed []string
	var seen int64
	b.told(&seen)
	e := b.erased(person, erasure.Keep)
	changed = b.told(&seen)
	b.equal("left", b.placesWith(traces...), []string{})
	b.equal("found", b.search(e), []erasedsearch.Result{{ID: e.ID, Found: []string{}, Left: []string{}}})
	for _, column := range []string{"faces.descriptor", "corrections.descriptor"} {
		for _, value := range b.dump()[column] {
			if value != "" && slices.Contains(descriptors, value) {
				b.Errorf("%s has a descriptor of the person", column)
			}
		}
	}
	for _, column := range []string{"faces.best_person_id", "faces.second_person_id", "corrections.person_id", "images.person", "person.id", "rematch_changes.from_person", "rematch_known.person_id"} {
		if slices.Contains(b.dump()[column], fmt.Sprint(person)) {
			b.Errorf("%s has the person's id", column)
		}
	}
	if !slices.ContainsFunc(changed, func(line string) bool { return strings.Contains(line, "person.deleted") }) {
		b.Errorf("events: %v, want person.deleted", changed)
	}
	b.equal("a table of tomorrow", b.count("select count(*) from about_people_tomorrow where person_id = ?", b.personID("bob")), b.count("select count(*) from about_people_tomorrow"))
	shown := b.image(images[0])
	b.equal("the other face of the picture", shows(shown), "bob, image of bob")
	b.equal("an unsure picture has no face", shows(b.image(images[1])), "no_face")
	_, kept := b.begin("other", "h")
	b.equal("the answer of another request", string(kept.Answer), `{"id":2,"name":"bob"}`)
	_, kept = b.begin("create", "h")
	b.equal("the answer with the name", []any{kept.Status != 0, kept.Answer == nil}, []any{true, true})
	receipt, err := b.store.Erasure(b.Context(), e.ID)
	b.must(err)
	b.equal("receipt", []any{receipt.State, receipt.Kept, receipt.LeftFiles}, []any{erasure.Erased, []int64{images[0], images[2]}, 2})
	b.must(b.store.NoteErasureSearch(b.Context(), e.ID, nil))
	receipt, err = b.store.Erasure(b.Context(), e.ID)
	b.must(err)
	b.equal("verified", []any{receipt.State, receipt.VerifiedAt.IsZero()}, []any{erasure.Verified, false})
}

// Each place is tried alone: what one table has must be found without the others.
func searchFinds(b *bench) {
	person, images := b.everythingOfPerson()
	entry := erasure.Entry{}
	stop := errors.New("stop")
	_, _, err := b.store.Erase(b.Context(), store.EraseRequest{ID: erasure.NewID(), Person: person, Version: faces.AnyVersion, Images: erasure.Delete},
		func(e erasure.Entry) error { entry = e; return stop })
	if !errors.Is(err, stop) {
		b.Fatal(err)
	}
	found := strings.Join(b.search(entry)[0].Found, "\n")
	for _, place := range []string{
		"person.name, name", "person_images.image_name, name", "person_images.image_name, known picture", "person_images.sha256, hash", "person_images.person_id",
		"merges.merged_name, name", "merges.merged_id", "faces.best_person_id", "faces.second_person_id", "faces.descriptor, descriptor", "faces, face at an erased place",
		"corrections.person_id", "corrections.descriptor, descriptor", "corrections.candidates, id", "rematch_changes.before_change, id", "rematch_known.content_id, hash", "rematches.detail, name",
		"idempotency_keys.answer, name", "images.file_name, name", "images.person", fmt.Sprintf("images, image %d", images[0]),
	} {
		if !strings.Contains(found, place) {
			b.Errorf("not found: %s", place)
		}
	}
	if strings.Contains(found, "Zo") || strings.Contains(found, "quux") {
		b.Errorf("the search tells the name:\n%s", found)
	}
	e := b.erased(person, erasure.Delete)
	e.ID = entry.ID
	tables := map[string]string{ // a table of tomorrow, and columns of today
		"insert into settings (name, value) values ('x', 'about ZOË, quux')": "settings.value, name",
		"update api_keys set name = 'key of Zoë Quux'":                       "api_keys.name, name",
		"create table tomorrow (id bigint primary key, note text, d blob)":   "",
		"insert into tomorrow values (1, 'zoë-quux', '')":                    "tomorrow.note, name",
	}
	b.newKey("k", access.Read)
	for _, statement := range slices.Sorted(func(yield func(string) bool) {
		for s := range tables {
			if !yield(s) {
				return
			}
		}
	}) {
		b.exec(statement)
	}
	found = strings.Join(b.search(e)[0].Found, "\n")
	for _, place := range tables {
		if !strings.Contains(found, place) {
			b.Errorf("not found: %s in\n%s", place, found)
		}
	}
	// The name of somebody who is there is no trace.
	b.exec("delete from tomorrow")
	b.exec("delete from settings where name = 'x'")
	b.exec("update api_keys set name = 'Zoë Quux Brown'")
	b.newPerson("Zoë Quux Brown")
	b.equal("found", b.search(e)[0].Found, []string{})
	// Files.
	known, unknown := b.TempDir(), b.TempDir()
	for name, content := range map[string]string{
		faces.WrittenFolder + "/ab/" + strings.Repeat("ab", 32) + ".jpg": "x",
		erasedName + "/1.jpg":         "x",
		".rollcall/gallery-1/m/1.seg": "\xf0RCGD12345678" + string(bytes.Repeat([]byte{0xab}, 32)),
	} {
		b.must(os.MkdirAll(filepath.Join(known, filepath.Dir(name)), 0o700))
		b.must(os.WriteFile(filepath.Join(known, name), []byte(content), 0o600))
	}
	results, err := erasedsearch.Run(b.Context(), b.store, []erasure.Entry{e}, erasedsearch.Options{KnownPeople: known, UnknownPeople: unknown})
	b.must(err)
	b.equal("files found", results[0].Found, []string{"KNOWN_PEOPLE/_rollcall, known picture: 1"})
	b.equal("files left", results[0].Left, []string{"KNOWN_PEOPLE, cache of descriptors: 1", "KNOWN_PEOPLE, files of others: 1"})
	b.must(os.RemoveAll(filepath.Join(known, erasedName)))
	results, err = erasedsearch.Run(b.Context(), b.store, []erasure.Entry{e}, erasedsearch.Options{KnownPeople: known, UnknownPeople: unknown})
	b.must(err)
	b.equal("files found", results[0].Found, []string{"KNOWN_PEOPLE, cache of descriptors: 1", "KNOWN_PEOPLE/_rollcall, known picture: 1"})
}

func eraseRecordsFirst(b *bench) {
	person, images := b.everythingOfPerson()
	before := b.dump()
	full := errors.New("the volume is full")
	_, _, err := b.store.Erase(b.Context(), store.EraseRequest{ID: erasure.NewID(), Person: person, Version: faces.AnyVersion, Images: erasure.Keep},
		func(e erasure.Entry) error {
			b.equal("pictures of the entry", len(e.Pictures), len(images))
			return full
		})
	if !errors.Is(err, full) {
		b.Errorf("error %v, want that of the ledger", err)
	}
	b.equal("the database", b.dump(), before)
	_, _, err = b.store.Erase(b.Context(), store.EraseRequest{ID: erasure.NewID(), Person: person, Version: 1 << 40, Images: erasure.Keep},
		func(erasure.Entry) error { b.Error("an entry of a stale request was recorded"); return nil })
	b.code("another version", err, faces.CodeStale)
}

func erasedPlaces(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25}, []any{"bob", 0.125})
	content := strings.Repeat("12", 32)
	b.exec("update images set file_sha256 = ? where id = ?", content, id)
	b.erased(b.personID("anna"), erasure.Keep)
	box := func(x int) faces.Box { return faces.Box{X: x, Y: 3, Width: 84, Height: 80} }
	look := func(id int64, sha string) faces.Image {
		b.Helper()
		out := faces.Outcome{Reason: faces.UnknownPerson, Width: 800, Height: 600, Model: newModel.ID}
		for _, x := range []int{2, 104} {
			out.Faces = append(out.Faces, faces.Face{Box: box(x), Descriptor: faces.Descriptor{7}, Reason: faces.UnknownPerson, Model: newModel.ID})
		}
		c := b.tryClaim(id)
		if len(c.Claimed) != 1 {
			b.Fatalf("not claimed: %+v", c)
		}
		b.finish(store.Result{Lease: c.Claimed[0].Lease, Outcome: out, File: faces.File{Size: 1, SHA256: sha}})
		return b.image(id)
	}
	b.rescans(false, id)
	left := []faces.Box{box(104)}
	b.equal("after a rescan", faces.Boxes(look(id, content).Faces), left)
	b.delete(id)
	again := b.add("/u/a.jpg")[0]
	b.equal("posted again, with another content", faces.Boxes(look(again, strings.Repeat("34", 32)).Faces), left)
	b.equal("a copy", faces.Boxes(look(b.add("/u/copy.jpg")[0], content).Faces), left)
	b.equal("another picture", len(look(b.add("/u/other.jpg")[0], strings.Repeat("56", 32)).Faces), 2)
	_, err := b.store.DrawFace(b.Context(), faces.Drawing{ImageID: again, Box: box(0)})
	b.code("drawn at the place", err, faces.CodeConflict)
	b.draw(faces.Drawing{ImageID: again, Box: faces.Box{X: 400, Y: 300, Width: 50, Height: 50}})
}

func eraseInFlight(b *bench) {
	b.answered("/u/a.jpg", []any{"anna", 0.25}, []any{"bob", 0.125})
	anna := b.personID("anna")
	held := b.claim(b.add("/u/work.jpg")[0])
	out := b.seenBy(newModel, "anna", "bob")
	stranger := b.answered("/u/stranger.jpg", []any{"bob", 0.75})
	token, _ := b.leaseRematch("one", 0)
	job := b.job(token, true)
	change := b.toBob(stranger)
	change.After.Faces = slices.Clone(change.After.Faces)
	change.After.Faces[0].BestPerson, change.After.Person = anna, anna
	b.erased(anna, erasure.Keep)
	b.finish(store.Result{Lease: held[0], Outcome: out})
	b.equal("the image that was processed", shows(b.image(held[0].ImageID)), "unknown_person, bob, image of bob")
	_, skipped, err := b.store.StepRematch(b.Context(), token, job, history.Step{Changes: []history.Change{change}, Seek: 1})
	b.must(err)
	b.equal("a change of a re-match", skipped, []int64{stranger})
	b.equal("ids left", b.count("select count(*) from faces where best_person_id = ? or second_person_id = ?", anna, anna), 0)
}

func erasePlan(b *bench) {
	person, images := b.everythingOfPerson()
	before := b.dump()
	request := store.EraseRequest{Person: person, Version: faces.AnyVersion, Images: erasure.Keep}
	plan, err := b.store.PlanErasure(b.Context(), request)
	b.must(err)
	b.equal("the database", b.dump(), before)
	b.equal("kept", plan.Kept, []int64{images[0], images[2]})
	b.equal("left", plan.LeftFiles, []string{erasedName + "/1.jpg", erasedName + ".jpg"})
	b.equal("counts", []int{plan.Counts["faces"], plan.Counts["known_pictures"], plan.Counts["known_files"], plan.Counts["images"]}, []int{4, 3, 1, 0})
	request.Images = erasure.Delete
	plan, err = b.store.PlanErasure(b.Context(), request)
	b.must(err)
	b.equal("images that go", []int{plan.Counts["images"], len(plan.Kept)}, []int{2, 0})
	request.Person = 1 << 40
	_, err = b.store.PlanErasure(b.Context(), request)
	b.code("nobody", err, faces.CodeMissing)
}

func eraseAgain(b *bench) {
	b.answered("/u/a.jpg", []any{"anna", 0.25})
	anna := b.personID("anna")
	e := b.erased(anna, erasure.Keep)
	again, left, err := b.store.Erase(b.Context(), store.EraseRequest{ID: erasure.NewID(), Person: anna, Version: faces.AnyVersion, Images: erasure.Keep},
		func(erasure.Entry) error { b.Error("an entry was recorded again"); return nil })
	b.must(err)
	b.equal("the same", []any{again.ID, len(left)}, []any{e.ID, 0})
	list, err := b.store.Erasures(b.Context(), "", 10)
	b.must(err)
	b.equal("list", len(list), 1)
	list, err = b.store.Erasures(b.Context(), e.ID, 10)
	b.must(err)
	b.equal("after it", len(list), 0)
	_, err = b.store.Erasure(b.Context(), erasure.NewID())
	b.code("another id", err, faces.CodeMissing)
}

func eraseImages(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25}, []any{"bob", 0.125})
	unsure := b.answered("/u/unsure.jpg", []any{"anna", 0.3, "bob", 0.31})
	b.erased(b.personID("anna"), erasure.Delete)
	_, err := b.store.Image(b.Context(), id)
	b.code("an image that shows the person", err, faces.CodeMissing)
	b.equal("an image that may", shows(b.image(unsure)), "no_face")
}
