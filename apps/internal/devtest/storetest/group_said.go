package storetest

import (
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func tellGroupChange(b *bench) {
	images, found := b.unknown(3)
	of := func(face int64) int64 {
		b.Helper()
		key, err := b.store.GroupOf(b.Context(), "lite-1", face)
		b.must(err)
		return key
	}
	said := func(id int64) store.GroupChange {
		b.Helper()
		change, err := b.store.GroupChange(b.Context(), id)
		b.must(err)
		return change
	}
	b.equal("the group of a face", []int64{of(found[2]), of(4711)}, []int64{found[0], 0})
	other, err := b.store.GroupOf(b.Context(), "other", found[2])
	b.must(err)
	b.equal("of another model set", other, int64(0))

	part := b.changeGroup(store.GroupStatement{Key: found[0], Says: store.GroupIgnore, Faces: found[:1]})
	b.equal("ignored", said(part.ID), store.GroupChange{ID: part.ID, Says: store.GroupIgnore, Key: found[0], Faces: 1, Images: images[:1]})
	b.equal("it is in no group", of(found[0]), int64(0))
	name := b.changeGroup(store.GroupStatement{Key: found[0], Says: store.GroupIs, Name: "Cleo"})
	cleo := b.personID("Cleo")
	want := store.GroupChange{ID: name.ID, Says: store.GroupIs, Key: found[0], Faces: 2, Images: images[1:], Person: &faces.Person{ID: cleo, Name: "Cleo"}}
	b.equal("named", said(name.ID), want)
	b.undoGroup(name.ID)
	want.Undone = true
	b.equal("undone", said(name.ID), want)
	b.exec("delete from person where id = ?", cleo)
	want.Person = nil
	b.equal("the person is gone", said(name.ID), want)
	_, err = b.store.GroupChange(b.Context(), 99)
	b.equal("no such change", faces.ErrorCode(err), faces.CodeMissing)
}
