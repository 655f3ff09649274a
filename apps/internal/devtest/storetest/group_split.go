package storetest

import (
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Splitting a group: what somebody says about two people in it.

var groupSplitTests = []test{
	{"SplitGroup keeps faces apart, and undo takes that back", splitGroup},
	{"SplitGroup outlives that images are processed again", splitOutlives},
	{"SplitGroup refuses what makes no sense", splitRefuses},
}

func splitGroup(b *bench) {
	images, found := b.unknown(5)
	apart := func() int {
		return b.count("select count(*) from face_apart where undone_at is null and model = 'lite-1'")
	}
	split := func(s store.GroupSplitting) store.ChangedGroup {
		b.Helper()
		s.Model, s.Key, s.Version = "lite-1", found[0], b.group(found[0]).Version
		done, err := b.store.SplitGroup(b.asked(), s)
		b.must(err)
		return done
	}
	first := split(store.GroupSplitting{Faces: []int64{found[3], found[0], found[3]}})
	b.equal("from the rest", []any{first.Faces, first.Left, len(first.Images), apart()}, []any{5, 3, 0, 6})
	b.equal("a pair", b.count("select count(*) from face_apart where face_a = ? and face_b = ?", found[2], found[3]), 1)
	b.equal("their number", b.inGroups(), 3)
	b.equal("they have left", b.group(found[0]).IDs(), []int64{found[1], found[2], found[4]})
	b.clock.advance(time.Second)
	second := split(store.GroupSplitting{Faces: found[1:2], Others: found[4:5]})
	b.equal("from one face", []any{second.Faces, second.Left, apart()}, []any{2, 2, 7})
	b.equal("answers do not change", shows(b.image(images[0])), "unknown_person, unknown_person")

	b.equal("undone", b.undoGroup(first.ID), store.GroupChangeUndone{ID: first.ID, Says: store.GroupApart, Key: found[0], Faces: 5})
	b.equal("the other split stays", []int{apart(), b.count("select count(*) from face_apart where face_a = ? and undone_at is null", found[1])}, []int{1, 1})
	b.undoGroup(second.ID)
	b.equal("none is left", apart(), 0)
}

// A picture that is looked at again has faces with other ids at the same places.
func splitOutlives(b *bench) {
	images, found := b.unknown(4)
	seen := b.group(found[0])
	first, err := b.store.SplitGroup(b.asked(), store.GroupSplitting{Model: "lite-1", Key: found[0], Version: seen.Version, Faces: found[:1], Others: found[1:3]})
	b.must(err)
	second, err := b.store.SplitGroup(b.asked(), store.GroupSplitting{Model: "lite-1", Key: found[0], Version: b.group(found[0]).Version, Faces: found[3:]})
	b.must(err)
	b.equal("pairs", b.count("select count(*) from face_apart"), 2+2)
	before := b.image(images[0])
	again := func(id int64, model string, boxes ...faces.Box) faces.Image {
		b.Helper()
		b.exec("update images set status = 0, reason = 'queued' where id = ?", id)
		o := faces.Outcome{Reason: faces.UnknownPerson, Model: model}
		for _, box := range boxes {
			o.Faces = append(o.Faces, faces.Face{Box: box, Reason: faces.UnknownPerson, Model: model})
		}
		b.finish(store.Result{Lease: b.claim(id)[0], Outcome: o})
		return b.image(id)
	}
	moved := before.Faces[0].Box
	moved.X, moved.Y = moved.X+2, moved.Y+1
	after := again(images[0], "lite-2", moved)
	b.equal("the face has another id", after.Faces[0].ID != found[0], true)
	apart, err := b.store.FacesApart(b.Context(), "lite-2")
	b.must(err)
	b.equal("said of the new face", apart, [][2]int64{{found[1], after.Faces[0].ID}, {found[2], after.Faces[0].ID}})
	after = again(images[0], "lite-2", moved)
	b.equal("and again", b.count("select count(*) from face_apart where (face_a = ? or face_b = ?) and undone_at is null", after.Faces[0].ID, after.Faces[0].ID), 2)

	b.undoGroup(first.ID)
	b.equal("undone by what was said, not by ids", b.count("select count(*) from face_apart where undone_at is null"), 2)
	b.undoGroup(second.ID)
	b.equal("the other one is undone alone", b.count("select count(*) from face_apart where undone_at is null"), 0)
	again(images[0], "lite-2", faces.Box{X: 4000, Y: 4000, Width: 50, Height: 50})
	b.equal("of a face that is not found any more", b.count("select count(*) from face_apart"), 2)
}

func splitRefuses(b *bench) {
	_, found := b.unknown(3)
	for name, s := range map[string]store.GroupSplitting{
		"a face of another group": {Faces: []int64{found[0], 4711}},
		"the whole group":         {Faces: found},
		"no face":                 {Others: found[:1]},
		"no others":               {Faces: found[:1], Others: []int64{}},
		"a face on both sides":    {Faces: found[:2], Others: found[1:]},
	} {
		s.Model, s.Key = "lite-1", found[0]
		_, err := b.store.SplitGroup(b.Context(), s)
		b.equal(name, faces.ErrorCode(err), faces.CodeInvalid)
	}
	large := make([]int64, 300)
	for i := range large {
		large[i] = int64(10_000 + i)
	}
	b.place(large...)
	_, err := b.store.SplitGroup(b.Context(), store.GroupSplitting{Model: "lite-1", Key: large[0], Faces: large[:150]})
	b.equal("too many pairs", faces.ErrorCode(err), faces.CodeInvalid)
	done, err := b.store.SplitGroup(b.Context(), store.GroupSplitting{Model: "lite-1", Key: large[0], Faces: large[:60]})
	b.must(err)
	b.equal("many pairs", []int{done.Faces, done.Left, b.count("select count(*) from face_apart")}, []int{300, 240, 60 * 240})
	b.undoGroup(done.ID)
	b.equal("undone", b.count("select count(*) from face_apart where undone_at is null"), 0)
}
