package storetest

import (
	"fmt"
	"slices"

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
	{"Lists and counts of nothing", listNothing},
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

func listNothing(b *bench) {
	b.equal("images", b.list(filterAll), noImages)
	counts, err := b.store.CountImages(b.Context())
	b.must(err)
	b.equal("counts", counts, []store.Count(nil))
}
