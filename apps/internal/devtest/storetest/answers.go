package storetest

import (
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var rematchModel = faces.Model{ID: "lite-1", Threshold: 0.5, Margin: 0.0625}

// answered stores an image whose faces are near people at distances:
// {"anna", 0.25, "bob", 0.75} is one face.
func (b *bench) answered(path string, near ...[]any) int64 {
	b.Helper()
	seen := faces.Recognition{Width: 800, Height: 600, Model: rematchModel, Gallery: "g1"}
	owners := map[string]string{}
	for i, list := range near {
		s := faces.Sighting{Box: faces.Box{X: 100 * i, Width: 80, Height: 80}, Descriptor: faces.Descriptor{float32(i)}}
		for n := 0; n < len(list); n += 2 {
			name := list[n].(string)
			owners[name+".jpg"] = name
			s.Neighbours = append(s.Neighbours, faces.Neighbour{Image: name + ".jpg", Distance: list[n+1].(float64)})
		}
		seen.Sightings = append(seen.Sightings, s)
	}
	b.sync(owners, nothing)
	b.must(b.store.UseModel(b.Context(), rematchModel))
	known, err := b.store.AllOwners(b.Context())
	b.must(err)
	id := b.add(path)[0]
	out := faces.Decide(seen, func(image string) (faces.Person, bool) { p, ok := known[image]; return p, ok })
	b.finish(store.Result{Lease: b.claim(id)[0], Outcome: out})
	return id
}

// nothing is managed: what is known stays.
func nothing(string) bool { return false }

func (b *bench) personID(name string) int64 {
	b.Helper()
	return int64(b.count("select min(id) from person where name = ?", name))
}

// shows says who the faces of an image are, and who is in it.
func shows(img faces.Image) string {
	text := ""
	for _, f := range img.Faces {
		who := string(f.Reason)
		if f.Person != nil {
			who = f.Person.Name
		}
		text += who + ", "
	}
	if img.Person == nil {
		return text + string(img.Reason)
	}
	return text + "image of " + img.Person.Name
}
