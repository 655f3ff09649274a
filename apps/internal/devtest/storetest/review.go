package storetest

import (
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func largestGroups(b *bench) {
	token, _ := b.leaseRematch("one", 0)
	img := b.strangers("a.jpg", 7)
	id := func(i int) int64 { return img.Faces[i].ID }
	b.must(b.store.PlaceFaces(b.Context(), token, "lite-1", []groups.Placement{
		{Face: id(0), Group: id(0)}, {Face: id(1), Group: id(0)},
		{Face: id(2), Group: id(2)}, {Face: id(3), Group: id(2)},
		{Face: id(4), Group: id(4)}, {Face: id(5), Group: id(4)}, {Face: id(6), Group: id(4)},
	}))
	page := func(after store.GroupCursor, limit int) []store.GroupCursor {
		b.Helper()
		list, err := b.store.LargestGroups(b.Context(), "lite-1", after, limit)
		b.must(err)
		return list
	}
	all := []store.GroupCursor{{Faces: 3, Key: id(4)}, {Faces: 2, Key: id(2)}, {Faces: 2, Key: id(0)}}
	b.equal("all", page(store.GroupCursor{}, 10), all)
	b.equal("after the first", page(all[0], 1), all[1:2])
	b.equal("after one of equal size", page(all[1], 10), all[2:])
	b.equal("of another model set", len(mustList(b, "other-1")), 0)
	for most, want := range map[int]int{2: 2, 10: 3} {
		n, err := b.store.CountGroups(b.Context(), "lite-1", most)
		b.must(err)
		b.equal("the number of groups", n, want)
	}
	key, err := b.store.GroupOfFace(b.Context(), "lite-1", id(3))
	b.must(err)
	b.equal("the group of a face", key, id(2))
	key, err = b.store.GroupOfFace(b.Context(), "lite-1", 999_999)
	b.must(err)
	b.equal("the group of no face", key, int64(0))
}

func mustList(b *bench, model string) []store.GroupCursor {
	list, err := b.store.LargestGroups(b.Context(), model, store.GroupCursor{}, 10)
	b.must(err)
	return list
}

func looseFaces(b *bench) {
	token, _ := b.leaseRematch("one", 0)
	one, two, three := b.strangers("a.jpg", 3), b.strangers("b.jpg", 2), b.strangers("c.jpg", 1)
	b.must(b.store.PlaceFaces(b.Context(), token, "lite-1", []groups.Placement{{Face: one.Faces[0].ID, Group: one.Faces[0].ID}}))
	ada, err := b.store.AddPerson(b.Context(), "Ada")
	b.must(err)
	_, err = b.store.AddPerson(b.Context(), "Bea") // nobody is near her
	b.must(err)
	cleo, err := b.store.AddPerson(b.Context(), "Cleo")
	b.must(err)
	b.exec("update faces set best_person_id = ? where id = ?", cleo.ID, one.Faces[1].ID)
	b.exec("update faces set best_person_id = ? where id = ?", ada.ID, two.Faces[0].ID)
	b.exec("update faces set best_person_id = ?, reason = 'uncertain' where id = ?", ada.ID, two.Faces[1].ID)
	at := func(person int64, img faces.Image, i int) store.LooseFace {
		return store.LooseFace{PersonID: person, ImageID: img.ID, FaceID: img.Faces[i].ID}
	}
	want := []store.LooseFace{at(faces.NoPerson, three, 0), at(faces.NoPerson, one, 2), at(ada.ID, two, 0), at(cleo.ID, one, 1)}
	for limit := 1; limit <= 5; limit++ {
		var all []store.LooseFace
		var after *store.LooseFace
		for {
			list, last, err := b.store.LooseFaces(b.Context(), faces.UnknownPerson, after, limit)
			b.must(err)
			if all = append(all, list...); last == nil {
				break
			}
			after = last
		}
		b.equal("the faces that nobody knows", all, want)
	}
	list, _, err := b.store.LooseFaces(b.Context(), faces.Uncertain, nil, 10)
	b.must(err)
	b.equal("the uncertain ones", list, []store.LooseFace{at(ada.ID, two, 1)})
}
