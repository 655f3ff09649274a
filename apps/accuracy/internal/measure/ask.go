package measure

import (
	"context"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
)

// neighbours is the default number of neighbours that a processor asks for.
const neighbours = 16

// gallery is a set of known people to match faces with.
type gallery struct {
	index  *nearest.Index
	owner  func(image string) (faces.Person, bool) // the person of a known picture
	people int                                     // number of people
}

// answer computes the outcome of a picture, as a recognizer and a processor do
// together.
func answer(ctx context.Context, e engine.Engine, seen engine.Seen, g gallery, m faces.Model) (faces.Outcome, error) {
	limit := m.Limit(neighbours)
	var t recognizer.Timings
	a, err := recognizer.Answer(ctx, e, seen, g.index, m, nearest.Limit(limit), &t)
	if err != nil {
		return faces.Outcome{}, err
	}
	for i := range a.Sightings {
		a.Sightings[i].Horizon = limit.Horizon(a.Sightings[i].Neighbours)
	}
	a.People = g.people
	return faces.Decide(a, g.owner), nil
}

// Verdict is the result of one question.
type Verdict struct {
	Found      bool // a face was found
	Named      bool // a face got the right name
	Misnamed   bool // a face got another name
	BelowFloor bool // a face is below a floor of quality, and no face got a name
}

// judge compares an outcome with the person asked about, or with 0 for a
// stranger, for whom every name is wrong.
func judge(o faces.Outcome, person int64) Verdict {
	v := Verdict{Found: len(o.Faces) > 0}
	for _, f := range o.Faces {
		switch {
		case f.Reason == faces.Identified && f.Person.ID == person:
			v.Named = true
		case f.Reason == faces.Identified:
			v.Misnamed = true
		case f.Reason.BelowFloor():
			v.BelowFloor = true
		}
	}
	if v.Named || v.Misnamed {
		v.BelowFloor = false
	}
	return v
}

// Tally counts the results of one kind of question.
type Tally struct {
	Label string
	Value float64
	// Results for pictures of known people.
	Found, Named, Misnamed, BelowFloor Rate
	// Results for the same pictures with their person removed from the gallery.
	StrangersNamed Rate
}

func (t *Tally) known(v Verdict) {
	t.Found.Add(v.Found)
	t.Named.Add(v.Named)
	t.Misnamed.Add(v.Misnamed)
	t.BelowFloor.Add(v.BelowFloor)
}

func (t *Tally) stranger(v Verdict) { t.StrangersNamed.Add(v.Misnamed) }
