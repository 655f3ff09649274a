package compreface

import (
	"context"
	"math"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// subject is a person near a face.
type subject struct {
	Subject    string  `json:"subject"`
	Similarity float64 `json:"similarity"`
}

// recognized is a face with the people near it.
type recognized struct {
	found
	Subjects []subject `json:"subjects"`
}

// recognition is the answer of recognize.
type recognition struct {
	Result   []recognized      `json:"result"`
	Versions map[string]string `json:"plugins_versions,omitempty"`
}

// recognize answers who is in a picture. Nothing is stored.
func (h *Handlers) recognize(c *gin.Context) error {
	s, err := h.lookAt(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	// All faces decide, also those that are not shown: one person has one face.
	if s.rec.Sightings, err = h.widen(ctx, s.rec, s.predictions); err != nil {
		return err
	}
	near, err := h.subjects(ctx, s.rec, s.predictions)
	if err != nil {
		return err
	}
	body := recognition{Result: make([]recognized, s.shown()), Versions: s.versions()}
	for i := range body.Result {
		body.Result[i] = recognized{found: s.found(i), Subjects: near[i]}
	}
	return ok(c, body)
}

// subjects returns the people near each face of an answer, nearest first. Rollcall's
// own rule decides whether the nearest one is named.
func (h *Handlers) subjects(ctx context.Context, rec faces.Recognition, most int) ([][]subject, error) {
	owners, err := h.store.Owners(ctx, neighbourNames(rec.Sightings))
	if err != nil {
		return nil, err
	}
	deciding, err := faces.PrepareDeciding(ctx, h.store, rec)
	if err != nil {
		return nil, err
	}
	decided, scale := deciding.Decide(rec).Faces, scaleOf(rec.Model)
	list := make([][]subject, len(rec.Sightings))
	for i, s := range rec.Sightings {
		list[i] = []subject{}
		for _, p := range peopleNear(s, owners) {
			if len(list[i]) == most {
				break
			}
			who := decided[i].Person
			list[i] = append(list[i], subject{
				Subject: p.Person.DisplayName(), Similarity: scale.decided(p.Distance, who != nil && who.ID == p.Person.ID),
			})
		}
	}
	return list, nil
}

func neighbourNames(list []faces.Sighting) []string {
	var names []string
	for _, s := range list {
		for _, n := range s.Neighbours {
			names = append(names, n.Image)
		}
	}
	return names
}

// peopleNear returns each person near a face once, nearest first.
func peopleNear(s faces.Sighting, owners map[string]faces.Person) []faces.Candidate {
	return faces.NearestPeople(faces.Candidates(s.Neighbours, func(image string) (faces.Person, bool) {
		p, ok := owners[image]
		return p, ok
	}))
}

// widen returns the faces of an answer with as many neighbours as it takes to list a
// number of people. The rule alone needs fewer: of a stranger, who is about equally
// far from everybody, it needs next to none. Clients read the first person without
// asking whether there is one.
func (h *Handlers) widen(ctx context.Context, rec faces.Recognition, people int) ([]faces.Sighting, error) {
	owners, err := h.store.Owners(ctx, neighbourNames(rec.Sightings))
	if err != nil {
		return nil, err
	}
	var short []int
	var descriptors [][]byte
	for i, s := range rec.Sightings {
		if len(peopleNear(s, owners)) < people && !math.IsInf(s.Horizon, 1) {
			short, descriptors = append(short, i), append(descriptors, s.Descriptor.Bytes())
		}
	}
	if len(short) == 0 {
		return rec.Sightings, nil
	}
	limit := faces.NeighbourLimit{Count: faces.MaxNeighbours}
	near, err := h.pictures.Match(ctx, faces.MatchQuery{Model: rec.Model.ID, Descriptors: descriptors, Limit: limit})
	if err != nil {
		return nil, err
	}
	for n, i := range short {
		s := &rec.Sightings[i]
		s.Neighbours, s.Horizon = near[n], limit.Horizon(near[n])
	}
	return rec.Sightings, nil
}
