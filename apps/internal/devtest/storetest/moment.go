package storetest

import (
	"context"
	"sync"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var momentTests = []test{
	{"An image and its faces are read as they are at one moment", readAtOneMoment},
}

// readAtOneMoment reads while an answer changes to and fro.
func readAtOneMoment(b *bench) {
	id := b.answered("/unknown_people/a.jpg", []any{"anna", 0.25, "bob", 0.4375}, []any{"bob", 0.25, "anna", 0.4375})
	face := b.image(id).Faces[0].ID
	ctx, stop := context.WithCancel(b.Context())
	var readers sync.WaitGroup
	for what, read := range map[string]func() ([]faces.Image, error){
		"Image": func() ([]faces.Image, error) {
			img, err := b.store.Image(ctx, id)
			return []faces.Image{img}, err
		},
		"ListImages": func() ([]faces.Image, error) { return b.store.ListImages(ctx, store.Filter{}) },
	} {
		readers.Go(func() {
			for ctx.Err() == nil {
				list, err := read()
				switch {
				case ctx.Err() != nil:
				case err != nil:
					b.Errorf("%s: %v", what, err)
				case len(list) != 1 || list[0].Faces[0].Corrected != (list[0].Faces[0].Person != nil && list[0].Faces[0].Person.Name == "Cleo") ||
					(list[0].Person != nil && list[0].Person.Name == "Cleo") != list[0].Faces[0].Corrected:
					b.Errorf("%s: half of an answer and half of the next: %+v", what, list)
					return
				}
			}
		})
	}
	for range 150 {
		done := b.correct(faces.Statement{FaceID: face, Name: "Cleo"})
		_, err := b.store.UndoCorrection(b.Context(), done.Correction.ID, "")
		b.must(err)
	}
	stop()
	readers.Wait()
}
