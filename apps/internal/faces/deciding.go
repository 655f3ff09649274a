package faces

import (
	"context"
	"math"
)

// KnownPeople is who is on the known pictures. The database implements it.
type KnownPeople interface {
	// Owners returns the people on known pictures, by the name of the picture.
	// Pictures without a person are left out.
	Owners(ctx context.Context, images []string) (map[string]Person, error)
	// CountKnownPeople counts the people with known pictures, up to a limit.
	CountKnownPeople(ctx context.Context, limit int) (int, error)
}

// Deciding is what deciding some answers of recognizers needs to know: the people
// on the known pictures near their faces.
type Deciding struct {
	owners map[string]Person
	people int
}

// PrepareDeciding reads the people near the faces of some answers.
func PrepareDeciding(ctx context.Context, known KnownPeople, answers ...Recognition) (Deciding, error) {
	var names []string
	crowded := false
	for _, a := range answers {
		for _, s := range a.Sightings {
			for _, n := range s.Neighbours {
				names = append(names, n.Image)
			}
			// If a list of neighbours was cut, another person may be beyond its end.
			crowded = crowded || a.Model.FarThreshold > 0 && !math.IsInf(s.Horizon, 1)
		}
	}
	owners, err := known.Owners(ctx, names)
	if err != nil {
		return Deciding{}, err
	}
	d := Deciding{owners: owners}
	if crowded {
		const enough = 100 // more than a face's corrections exclude
		d.people, err = known.CountKnownPeople(ctx, enough)
	}
	return d, err
}

// Decide is the function Decide for one of the answers that d was prepared for.
func (d Deciding) Decide(rec Recognition, corrections ...Correction) Outcome {
	rec.People = d.people
	owner := func(image string) (Person, bool) {
		person, ok := d.owners[image]
		return person, ok
	}
	return Decide(rec, owner, corrections...)
}
