package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var groupChangeTests = []test{
	{"Groups are listed by size, in pages", listGroups},
	{"Group has all of its faces, and knows who is beside them", readGroup},
	{"ChangeGroup names all faces at once, and undo takes all of it back", nameGroup},
	{"ChangeGroup is about some faces only, if they are named", namePartOfGroup},
	{"ChangeGroup dismisses faces", dismissGroup},
	{"ChangeGroup skips what was decided or replaced meanwhile", nameSkips},
	{"ChangeGroup refuses a statement about a group that has changed", refuseStaleGroup},
	{"ChangeGroup takes one of several statements about one version", changeOneVersion},
	{"ChangeGroup changes all of it or nothing", changeAllOrNothing},
	{"ChangeGroup and its undo take thousands of faces", changeManyFaces},
	{"A decision about one face takes it out of its group", leaveGroup},
	{"PlaceFaces and decisions keep the sizes of groups, whoever writes at once", sizesOfGroups},
	{"GroupChange tells what was said, and GroupOf where a face is", tellGroupChange},
	{"Undoing a name deletes the known pictures that it made", undoEnrolled},
	{"Undoing a name leaves the known pictures of others", undoLeavesPicturesOfOthers},
	{"Undoing a name leaves corrections of others alone", undoBesideOthers},
}

// unknown makes images with one face each, which nobody knows, and puts these into a
// group as the job does. It returns the ids of the images and of the faces.
func (b *bench) unknown(n int) (images, found []int64) {
	b.Helper()
	for i := range n {
		id := b.answered(fmt.Sprintf("/unknown_people/%d-%d.jpg", b.count("select count(*) from images"), i), []any{"anna", 0.75})
		images, found = append(images, id), append(found, b.image(id).Faces[0].ID)
	}
	b.place(found...)
	return images, found
}

// place puts faces into a group, as the job does.
func (b *bench) place(found ...int64) {
	b.Helper()
	b.placeIn(slices.Min(found), found...)
}

// placeIn puts faces, also such that do not exist, into the group of a key.
func (b *bench) placeIn(key int64, found ...int64) {
	b.Helper()
	for _, id := range found {
		b.exec("insert into face_groups (face_id, model, group_key) values (?, 'lite-1', ?)", id, key)
	}
	b.exec("delete from group_sizes where model = 'lite-1'")
	b.exec("insert into group_sizes (model, group_key, faces) select model, group_key, count(*) from face_groups where model = 'lite-1' group by model, group_key")
}

func (b *bench) group(key int64) store.FaceGroup {
	b.Helper()
	g, err := b.store.Group(b.Context(), "lite-1", key)
	b.must(err)
	return g
}

func (b *bench) changeGroup(say store.GroupStatement) store.ChangedGroup {
	b.Helper()
	say.Model = "lite-1"
	done, err := b.store.ChangeGroup(b.asked(), say)
	b.must(err)
	return done
}

func (b *bench) undoGroup(id int64) store.GroupChangeUndone {
	b.Helper()
	done, err := b.store.UndoGroupChange(b.asked(), id)
	b.must(err)
	return done
}

// inGroups counts the faces that are in groups, and compares the sizes of the groups
// with their faces.
func (b *bench) inGroups() int {
	b.Helper()
	wrong := b.count("select count(*) from group_sizes left join (select model, group_key, count(*) as n from face_groups group by model, group_key) as g " +
		"on g.model = group_sizes.model and g.group_key = group_sizes.group_key where g.n is null or g.n <> group_sizes.faces")
	n := b.count("select count(*) from face_groups")
	b.equal("the sizes of groups", []int{wrong, b.count("select coalesce(sum(faces), 0) from group_sizes")}, []int{0, n})
	return n
}

func listGroups(b *bench) {
	_, small := b.unknown(2)
	_, large := b.unknown(4)
	_, other := b.unknown(2)
	for i, id := range large {
		b.exec("update faces set quality_score = ? where id = ?", []float64{0.5, 0.9, 0.7, 0.9}[i], id)
	}
	b.exec("insert into face_groups (face_id, model, group_key) values (4711, 'other', 4711)")
	page := func(f store.GroupFilter) []store.GroupSummary {
		b.Helper()
		f.Model = "lite-1"
		if f.Limit == 0 {
			f.Limit = 10
		}
		list, next, err := b.store.Groups(b.Context(), f)
		b.must(err)
		b.equal("there is a next page", next != nil, f.Limit == 2)
		return list
	}
	keys := func(list []store.GroupSummary) (keys []int64) {
		for _, g := range list {
			keys = append(keys, g.Key)
		}
		return keys
	}
	all := page(store.GroupFilter{Samples: 3})
	b.equal("the largest first", keys(all), []int64{large[0], other[0], small[0]})
	var samples []int64
	for _, m := range all[0].Samples {
		samples = append(samples, m.FaceID)
		b.equal("the image of a sample", m.ImageID > 0, true)
	}
	b.equal("the best ones", samples, []int64{large[1], large[3], large[2]})
	b.equal("the version", []any{all[0].Faces, all[0].Version}, []any{4, b.group(large[0]).Version})
	b.equal("no samples", len(page(store.GroupFilter{})[0].Samples), 0)
	b.equal("large ones", keys(page(store.GroupFilter{MinFaces: 3})), []int64{large[0]})
	b.equal("a page", keys(page(store.GroupFilter{Limit: 2})), []int64{large[0], other[0]})
	b.equal("after the largest", keys(page(store.GroupFilter{After: store.GroupCursor{Faces: 4, Key: large[0]}})), []int64{other[0], small[0]})
	b.equal("among equals", keys(page(store.GroupFilter{After: store.GroupCursor{Faces: 2, Key: other[0]}, MinFaces: 2})), []int64{small[0]})
	b.equal("at the end", keys(page(store.GroupFilter{After: store.GroupCursor{Faces: 2, Key: small[0]}})), []int64(nil))

	state, err := b.store.GroupingOf(b.Context(), "lite-1")
	b.must(err)
	b.equal("no job yet", []any{state, state.IsComplete()}, []any{store.GroupingState{}, false})
	b.exec("insert into `grouping` (model, state, detail, distance, faces, total, started_at, updated_at) values ('lite-1', 'building', 'why', 0.5, 3, 8, ?, ?)", b.clock.Now(), b.clock.Now())
	state, err = b.store.GroupingOf(b.Context(), "lite-1")
	b.must(err)
	b.equal("the job", []any{state.Detail, state.Faces, state.Total, state.Distance, state.UpdatedAt.Equal(b.clock.Now()), state.IsComplete()}, []any{"why", int64(3), int64(8), 0.5, true, false})
}

func readGroup(b *bench) {
	images, found := b.unknown(2)
	withBob := b.answered("/unknown_people/both.jpg", []any{"anna", 0.75}, []any{"bob", 0.125})
	third := b.image(withBob).Faces[0].ID
	b.placeIn(found[0], third)
	b.placeIn(found[0], 4711) // of a face that is gone
	g := b.group(found[0])
	b.equal("its faces", g.Members, []store.GroupMember{
		{FaceID: found[0], ImageID: images[0]}, {FaceID: found[1], ImageID: images[1]}, {FaceID: third, ImageID: withBob}, {FaceID: 4711},
	})
	b.equal("images and version", []any{g.Images(), g.Version}, []any{3, groups.VersionOf([]int64{found[0], found[1], third, 4711})})

	cleo := b.newPerson("Cleo")
	b.correct(faces.Statement{FaceID: found[1], PersonID: cleo, Not: true})
	beside, err := b.store.PeopleBeside(b.Context(), g)
	b.must(err)
	b.equal("who it cannot be", beside, map[int64]bool{b.personID("bob"): true, cleo: true})
	_, err = b.store.Group(b.Context(), "lite-1", 99)
	b.equal("no such group", faces.ErrorCode(err), faces.CodeMissing)
	_, err = b.store.Group(b.Context(), "other", found[0])
	b.equal("of another model set", faces.ErrorCode(err), faces.CodeMissing)
}

func nameGroup(b *bench) {
	images, found := b.unknown(3)
	b.exec("update faces set quality_size = 80, quality_score = id")
	b.exec("update faces set quality_size = 20 where id = ?", found[0])
	before := make([]faces.Image, len(images))
	for i, id := range images {
		before[i] = b.image(id)
	}
	var seen int64
	b.told(&seen)
	done := b.changeGroup(store.GroupStatement{Key: found[0], Version: b.group(found[0]).Version, Says: store.GroupIs, Name: " Cleo"})
	cleo := b.personID("Cleo")
	b.equal("done", done, store.ChangedGroup{
		ID: done.ID, Person: faces.Person{ID: cleo, Name: "Cleo"}, NewPerson: true, Faces: 3, Images: images, Best: []int64{found[2], found[1]},
	})
	for _, id := range images {
		b.equal("named", shows(b.image(id)), "Cleo, image of Cleo")
	}
	b.equal("confirmed", b.image(images[0]).Faces[0].Confirmed, true)
	b.equal("in groups", b.inGroups(), 0)
	b.equal("one line in the log", b.actions(), []string{fmt.Sprintf("person.create person %d", cleo), fmt.Sprintf("group.name group_change %d", done.ID)})
	told := b.told(&seen)
	b.equal("an event for each image", len(slices.DeleteFunc(told, func(s string) bool { return !strings.Contains(s, "by correction") })), 3)
	pending, err := b.store.PendingCorrections(b.Context(), 10)
	b.must(err)
	b.equal("to be matched again", len(pending), 3)

	undone := b.undoGroup(done.ID)
	b.equal("undone", undone, store.GroupChangeUndone{
		ID: done.ID, Says: store.GroupIs, Key: found[0], Faces: 3, Images: images, Empty: &faces.Person{ID: cleo, Name: "Cleo"},
	})
	for i, id := range images {
		b.equal("as before", asBefore(b.image(id)), asBefore(before[i]))
		b.equal("another version", b.image(id).Version == before[i].Version, false)
	}
	b.equal("the log", b.actions()[2:], []string{fmt.Sprintf("group.undo group_change %d", done.ID)})
	b.equal("events of the undoing", len(b.told(&seen)), 3)
	_, err = b.store.UndoGroupChange(b.Context(), done.ID)
	b.equal("undone twice", faces.ErrorCode(err), faces.CodeConflict)
	_, err = b.store.UndoGroupChange(b.Context(), 99)
	b.equal("no such change", faces.ErrorCode(err), faces.CodeMissing)
}

func namePartOfGroup(b *bench) {
	images, found := b.unknown(3)
	elsewhere, loose := b.unknown(1)
	b.exec("delete from face_groups where face_id = ?", loose[0])
	b.exec("delete from group_sizes where group_key = ?", loose[0]) // a look at another distance shows it
	anna := b.personID("anna")
	done := b.changeGroup(store.GroupStatement{
		Key: found[0], Version: b.group(found[0]).Version, Says: store.GroupIs, PersonID: anna, Faces: []int64{found[1], loose[0], found[1]},
	})
	b.equal("done", []any{done.Faces, done.Images, done.Left, done.NewPerson}, []any{2, []int64{images[1], elsewhere[0]}, 2, false})
	b.equal("named", []string{shows(b.image(images[0])), shows(b.image(images[1])), shows(b.image(elsewhere[0]))},
		[]string{"unknown_person, unknown_person", "anna, image of anna", "anna, image of anna"})
	b.equal("the rest", b.group(found[0]).IDs(), []int64{found[0], found[2]})
	undone := b.undoGroup(done.ID)
	b.equal("a person who was there is not told of", undone.Empty, (*faces.Person)(nil))
}

func dismissGroup(b *bench) {
	var first int64
	for says, want := range map[store.GroupSays]string{store.GroupIgnore: "ignored, no_face", store.GroupNotAFace: "not_a_face, no_face"} {
		images, found := b.unknown(2)
		done := b.changeGroup(store.GroupStatement{Key: found[0], Version: b.group(found[0]).Version, Says: says})
		first = cmp.Or(first, done.ID)
		b.equal(string(says), []string{shows(b.image(images[0])), shows(b.image(images[1]))}, []string{want, want})
		b.equal("in groups", b.inGroups(), 0)
		b.undoGroup(done.ID)
		b.equal("undone", shows(b.image(images[1])), "unknown_person, unknown_person")
	}
	b.equal("the log", b.actions()[:2], []string{fmt.Sprintf("group.dismiss group_change %d", first), fmt.Sprintf("group.undo group_change %d", first)})
}

func nameSkips(b *bench) {
	images, found := b.unknown(4)
	b.exec("update faces set reason = 'identified', best_person_id = ? where id = ?", b.personID("anna"), found[1]) // by a program of another release
	b.exec("delete from faces where id = ?", found[2])
	b.exec("update images set status = 0, reason = 'queued' where id = ?", images[3])
	g := b.group(found[0])
	say := store.GroupStatement{Model: "lite-1", Key: found[0], Version: g.Version, Says: store.GroupIs, Name: "Cleo"}
	for _, gone := range []int64{found[1], found[2]} {
		named := say
		named.Faces = []int64{found[0], gone}
		_, err := b.store.ChangeGroup(b.Context(), named)
		b.equal("a face that is named has changed", faces.ErrorCode(err), faces.CodeStale)
	}
	b.equal("nothing happened", []int{b.count("select count(*) from corrections"), b.count("select count(*) from person where name = 'Cleo'")}, []int{0, 0})
	done := b.changeGroup(say)
	b.equal("done", []any{done.Faces, done.Skipped, done.Images, done.Left}, []any{2, 2, []int64{images[0], images[3]}, 2})
	lease := b.claim(images[3])[0]
	said, err := b.store.Corrections(b.Context(), []int64{images[3]})
	b.must(err)
	seen := faces.Recognition{Model: rematchModel, Sightings: []faces.Sighting{{Box: faces.Box{Width: 80, Height: 80}, Descriptor: faces.Descriptor{0}}}}
	b.finish(store.Result{Lease: lease, Outcome: faces.Decide(seen, func(string) (faces.Person, bool) { return faces.Person{}, false }, said...)})
	b.equal("an image that was at work", shows(b.image(images[3])), "Cleo, image of Cleo")
	say.Version = ""
	_, err = b.store.ChangeGroup(b.Context(), say)
	b.equal("nothing is left to decide", faces.ErrorCode(err), faces.CodeStale)
}

func refuseStaleGroup(b *bench) {
	_, found := b.unknown(3)
	seen := b.group(found[0])
	late := b.answered("/unknown_people/late.jpg", []any{"anna", 0.75})
	b.placeIn(found[0], b.image(late).Faces[0].ID)
	for name, say := range map[string]store.GroupStatement{
		"is":       {Says: store.GroupIs, Name: "Cleo"},
		"ignore":   {Says: store.GroupIgnore},
		"one face": {Says: store.GroupNotAFace, Faces: found[:1]},
	} {
		say.Model, say.Key, say.Version = "lite-1", found[0], seen.Version
		_, err := b.store.ChangeGroup(b.Context(), say)
		b.equal(name, faces.ErrorCode(err), faces.CodeStale)
	}
	_, err := b.store.SplitGroup(b.Context(), store.GroupSplitting{Model: "lite-1", Key: found[0], Version: seen.Version, Faces: found[:1]})
	b.equal("split", faces.ErrorCode(err), faces.CodeStale)
	_, err = b.store.ChangeGroup(b.Context(), store.GroupStatement{Model: "lite-1", Key: 99, Version: seen.Version, Says: store.GroupIgnore})
	b.equal("a group that is gone", faces.ErrorCode(err), faces.CodeStale)
	_, err = b.store.ChangeGroup(b.Context(), store.GroupStatement{Model: "lite-1", Key: 99, Says: store.GroupIgnore})
	b.equal("no group, whatever its version", faces.ErrorCode(err), faces.CodeMissing)
	for name, say := range map[string]store.GroupStatement{
		"nobody's id": {Says: store.GroupIs, PersonID: 99}, "no text": {Says: store.GroupIs, Name: "\xff"}, "spaces": {Says: store.GroupIs, Name: " "},
	} {
		say.Model, say.Key = "lite-1", found[0]
		if _, err := b.store.ChangeGroup(b.Context(), say); faces.ErrorCode(err) != faces.CodeMissing && faces.ErrorCode(err) != faces.CodeInvalid {
			b.Errorf("%s: %v", name, err)
		}
	}
	b.equal("nothing was said", []int{b.count("select count(*) from corrections"), b.count("select count(*) from group_changes"), b.inGroups()}, []int{0, 0, 4})
}

func changeOneVersion(b *bench) {
	images, found := b.unknown(4)
	seen := b.group(found[0])
	var taken, stale atomic.Int64
	inParallel(6, func(i int) {
		var err error
		say := store.GroupStatement{Model: "lite-1", Key: found[0], Version: seen.Version, Says: store.GroupIs, Name: fmt.Sprintf("person %d", i)}
		switch i % 3 {
		case 1:
			say.Says = store.GroupIgnore
		case 2:
			_, err = b.store.SplitGroup(b.Context(), store.GroupSplitting{Model: "lite-1", Key: found[0], Version: seen.Version, Faces: found[:2]})
		}
		if i%3 != 2 {
			_, err = b.store.ChangeGroup(b.Context(), say)
		}
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
	b.equal("changes", b.count("select count(*) from group_changes"), 1)
	said := map[string]bool{}
	for _, id := range images {
		said[shows(b.image(id))] = true
	}
	b.equal("all images are alike", len(said), 1)
}

func changeAllOrNothing(b *bench) {
	_, found := b.unknown(3)
	g := b.group(found[0])
	for n := int64(1); n < 10_000; n += 1 + n/25 {
		ctx, cancel := newCountdown(b.Context(), n)
		done, err := b.store.ChangeGroup(ctx, store.GroupStatement{Model: "lite-1", Key: found[0], Version: g.Version, Says: store.GroupIs, Name: "Cleo"})
		cancel()
		whole := []int{
			b.count("select count(*) from corrections"), b.count("select count(*) from faces where reason = 'identified'"), b.inGroups(),
			b.count("select count(*) from group_changes"), b.count("select count(*) from person where name = 'Cleo'"),
		}
		if err == nil {
			b.equal("all of it", whole, []int{3, 3, 0, 1, 1})
			undoAllOrNothing(b, done.ID)
			return
		}
		b.equal("nothing", whole, []int{0, 0, 3, 0, 0})
	}
	b.Error("it never succeeded")
}

func changeManyFaces(b *bench) {
	const n = 1203
	b.must(b.store.UseModel(b.Context(), rematchModel))
	ids := b.addMany(n)
	var results []store.Result
	for i, l := range b.claim(ids...) {
		results = append(results, store.Result{Lease: l, Outcome: faces.Outcome{Reason: faces.UnknownPerson, Model: "lite-1", Faces: []faces.Face{
			{Reason: faces.UnknownPerson, Model: "lite-1", Box: faces.Box{X: i, Width: 80, Height: 80}, Descriptor: faces.Descriptor{1}},
		}}})
	}
	b.finish(results...)
	b.exec("insert into face_groups (face_id, model, group_key) select id, 'lite-1', (select min(id) from faces) from faces")
	b.exec("insert into group_sizes (model, group_key, faces) select 'lite-1', min(id), count(*) from faces")
	key := int64(b.count("select min(id) from faces"))
	done := b.changeGroup(store.GroupStatement{Key: key, Version: b.group(key).Version, Says: store.GroupIs, Name: "Cleo"})
	b.equal("named", []int{done.Faces, len(done.Images), b.inGroups(), b.count("select count(*) from faces where reason = 'identified'")}, []int{n, n, 0, n})
	undone := b.undoGroup(done.ID)
	b.equal("undone", []int{undone.Faces, len(undone.Images), b.count("select count(*) from faces where reason = 'identified'")}, []int{n, n, 0})
	b.equal("lines in the log", len(b.actions()), 3)
}

func leaveGroup(b *bench) {
	images, found := b.unknown(4)
	b.correct(faces.Statement{FaceID: found[0], Name: "Cleo"})
	b.equal("named", b.group(found[0]).IDs(), found[1:])
	b.correct(faces.Statement{FaceID: found[1], Kind: faces.SaysNoFace})
	b.equal("dismissed", b.group(found[0]).IDs(), found[2:])
	b.correct(faces.Statement{FaceID: found[2], PersonID: b.personID("anna"), Not: true})
	b.equal("of somebody else, but of whom?", b.group(found[0]).IDs(), found[2:])
	b.person("bob")
	token, _ := b.leaseRematch("one", 0)
	_, err := b.store.SetAnswers(b.Context(), token, []history.Change{b.toBob(images[3])}, nil, "g2")
	b.must(err)
	b.equal("a re-match named it", []any{b.group(found[0]).IDs(), b.inGroups()}, []any{found[2:3], 1})
}

func sizesOfGroups(b *bench) {
	_, found := b.unknown(12)
	token, _ := b.leaseRematch("one", 0)
	put := func(key int64, ids ...int64) {
		var list []groups.Placement
		for _, id := range ids {
			list = append(list, groups.Placement{Face: id, Group: key})
		}
		b.must(b.store.PlaceFaces(b.Context(), token, "lite-1", list))
	}
	put(found[4], found[4:8]...)
	put(found[4], found[4:8]...) // again
	put(0, found[11])
	b.equal("in groups", b.inGroups(), 11)
	b.equal("sizes", []int{len(b.group(found[0]).Members), len(b.group(found[4]).Members)}, []int{7, 4})
	inParallel(8, func(i int) {
		if i%2 == 0 {
			put(found[8], found[8:11]...)
			put(found[0], found[8:11]...)
			return
		}
		if _, err := b.store.CorrectFace(b.Context(), faces.Statement{FaceID: found[i], Kind: faces.SaysIgnore}); err != nil {
			b.Error(err)
		}
	})
	put(0, found[0])
	b.inGroups()
}
