package groups

import (
	"cmp"
	"maps"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// MaxSamples is how many faces of a group are compared with the known people.
const MaxSamples = 3

// Suggestion is a person whom a group may show.
type Suggestion struct {
	Person   faces.Person
	Distance float64 // the smallest one of the samples to the person's known pictures
}

// Samples returns the faces of a group to compare with the known people: those
// with the most neighbours, ties by id. There are at most three.
func (g *Grouping) Samples(group Group) []int64 {
	list := slices.DeleteFunc(slices.Clone(group.Faces), func(id int64) bool { return !g.Has(id) })
	slices.SortFunc(list, func(a, b int64) int {
		return cmp.Or(cmp.Compare(g.forest.count[g.slots[b]], g.forest.count[g.slots[a]]), cmp.Compare(a, b))
	})
	return list[:min(len(list), MaxSamples)]
}

// Suggest returns the people whom a group may show, nearest first and then by id.
// samples has the people near each sample. A person is suggested within the
// model's threshold. excluded reports the people whom the group cannot show: they
// are already in a picture of one of its faces, or somebody said that a face of
// the group is not this person. A name is never given by itself: a group has no
// person until somebody says so.
func Suggest(samples [][]faces.Candidate, m faces.Model, excluded func(person int64) bool) []Suggestion {
	best := map[int64]Suggestion{}
	for _, candidates := range samples {
		for _, c := range candidates {
			if !(c.Distance <= m.Threshold) || excluded(c.Person.ID) {
				continue
			}
			if s, ok := best[c.Person.ID]; !ok || c.Distance < s.Distance {
				best[c.Person.ID] = Suggestion{c.Person, c.Distance}
			}
		}
	}
	return slices.SortedFunc(maps.Values(best), func(a, b Suggestion) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Person.ID, b.Person.ID))
	})
}
