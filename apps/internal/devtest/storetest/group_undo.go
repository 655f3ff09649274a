package storetest

import (
	"fmt"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// What was said about a group is undone.

func undoAllOrNothing(b *bench, id int64) {
	for n := int64(1); n < 10_000; n += 1 + n/25 {
		ctx, cancel := newCountdown(b.Context(), n)
		_, err := b.store.UndoGroupChange(ctx, id)
		cancel()
		whole := []int{
			b.count("select count(*) from corrections where undone_at is null"), b.count("select count(*) from faces where reason = 'identified'"),
			b.count("select count(*) from group_changes where undone_at is null"),
		}
		if err == nil {
			b.equal("all of it", whole, []int{0, 0, 0})
			return
		}
		b.equal("nothing", whole, []int{3, 3, 1})
	}
	b.Error("undoing never succeeded")
}

func undoEnrolled(b *bench) {
	_, found := b.unknown(3)
	b.exec("update faces set quality_size = 80")
	enrol := func(person, face int64, name string) {
		b.Helper()
		_, _, err := b.store.AddKnownPicture(b.Context(), faces.Enrolled{
			KnownImage: faces.KnownImage{Name: name, PersonID: person}, Source: faces.SourceFace, FaceID: face, SHA256: name,
		})
		b.must(err)
	}
	enrol(b.personID("anna"), found[0], "before.jpg")
	b.clock.advance(time.Second)
	done := b.changeGroup(store.GroupStatement{Key: found[0], Says: store.GroupIs, Name: "Cleo"})
	enrol(done.Person.ID, found[0], "one.jpg")
	enrol(done.Person.ID, found[1], "two.jpg")
	undone := b.undoGroup(done.ID)
	var names []string
	for _, e := range undone.Pictures {
		names = append(names, e.Name)
	}
	b.equal("deleted", names, []string{"one.jpg", "two.jpg"})
	b.equal("what was enrolled before stays", b.count("select count(*) from person_images where image_name = 'before.jpg'"), 1)
	b.equal("nobody is left", undone.Empty.Name, "Cleo")

	b.place(found...)
	again := b.changeGroup(store.GroupStatement{Key: found[0], Says: store.GroupIs, Name: "Dora", Faces: found})
	b.exec("insert into person_images (image_name, person_id) values ('dora.jpg', ?)", again.Person.ID)
	b.equal("a person with a picture of her own", b.undoGroup(again.ID).Empty, (*faces.Person)(nil))
}

func undoLeavesPicturesOfOthers(b *bench) {
	_, found := b.unknown(4)
	b.exec("update faces set quality_size = 80")
	enrol := func(person, face int64, name string) (id int64) {
		b.Helper()
		e, _, err := b.store.AddKnownPicture(b.Context(), faces.Enrolled{
			KnownImage: faces.KnownImage{Name: name, PersonID: person}, Source: faces.SourceFace, FaceID: face, SHA256: name,
		})
		b.must(err)
		return e.ID
	}
	dora, eve := b.newPerson("Dora"), b.newPerson("Eve")
	named := b.changeGroup(store.GroupStatement{Key: found[0], Says: store.GroupIs, Name: "Cleo", Faces: found[:3]})
	own := enrol(named.Person.ID, found[0], "cleo.jpg")
	enrol(dora, found[1], "dora.jpg") // somebody found that this face is Dora's
	before := b.profile(dora).Version
	b.merge(eve, named.Person.ID)
	undone := b.undoGroup(named.ID)
	b.equal("deleted", len(undone.Pictures), 1)
	b.equal("its name", undone.Pictures[0].Name, "cleo.jpg")
	b.equal("Dora's picture", b.count("select count(*) from person_images where person_id = ? and image_name = 'dora.jpg'", dora), 1)
	b.equal("Dora's version", b.profile(dora).Version, before)
	list, err := b.store.AuditOf(b.Context(), store.AuditFilter{Target: "known_picture", TargetID: fmt.Sprint(own), Limit: 1})
	b.must(err)
	b.equal("the log tells of the picture", len(list) == 1 && list[0].Action == access.KnownPictureDeleted, true)

	_, other := b.unknown(2)
	b.exec("update faces set quality_size = 80")
	ignored := b.changeGroup(store.GroupStatement{Key: other[0], Says: store.GroupIgnore})
	enrol(dora, other[0], "ignored.jpg")
	b.equal("a dismissal made no pictures", len(b.undoGroup(ignored.ID).Pictures), 0)
	b.equal("Dora's pictures", b.profile(dora).KnownPictures, 2)
}

func undoBesideOthers(b *bench) {
	images, found := b.unknown(3)
	done := b.changeGroup(store.GroupStatement{Key: found[0], Says: store.GroupIs, Name: "Cleo"})
	later := b.correct(faces.Statement{FaceID: found[0], Name: "Dora"})
	var own int64
	said, err := b.store.FaceCorrections(b.Context(), found[1])
	b.must(err)
	own = said[0].ID
	_, err = b.store.UndoCorrection(b.Context(), own, "")
	b.must(err)
	undone := b.undoGroup(done.ID)
	b.equal("what was still to undo", undone.Images, []int64{images[0], images[2]})
	b.equal("who they are now", []string{shows(b.image(images[0])), shows(b.image(images[1])), shows(b.image(images[2]))},
		[]string{"Dora, image of Dora", "unknown_person, unknown_person", "unknown_person, unknown_person"})
	_, err = b.store.UndoCorrection(b.Context(), later.Correction.ID, "")
	b.must(err)
	b.equal("all undone", shows(b.image(images[0])), "unknown_person, unknown_person")
}
