package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Erasures that are replayed after a restore, and large ones.

// before brings the rows of an erasure's people back, as restoring a backup does.
func (b *bench) restored(person int64, name string) {
	b.Helper()
	for _, table := range []string{"erasures", "erased_marks", "erased_places"} {
		b.exec("delete from " + table)
	}
	b.exec("insert into person (id, name) values (?, ?)", person, name)
}

func eraseReplay(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25}, []any{"bob", 0.125})
	anna := b.personID("anna")
	e := b.erased(anna, erasure.Keep)
	b.restored(anna, "anna")
	b.enrol(anna, "anna.jpg")
	b.exec("update faces set best_person_id = ?, matched_image = 'anna.jpg' where image_id = ?", anna, id)
	restored := b.answered("/u/b.jpg", []any{"anna", 0.25})
	known, err := b.store.ReplayErasure(b.Context(), e)
	b.must(err)
	b.equal("known", known, false)
	b.finishErasure(e)
	b.equal("people", b.count("select count(*) from person where name = 'anna'"), 0)
	b.equal("an image that the entry did not know", shows(b.image(restored)), "no_face")
	entries, _, err := b.store.ErasureEntries(b.Context(), 0)
	b.must(err)
	b.equal("found", b.search(entries...)[0].Found, []string{})
	known, err = b.store.ReplayErasure(b.Context(), e)
	b.must(err)
	b.equal("known the second time", known, true)
}

// A program of an older release decides by what it read before the erasure, and does not
// ask who is gone.
func eraseOlderProgram(b *bench) {
	best := b.answered("/u/best.jpg", []any{"anna", 0.25})
	second := b.answered("/u/second.jpg", []any{"bob", 0.25}, []any{"bob", 0.125})
	b.correct(faces.Statement{FaceID: b.image(second).Faces[1].ID, Name: "carla"})
	anna := b.personID("anna")
	b.exec("update faces set descriptor = 'of bobby' where image_id = ?", second)
	e := b.erased(anna, erasure.Keep)
	id := b.answered("/u/again.jpg", []any{"bob", 0.25})
	b.exec("update faces set descriptor = 'of bobby' where image_id = ?", id)
	b.exec("update faces set best_person_id = ?, best_distance = 0.25, reason = 'identified', matched_image = 'anna.jpg' where image_id = ?", anna, id)
	b.exec("update images set person = ? where id = ?", anna, id)
	b.exec("update faces set second_person_id = ?, second_distance = 0.5, second_image = 'anna.jpg' where image_id = ?", anna, second)
	b.exec("update corrections set candidates = ?", fmt.Sprintf(`[{"person":%d,"image":"anna.jpg","distance":0.25}]`, anna))
	b.equal("it is found", len(b.search(e)[0].Found) > 0, true)
	b.must(b.store.NoteErasureSearch(b.Context(), e.ID, []string{"faces.best_person_id"}))
	b.finishErasure(e)
	b.equal("found", b.search(e)[0].Found, []string{})
	b.equal("the image that named them", shows(b.image(id)), "unknown_person, unknown_person")
	b.equal("the best of another face", b.image(second).Faces[0].Person != nil, true)
	b.equal("the image of before", shows(b.image(best)), "no_face")

	b.exec("insert into person (id, name) values (?, 'Mallory')", anna)
	b.exec("update faces set best_person_id = ?, reason = 'identified' where image_id = ?", anna, id)
	n, err := b.store.ForgetErasedMentions(b.Context(), e)
	b.must(err)
	b.equal("people who had the id", n, 0)
	b.equal("faces of who has the id", b.count("select count(*) from faces where best_person_id = ?", anna), 1)
}

func eraseReplayOther(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25}, []any{"bob", 0.125})
	anna := b.personID("anna")
	e := b.erased(anna, erasure.Delete)
	b.restored(anna, "Mallory")
	b.exec("insert into images (id, path) values (?, '/u/of somebody else.jpg')", id)
	_, err := b.store.ReplayErasure(b.Context(), e)
	b.must(err)
	b.finishErasure(e)
	b.equal("the person who has the id", b.profile(anna).Name, "Mallory")
	b.equal("the image that has the id", b.image(id).Path, "/u/of somebody else.jpg")
	b.equal("found", b.search(e)[0].Found, []string{})
}

// A backup of before a merge has the people apart: the replay must find each of them.
func eraseReplayMerged(b *bench) {
	for _, c := range []struct {
		name         string
		into, merged string
		other        string // has the id of the merged person in the backup
	}{
		{name: "the merged person has the higher id", into: "anna", merged: "annie"},
		{name: "the merged person has the lower id", into: "zoe", merged: "zed"},
		{name: "somebody else has the id of the merged person", into: "mia", merged: "mimi", other: "Mallory"},
	} {
		first, second := c.into, c.merged
		if c.name == "the merged person has the lower id" {
			first, second = second, first
		}
		b.newPerson(first)
		b.newPerson(second)
		into, merged := b.personID(c.into), b.personID(c.merged)
		b.merge(into, merged)
		e := b.erased(into, erasure.Keep)
		b.equal(c.name+": merged", e.Merged, []int64{merged})
		b.restored(into, c.into)
		back := cmp.Or(c.other, c.merged)
		b.exec("insert into person (id, name) values (?, ?)", merged, back)
		shown := b.answered("/u/"+c.into+".jpg", []any{back, 0.25})
		_, err := b.store.ReplayErasure(b.Context(), e)
		b.must(err)
		b.finishErasure(e)
		b.equal(c.name+": people", b.count("select count(*) from person where id in (?, ?)", into, merged), len(c.other)/max(1, len(c.other)))
		if c.other != "" {
			b.equal(c.name, shows(b.image(shown)), "Mallory, image of Mallory")
			continue
		}
		b.equal(c.name, shows(b.image(shown)), "no_face")
		entries, _, err := b.store.ErasureEntries(b.Context(), 0)
		b.must(err)
		b.equal(c.name+": found", b.search(entries...)[0].Found, []string{})
	}
}

// After a restore somebody else may have the id of the person, or of one merged into them.
func eraseReplayNotes(b *bench) {
	anna, annie := b.newPerson("anna"), b.newPerson("annie")
	b.merge(anna, annie)
	e := b.erased(anna, erasure.Keep)
	for _, c := range []struct {
		name        string
		anna, annie string // who has the ids
		left        int
	}{
		{"others have both ids", "Mallory", "Trent", 2},
		{"somebody else has one id", "Mallory", "", 1},
		{"nobody has the ids", "", "", 0},
	} {
		b.exec("delete from erasures")
		b.exec("delete from person")
		b.exec("delete from rescan_results")
		for i, id := range []int64{anna, annie} {
			if name := []string{c.anna, c.annie}[i]; name != "" {
				b.exec("insert into person (id, name) values (?, ?)", id, name)
			}
			b.exec("insert into rescan_results (rescan_id, image_id, state, from_reason, from_person, to_reason, to_person, faces_before, faces_after, "+
				"people_found, people_lost, corrections_unplaced) values (?, 1, 'changed', 'no_face', -1, 'identified', ?, 0, 1, '[]', '[]', 0)", i+1, id)
		}
		_, err := b.store.ReplayErasure(b.Context(), e)
		b.must(err)
		b.finishErasure(e)
		b.equal(c.name, b.count("select count(*) from rescan_results"), c.left)
		b.equal(c.name+": found", b.search(e)[0].Found, []string{})
	}
}

// More notes than one statement looks at, in several jobs.
func eraseNotesInPages(b *bench) {
	anna, bob := b.newPerson("anna"), b.newPerson("bob")
	e := b.erased(anna, erasure.Keep)
	const images = 800
	for job := range 3 {
		for _, insert := range []string{
			"insert into rescan_results (rescan_id, image_id, state, from_reason, from_person, to_reason, to_person, faces_before, faces_after, " +
				"people_found, people_lost, corrections_unplaced) values ",
			"insert into rematch_changes (rematch_id, image_id, state, visible, from_reason, from_person, to_reason, to_person, before_change, after_change) values ",
		} {
			var rows []string
			for image := 1; image <= images; image++ {
				who := anna
				if image%2 == 0 {
					who = bob
				}
				row := fmt.Sprintf("(%d, %d, 'changed', 'no_face', -1, 'identified', %d, 0, 1, '[]', '[]', 0)", job, image, who)
				if strings.Contains(insert, "rematch") {
					row = fmt.Sprintf("(%d, %d, 'planned', 1, 'no_face', -1, 'identified', -1, '{}', '{\"best\":%d,\"x\":0}')", job, image, who)
				}
				rows = append(rows, row)
			}
			b.exec(insert + strings.Join(rows, ", "))
		}
	}
	n, err := b.store.ForgetErasedNotes(b.Context(), e)
	b.must(err)
	b.equal("notes that went", n, 2*3*images/2)
	for _, table := range []string{"rescan_results", "rematch_changes"} {
		b.equal(table+" left", b.count("select count(*) from "+table), 3*images/2)
		b.equal(table+" left of others", b.count("select count(*) from "+table+" where image_id % 2 = 0"), 3*images/2)
	}
}

// Somebody is in many pictures, each with somebody else.
func eraseThousands(b *bench) {
	first := b.answered("/u/0.jpg", []any{"anna", 0.25}, []any{"bob", 0.125})
	anna := b.personID("anna")
	const more = 1200
	columns := func(table string, without ...string) string {
		var names []string
		b.must(b.store.EachRow(b.Context(), table, func(r store.Row) error {
			names = slices.Clone(r.Columns)
			return nil
		}))
		return strings.Join(slices.DeleteFunc(names, func(n string) bool { return slices.Contains(without, n) }), ", ")
	}
	numbers := func(n int) string {
		list := "(select 0 as i"
		for i := 1; i < n; i++ {
			list += fmt.Sprintf(" union all select %d", i)
		}
		return list + ")"
	}
	images, found := columns("images", "id", "path"), columns("faces", "id", "image_id")
	from := ", " + numbers(40) + " a, " + numbers(30) + " b"
	b.exec("insert into images (id, path, "+images+") select images.id + 1 + 30 * a.i + b.i, replace(path, '0', 1 + 30 * a.i + b.i), "+images+" from images"+from+" where images.id = ?", first)
	b.exec("insert into faces (image_id, "+found+") select image_id + 1 + 30 * a.i + b.i, "+found+" from faces"+from+" where image_id = ?", first)
	e := b.erased(anna, erasure.Keep)
	b.equal("pictures", len(e.Pictures), more+1)
	b.equal("faces left", b.count("select count(*) from faces"), more+1)
	for _, id := range []int64{first, first + 1, first + 200, first + more} {
		b.equal(fmt.Sprintf("image %d", id-first), shows(b.image(id)), "bob, image of bob")
	}
}

func eraseTooLarge(b *bench) {
	person, images := b.everythingOfPerson()
	before := b.dump()
	request := store.EraseRequest{ID: erasure.NewID(), Person: person, Version: faces.AnyVersion, Images: erasure.Keep, MaxEntry: 1000}
	_, _, err := b.store.Erase(b.Context(), request, func(erasure.Entry) error {
		b.Error("an entry was recorded that cannot be replayed")
		return nil
	})
	b.code("too large", err, faces.CodeConflict)
	if err == nil || !strings.Contains(err.Error(), "more than 1000") || !strings.Contains(err.Error(), fmt.Sprintf("%d images", len(images))) {
		b.Errorf("the error does not say what to do: %v", err)
	}
	b.equal("the database", b.dump(), before)
	request.MaxEntry = 0
	_, _, err = b.store.Erase(b.Context(), request, func(erasure.Entry) error { return nil })
	b.must(err)
}
