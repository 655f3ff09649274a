package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func peopleNeeds(b *bench) {
	b.answered("/u/a.jpg", []any{"anna", 0.25, "bob", 0.28125}, []any{"cleo", 0.25})
	bare := b.newPerson("bare")
	hidden := true
	_, err := b.store.ChangePerson(b.Context(), b.personID("cleo"), faces.AnyVersion, faces.ProfileChange{Hidden: &hidden})
	b.must(err)
	b.enrol(b.personID("bob"), "2.jpg", "3.jpg")
	b.consent(b.personID("bob"), b.later(time.Hour))
	b.consent(b.personID("cleo"), b.later(2*store.ConsentEndsSoon))
	list, err := b.store.PeopleNeeds(b.Context())
	b.must(err)
	var got []string
	for _, p := range list {
		got = append(got, fmt.Sprintf("%s hidden %v, %d pictures, unsure %v, consent %v", p.Name, p.Hidden, p.Pictures, p.Unsure, p.Consent))
	}
	slices.Sort(got)
	b.equal("needs", strings.Join(got, "\n"), "anna hidden false, 1 pictures, unsure true, consent false\n"+
		"bare hidden false, 0 pictures, unsure false, consent false\n"+
		"bob hidden false, 3 pictures, unsure false, consent true\n"+
		"cleo hidden true, 1 pictures, unsure false, consent false")
	known, err := b.store.KnownPictures(b.Context(), b.personID("cleo"), 0, 1)
	b.must(err)
	_, err = b.store.DeleteKnownPicture(b.Context(), b.personID("cleo"), known[0].ID)
	b.must(err)
	cards, err := b.store.PeopleCards(b.Context(), []int64{b.personID("cleo"), 4711, bare, b.personID("bob")})
	b.must(err)
	got = nil
	for _, c := range cards {
		got = append(got, fmt.Sprintf("%s %d %v %v %s", c.Name, c.KnownPictures, c.Cover != 0, c.Face != 0, c.State))
	}
	b.equal("cards", strings.Join(got, ", "), "cleo 0 false true given, bare 0 false false none, bob 3 true false given")
}

func facesOfPerson(b *bench) {
	for i, d := range []float64{0.25, 0.375, 0.125, 0.3125} {
		b.answered(fmt.Sprintf("/u/%d.jpg", i), []any{"anna", d})
	}
	b.answered("/u/unsure.jpg", []any{"anna", 0.25, "bob", 0.28125}, []any{"bob", 0.25})
	anna := b.personID("anna")
	var got []string
	var last store.ShownFace
	for place := (store.FacePlace{}); ; {
		page, err := b.store.FacesOfPerson(b.Context(), anna, place, 2)
		b.must(err)
		for _, f := range page.Faces {
			got = append(got, fmt.Sprintf("%s %v %s", f.Image.Path, f.Best.Distance, f.Reason))
			b.equal("version", f.Image.Version, b.image(f.Image.ID).Version)
			last = f
		}
		if page.Next == (store.FacePlace{}) {
			break
		}
		place = page.Next
	}
	want := []string{"/u/1.jpg 0.375 identified", "/u/3.jpg 0.3125 identified", "/u/unsure.jpg 0.25 uncertain", "/u/0.jpg 0.25 identified", "/u/2.jpg 0.125 identified"}
	b.equal("faces", strings.Join(got, "\n"), strings.Join(want, "\n"))
	for most, want := range map[int]int{10: 4, 3: 3} {
		n, err := b.store.CountFaces(b.Context(), anna, most)
		b.must(err)
		b.equal("counted", n, want)
	}
	page, err := b.store.FacesOfPerson(b.Context(), anna, store.FacePlace{}, 1)
	b.must(err)
	first := page.Faces[0]
	b.correct(faces.Statement{FaceID: first.ID, PersonID: anna})
	page, err = b.store.FacesOfPerson(b.Context(), anna, store.FacePlace{}, 10)
	b.must(err)
	b.equal("confirmed faces are the last", page.Faces[len(page.Faces)-1].ID, first.ID)
	b.equal("the one before", page.Faces[len(page.Faces)-2].ID, last.ID)
}

func formerNames(b *bench) {
	anna, name := b.newPerson("Anna"), "Anne"
	_, err := b.store.ChangePerson(b.Context(), anna, faces.AnyVersion, faces.ProfileChange{Name: &name})
	b.must(err)
	for former, want := range map[string]bool{"Anna": true, "Anne": false, "Bob": false, "": false} {
		was, err := b.store.WasNamed(b.Context(), anna, former)
		b.must(err)
		b.equal(former, was, want)
	}
	was, err := b.store.WasNamed(b.Context(), anna+1, "Anna")
	b.must(err)
	b.equal("another person", was, false)
}
