package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func eraseLease(b *bench) {
	b.answered("/u/a.jpg", []any{"anna", 0.25})
	anna := b.personID("anna")
	changed, err := b.store.ErasuresChanged(b.Context())
	b.must(err)
	_, _, err = b.store.Erase(b.Context(), store.EraseRequest{ID: erasure.NewID(), Person: anna, Version: faces.AnyVersion, Images: erasure.Keep},
		func(erasure.Entry) error { return nil })
	b.must(err)
	now, err := b.store.ErasuresChanged(b.Context())
	b.must(err)
	b.equal("seen", now == changed, false)
	claim := func() (store.ErasureLease, bool) {
		b.Helper()
		l, ok, err := b.store.ClaimErasure(b.Context(), lease)
		b.must(err)
		return l, ok
	}
	first, _ := claim()
	_, ok := claim()
	b.equal("taken twice", ok, false)
	b.clock.advance(lease + time.Second)
	second, ok := claim()
	b.equal("taken over", ok, true)
	held, err := b.store.RenewErasure(b.Context(), first, lease)
	b.must(err)
	b.equal("renewed by the first", held, false)
	b.code("ended by the first", b.store.EndErasure(b.Context(), first, nil), faces.CodeMissing)
	b.must(b.store.EndErasure(b.Context(), second, nil))
	b.must(b.store.NoteErasureSearch(b.Context(), second.Entry.ID, []string{"faces.descriptor: 1"}))
	_, ok = claim()
	b.equal("work again after something was found", ok, true)
}

func eraseNotVerified(b *bench) {
	open := func() []any {
		b.Helper()
		n, since, err := b.store.ErasuresNotVerified(b.Context())
		b.must(err)
		return []any{n, since}
	}
	b.equal("none", open(), []any{int64(0), time.Time{}})
	b.sync(map[string]string{"Ada/1.jpg": "Ada", "Bob/1.jpg": "Bob"}, everything)
	begin := b.clock.Now()
	first := b.erased(b.personID("Ada"), erasure.Keep)
	b.clock.advance(time.Hour)
	second := b.erased(b.personID("Bob"), erasure.Keep)
	b.equal("two", open(), []any{int64(2), begin})
	b.must(b.store.NoteErasureSearch(b.Context(), first.ID, []string{"faces.descriptor: 1"}))
	b.must(b.store.NoteErasureSearch(b.Context(), second.ID, nil))
	b.equal("the one of which something is left", open(), []any{int64(1), begin})
	b.must(b.store.NoteErasureSearch(b.Context(), first.ID, nil))
	b.equal("none any more", open(), []any{int64(0), time.Time{}})
}

func eraseFolder(b *bench) {
	wanted := map[string]string{"Ada Lovelace/1.jpg": "Ada Lovelace", "Bob/1.jpg": "Bob"}
	b.sync(wanted, everything)
	b.erased(b.personID("Ada Lovelace"), erasure.Keep)
	b.equal("again", b.sync(wanted, everything), store.Enrolment{})
	wanted["ada lovelace/2.jpg"] = "ada lovelace"
	b.equal("a new file, the name spelled in another way", b.sync(wanted, everything), store.Enrolment{FoldersErased: 1})
	b.newPerson("Ada Lovelace")
	wanted["Ada Lovelace/3.jpg"] = "Ada Lovelace"
	b.equal("somebody of that name was added", b.sync(wanted, everything).ImagesAdded, []string{"Ada Lovelace/3.jpg", "ada lovelace/2.jpg"})
}

// The row of a file of others stays when it is taken away from its person.
func eraseTakenAway(b *bench) {
	wanted := map[string]string{"Ada Lovelace/1.jpg": "Ada Lovelace", "ada LOVELACE/2.jpg": "Ada Lovelace", "Ada Lovelace/3.jpg": "Ada Lovelace", "Ada Brown/1.jpg": "Ada Brown", "Ada Brown/2.jpg": "Ada Brown"}
	b.sync(wanted, everything)
	for _, name := range []string{"Ada Lovelace/1.jpg", "ada LOVELACE/2.jpg", "Ada Brown/1.jpg"} {
		who := "Ada Lovelace"
		if strings.HasPrefix(name, "Ada Brown") {
			who = "Ada Brown"
		}
		_, err := b.store.DeleteKnownPicture(b.Context(), b.personID(who), int64(b.count("select id from person_images where image_name = ?", name)))
		b.must(err)
	}
	ada := b.personID("Ada Lovelace")
	plan, err := b.store.PlanErasure(b.Context(), store.EraseRequest{Person: ada, Version: faces.AnyVersion, Images: erasure.Keep})
	b.must(err)
	slices.Sort(plan.LeftFiles)
	b.equal("files that stay", plan.LeftFiles, []string{"Ada Lovelace/1.jpg", "Ada Lovelace/3.jpg", "ada LOVELACE/2.jpg"})
	e := b.erased(ada, erasure.Keep)
	b.equal("left", b.placesWith("Lovelace"), []string{})
	b.equal("found", b.search(e)[0].Found, []string{})
	b.equal("a picture taken away from somebody else", b.count("select count(*) from person_images where image_name = 'Ada Brown/1.jpg'"), 1)
	b.equal("again", b.sync(wanted, everything), store.Enrolment{})
	b.newPerson("Ada Lovelace")
	b.equal("somebody of that name was added", b.sync(wanted, everything), store.Enrolment{})
}
