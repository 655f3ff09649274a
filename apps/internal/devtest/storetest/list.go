package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var listTests = []test{
	{"Lists by reason and status agree with what is shown", listAgrees},
	{"CountImages agrees with what is shown", countAgrees},
	{"Lists in pages", listPages},
	{"Lists by person", listPerson},
	{"Lists by the person of any face", listAnyFace},
	{"Lists by corrected faces", listCorrected},
	{"Lists by a name in any spelling", listSpellings},
	{"Lists by a part of the path", listQuery},
	{"Lists by all filters together", listTogether},
	{"Lists by the time of the post", listTime},
	{"Lists with the uncertain first", listUncertain},
	{"Pages of every filter add up to its list", listScans},
	{"Lists and counts of nothing", listNothing},
	{"Some images by their ids, in that order", listSome},
}

// filterAll lists everything, newest first.
var filterAll store.Filter

// everyCombination stores an image for each status with each reason, those
// that do not belong to it and words of other programs included.
func (b *bench) everyCombination() {
	reasons := []faces.Reason{faces.NoReason, "bogus", "No_Face", "QUEUED", "queued ", "no_face\u00e9"}
	reasons = append(reasons, faces.Reasons()...)
	for status := range 5 { // one more than there are
		for i, r := range reasons {
			b.exec("insert into images (path, person, status, reason) values (?, -1, ?, ?)",
				fmt.Sprintf("/u/%d-%d.jpg", status, i), status, string(r))
		}
	}
}

func listAgrees(b *bench) {
	b.everyCombination()
	all := b.list(filterAll)
	b.equal("images", len(all), 5*(6+len(faces.Reasons())))
	for _, r := range faces.Reasons() {
		want := pick(all, func(img faces.Image) bool { return img.Reason == r })
		b.equal("listed by reason "+string(r), b.list(store.Filter{Reason: r}), want)
		if len(want) == 0 {
			b.Errorf("no image shows %s", r)
		}
		status := r.Status()
		b.equal("listed by reason and its status", b.list(store.Filter{Reason: r, Status: &status}), want)
		other := (status + 1) % 3
		b.equal("listed by reason and another status", b.list(store.Filter{Reason: r, Status: &other}), noImages)
	}
	for _, status := range []faces.Status{faces.Pending, faces.Processed, faces.Failed, faces.Processing} {
		want := pick(all, func(img faces.Image) bool { return img.Status == status })
		b.equal("listed by status "+status.String(), b.list(store.Filter{Status: &status}), want)
	}
}

var noImages []faces.Image

func pick(images []faces.Image, keep func(faces.Image) bool) []faces.Image {
	return slices.DeleteFunc(slices.Clone(images), func(img faces.Image) bool { return !keep(img) })
}

func countAgrees(b *bench) {
	b.everyCombination()
	want := map[store.Count]int64{}
	for _, img := range b.list(filterAll) {
		want[store.Count{Status: img.Status, Reason: img.Reason}]++
	}
	counts, err := b.store.CountImages(b.Context())
	b.must(err)
	got := map[store.Count]int64{}
	for _, c := range counts {
		got[store.Count{Status: c.Status, Reason: c.Reason}] = c.Images
	}
	b.equal("counts", got, want)
	b.equal("each reason once", len(counts), len(want))
}

func listPages(b *bench) {
	ids := b.addMany(7)
	newest := slices.Clone(ids)
	slices.Reverse(newest)
	for _, c := range []struct {
		name   string
		filter store.Filter
		want   []int64
	}{
		{"all", store.Filter{}, newest},
		{"first page", store.Filter{Limit: 3}, newest[:3]},
		{"second page", store.Filter{Limit: 3, After: newest[2]}, newest[3:6]},
		{"last page", store.Filter{Limit: 3, After: newest[5]}, newest[6:]},
		{"oldest first", store.Filter{Limit: 3, Oldest: true}, ids[:3]},
		{"oldest first, second page", store.Filter{Limit: 3, Oldest: true, After: ids[2]}, ids[3:6]},
		{"after the last", store.Filter{Oldest: true, After: ids[6]}, nil},
	} {
		b.equal(c.name, idsOf(b.list(c.filter)), c.want)
	}
}

func listPerson(b *bench) {
	anna, lower, second := b.person("Anna"), b.person("anna"), b.person("Anna")
	ids := b.addMany(6)
	for i, c := range []struct {
		person int64
		status faces.Status
	}{
		{anna, faces.Processed}, {lower, faces.Processed}, {second, faces.Processed},
		{anna, faces.Processed}, {anna, faces.Pending}, {anna, faces.Failed}, // the last two show nobody
	} {
		b.exec("update images set person = ?, status = ? where id = ?", c.person, int(c.status), ids[i])
	}
	for _, c := range []struct {
		name   string
		filter store.Filter
		want   []int64
	}{
		{"by id", store.Filter{PersonID: anna, Oldest: true}, []int64{ids[0], ids[3]}},
		{"by name: exact, and everybody who has it", store.Filter{Person: "Anna", Oldest: true}, []int64{ids[0], ids[2], ids[3]}},
		{"by another case", store.Filter{Person: "anna", Oldest: true}, []int64{ids[1]}},
		{"by a name with a space after it", store.Filter{Person: "Anna ", Oldest: true}, []int64{ids[0], ids[2], ids[3]}},
		{"by both", store.Filter{PersonID: second, Person: "Anna"}, []int64{ids[2]}},
		{"nobody", store.Filter{Person: "Bob"}, nil},
	} {
		b.equal(c.name, idsOf(b.list(c.filter)), c.want)
	}
	b.equal("name", b.list(store.Filter{PersonID: lower})[0].Person, &faces.Person{ID: lower, Name: "anna"})
}

// An image is found by everybody in it, and not only by the person of its
// nearest face.
func listAnyFace(b *bench) {
	first := b.answered("/u/1.jpg", []any{"anna", 0.25}, []any{"bob", 0.375})
	second := b.answered("/u/2.jpg", []any{"bob", 0.25}, []any{"anna", 0.3})
	alone := b.answered("/u/3.jpg", []any{"bob", 0.25})
	b.answered("/u/4.jpg", []any{"anna", 0.75}) // too far
	queuedAgain := b.answered("/u/5.jpg", []any{"bob", 0.25}, []any{"anna", 0.375})
	b.exec("update images set status = 0 where id = ?", queuedAgain) // by an original program
	anna, bob := b.personID("anna"), b.personID("bob")
	original := b.add("/u/6.jpg")[0]
	b.exec("update images set status = 1, person = ? where id = ?", anna, original)
	processed := faces.Processed
	for _, c := range []struct {
		name   string
		filter store.Filter
		want   []int64
	}{
		{"anna", store.Filter{PersonID: anna}, []int64{original, second, first}},
		{"anna, by name", store.Filter{Person: "anna"}, []int64{original, second, first}},
		{"bob, oldest first", store.Filter{PersonID: bob, Oldest: true}, []int64{first, second, alone}},
		{"a page", store.Filter{PersonID: bob, Limit: 1, After: alone}, []int64{second}},
		{"a page, oldest first", store.Filter{Person: "bob", Limit: 2, After: first, Oldest: true}, []int64{second, alone}},
		{"a page of both kinds", store.Filter{Person: "anna", Limit: 2}, []int64{original, second}},
		{"with a path", store.Filter{PersonID: bob, Query: "/u/3"}, []int64{alone}},
		{"with status and reason", store.Filter{PersonID: anna, Status: &processed, Reason: faces.Identified, Limit: 1}, []int64{original}},
		{"with another reason", store.Filter{PersonID: anna, Reason: faces.NoFace}, nil},
		{"id and name of different people", store.Filter{PersonID: anna, Person: "bob"}, nil},
	} {
		b.equal(c.name, idsOf(b.list(c.filter)), c.want)
	}
}

// A face whose correction says who it is shows that person; one whose correction
// says who it is not does not.
func listCorrected(b *bench) {
	id := b.answered("/u/1.jpg", []any{"anna", 0.25}, []any{"bob", 0.375})
	found := b.image(id).Faces
	says := func(s faces.Statement) {
		b.Helper()
		_, err := b.store.CorrectFace(b.Context(), s)
		b.must(err)
	}
	says(faces.Statement{FaceID: found[0].ID, Name: "007"})
	says(faces.Statement{FaceID: found[1].ID, PersonID: b.personID("bob"), Not: true})
	for name, want := range map[string][]int64{"007": {id}, "anna": nil, "bob": nil} {
		b.equal(name, idsOf(b.list(store.Filter{Person: name})), want)
		b.equal(name+", retried", b.retry(store.RetryFilter{Person: name}), want)
	}
}

// Composed and decomposed letters are one name, in whichever form it is stored.
func listSpellings(b *bench) {
	composed, apart := b.person("Jos\u00e9"), b.person("Zoe\u0308")
	ids := b.addMany(2)
	b.exec("update images set status = 1, person = ? where id = ?", composed, ids[0])
	b.exec("update images set status = 1, person = ? where id = ?", apart, ids[1])
	for name, want := range map[string][]int64{
		"Jos\u00e9": {ids[0]}, "Jose\u0301": {ids[0]}, " Jose\u0301 ": {ids[0]}, "Zo\u00eb": {ids[1]}, "Zoe\u0308": {ids[1]}, "Jose": nil,
	} {
		b.equal(name, idsOf(b.list(store.Filter{Person: name})), want)
	}
}

func listQuery(b *bench) {
	paths := []string{"/u/100%.jpg", "/u/100x.jpg", "/u/a_b.jpg", "/u/axb.jpg", "/u/wow!.jpg", `/u/c\d.jpg`, "/u/Ärger.jpg", "/u/O'Neil.jpg"}
	b.add(paths...)
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"100%", []string{paths[0]}},
		{"%", []string{paths[0]}},
		{"a_b", []string{paths[2]}},
		{"_", []string{paths[2]}},
		{"!", []string{paths[4]}},
		{`\`, []string{paths[5]}},
		{"'", []string{paths[7]}},
		{"Ärg", []string{paths[6]}},
		{"WOW", []string{paths[4]}},
		{"/u/", paths},
		{"/u/1", paths[:2]},
		{"nothing", nil},
		{"\xff", nil},
	} {
		var got []string
		for _, img := range b.list(store.Filter{Query: c.query, Oldest: true}) {
			got = append(got, img.Path)
		}
		if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
			b.Errorf("query %q (-want +got):\n%s", c.query, diff)
		}
	}
}

func listTogether(b *bench) {
	anna := b.person("Anna")
	ids := b.add("/u/x1.jpg", "/u/x2.jpg", "/u/y.jpg", "/u/x3.jpg", "/u/x4.jpg")
	b.exec("update images set status = 1, person = ? where path <> '/u/x2.jpg'", anna)
	processed := faces.Processed
	f := store.Filter{
		Status: &processed, Reason: faces.Identified, PersonID: anna, Person: "Anna", Query: "x", Limit: 2,
	}
	b.equal("newest first", idsOf(b.list(f)), []int64{ids[4], ids[3]})
	f.After = ids[3]
	b.equal("and then", idsOf(b.list(f)), []int64{ids[0]})
}

func listTime(b *bench) {
	start := b.clock.Now()
	var ids []int64
	for i := range 6 {
		ids = append(ids, b.add(fmt.Sprintf("/u/%d.jpg", i))[0])
		b.clock.advance(time.Hour)
	}
	late := b.add("/u/late.jpg")[0] // by a receiver whose clock is behind
	b.exec("update images set created_at = ? where id = ?", start.Add(6*time.Hour-9*time.Minute), late)
	at := func(hours float64) time.Time { return start.Add(time.Duration(hours * float64(time.Hour))) }
	for _, c := range []struct {
		name   string
		filter store.Filter
		want   []int64
	}{
		{"from a time on, which counts", store.Filter{CreatedAfter: at(3)}, []int64{late, ids[5], ids[4], ids[3]}},
		{"before a time, which does not count", store.Filter{CreatedBefore: at(3)}, []int64{ids[2], ids[1], ids[0]}},
		{"between", store.Filter{CreatedAfter: at(1), CreatedBefore: at(3), Oldest: true}, []int64{ids[1], ids[2]}},
		{"in another zone", store.Filter{CreatedAfter: at(4.5).In(time.FixedZone("IST", 5*3600+1800)), Limit: 2}, []int64{late, ids[5]}},
		{"of a clock that is behind", store.Filter{CreatedAfter: at(5.8), CreatedBefore: at(5.9)}, []int64{late}},
		{"after all", store.Filter{CreatedAfter: at(7)}, nil},
		{"before all", store.Filter{CreatedBefore: start}, nil},
		{"the wrong way round", store.Filter{CreatedAfter: at(3), CreatedBefore: at(2)}, nil},
		{"with a path", store.Filter{CreatedAfter: at(1), Query: "/1"}, []int64{ids[1]}},
		{"the second page", store.Filter{CreatedAfter: at(1), After: ids[4], Limit: 2}, []int64{ids[3], ids[2]}},
	} {
		b.equal(c.name, idsOf(b.list(c.filter)), c.want)
	}
}

func listUncertain(b *bench) {
	ids := b.addMany(6)
	for _, i := range []int{1, 3, 4} {
		b.exec("update images set reason = 'uncertain' where id = ?", ids[i])
	}
	b.exec("update images set status = 1, reason = 'uncertain' where id = ?", ids[5]) // shows identified
	want := []int64{ids[4], ids[3], ids[1], ids[5], ids[2], ids[0]}
	pending, failed := faces.Pending, faces.Failed
	for name, c := range map[string]struct {
		filter store.Filter
		want   []int64
	}{
		"all":                       {store.Filter{}, want},
		"of a status":               {store.Filter{Status: &pending}, []int64{ids[4], ids[3], ids[1], ids[2], ids[0]}},
		"of another status":         {store.Filter{Status: &failed}, nil},
		"of the reason":             {store.Filter{Reason: faces.Uncertain}, want[:3]},
		"of another reason":         {store.Filter{Reason: faces.Queued}, want[4:]},
		"with a path":               {store.Filter{Query: "0003"}, want[1:2]},
		"with a path of the others": {store.Filter{Query: "0000"}, want[5:]},
	} {
		c.filter.UncertainFirst = true
		b.equal(name, idsOf(b.list(c.filter)), c.want)
		for limit := range 7 {
			c.filter.Limit = limit + 1
			b.equal(fmt.Sprintf("%s, in pages of %d", name, limit+1), b.pages(c.filter), c.want)
		}
	}
	// What was uncertain is confirmed between two pages: the others still come once.
	f := store.Filter{UncertainFirst: true, Limit: 2}
	page, err := b.store.PageOfImages(b.Context(), f)
	b.must(err)
	b.exec("update images set reason = 'no_face' where id = ?", ids[3])
	f.After = page.Next
	b.equal("after a change", b.pages(f), []int64{ids[1], ids[5], ids[3], ids[2], ids[0]})
}

// pages returns the ids of all pages from one on.
func (b *bench) pages(f store.Filter) (ids []int64) {
	b.Helper()
	for range 1000 {
		page, err := b.store.PageOfImages(b.Context(), f)
		b.must(err)
		if f.Limit > 0 && len(page.Images) > f.Limit {
			b.Fatalf("%d images on a page of %d", len(page.Images), f.Limit)
		}
		ids = append(ids, idsOf(page.Images)...)
		if page.Next == 0 {
			return ids
		}
		if page.Next == f.After {
			b.Fatalf("the page after %d has the same next", f.After)
		}
		f.After = page.Next
	}
	b.Fatal("the pages have no end")
	return nil
}

// Whatever the filter, and however few images one request looks at, the pages hold the
// whole list in order, each image once.
func listScans(b *bench) {
	b.everyCombination()
	b.answered("/u/anna1.jpg", []any{"anna", 0.25}, []any{"bob", 0.375})
	b.answered("/u/anna2.jpg", []any{"bob", 0.25}, []any{"anna", 0.3})
	anna := b.personID("anna")
	for i := range 40 {
		b.exec("insert into images (path, person, status, created_at) values (?, ?, 1, ?)", fmt.Sprintf("/u/by-original-%d.jpg", i), anna,
			b.later(time.Duration(i)*time.Hour).Format("2006-01-02 15:04:05"))
	}
	queued := b.list(store.Filter{Reason: faces.Queued})
	b.exec("update faces set best_person_id = ? where best_person_id <> ?", anna, anna) // twice in one image
	pending, processed := faces.Pending, faces.Processed
	filters := map[string]store.Filter{
		"all": {}, "status": {Status: &pending}, "reason": {Reason: faces.Queued}, "path": {Query: "1"}, "rare path": {Query: "/0-3"}, "no path": {Query: "none"},
		"person": {Person: "anna"}, "person and path": {PersonID: anna, Query: "7"}, "person and status": {Person: "anna", Status: &processed},
		"time": {CreatedAfter: b.later(5 * time.Hour), CreatedBefore: b.later(9 * time.Hour)}, "person, path and time": {Person: "anna", Query: "orig", CreatedAfter: b.later(20 * time.Hour)},
		"status, path": {Status: &pending, Query: "2"}, "identified": {Reason: faces.Identified}, "identified and path": {Reason: faces.Identified, Query: "3"},
	}
	b.equal("there are some", len(queued) > 5, true)
	for name, f := range filters {
		for order := range 3 {
			f.Oldest, f.UncertainFirst = order == 1, order == 2
			want := idsOf(b.list(f))
			for _, size := range []struct{ limit, scan int }{{3, 4}, {100, 1}, {1, 100}, {7, 7}} {
				f := f
				f.Limit, f.Scan = size.limit, size.scan
				b.equal(fmt.Sprintf("%s, order %d, %d of %d", name, order, size.limit, size.scan), b.pages(f), want)
			}
		}
	}
}

func listSome(b *bench) {
	b.everyCombination()
	all := b.list(filterAll)
	var ids []int64
	for _, img := range all {
		ids = append([]int64{img.ID}, ids...) // the oldest first
	}
	got, err := b.store.SomeImages(b.Context(), append([]int64{0, 1 << 40}, ids...))
	b.must(err)
	slices.Reverse(got)
	b.equal("some images", got, all)
	none, err := b.store.SomeImages(b.Context(), nil)
	b.must(err)
	b.equal("no images", none, noImages)
}

func listNothing(b *bench) {
	b.equal("images", b.list(filterAll), noImages)
	counts, err := b.store.CountImages(b.Context())
	b.must(err)
	b.equal("counts", counts, []store.Count(nil))
}
