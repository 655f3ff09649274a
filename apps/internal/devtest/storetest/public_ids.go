package storetest

import (
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var publicIDTests = []test{
	{"Known pictures have public ids, whoever wrote their rows", publicIDs},
	{"PublicPictures in pages", publicPages},
	{"A known picture that comes back has another public id", publicIDOfReturned},
	{"A known picture that an older program listed has a public id when it is sent again", publicIDOfOlder},
	{"Public ids are given once, from many at once", publicIDsConcurrently},
}

func (b *bench) public(person int64, offset, limit int) ([]store.PublicPicture, int64) {
	b.Helper()
	list, total, err := b.store.PublicPictures(b.Context(), person, offset, limit)
	b.must(err)
	return list, total
}

func publicIDs(b *bench) {
	anna := b.person("Anna")
	b.exec("insert into person_images (image_name, person_id) values ('original.jpg', ?)", anna)
	b.exec("insert into person_images (image_name, person_id) values ('orphan.jpg', 4711)")
	b.exec("insert into person_images (image_name, person_id) values (null, ?)", anna)
	_, err := b.store.SyncKnownImages(b.Context(), map[string]string{"Anna/1.jpg": "Anna"}, func(string) bool { return false })
	b.must(err)
	added, _, err := b.store.AddKnownPicture(b.Context(), faces.Enrolled{
		KnownImage: faces.KnownImage{Name: "_rollcall/ab/ab.jpg", PersonID: anna}, Source: faces.SourceUpload,
	})
	b.must(err)
	list, total := b.public(0, 0, 0)
	if total != 3 || len(list) != 3 {
		b.Fatalf("%d of %d known pictures: %+v", len(list), total, list)
	}
	seen := map[string]bool{}
	for _, p := range list {
		if _, err := uuid.Parse(p.PublicID); err != nil || len(p.PublicID) != 36 || seen[p.PublicID] {
			b.Errorf("%s has the public id %q, %v", p.Name, p.PublicID, err)
		}
		seen[p.PublicID] = true
		b.equal("owner", p.Owner, faces.Person{ID: anna, Name: "Anna"})
		got, err := b.store.PublicPicture(b.Context(), p.PublicID)
		b.must(err)
		b.equal("by its public id", got, p)
	}
	if !seen[added.PublicID] {
		b.Errorf("the picture that was added has %q, which is not in the list", added.PublicID)
	}
	again, _ := b.public(0, 0, 0)
	b.equal("the same list again", again, list)
	for _, id := range []string{"", "4711", uuid.NewString(), "%"} {
		if _, err := b.store.PublicPicture(b.Context(), id); faces.ErrorCode(err) != faces.CodeMissing {
			b.Errorf("%q: %v", id, err)
		}
	}
}

func publicPages(b *bench) {
	anna, bob := b.person("Anna"), b.person("Bob")
	for n := range 5 {
		b.exec("insert into person_images (image_name, person_id) values (?, ?)", fmt.Sprintf("a%d.jpg", n), anna)
		b.exec("insert into person_images (image_name, person_id) values (?, ?)", fmt.Sprintf("b%d.jpg", n), bob)
	}
	names := func(person int64, offset, limit int) (names []string, total int64) {
		list, total := b.public(person, offset, limit)
		for _, p := range list {
			names = append(names, p.Name)
		}
		return names, total
	}
	for _, c := range []struct {
		person        int64
		offset, limit int
		want          []string
		total         int64
	}{
		{0, 0, 3, []string{"a0.jpg", "b0.jpg", "a1.jpg"}, 10},
		{0, 9, 3, []string{"b4.jpg"}, 10},
		{0, 10, 3, nil, 10},
		{bob, 1, 2, []string{"b1.jpg", "b2.jpg"}, 5},
		{bob, 0, 0, []string{"b0.jpg", "b1.jpg", "b2.jpg", "b3.jpg", "b4.jpg"}, 5},
		{4711, 0, 3, nil, 0},
	} {
		got, total := names(c.person, c.offset, c.limit)
		what := fmt.Sprintf("%d from %d of person %d", c.limit, c.offset, c.person)
		b.equal(what, got, c.want)
		b.equal(what+", in all", total, c.total)
	}
}

func publicIDOfReturned(b *bench) {
	anna, bob := b.person("Anna"), b.person("Bob")
	add := func(person int64) faces.Enrolled {
		e, _, err := b.store.AddKnownPicture(b.Context(), faces.Enrolled{
			KnownImage: faces.KnownImage{Name: "group/1.jpg", PersonID: person}, Source: faces.SourcePath,
		})
		b.must(err)
		return e
	}
	first := add(anna)
	_, err := b.store.DeleteKnownPicture(b.Context(), anna, first.ID)
	b.must(err)
	if _, err := b.store.PublicPicture(b.Context(), first.PublicID); faces.ErrorCode(err) != faces.CodeMissing {
		b.Errorf("after it was deleted: %v", err)
	}
	if second := add(bob); second.PublicID == first.PublicID || second.PublicID == "" {
		b.Errorf("the picture of another person has the public id %q again", second.PublicID)
	}
}

func publicIDOfOlder(b *bench) {
	anna := b.person("Anna")
	b.exec("insert into person_images (image_name, person_id) values ('a.jpg', ?)", anna)
	got, ok, err := b.store.FindKnownPicture(b.Context(), anna, "a.jpg")
	b.must(err)
	if !ok || got.Name != "a.jpg" || got.PublicID != "" {
		b.Errorf("to find it gives %v and the public id %q; it must write nothing", ok, got.PublicID)
	}
	got, ok, err = b.store.KnownPictureOf(b.Context(), anna, "a.jpg")
	b.must(err)
	list, _ := b.public(0, 0, 0)
	if !ok || got.PublicID == "" || got.PublicID != list[0].PublicID {
		b.Errorf("it has the public id %q, and %q in the list", got.PublicID, list[0].PublicID)
	}
	b.exec("insert into person_images (image_name, person_id) values ('b.jpg', ?)", anna)
	again, added, err := b.store.AddKnownPicture(b.Context(), faces.Enrolled{
		KnownImage: faces.KnownImage{Name: "b.jpg", PersonID: anna}, Source: faces.SourceUpload,
	})
	b.must(err)
	if list, _ = b.public(0, 0, 0); added || again.PublicID == "" || again.PublicID != list[1].PublicID {
		b.Errorf("added again, it has the public id %q, and %q in the list", again.PublicID, list[1].PublicID)
	}
}

func publicIDsConcurrently(b *bench) {
	anna := b.person("Anna")
	for n := range 50 {
		b.exec("insert into person_images (image_name, person_id) values (?, ?)", fmt.Sprintf("a%d.jpg", n), anna)
	}
	var readers sync.WaitGroup
	lists := make([][]store.PublicPicture, 4)
	for i := range lists {
		readers.Go(func() { lists[i], _ = b.public(0, 0, 0) })
	}
	readers.Wait()
	for _, list := range lists[1:] {
		b.equal("list of another reader", list, lists[0])
	}
}
