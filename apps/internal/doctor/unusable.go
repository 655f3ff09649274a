package doctor

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Minimum qualities of a useful known picture. Of 95 portraits of 150 pixels
// each, go-face measures a yaw above 24 degrees for none, and the default set
// measures one above 25 (it is 43).
const (
	minSize = 60 // pixels of the original
	maxYaw  = 30 // degrees
	maxRoll = 30
)

// minSharpness returns the minimum sharpness of a useful known picture. It
// depends on the set: go-face measures the whole box of a face, the other
// engine its aligned middle. The least sharp of 95 portraits are at 0.27 with
// go-face and at 0.58 with the other engine. Ten of them were blurred until
// they were farther than the threshold from the originals; those are at most
// at 0.21 and 0.34.
func minSharpness(m faces.Model) float64 {
	if len(m.NetworkNames()) > 1 {
		return 0.40
	}
	return 0.25 // go-face has one network
}

// findPoor finds faces of poor quality.
func findPoor(s *set, m faces.Model) []Finding {
	least := minSharpness(m)
	var list []Finding
	for i := range s.pictures {
		p := &s.pictures[i]
		if (p.Quality == faces.Quality{}) {
			continue // not measured
		}
		add := func(k Kind, rank float64, format string, args ...any) {
			f := newFinding(k, format, args...).about([]string{p.Name}, s.owner(i).Name)
			f.rank = rank
			list = append(list, f)
		}
		q := p.Quality
		if q.Sharpness < least {
			add(Blurred, q.Sharpness, "sharpness %.2f of 1", q.Sharpness)
		}
		if q.Size < minSize {
			add(Small, float64(q.Size), "the face is %d pixels wide", q.Size)
		}
		if yaw, roll := math.Abs(q.Yaw), math.Abs(q.Roll); yaw > maxYaw || roll > maxRoll {
			add(Turned, -max(yaw, roll), "turned to the side by about %.0f°, tilted by %.0f°", yaw, roll)
		}
	}
	return list
}

// findUnusable finds pictures that cannot be matched or have no single owner.
func findUnusable(pictures []Picture) []Finding {
	var list []Finding
	for i := range pictures {
		p := &pictures[i]
		var owners []string
		for _, o := range p.Owners {
			owners = append(owners, o.Name)
		}
		add := func(k Kind, what string) {
			list = append(list, newFinding(k, "%s", what).about([]string{p.Name}, owners...))
		}
		if len(owners) > 1 {
			add(TwoOwners, "listed for "+shown(strings.Join(owners, ", ")))
		}
		switch {
		case p.usable() && len(owners) == 0:
			add(Nobodys, "no person is listed for it")
		case p.usable():
		case p.Reason == faces.NoFace:
			add(NoFace, p.Problem)
		case p.Reason == faces.Uncertain:
			add(SeveralFaces, p.Problem)
		case p.Reason == faces.NotFound:
			add(Missing, p.Problem)
		default:
			add(Unreadable, p.Problem)
		}
	}
	return list
}

// findPeople finds people with fewer than two usable pictures.
func findPeople(pictures []Picture, everybody []faces.Person, s *set) []Finding {
	var list []Finding
	usable := map[int64]bool{}
	for p, who := range s.people {
		usable[who.ID] = true
		if s.count[p] == 1 {
			name := s.pictures[slices.Index(s.person, p)].Name
			list = append(list, newFinding(Single, "%s", shown(name)).about([]string{name}, who.Name))
		}
	}
	bad, names := map[int64][]string{}, map[int64]string{}
	for _, who := range everybody {
		if !usable[who.ID] {
			bad[who.ID], names[who.ID] = nil, who.Name
		}
	}
	for i := range pictures {
		for _, who := range pictures[i].Owners {
			if !usable[who.ID] {
				bad[who.ID], names[who.ID] = append(bad[who.ID], pictures[i].Name), who.Name
			}
		}
	}
	for id, listed := range bad {
		what := "none listed"
		if len(listed) > 0 {
			slices.Sort(listed)
			what = fmt.Sprintf("%d listed: %s", len(listed), joined(listed, ", "))
		}
		list = append(list, newFinding(NoUsablePicture, "%s", what).about(listed, names[id]))
	}
	return list
}
