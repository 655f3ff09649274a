package storetest

import (
	"fmt"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var certaintyTests = []test{
	{"Lists with the uncertain first begin with the most certain", listMostCertain},
	{"Pages of images that are as certain as each other hold each once", listAsCertain},
	{"Corrections, re-matches and merges change how certain an image is", certaintyFollows},
}

func uncertainFirst() store.Filter { return store.Filter{UncertainFirst: true} }

func listMostCertain(b *bench) {
	half := b.answered("/u/half.jpg", []any{"anna", 0.25, "bob", 0.28125})
	least := b.answered("/u/least.jpg", []any{"anna", 0.25, "bob", 0.25390625})
	sure := b.answered("/u/sure.jpg", []any{"anna", 0.25})
	best := b.answered("/u/best.jpg", []any{"anna", 0.25, "bob", 0.2578125}, []any{"bob", 0.25, "cleo", 0.296875}, nil)
	stranger := b.answered("/u/stranger.jpg", nil)
	want := []int64{best, half, least, stranger, sure}
	f := uncertainFirst()
	b.equal("in all", idsOf(b.list(f)), want)
	for limit := range 6 {
		f.Limit = limit + 1
		b.equal(fmt.Sprintf("in pages of %d", f.Limit), b.pages(f), want)
	}
	f = uncertainFirst()
	f.Query, f.Limit, f.Scan = "s", 1, 1 // looks at one image for each page
	b.equal("with a path", b.pages(f), []int64{best, least, stranger, sure})
	f = uncertainFirst()
	f.PersonID = b.personID("anna")
	b.equal("of a person", idsOf(b.list(f)), []int64{sure})

	// The last of a page is confirmed: the next page begins behind its place.
	f = store.Filter{UncertainFirst: true, Limit: 2}
	page, err := b.store.PageOfImages(b.Context(), f)
	b.must(err)
	b.correct(faces.Statement{FaceID: b.image(half).Faces[0].ID, Name: "anna"})
	f.After = page.Next
	b.equal("after a confirmation", b.pages(f), []int64{least, stranger, sure, half})
}

func listAsCertain(b *bench) {
	var want []int64
	for i := range 9 {
		want = append([]int64{b.answered(fmt.Sprintf("/u/%d.jpg", i), []any{"anna", 0.25, "bob", 0.28125})}, want...)
	}
	// Some are more certain, and some less; one is of a program that knows nothing of it.
	b.exec("update images set certainty = 900 where id in (?, ?)", want[3], want[7])
	b.exec("update images set certainty = 0 where id = ?", want[1])
	want = []int64{want[3], want[7], want[0], want[2], want[4], want[5], want[6], want[8], want[1]}
	f := uncertainFirst()
	for limit := range 9 {
		f.Limit = limit + 1
		b.equal(fmt.Sprintf("in pages of %d", f.Limit), b.pages(f), want)
	}
	f.Query, f.Scan = "jpg", 2
	b.equal("looking at two at a time", b.pages(f), want)
}

func (b *bench) certainty(id int64) int {
	b.Helper()
	return b.count("select certainty from images where id = ?", id)
}

func certaintyFollows(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25, "bob", 0.265625})
	face := b.image(id).Faces[0].ID
	b.equal("answered", b.certainty(id), 250)
	done := b.correct(faces.Statement{FaceID: face, Name: "anna"})
	_, err := b.store.UndoCorrection(b.Context(), done.Correction.ID, "")
	b.must(err)
	b.equal("confirmed, and undone", []any{b.image(id).Reason, b.certainty(id)}, []any{faces.Uncertain, 250})

	token, _ := b.leaseRematch("one", 0)
	images, err := b.store.ImagesWithFaces(b.Context(), []int64{id})
	b.must(err)
	change := history.Change{ImageID: id, Before: images[0].Answer, After: images[0].Answer}
	change.After.Faces = []history.FaceAnswer{images[0].Answer.Faces[0]}
	change.After.Faces[0].SecondDistance = 0.296875
	_, err = b.store.SetAnswers(b.Context(), token, []history.Change{change}, nil, "g2")
	b.must(err)
	b.equal("the second person is farther", b.certainty(id), 750)

	merge, _, err := b.store.MergePeople(b.Context(), store.MergeRequest{
		Person: b.personID("anna"), Merged: b.personID("bob"), PersonVersion: faces.AnyVersion, MergedVersion: faces.AnyVersion,
	})
	b.must(err)
	b.equal("both are one", []any{b.image(id).Reason, b.certainty(id)}, []any{faces.Uncertain, faces.MaxCertainty})
	_, _, err = b.store.UndoMerge(b.Context(), merge.ID)
	b.must(err)

	other := b.answered("/u/b.jpg", []any{"anna", 0.25, "bob", 0.265625})
	_, err = b.store.DeletePerson(b.Context(), b.personID("bob"), faces.AnyVersion)
	b.must(err)
	b.equal("the second is gone", b.certainty(other), faces.MaxCertainty)
}
