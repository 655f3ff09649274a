package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var peopleTests = []test{
	{"People by name", people},
	{"Owners", owners},
	{"KnownImages in the order of the table", knownImages},
	{"SyncKnownImages adds, moves and removes", syncKnownImages},
	{"SyncKnownImages keeps what it does not manage", syncKeepsUnmanaged},
	{"SyncKnownImages knows one spelling of a name", syncSpellings},
	{"SyncKnownImages keeps old spellings", syncOldSpellings},
	{"SyncKnownImages with an error changes nothing", syncAllOrNothing},
	{"SyncKnownImages from many at once adds each person once", syncConcurrently},
	{"SyncKnownImages takes more than one statement holds", syncThousands},
	{"The model set in use is the last one", modelInUse},
	{"CountKnownPeople counts who has pictures", countKnownPeople},
}

func people(b *bench) {
	none, err := b.store.People(b.Context())
	b.must(err)
	b.equal("nobody", none, []faces.Person(nil))
	zoe, first, second := b.person("Zoë"), b.person("Anna"), b.person("Anna")
	got, err := b.store.People(b.Context())
	b.must(err)
	b.equal("people", got, []faces.Person{{ID: first, Name: "Anna"}, {ID: second, Name: "Anna"}, {ID: zoe, Name: "Zoë"}})
}

func (b *bench) owners(images ...string) map[string]faces.Person {
	b.Helper()
	got, err := b.store.Owners(b.Context(), images)
	b.must(err)
	return got
}

func owners(b *bench) {
	anna, bob := b.person("Anna"), b.person("Bob")
	for _, row := range []struct {
		image  any
		person any
	}{
		{"a.jpg", anna}, {"b.jpg", bob}, {"both.jpg", bob}, {"both.jpg", anna},
		{"orphan.jpg", 4711}, {"nobody.jpg", nil}, {nil, anna},
	} {
		b.exec("insert into person_images (image_name, person_id) values (?, ?)", row.image, row.person)
	}
	b.equal("owners", b.owners("a.jpg", "both.jpg", "a.jpg", "A.JPG", "a.jpg ", "orphan.jpg", "nobody.jpg", "", "none.jpg"),
		map[string]faces.Person{"a.jpg": {ID: anna, Name: "Anna"}, "both.jpg": {ID: bob, Name: "Bob"}})
	b.equal("of nothing", b.owners(), map[string]faces.Person{})
}

func knownImages(b *bench) {
	anna, bob := b.person("Anna"), b.person("Bob")
	for i, row := range []struct {
		image  any
		person any
	}{{"b.jpg", bob}, {"a.jpg", anna}, {"b.jpg", anna}, {nil, anna}, {"orphan.jpg", 4711}} {
		b.exec("insert into person_images (id, image_name, person_id) values (?, ?, ?)", 10+i, row.image, row.person)
	}
	got, err := b.store.KnownImages(b.Context())
	b.must(err)
	b.equal("known images", got, []faces.KnownImage{
		{ID: 10, Name: "b.jpg", PersonID: bob}, {ID: 11, Name: "a.jpg", PersonID: anna},
		{ID: 12, Name: "b.jpg", PersonID: anna}, {ID: 14, Name: "orphan.jpg", PersonID: 4711},
	})
}

func everything(string) bool { return true }

func (b *bench) sync(wanted map[string]string, managed func(string) bool) store.Enrolment {
	b.Helper()
	e, err := b.store.SyncKnownImages(b.Context(), wanted, managed)
	b.must(err)
	return e
}

// known returns the known images' people by name.
func (b *bench) known(images ...string) map[string]string {
	b.Helper()
	names := map[string]string{}
	for image, p := range b.owners(images...) {
		names[image] = p.Name
	}
	return names
}

func syncKnownImages(b *bench) {
	wanted := map[string]string{"anna/1.jpg": "Anna", "anna/2.jpg": "Anna", "bob/1.jpg": "Bob"}
	b.equal("from nothing", b.sync(wanted, everything), store.Enrolment{
		PeopleAdded: []string{"Anna", "Bob"}, ImagesAdded: []string{"anna/1.jpg", "anna/2.jpg", "bob/1.jpg"},
	})
	b.equal("known", b.known("anna/1.jpg", "anna/2.jpg", "bob/1.jpg"), wanted)
	b.equal("again", b.sync(wanted, everything), store.Enrolment{})

	wanted = map[string]string{"anna/1.jpg": "Anna", "anna/2.jpg": "Clara", "clara/1.jpg": "Clara"}
	b.equal("changed", b.sync(wanted, everything), store.Enrolment{
		PeopleAdded: []string{"Clara"}, ImagesAdded: []string{"clara/1.jpg"},
		ImagesMoved: []string{"anna/2.jpg"}, ImagesRemoved: []string{"bob/1.jpg"},
	})
	b.equal("known", b.known("anna/1.jpg", "anna/2.jpg", "bob/1.jpg", "clara/1.jpg"), wanted)
	got, err := b.store.People(b.Context())
	b.must(err)
	b.equal("people stay", len(got), 3)
	b.equal("to nothing", b.sync(nil, everything), store.Enrolment{
		ImagesRemoved: []string{"anna/1.jpg", "anna/2.jpg", "clara/1.jpg"},
	})
}

func syncKeepsUnmanaged(b *bench) {
	old := b.person("Old")
	b.person("Old") // the one listed first is meant
	b.exec("insert into person_images (image_name, person_id) values (?, ?)", "by-hand.jpg", old)
	b.exec("insert into person_images (image_name, person_id) values (?, ?)", "folder/gone.jpg", old)
	b.exec("insert into person_images (image_name, person_id) values (null, ?)", old)
	inFolder := func(image string) bool { return strings.HasPrefix(image, "folder/") }
	e := b.sync(map[string]string{"folder/1.jpg": "Old"}, inFolder)
	b.equal("changes", e, store.Enrolment{ImagesAdded: []string{"folder/1.jpg"}, ImagesRemoved: []string{"folder/gone.jpg"}})
	b.equal("owners", b.owners("by-hand.jpg", "folder/1.jpg", "folder/gone.jpg"), map[string]faces.Person{
		"by-hand.jpg": {ID: old, Name: "Old"}, "folder/1.jpg": {ID: old, Name: "Old"},
	})
	b.sync(nil, everything)
	b.equal("rows without a name stay", b.count("select count(*) from person_images"), 1)
}

// A name has one spelling: without spaces around it, and composed. Pictures are
// told apart byte for byte, as files are.
func syncSpellings(b *bench) {
	wanted := map[string]string{"a.jpg": "Anna", "a.jpg ": "Anna ", "ä.jpg": "Jos\u00e9", "a\u0308.jpg": "Jose\u0301", "A.jpg": "ANNA"}
	e := b.sync(wanted, everything)
	b.equal("people", e.PeopleAdded, []string{"ANNA", "Jos\u00e9"})
	b.equal("joined", e.NamesJoined, []string{"Anna (as ANNA)", "Anna  (as ANNA)"})
	again := b.sync(wanted, everything)
	b.equal("again", len(again.PeopleAdded)+len(again.ImagesAdded)+len(again.ImagesMoved)+len(again.ImagesRemoved), 0)
	b.equal("known", b.known("a.jpg", "A.jpg", "a.jpg ", "ä.jpg", "a\u0308.jpg"), map[string]string{
		"a.jpg": "ANNA", "A.jpg": "ANNA", "a.jpg ": "ANNA", "ä.jpg": "Jos\u00e9", "a\u0308.jpg": "Jos\u00e9",
	})
}

// Rows of older releases that differ in their spelling only keep their pictures.
func syncOldSpellings(b *bench) {
	names := []string{"ada", "Ada", "Ada ", "Jos\u00e9", "Jose\u0301"}
	wanted := map[string]string{}
	for i, name := range names {
		b.person(name)
		wanted[fmt.Sprintf("%d.jpg", i)] = name
	}
	b.equal("people", b.sync(wanted, everything).PeopleAdded, []string(nil))
	b.equal("known", b.known("0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"), wanted)
	got, err := b.store.People(b.Context())
	b.must(err)
	b.equal("readable", len(got), len(names))
}

func syncAllOrNothing(b *bench) {
	b.sync(map[string]string{"a.jpg": "Anna"}, everything)
	wanted := map[string]string{"b.jpg": "Bob"}
	if _, err := b.store.SyncKnownImages(b.cancelled(), wanted, everything); err == nil {
		b.Error("no error from a context that has ended")
	}
	for n := range int64(12) {
		ctx, cancel := newCountdown(b.Context(), n+1)
		_, err := b.store.SyncKnownImages(ctx, wanted, everything)
		cancel()
		want := map[string]string{"a.jpg": "Anna"}
		if err == nil {
			want = wanted
		}
		b.equal("known", b.known("a.jpg", "b.jpg"), want)
		if err == nil {
			return
		}
	}
}

func syncConcurrently(b *bench) {
	wanted := map[string]string{"anna/1.jpg": "Anna", "bob/1.jpg": "Bob", "bob/2.jpg": "Bob"}
	errs := make([]error, 6)
	inParallel(len(errs), func(i int) {
		_, errs[i] = b.store.SyncKnownImages(b.Context(), wanted, everything)
	})
	b.must(errors.Join(errs...))
	b.equal("people", b.count("select count(*) from person"), 2)
	b.equal("known images", b.count("select count(*) from person_images"), 3)
}

func syncThousands(b *bench) {
	wanted := map[string]string{}
	var images []string
	for i := range 1300 {
		image := fmt.Sprintf("p/%d.jpg", i)
		images = append(images, image)
		wanted[image] = fmt.Sprintf("person %d", i%20)
	}
	e := b.sync(wanted, everything)
	b.equal("added", []int{len(e.PeopleAdded), len(e.ImagesAdded)}, []int{20, 1300})
	b.equal("known", b.known(images...), wanted)
}

func modelInUse(b *bench) {
	_, ok, err := b.store.ModelInUse(b.Context())
	b.must(err)
	b.equal("one in use", ok, false)
	lite := faces.Model{ID: "lite-1", Threshold: 0.5, Margin: 0.25}
	official := faces.Model{
		ID: "official-1", Size: 320, Networks: "dlib,mobilefacenet", Threshold: 0.125, Margin: 0, FarThreshold: 0.25, FarMargin: 0.0625,
		Floors: faces.Floors{Size: 24, Sharpness: 0.25, Yaw: 45, CutOff: 0.5, Detection: 0.75},
	}
	use := func(m faces.Model) {
		b.Helper()
		b.clock.advance(time.Second)
		b.must(b.store.UseModel(b.Context(), m))
		got, ok, err := b.store.ModelInUse(b.Context())
		b.must(err)
		b.equal("one in use", ok, true)
		b.equal("the model set in use", got, m)
	}
	use(lite)
	use(official)
	lite.Threshold, lite.Margin = 0, 0.75 // its numbers may be set anew
	use(lite)
	official.FarThreshold, official.Floors = 0, faces.Floors{}
	use(official)
	models, err := b.store.Models(b.Context())
	b.must(err)
	b.equal("all model sets", models, map[string]faces.Model{lite.ID: lite, official.ID: official})
	b.equal("weak sets, as release 0.1.0 reads them", b.count("select count(*) from models where not official"), 0)
}

func countKnownPeople(b *bench) {
	count := func(most int) int {
		n, err := b.store.CountKnownPeople(b.Context(), most)
		b.must(err)
		return n
	}
	b.equal("nobody", count(9), 0)
	b.person("nobody's friend") // without a picture
	b.sync(map[string]string{"a/1.jpg": "Anna", "a/2.jpg": "Anna", "b.jpg": "Bob", "c.jpg": "Clara"}, everything)
	b.exec("insert into person_images (image_name, person_id) values ('gone.jpg', 999)")
	b.equal("all", count(9), 3)
	b.equal("enough", count(2), 2)
}
