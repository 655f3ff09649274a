package storetest

import (
	"fmt"

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
	key, err := b.store.GroupOf(b.Context(), "lite-1", id(3))
	b.must(err)
	b.equal("the group of a face", key, id(2))
	key, err = b.store.GroupOf(b.Context(), "lite-1", 999_999)
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

// One page looks at a bounded number of people, however many are the nearest ones of faces
// in groups.
func looseFacesNearMany(b *bench) {
	token, _ := b.leaseRematch("one", 0)
	img := b.strangers("a.jpg", 30)
	var placed []groups.Placement
	for i, f := range img.Faces {
		who, err := b.store.AddPerson(b.Context(), fmt.Sprintf("Person %d", i))
		b.must(err)
		b.exec("update faces set best_person_id = ? where id = ?", who.ID, f.ID)
		if i < len(img.Faces)-1 {
			placed = append(placed, groups.Placement{Face: f.ID, Group: img.Faces[0].ID})
		}
	}
	b.must(b.store.PlaceFaces(b.Context(), token, "lite-1", placed))
	pages := 0
	var all []store.LooseFace
	for after := (*store.LooseFace)(nil); pages == 0 || after != nil; pages++ {
		list, last, err := b.store.LooseFaces(b.Context(), faces.UnknownPerson, after, 10)
		b.must(err)
		all, after = append(all, list...), last
	}
	b.equal("the last one is found", len(all) == 1 && all[0].FaceID == img.Faces[29].ID, true)
	b.equal("not by one page", pages > 2, true)
}

// UncertainImages has the order that is stored.
func uncertainImages(b *bench) {
	one, two, three, four := b.strangers("a.jpg", 1), b.strangers("b.jpg", 1), b.strangers("c.jpg", 1), b.strangers("d.jpg", 1)
	for id, certainty := range map[int64]int{one.ID: 300, two.ID: 900, three.ID: 300} {
		b.exec("update images set reason = 'uncertain', status = ?, certainty = ? where id = ?", int(faces.Uncertain.Status()), certainty, id)
	}
	b.exec("update images set certainty = 500 where id = ?", four.ID) // it is not uncertain
	want := []store.UncertainImage{{Certainty: 900, ID: two.ID}, {Certainty: 300, ID: three.ID}, {Certainty: 300, ID: one.ID}}
	for limit := 1; limit <= 4; limit++ {
		var all []store.UncertainImage
		for at := (store.UncertainImage{}); ; at = all[len(all)-1] {
			list, err := b.store.UncertainImages(b.Context(), at, limit)
			b.must(err)
			if len(list) == 0 {
				break
			}
			all = append(all, list...)
		}
		b.equal("the uncertain images", all, want)
	}
}

// What somebody said is found by its id, with its time, also when it is undone.
func saidByID(b *bench) {
	_, found := b.unknown(3)
	part := b.changeGroup(store.GroupStatement{Key: found[0], Says: store.GroupIgnore, Faces: found[:1]})
	at, err := b.store.GroupChangedAt(b.Context(), part.ID)
	b.must(err)
	b.equal("the time of a change", at.IsZero(), false)
	_, err = b.store.GroupChangedAt(b.Context(), 99)
	b.equal("no such change", faces.ErrorCode(err), faces.CodeMissing)
	one, err := b.store.CorrectFace(b.Context(), faces.Statement{FaceID: found[1], Kind: faces.SaysIgnore})
	b.must(err)
	two, err := b.store.CorrectFace(b.Context(), faces.Statement{FaceID: found[2], Kind: faces.SaysIgnore})
	b.must(err)
	_, err = b.store.UndoCorrection(b.Context(), two.Correction.ID, "")
	b.must(err)
	list, err := b.store.CorrectionsByID(b.Context(), []int64{two.Correction.ID, 4711, one.Correction.ID})
	b.must(err)
	b.equal("those that there are", len(list), 2)
	b.equal("the active one", list[0].ID == one.Correction.ID && list[0].UndoneAt.IsZero() && !list[0].CreatedAt.IsZero(), true)
	b.equal("the undone one", list[1].ID == two.Correction.ID && !list[1].UndoneAt.IsZero(), true)
}
