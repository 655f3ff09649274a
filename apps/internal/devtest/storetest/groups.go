package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var groupTests = []test{
	{"GroupableFaces and GroupableIn return the faces that take part in groups", groupableFaces},
	{"PlaceFaces stores groups, for the holder of the lease only", placeFaces},
	{"A checkpoint is stored in parts, and the one before stays until it is whole", checkpoints},
	{"SaveGrouping and GroupingWaits store how far the groups are", saveGrouping},
	{"ForgetGroupings deletes what is of other model sets", forgetGroupings},
	{"ChangedImages returns the images of events, and says what is missing", changedImages},
	{"Deleting an image deletes its faces from groups", deleteFromGroups},
	{"Erased and replaced faces leave no groups and no pairs", forgetFacesOfGroups},
	{"LargestGroups and CountGroups read the sizes of groups", largestGroups},
	{"LooseFaces pages through the faces in no group", looseFaces},
	{"LooseFaces looks at a bounded number of people for one page", looseFacesNearMany},
	{"UncertainImages pages through the uncertain images in their stored order", uncertainImages},
	{"CorrectionsByID and GroupChangedAt tell what somebody said", saidByID},
}

// strangers stores an image with faces that nobody knows, of 128 numbers.
func (b *bench) strangers(path string, n int) faces.Image {
	b.Helper()
	out := faces.Outcome{Width: 100, Height: 100, Model: "lite-1", Reason: faces.UnknownPerson}
	for i := range n {
		d := make(faces.Descriptor, 128)
		d[0] = float32(i)
		out.Faces = append(out.Faces, faces.Face{
			Box: faces.Box{X: 10 * i, Width: 10, Height: 10}, Descriptor: d, Quality: faces.Quality{Size: 80}, Model: "lite-1", Reason: faces.UnknownPerson,
		})
	}
	id := b.add(path)[0]
	b.finish(store.Result{Lease: b.claim(id)[0], Outcome: out})
	return b.image(id)
}

func lite() faces.Model {
	return faces.Model{ID: "lite-1", Size: 128, Threshold: 0.6, GroupDistance: 0.4, Floors: faces.Floors{Size: 40}}
}

func groupableFaces(b *bench) {
	one, two := b.strangers("a.jpg", 4), b.strangers("b.jpg", 2)
	small, known, drawn := one.Faces[1].ID, one.Faces[2].ID, one.Faces[3].ID
	b.exec("update faces set quality_size = 39 where id = ?", small)
	b.exec("update faces set reason = 'identified', best_person_id = 1 where id = ?", known)
	b.exec("update faces set drawn = 1 where id = ?", drawn)
	b.exec("update faces set reason = 'uncertain' where id = ?", two.Faces[0].ID)
	want := []groups.Face{
		{ID: one.Faces[0].ID, Picture: one.ID}, {ID: two.Faces[0].ID, Picture: two.ID}, {ID: two.Faces[1].ID, Picture: two.ID},
	}
	list, end, err := b.store.GroupableFaces(b.Context(), lite(), 0, math.MaxInt64, 100)
	b.must(err)
	b.equal("all", list, want)
	b.equal("the end of all", end, int64(math.MaxInt64))
	list, end, err = b.store.GroupableFaces(b.Context(), lite(), 0, math.MaxInt64, 3)
	b.must(err)
	b.equal("the first page", list, want[:1])
	b.equal("the end of the first page", end, known)
	list, _, err = b.store.GroupableFaces(b.Context(), lite(), end, two.Faces[0].ID, 3)
	b.must(err)
	b.equal("a range", list, want[1:2])
	list, err = b.store.GroupableIn(b.Context(), lite(), []int64{two.ID, 999})
	b.must(err)
	b.equal("of an image", list, want[1:])
	other := lite()
	other.Size = 64
	list, _, err = b.store.GroupableFaces(b.Context(), other, 0, math.MaxInt64, 100)
	b.must(err)
	b.equal("of another size", list, []groups.Face{})

	vectors, err := b.store.DescriptorsOf(b.Context(), lite(), []int64{two.Faces[1].ID, 999_999, one.Faces[0].ID})
	b.must(err)
	b.equal("descriptors", vectors, []faces.Descriptor{two.Faces[1].Descriptor, nil, one.Faces[0].Descriptor})
	b.exec("insert into face_apart (face_a, face_b, model, created_at) values (9, 2, 'lite-1', '2026-03-01 12:00:00'), (3, 4, 'lite-1', '2026-03-01 12:00:00')")
	b.exec("update face_apart set undone_at = '2026-03-01 12:00:01' where face_a = 3")
	b.exec("insert into face_apart (face_a, face_b, model, created_at) values (5, 6, 'other', '2026-03-01 12:00:00')")
	apart, err := b.store.FacesApart(b.Context(), "lite-1")
	b.must(err)
	b.equal("apart", apart, [][2]int64{{2, 9}})
}

func placeFaces(b *bench) {
	token, _ := b.leaseRematch("one", 0)
	img := b.strangers("a.jpg", 4)
	id := func(i int) int64 { return img.Faces[i].ID }
	placed := func(after, upTo int64, limit int) (map[int64]int64, int64) {
		b.Helper()
		found, end, err := b.store.PlacedFaces(b.Context(), "lite-1", after, upTo, limit)
		b.must(err)
		return found, end
	}
	b.must(b.store.PlaceFaces(b.Context(), token, "lite-1", []groups.Placement{{Face: id(0), Group: id(0)}, {Face: id(1), Group: id(0)}, {Face: id(2), Group: id(0)}, {Face: 999_999, Group: id(0)}}))
	all, end := placed(0, math.MaxInt64, 100)
	b.equal("placed", all, map[int64]int64{id(0): id(0), id(1): id(0), id(2): id(0)})
	b.equal("the end", end, int64(math.MaxInt64))
	b.must(b.store.PlaceFaces(b.Context(), token, "lite-1", []groups.Placement{{Face: id(0)}, {Face: id(1), Group: id(1)}, {Face: id(3), Group: id(1)}}))
	all, end = placed(0, math.MaxInt64, 2)
	b.equal("a page", all, map[int64]int64{id(1): id(1), id(2): id(0)})
	b.equal("its end", end, id(2))
	all, _ = placed(id(1), id(2), 2)
	b.equal("a range", all, map[int64]int64{id(2): id(0)})
	b.must(b.store.PlaceFaces(b.Context(), token, "lite-1", nil))

	b.clock.advance(2 * lease)
	b.leaseRematch("two", 0)
	for what, err := range map[string]error{
		"groups":       b.store.PlaceFaces(b.Context(), token, "lite-1", []groups.Placement{{Face: id(1)}}),
		"a state":      b.store.SaveGrouping(b.Context(), token, groups.Progress{Model: "lite-1", State: groups.Ready}),
		"a reason":     b.store.GroupingWaits(b.Context(), token, "lite-1", "why"),
		"a checkpoint": b.store.SaveCheckpoint(b.Context(), token, "lite-1", []byte("x")),
	} {
		if !errors.Is(err, history.ErrLeaseLost) {
			b.Errorf("%s without the lease: %v", what, err)
		}
	}
	all, _ = placed(0, math.MaxInt64, 100)
	b.equal("without the lease", all, map[int64]int64{id(1): id(1), id(2): id(0), id(3): id(1)})
	b.equal("rows without the lease", b.count("select (select count(*) from `grouping`) + (select count(*) from grouping_parts)"), 0)
}

func checkpoints(b *bench) {
	token, _ := b.leaseRematch("one", 0)
	read := func() []byte {
		b.Helper()
		data, err := b.store.Checkpoint(b.Context(), "lite-1")
		b.must(err)
		return data
	}
	if err := b.store.SaveCheckpoint(b.Context(), token, "lite-1", []byte("early")); err == nil {
		b.Error("a checkpoint without a row of its model set can be stored")
	}
	b.equal("none", read(), []byte(nil))
	b.must(b.store.SaveGrouping(b.Context(), token, groups.Progress{Model: "lite-1", State: groups.Building}))
	rng := rand.NewChaCha8([32]byte{28})
	for _, size := range []int{1, 3 << 20, 0, 512 << 10, 700_000} { // 3 MiB is more than one packet may have in parts of this size
		data := make([]byte, size)
		rng.Read(data)
		b.must(b.store.SaveCheckpoint(b.Context(), token, "lite-1", data))
		if !bytes.Equal(read(), data) {
			b.Errorf("a checkpoint of %d bytes is another one", size)
		}
		want := (size + 512<<10 - 1) / (512 << 10)
		b.equal("parts", b.count("select count(*) from grouping_parts"), want)
		// A program that is killed leaves parts of the next one.
		b.exec("insert into grouping_parts (model, checkpoint, part, data) select 'lite-1', checkpoint + 1, 0, 'x' from `grouping`")
		if !bytes.Equal(read(), data) {
			b.Errorf("half of the next checkpoint changes one of %d bytes", size)
		}
	}
}

func saveGrouping(b *bench) {
	token, _ := b.leaseRematch("one", 0)
	row := func() string {
		b.Helper()
		var state, detail string
		var distance float64
		var done, total, count int64
		var started, updated time.Time
		err := b.raw.QueryRowContext(b.Context(), "select state, detail, distance, faces, total, group_count, started_at, updated_at from `grouping` where model = 'lite-1'").
			Scan(&state, &detail, &distance, &done, &total, &count, &started, &updated)
		b.must(err)
		return fmt.Sprint(state, "|", detail, "|", distance, done, total, count, started.Sub(b.clock.Now()), updated.Sub(b.clock.Now()))
	}
	b.must(b.store.SaveGrouping(b.Context(), token, groups.Progress{Model: "lite-1", State: groups.Building, Distance: 0.4, Faces: 5, Total: 9}))
	b.equal("stored", row(), "building||0.4 5 9 0 0s 0s")
	b.clock.advance(time.Second)
	b.must(b.store.GroupingWaits(b.Context(), token, "lite-1", "it is full"))
	b.equal("waits", row(), "waiting|it is full|0.4 5 9 0 -1s 0s")
	b.clock.advance(time.Second)
	b.must(b.store.SaveGrouping(b.Context(), token, groups.Progress{Model: "lite-1", State: groups.Ready, Distance: 0.5, Faces: 9, Total: 10, Groups: 3}))
	b.equal("ready", row(), "ready||0.5 9 10 3 -2s 0s")
	b.must(b.store.GroupingWaits(b.Context(), token, "other", "why"))
	b.equal("rows", b.count("select count(*) from `grouping`"), 2)
}

func forgetGroupings(b *bench) {
	token, _ := b.leaseRematch("one", 0)
	img := b.strangers("a.jpg", 3)
	for i, model := range []string{"old", "lite-1", "older"} {
		b.must(b.store.SaveGrouping(b.Context(), token, groups.Progress{Model: model, State: groups.Ready}))
		b.must(b.store.SaveCheckpoint(b.Context(), token, model, []byte("state")))
		b.must(b.store.PlaceFaces(b.Context(), token, model, []groups.Placement{{Face: img.Faces[i].ID, Group: img.Faces[0].ID}}))
	}
	b.exec("insert into face_apart (face_a, face_b, model, created_at) values (1, 2, 'old', '2026-03-01 12:00:00')")
	for keep, want := range map[string]int{"lite-1": 3, "": 0} {
		if keep == "" {
			continue
		}
		more, err := b.store.ForgetGroupings(b.Context(), token, keep)
		b.must(err)
		b.equal("more", more, false)
		b.equal("rows", b.count("select (select count(*) from face_groups) + (select count(*) from `grouping`) + (select count(*) from grouping_parts)"), want)
	}
	_, err := b.store.ForgetGroupings(b.Context(), token, "")
	b.must(err)
	b.equal("rows of none", b.count("select (select count(*) from face_groups) + (select count(*) from `grouping`) + (select count(*) from grouping_parts)"), 0)
	b.equal("what somebody said", b.count("select count(*) from face_apart"), 1)
}

func changedImages(b *bench) {
	changes := func(after int64, limit int) faces.ImageChanges {
		b.Helper()
		c, err := b.store.ChangedImages(b.Context(), after, limit)
		b.must(err)
		return c
	}
	b.equal("nothing", changes(0, 10), faces.ImageChanges{})
	one, two := b.strangers("a.jpg", 1), b.strangers("b.jpg", 1)
	waits := b.add("c.jpg")[0]
	b.person("Ada")
	b.equal("not numbered yet", changes(0, 10), faces.ImageChanges{})
	number := func() int64 {
		b.Helper()
		_, err := b.store.SequenceEvents(b.Context(), 100)
		b.must(err)
		r, err := b.store.EventRange(b.Context())
		b.must(err)
		return r.Newest
	}
	last := number()
	c := changes(0, 100)
	b.equal("all", c, faces.ImageChanges{Images: []int64{one.ID, two.ID}, Next: last})
	b.delete(one.ID)
	b.delete(waits)
	newest := number()
	b.equal("deleted", changes(last, 100), faces.ImageChanges{Images: []int64{one.ID, waits}, Next: newest})
	first := changes(0, 1)
	if !first.More || first.Next != 1 {
		b.Errorf("the first page is %+v", first)
	}
	b.equal("beyond all", changes(newest+5, 10), faces.ImageChanges{Next: newest, Missed: true})
	for more := true; more; {
		var err error
		more, err = b.store.SweepEvents(b.Context(), store.EventLimits{MaxAge: time.Hour, MaxRows: 1})
		b.must(err)
	}
	if c := changes(0, 10); !c.Missed {
		b.Errorf("events were deleted: %+v", c)
	}
	if c := changes(newest-1, 10); c.Missed || c.Next != newest {
		b.Errorf("none is missing after the last but one: %+v", c)
	}
}

func deleteFromGroups(b *bench) {
	token, _ := b.leaseRematch("one", 0)
	one, two := b.strangers("a.jpg", 2), b.strangers("b.jpg", 2)
	var list []groups.Placement
	for _, f := range append(append([]faces.Face{}, one.Faces...), two.Faces...) {
		list = append(list, groups.Placement{Face: f.ID, Group: one.Faces[0].ID})
	}
	b.must(b.store.PlaceFaces(b.Context(), token, "lite-1", list))
	b.exec("insert into face_apart (face_a, face_b, model, created_at) values (?, 77, 'lite-1', '2026-03-01 12:00:00'), (78, ?, 'lite-1', '2026-03-01 12:00:00'), (78, 79, 'lite-1', '2026-03-01 12:00:00')",
		one.Faces[0].ID, one.Faces[1].ID)
	b.delete(one.ID)
	placed, _, err := b.store.PlacedFaces(b.Context(), "lite-1", 0, math.MaxInt64, 100)
	b.must(err)
	b.equal("placed", placed, map[int64]int64{two.Faces[0].ID: one.Faces[0].ID, two.Faces[1].ID: one.Faces[0].ID})
	b.equal("apart", b.count("select count(*) from face_apart"), 1)
}

// pairOff puts faces into a group with a face that stays, and says that each of them is
// not of the person of another one.
func (b *bench) pairOff(stays int64, found ...int64) {
	b.Helper()
	b.placeIn(stays, append([]int64{stays}, found...)...)
	for i, id := range found {
		one, other := id, int64(100_000+i)
		if i%2 == 1 {
			one, other = 50_000, id // the first or the second of a pair
		}
		b.exec("insert into face_apart (face_a, face_b, model, created_at) values (?, ?, 'lite-1', ?)", one, other, b.clock.Now())
	}
	b.exec("insert into face_apart (face_a, face_b, model, created_at) values (?, 200000, 'lite-1', ?)", stays, b.clock.Now())
}

func forgetFacesOfGroups(b *bench) {
	stays := b.strangers("stays.jpg", 1).Faces[0].ID
	idsIn := func(id int64) (ids []int64) {
		b.Helper()
		for _, f := range b.image(id).Faces {
			ids = append(ids, f.ID)
		}
		return ids
	}
	left := func(what string) {
		b.Helper()
		b.equal(what, []int{b.inGroups(), b.count("select count(*) from face_apart")}, []int{1, 1})
		b.exec("delete from face_groups")
		b.exec("delete from face_apart")
	}
	again := b.strangers("again.jpg", 3)
	b.pairOff(stays, idsIn(again.ID)...)
	b.exec("update images set status = 0, reason = 'queued' where id = ?", again.ID)
	b.finish(store.Result{Lease: b.claim(again.ID)[0], Outcome: faces.Outcome{Reason: faces.NoFace}})
	left("processed again")

	rescanned := b.answered("/u/rescanned.jpg", []any{"anna", 0.75}, []any{"anna", 0.875})
	b.pairOff(stays, idsIn(rescanned)...)
	b.finish(store.Result{Lease: b.claimAgain(rescanned), Outcome: faces.Outcome{Reason: faces.NoFace}})
	left("a rescan")

	erased := b.answered("/u/erased.jpg", []any{"zoe", 0.25}, []any{"zoe", 0.125})
	b.pairOff(stays, idsIn(erased)...)
	entry := b.erased(b.personID("zoe"), erasure.Keep)
	left("an erasure")

	b.equal("the faces are gone", len(idsIn(erased)), 0)
	restored, box := b.strangers("restored.jpg", 1).Faces[0].ID, entry.Pictures[0].Places[0].Box
	b.exec("update faces set image_id = ?, x = ?, y = ?, width = ?, height = ? where id = ?", erased, box.X, box.Y, box.Width, box.Height, restored)
	b.pairOff(stays, idsIn(erased)...)
	n, _, err := b.store.SweepErasedPlaces(b.Context(), 0)
	b.must(err)
	b.equal("restored faces", n, 1)
	left("a sweep")
}
