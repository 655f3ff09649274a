package events

import (
	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Wire converts an event to that of the API.
func Wire(e faces.Event) api.Event {
	person := func(id int64) api.EventPerson { return api.EventPerson{ID: id, Name: e.Names[id]} }
	w := api.Event{ID: e.ID, Type: api.EventType(e.Type), Cause: api.EventCause(e.Cause), CreatedAt: e.CreatedAt.UTC()}
	if e.ImageID != 0 {
		people := make([]api.EventPerson, len(e.People))
		for i, id := range e.People {
			people[i] = person(id)
		}
		w.Image = &api.EventImage{ID: e.ImageID, Path: e.Path, Reason: api.Reason(e.Reason), People: people, MorePeople: e.MorePeople}
		if e.Reason != faces.NoReason {
			w.Image.Status = api.Status(e.Reason.Status().String())
		}
	}
	if e.PersonID != 0 {
		p := person(e.PersonID)
		w.Person = &p
	}
	if e.OtherID != 0 {
		p := person(e.OtherID)
		w.Merged = &p
	}
	return w
}
