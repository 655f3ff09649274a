package measure

// This file owns the judgement of names: every picture is asked about with the
// others as the known ones. What comes of it package doctor reckons, as it does
// for the known people of a deployment.

import (
	"context"
	"fmt"
	"path"

	"github.com/rollcall-faces/rollcall/apps/internal/doctor"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// People is how well faces were named.
type People struct {
	People   int // with one usable picture or more
	Pictures int
	// Unusable pictures show no face, several, or cannot be read. The product
	// would refuse them as known pictures; they are not part of what follows.
	Unusable []Unusable

	doctor.Figures
}

// Unusable is a picture without exactly one face.
type Unusable struct {
	Picture string
	Why     string
}

// judge asks about every picture.
func judge(ctx context.Context, looks []look, m faces.Model) (*People, error) {
	p := &People{Pictures: len(looks)}
	var all []doctor.Picture
	ids := map[string]int64{}
	for _, l := range looks {
		if why := unusable(l); why != "" {
			p.Unusable = append(p.Unusable, Unusable{Picture: l.name, Why: why})
			continue
		}
		name := path.Base(path.Dir(l.name))
		if ids[name] == 0 {
			ids[name] = int64(len(ids) + 1)
		}
		face := l.seen.Sightings[0].Descriptor
		all = append(all, doctor.Picture{
			Name: l.name, Owners: []faces.Person{{ID: ids[name], Name: name}}, Asked: face, Known: []faces.Descriptor{face},
		})
	}
	p.People = len(ids)
	var err error
	if p.Figures, err = doctor.Judge(ctx, all, m); err != nil {
		return nil, fmt.Errorf("ask about people: %w", err)
	}
	return p, nil
}

func unusable(l look) string {
	switch {
	case l.err != nil:
		return faces.ErrorMessage(l.err)
	case len(l.seen.Sightings) == 0:
		return "no face found"
	case len(l.seen.Sightings) > 1:
		return "several faces found"
	}
	return ""
}
