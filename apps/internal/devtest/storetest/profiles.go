package storetest

import (
	"fmt"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var profileTests = []test{
	{"AddPerson refuses a name that somebody has", addPerson},
	{"AddPerson by several at once adds one person", addPersonTogether},
	{"Profiles are listed in pages and by name", listProfiles},
	{"ChangePerson renames, hides and chooses a cover", changePerson},
	{"ChangePerson of a stale version changes nothing", changeStale},
	{"Known pictures are added, listed and removed", knownPictures},
	{"MergePeople moves everything, and UndoMerge brings it back", mergePeople},
	{"MergePeople with an error changes nothing", mergeAllOrNothing},
	{"MergePeople can keep the other name", mergeKeepsName},
	{"UndoMerge when a name is taken", undoMergeNameTaken},
	{"UndoMerge takes back only what is still there", undoMergeWhatIsLeft},
	{"UndoMerge takes a third name back", undoMergeThirdName},
	{"A known picture is one person's, whoever asks at once", knownPictureTogether},
	{"DeletePerson leaves no answer that names them", deletePerson},
	{"Folders of changed people make no new people", foldersFollow},
	{"A person with ten thousand known pictures", manyKnownPictures},
	{"PeopleNeeds and PeopleCards say what people need", peopleNeeds},
	{"FacesOfPerson has the farthest first, with the versions of images", facesOfPerson},
	{"WasNamed knows former names", formerNames},
}

func (b *bench) profile(id int64) faces.Profile {
	b.Helper()
	p, err := b.store.Profile(b.Context(), id)
	b.must(err)
	return p
}

func (b *bench) newPerson(name string) int64 {
	b.Helper()
	p, err := b.store.AddPerson(b.Context(), name)
	b.must(err)
	return p.ID
}

func (b *bench) enrol(person int64, names ...string) (ids []int64) {
	b.Helper()
	for _, name := range names {
		e, added, err := b.store.AddKnownPicture(b.Context(), faces.Enrolled{
			KnownImage: faces.KnownImage{Name: name, PersonID: person}, Source: faces.SourceUpload, SHA256: "ab",
		})
		b.must(err)
		b.equal(name+" added", added, true)
		ids = append(ids, e.ID)
	}
	return ids
}

// code checks the code of an error.
func (b *bench) code(what string, err error, want faces.Code) {
	b.Helper()
	if faces.ErrorCode(err) != want {
		b.Errorf("%s: error %v, want the code %s", what, err, want)
	}
}

func addPerson(b *bench) {
	p, err := b.store.AddPerson(b.Context(), "  Jose\u0301 O'Connor ")
	b.must(err)
	b.equal("added", p, faces.Profile{Person: faces.Person{ID: p.ID, Name: "Jos\u00e9 O'Connor"}})
	for name, want := range map[string]faces.Code{
		"Jos\u00e9 O'Connor": faces.CodeConflict, "JOS\u00c9 o'connor": faces.CodeConflict, " ": faces.CodeInvalid, "\xff": faces.CodeInvalid, "": faces.CodeInvalid,
	} {
		_, err := b.store.AddPerson(b.Context(), name)
		b.code(fmt.Sprintf("%q", name), err, want)
	}
	_, err = b.store.Profile(b.Context(), p.ID+1)
	b.code("nobody", err, faces.CodeMissing)
}

func addPersonTogether(b *bench) {
	errs := make([]error, 6)
	inParallel(len(errs), func(i int) { _, errs[i] = b.store.AddPerson(b.Context(), "Ada") })
	conflicts := 0
	for _, err := range errs {
		if faces.ErrorCode(err) == faces.CodeConflict {
			conflicts++
		} else {
			b.must(err)
		}
	}
	b.equal("conflicts", conflicts, len(errs)-1)
	b.equal("people", b.count("select count(*) from person"), 1)
}

func listProfiles(b *bench) {
	ada, bob, zoe := b.newPerson("Ada"), b.newPerson("Bob 100%"), b.newPerson("Zo\u00eb")
	hidden := true
	_, err := b.store.ChangePerson(b.Context(), bob, faces.AnyVersion, faces.ProfileChange{Hidden: &hidden})
	b.must(err)
	for _, c := range []struct {
		name   string
		filter store.PeopleFilter
		want   []int64
	}{
		{"visible", store.PeopleFilter{}, []int64{ada, zoe}},
		{"hidden", store.PeopleFilter{Hidden: &hidden}, []int64{bob}},
		{"all", store.PeopleFilter{All: true}, []int64{ada, bob, zoe}},
		{"a page", store.PeopleFilter{All: true, Limit: 2}, []int64{ada, bob}},
		{"the next page", store.PeopleFilter{All: true, Limit: 2, After: bob}, []int64{zoe}},
		{"part of a name", store.PeopleFilter{All: true, Query: "O"}, []int64{bob, zoe}},
		{"not a wildcard", store.PeopleFilter{All: true, Query: "%"}, []int64{bob}},
		{"a name", store.PeopleFilter{Name: "Zoe\u0308"}, []int64{zoe}},
		{"a part is no name", store.PeopleFilter{Name: "Zo"}, nil},
	} {
		list, err := b.store.Profiles(b.Context(), c.filter)
		b.must(err)
		var got []int64
		for _, p := range list {
			got = append(got, p.ID)
		}
		b.equal(c.name, got, c.want)
	}
}

func changePerson(b *bench) {
	ada, bob := b.newPerson("Ada"), b.newPerson("Bob")
	pictures := b.enrol(ada, "1.jpg", "2.jpg")
	b.equal("cover", b.profile(ada).Cover, pictures[0])
	name, hidden, version := "Ada Lovelace", true, b.profile(ada).Version
	p, err := b.store.ChangePerson(b.Context(), ada, version, faces.ProfileChange{Name: &name, Hidden: &hidden, Cover: &pictures[1]})
	b.must(err)
	want := faces.Profile{Person: faces.Person{ID: ada, Name: name}, Hidden: true, Version: version + 1, KnownPictures: 2, Cover: pictures[1]}
	b.equal("changed", p, want)
	p, err = b.store.ChangePerson(b.Context(), ada, version+1, faces.ProfileChange{Name: &name})
	b.must(err)
	b.equal("no change, no new version", p, want)
	for what, change := range map[string]faces.ProfileChange{
		"Bob's name": {Name: ptr("Bob")}, "Bob's name in capitals": {Name: ptr("BOB")},
	} {
		_, err = b.store.ChangePerson(b.Context(), ada, faces.AnyVersion, change)
		b.code(what, err, faces.CodeConflict)
	}
	_, err = b.store.ChangePerson(b.Context(), ada, faces.AnyVersion, faces.ProfileChange{Name: ptr("ada lovelace")})
	b.must(err) // one's own name in another spelling
	_, err = b.store.ChangePerson(b.Context(), bob, faces.AnyVersion, faces.ProfileChange{Cover: &pictures[0]})
	b.code("a cover of somebody else", err, faces.CodeInvalid)
	_, err = b.store.DeleteKnownPicture(b.Context(), ada, pictures[1])
	b.must(err)
	b.equal("the cover is gone", b.profile(ada).Cover, pictures[0])
}

func ptr[T any](v T) *T { return &v }

func changeStale(b *bench) {
	ada, bob := b.newPerson("Ada"), b.newPerson("Bob")
	seen := b.profile(ada).Version
	_, err := b.store.ChangePerson(b.Context(), ada, seen, faces.ProfileChange{Name: ptr("Augusta")})
	b.must(err)
	_, err = b.store.ChangePerson(b.Context(), ada, seen, faces.ProfileChange{Name: ptr("Ada King")})
	b.code("rename", err, faces.CodeStale)
	_, err = b.store.DeletePerson(b.Context(), ada, seen)
	b.code("delete", err, faces.CodeStale)
	for what, r := range map[string]store.MergeRequest{
		"a stale person who stays": {Person: ada, PersonVersion: seen, Merged: bob, MergedVersion: faces.AnyVersion},
		"a stale person who goes":  {Person: bob, PersonVersion: faces.AnyVersion, Merged: ada, MergedVersion: seen},
	} {
		_, _, err = b.store.MergePeople(b.Context(), r)
		b.code(what, err, faces.CodeStale)
	}
	b.equal("people", []string{b.profile(ada).Name, b.profile(bob).Name}, []string{"Augusta", "Bob"})
}

func knownPictures(b *bench) {
	ada, bob := b.newPerson("Ada"), b.newPerson("Bob")
	id := b.enrol(ada, "1.jpg")[0]
	again := faces.Enrolled{KnownImage: faces.KnownImage{Name: "1.jpg", PersonID: ada}, Source: faces.SourceUpload}
	same, added, err := b.store.AddKnownPicture(b.Context(), again)
	b.must(err)
	b.equal("again", []any{same.ID, added}, []any{id, false})
	again.PersonID = bob
	_, _, err = b.store.AddKnownPicture(b.Context(), again)
	b.code("of somebody else", err, faces.CodeConflict)
	again.PersonID = 99
	_, _, err = b.store.AddKnownPicture(b.Context(), again)
	b.code("of nobody", err, faces.CodeMissing)

	list, err := b.store.KnownPictures(b.Context(), ada, 0, 10)
	b.must(err)
	b.equal("list", list, []faces.Enrolled{{
		KnownImage: faces.KnownImage{ID: id, Name: "1.jpg", PersonID: ada}, Source: faces.SourceUpload, SHA256: "ab", AddedAt: b.clock.Now(), PublicID: same.PublicID,
	}})
	_, err = b.store.KnownPictures(b.Context(), 99, 0, 10)
	b.code("list of nobody", err, faces.CodeMissing)
	_, err = b.store.DeleteKnownPicture(b.Context(), bob, id)
	b.code("delete one of somebody else", err, faces.CodeMissing)
	gone, err := b.store.DeleteKnownPicture(b.Context(), ada, id)
	b.must(err)
	b.equal("gone", gone.Name, "1.jpg")
	b.equal("rows", b.count("select count(*) from person_images"), 0)
}

// merge merges whoever they are now.
func (b *bench) merge(stays, goes int64) faces.Merge {
	b.Helper()
	m, _, err := b.store.MergePeople(b.Context(), store.MergeRequest{
		Person: stays, PersonVersion: faces.AnyVersion, Merged: goes, MergedVersion: faces.AnyVersion,
	})
	b.must(err)
	return m
}

func mergePeople(b *bench) {
	image := b.answered("/u/1.jpg", []any{"anna", 0.25, "bob", 0.4375})
	other := b.answered("/u/2.jpg", []any{"bob", 0.25, "anna", 0.4375})
	third := b.answered("/u/3.jpg", []any{"cleo", 0.75})
	anna, bob := b.personID("anna"), b.personID("bob")
	picture := b.image(other).Faces[0].MatchedImage
	b.exec("insert into person_images (image_name, person_id) values (?, ?)", picture, bob)
	b.correct(faces.Statement{FaceID: b.image(third).Faces[0].ID, PersonID: bob})
	before := []string{shows(b.image(image)), shows(b.image(other)), shows(b.image(third))}

	m := b.merge(anna, bob)
	b.equal("merge", m, faces.Merge{
		ID: m.ID, Person: faces.Person{ID: anna, Name: "anna"}, Merged: faces.Person{ID: bob, Name: "bob"},
		Images: 2, KnownMoved: m.KnownMoved, CreatedAt: b.clock.Now(),
	})
	for _, id := range []int64{image, other, third} {
		img := b.image(id)
		b.equal(img.Path, shows(img), "anna, image of anna")
	}
	b.equal("faces whose second person is the first", b.count("select count(*) from faces where second_person_id = ?", anna), 0)
	b.equal("owner", b.owners(picture)[picture].ID, anna)
	_, err := b.store.Profile(b.Context(), bob)
	b.code("who went", err, faces.CodeMissing)
	list, err := b.store.Merges(b.Context(), anna)
	b.must(err)
	b.equal("merges", list, []faces.Merge{m})

	_, p, err := b.store.UndoMerge(b.Context(), m.ID)
	b.must(err)
	b.equal("back", p.Person, faces.Person{ID: bob, Name: "bob"})
	b.equal("owner", b.owners(picture)[picture].ID, bob)
	b.equal("answers that follow from pictures", []string{shows(b.image(image)), shows(b.image(other))}, before[:2])
	said, err := b.store.Corrections(b.Context(), []int64{third})
	b.must(err)
	b.equal("the correction", said[0].Person.ID, bob)
	pending, err := b.store.PendingCorrections(b.Context(), 10)
	b.must(err)
	b.equal("answers that follow from corrections are looked at again", pending[0].ImageID, third)
	_, _, err = b.store.UndoMerge(b.Context(), m.ID)
	b.code("undone twice", err, faces.CodeConflict)
	_, _, err = b.store.UndoMerge(b.Context(), 99)
	b.code("no such merge", err, faces.CodeMissing)
	_, _, err = b.store.MergePeople(b.Context(), store.MergeRequest{Person: anna, Merged: anna})
	b.code("with oneself", err, faces.CodeInvalid)
}

func mergeAllOrNothing(b *bench) {
	b.answered("/u/1.jpg", []any{"anna", 0.25})
	b.answered("/u/2.jpg", []any{"bob", 0.25})
	anna, bob := b.personID("anna"), b.personID("bob")
	for n := range int64(400) {
		ctx, cancel := newCountdown(b.Context(), n+1)
		_, _, err := b.store.MergePeople(ctx, store.MergeRequest{
			Person: anna, PersonVersion: faces.AnyVersion, Merged: bob, MergedVersion: faces.AnyVersion,
		})
		cancel()
		whole := b.count("select count(*) from faces where best_person_id = ?", bob) +
			b.count("select count(*) from images where person = ?", bob) + b.count("select count(*) from person where id = ?", bob)
		b.equal("merges", b.count("select count(*) from merges"), map[bool]int{true: 1, false: 0}[err == nil])
		b.equal("what is bob's", whole, map[bool]int{true: 0, false: 3}[err == nil])
		if err == nil {
			return
		}
	}
	b.Error("it never succeeded")
}

func mergeKeepsName(b *bench) {
	ada, lovelace := b.newPerson("Ada"), b.newPerson("Ada Lovelace")
	m, p, err := b.store.MergePeople(b.Context(), store.MergeRequest{
		Person: ada, PersonVersion: faces.AnyVersion, Merged: lovelace, MergedVersion: faces.AnyVersion, Name: "Ada Lovelace",
	})
	b.must(err)
	b.equal("name", p.Person, faces.Person{ID: ada, Name: "Ada Lovelace"})
	_, _, err = b.store.UndoMerge(b.Context(), m.ID)
	b.must(err)
	b.equal("names", []string{b.profile(ada).Name, b.profile(lovelace).Name}, []string{"Ada", "Ada Lovelace"})
}

func undoMergeNameTaken(b *bench) {
	m := b.merge(b.newPerson("Ada"), b.newPerson("Bob"))
	b.newPerson("Bob")
	_, _, err := b.store.UndoMerge(b.Context(), m.ID)
	b.code("taken", err, faces.CodeConflict)
	b.equal("people", b.count("select count(*) from person"), 2)
}

// A picture that was taken away and enrolled for somebody else meanwhile is theirs.
func undoMergeWhatIsLeft(b *bench) {
	ada, bob, cleo := b.newPerson("Ada"), b.newPerson("Bob"), b.newPerson("Cleo")
	b.exec("insert into person_images (image_name, person_id) values (?, ?)", "bob/1.jpg", bob)
	b.exec("insert into person_images (image_name, person_id) values (?, ?)", "bob/2.jpg", bob)
	m := b.merge(ada, bob)
	pictures, err := b.store.KnownPictures(b.Context(), ada, 0, 0)
	b.must(err)
	for _, p := range pictures {
		_, err := b.store.DeleteKnownPicture(b.Context(), ada, p.ID)
		b.must(err)
	}
	_, _, err = b.store.AddKnownPicture(b.Context(), faces.Enrolled{
		KnownImage: faces.KnownImage{Name: "bob/1.jpg", PersonID: cleo}, Source: faces.SourcePath,
	})
	b.must(err)
	version := b.profile(ada).Version
	_, p, err := b.store.UndoMerge(b.Context(), m.ID)
	b.must(err)
	b.equal("Bob's", p.KnownPictures, 0)
	b.equal("Cleo's", b.profile(cleo).KnownPictures, 1)
	if p.Version <= version {
		b.Errorf("a version that somebody may have seen: %d", p.Version)
	}
}

func undoMergeThirdName(b *bench) {
	ada, bob := b.newPerson("Ada"), b.newPerson("Bob")
	m, p, err := b.store.MergePeople(b.Context(), store.MergeRequest{
		Person: ada, PersonVersion: faces.AnyVersion, Merged: bob, MergedVersion: faces.AnyVersion, Name: "Carl",
	})
	b.must(err)
	b.equal("merged", p.Name, "Carl")
	taken := b.newPerson("Ada")
	_, _, err = b.store.UndoMerge(b.Context(), m.ID)
	b.code("her name is taken", err, faces.CodeConflict)
	_, err = b.store.DeletePerson(b.Context(), taken, faces.AnyVersion)
	b.must(err)
	_, _, err = b.store.UndoMerge(b.Context(), m.ID)
	b.must(err)
	b.equal("names", []string{b.profile(ada).Name, b.profile(bob).Name}, []string{"Ada", "Bob"})
}

func knownPictureTogether(b *bench) {
	people := []int64{b.newPerson("Ada"), b.newPerson("Bob"), b.newPerson("Cleo")}
	errs := make([]error, len(people))
	inParallel(len(people), func(i int) {
		_, _, errs[i] = b.store.AddKnownPicture(b.Context(), faces.Enrolled{
			KnownImage: faces.KnownImage{Name: "one.jpg", PersonID: people[i]}, Source: faces.SourceUpload,
		})
	})
	conflicts := 0
	for _, err := range errs {
		if faces.ErrorCode(err) == faces.CodeConflict {
			conflicts++
		} else {
			b.must(err)
		}
	}
	b.equal("conflicts", conflicts, len(people)-1)
	b.equal("rows", b.count("select count(*) from person_images"), 1)
}

func deletePerson(b *bench) {
	image := b.answered("/u/1.jpg", []any{"anna", 0.25, "bob", 0.4375}, []any{"bob", 0.25})
	alone := b.answered("/u/2.jpg", []any{"anna", 0.25})
	anna, bob := b.personID("anna"), b.personID("bob")
	b.correct(faces.Statement{FaceID: b.image(alone).Faces[0].ID, PersonID: anna})
	known := b.enrol(anna, "x.jpg")
	pictures, err := b.store.KnownPictures(b.Context(), anna, 0, 0)
	b.must(err)
	gone, err := b.store.DeletePerson(b.Context(), anna, b.profile(anna).Version)
	b.must(err)
	b.equal("gone", gone, store.Removed{Person: faces.Person{ID: anna, Name: "anna"}, Pictures: pictures, Images: 2})
	b.equal("known pictures", []int{len(known), b.count("select count(*) from person_images where person_id = ?", anna)}, []int{1, 0})
	b.equal("with somebody else", shows(b.image(image)), "unknown_person, bob, image of bob")
	b.equal("alone", shows(b.image(alone)), "unknown_person, unknown_person")
	b.equal("status", b.image(alone).Status, faces.Pending)
	for _, column := range []string{"best_person_id", "second_person_id"} {
		b.equal(column, b.count("select count(*) from faces where "+column+" = ?", anna), 0)
	}
	b.equal("corrections", b.count("select count(*) from corrections"), 0)
	_, err = b.store.DeletePerson(b.Context(), anna, faces.AnyVersion)
	b.code("deleted twice", err, faces.CodeMissing)
	b.equal("bob", b.profile(bob).Name, "bob")
}

// Standalone makes people of folders. What the API changed stays.
func foldersFollow(b *bench) {
	wanted := map[string]string{"Ada/1.jpg": "Ada", "Bob/1.jpg": "Bob", "Cleo/1.jpg": "Cleo", "Dan/1.jpg": "Dan"}
	b.sync(wanted, everything)
	ada, bob, cleo, dan := b.personID("Ada"), b.personID("Bob"), b.personID("Cleo"), b.personID("Dan")
	_, err := b.store.ChangePerson(b.Context(), ada, faces.AnyVersion, faces.ProfileChange{Name: ptr("Ada Lovelace")})
	b.must(err)
	m := b.merge(ada, bob)
	_, err = b.store.DeletePerson(b.Context(), cleo, faces.AnyVersion)
	b.must(err)
	pictures, err := b.store.KnownPictures(b.Context(), dan, 0, 0)
	b.must(err)
	_, err = b.store.DeleteKnownPicture(b.Context(), dan, pictures[0].ID)
	b.must(err)
	b.enrol(dan, faces.WrittenFolder+"/ab/1.jpg")

	b.equal("again", b.sync(wanted, everything), store.Enrolment{NamesGone: []string{"Cleo"}})
	want := map[string]string{"Ada/1.jpg": "Ada Lovelace", "Bob/1.jpg": "Ada Lovelace"}
	b.equal("known", b.known("Ada/1.jpg", "Bob/1.jpg", "Cleo/1.jpg", "Dan/1.jpg"), want)
	wanted["Ada/2.jpg"] = "Ada"
	b.equal("a new picture", b.sync(wanted, everything).ImagesAdded, []string{"Ada/2.jpg"})
	b.equal("people", b.count("select count(*) from person"), 2)
	_, _, err = b.store.UndoMerge(b.Context(), m.ID)
	b.must(err)
	b.sync(wanted, everything)
	b.equal("after undo", b.known("Bob/1.jpg"), map[string]string{"Bob/1.jpg": "Bob"})
	b.newPerson("Cleo")
	b.equal("Cleo again", b.sync(wanted, everything).ImagesAdded, []string{"Cleo/1.jpg"})
}

func manyKnownPictures(b *bench) {
	wanted := map[string]string{}
	for i := range 10_000 {
		wanted[fmt.Sprintf("Ada/%d.jpg", i)] = "Ada"
	}
	b.sync(wanted, everything)
	ada, bob := b.personID("Ada"), b.newPerson("Bob")
	b.equal("known pictures", b.profile(ada).KnownPictures, 10_000)
	start := time.Now()
	m := b.merge(bob, ada)
	_, _, err := b.store.UndoMerge(b.Context(), m.ID)
	b.must(err)
	b.equal("moved", []int{m.KnownMoved, b.profile(ada).KnownPictures, b.profile(bob).KnownPictures}, []int{10_000, 10_000, 0})
	b.Logf("merged and undone in %v", time.Since(start))
}
