package storetest

import (
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var storedFaceTests = []test{
	{"StoredDescriptors and SummarizeFaces read the described faces of a model set, in pages", storedDescriptors},
	{"FoundFaces returns what exists, with its image", foundFaces},
}

// storedDescriptors has two images, each with a face of 320 numbers, one of 128, and some
// without a descriptor.
func storedDescriptors(b *bench) {
	seen := b.seen()
	wide, narrow := faces.Model{ID: "lite-1", Size: 320}, faces.Model{ID: "lite-1", Size: 128}
	var want []faces.StoredDescriptor // those of 320 numbers
	for _, path := range []string{"a.jpg", "b.jpg", "c.jpg"} {
		id := b.add(path)[0]
		b.finish(store.Result{Lease: b.claim(id)[0], Outcome: seen})
		want = append(want, faces.StoredDescriptor{ID: b.image(id).Faces[0].ID, Descriptor: seen.Faces[0].Descriptor.Bytes()})
	}
	newest, err := b.store.NewestFace(b.Context())
	b.must(err)
	if newest <= want[2].ID {
		b.Errorf("the newest face is %d", newest)
	}
	read := func(m faces.Model, after, upTo int64, limit int) []faces.StoredDescriptor {
		b.Helper()
		list, err := b.store.StoredDescriptors(b.Context(), m, after, upTo, limit)
		b.must(err)
		return list
	}
	b.equal("all", read(wide, 0, math.MaxInt64, 10), want)
	b.equal("two", read(wide, 0, math.MaxInt64, 2), want[:2])
	b.equal("a range", read(wide, want[0].ID, want[1].ID, 10), want[1:2])
	b.equal("of another model set", read(faces.Model{ID: "other", Size: 320}, 0, math.MaxInt64, 10), []faces.StoredDescriptor{})
	if list := read(narrow, 0, math.MaxInt64, 10); len(list) != 3 || len(list[0].Descriptor) != 512 {
		b.Errorf("of 128 numbers there are %d", len(list))
	}

	summarize := func(after, upTo int64, limit int) (faces.FaceSummary, int64) {
		b.Helper()
		sum, end, err := b.store.SummarizeFaces(b.Context(), wide, after, upTo, limit)
		b.must(err)
		return sum, end
	}
	var all faces.FaceSummary
	for _, f := range want {
		all.AddDescriptor(f.ID, seen.Faces[0].Descriptor)
	}
	sum, end := summarize(0, math.MaxInt64, 10)
	b.equal("the summary of all", sum, all)
	b.equal("the end of all", end, int64(math.MaxInt64))
	first, end := summarize(0, math.MaxInt64, 2)
	b.equal("the end of a page", end, want[1].ID)
	rest, _ := summarize(end, math.MaxInt64, 2)
	b.equal("the sum of two pages", faces.FaceSummary{Count: first.Count + rest.Count, Digest: first.Digest + rest.Digest}, all)
	b.exec("update faces set descriptor = ? where id = ?", make([]byte, 512), want[0].ID)
	if changed, _ := summarize(0, math.MaxInt64, 10); changed == all || changed.Count != 3 {
		b.Errorf("a face that was described again has the same summary: %+v", changed)
	}
}

func foundFaces(b *bench) {
	seen := b.seen()
	ids := b.add("a.jpg", "b.jpg")
	b.finish(store.Result{Lease: b.claim(ids[0])[0], Outcome: seen}, store.Result{Lease: b.claim(ids[1])[0], Outcome: seen})
	one, gone := b.image(ids[0]), b.image(ids[1])
	b.delete(ids[1])
	found, err := b.store.FoundFaces(b.Context(), []int64{one.Faces[0].ID, one.Faces[2].ID, gone.Faces[0].ID, 999_999})
	b.must(err)
	if len(found) != 2 {
		b.Fatalf("found %d faces, want 2", len(found))
	}
	for _, want := range []faces.Face{one.Faces[0], one.Faces[2]} {
		got := found[want.ID]
		b.equal("the face", got.Face, want)
		if got.Image.ID != ids[0] || got.Image.Path != one.Path || got.Image.Status != one.Status {
			b.Errorf("its image is %+v", got.Image)
		}
	}
	if _, err := b.store.StoredFace(b.Context(), gone.Faces[0].ID); faces.ErrorCode(err) != faces.CodeMissing {
		b.Errorf("a face that is gone: %v", err)
	}
	none, err := b.store.FoundFaces(b.Context(), nil)
	b.must(err)
	if len(none) != 0 {
		b.Errorf("found %v", none)
	}
}
