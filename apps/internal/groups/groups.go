// Package groups puts faces that nobody knows into groups, each of one person.
// It uses exact DBSCAN: a face with enough others within a distance is a core
// face, core faces within that distance of each other are in one group, and any
// other face belongs to the nearest core face within the distance. A guard then
// splits groups that cannot be of one person (see guard.go).
//
// The result depends on the set of faces only, not on the order in which they
// came. A Grouping keeps it up to date: a new face is compared with its
// neighbours, and a face that leaves makes its own group be computed again.
// Neighbours come from a Search, which must be exact. The package imports the
// domain and the standard library only. See docs/adr/0028.
package groups

import (
	"context"
	"fmt"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Face is a stored face that may be put into a group.
type Face struct {
	ID      int64 // above 0
	Picture int64 // the image that shows it
}

// Search finds stored faces. It is safe for concurrent use. It may hold faces
// that a Grouping does not have: these are skipped.
type Search interface {
	// Within returns for each id all faces within the distance, the face itself
	// included, in any order. The distances are those of faces.Descriptor.Distance.
	// The list of a face that the search does not hold is empty. The caller owns
	// the lists. Faces with an id above last may be left out, which halves the work
	// of a search that stores faces in the order of their ids.
	Within(ctx context.Context, ids []int64, distance float64, last int64) ([][]faces.NearFace, error)
	// Descriptors returns the descriptor of each face, or nil for a face that the
	// search does not hold. The caller does not change them.
	Descriptors(ctx context.Context, ids []int64) ([]faces.Descriptor, error)
}

// Rule says which faces belong together.
type Rule struct {
	// Distance is the largest Euclidean distance of two neighbours.
	Distance float64
	// Min is how many faces must be within Distance of a face, itself included,
	// to make it a core face. It is also the size of the smallest group.
	Min int
	// Width bounds a group: both the root mean square distance of two of its
	// faces, and the distance of each face from the mean of all.
	Width float64
}

// MinFaces is the size of the smallest group.
const MinFaces = 3

// maxMin bounds Rule.Min. A face that is not a core face keeps its neighbours.
const maxMin = 64

// RuleOf returns the rule of a model set.
func RuleOf(m faces.Model) Rule {
	return Rule{Distance: m.GroupDistance, Min: MinFaces, Width: m.Threshold}
}

// Check returns an error if the rule cannot be applied.
func (r Rule) Check() error {
	switch {
	case !(r.Distance > 0) || math.IsInf(r.Distance, 1):
		return fmt.Errorf("the distance of neighbours is %v: it must be above 0", r.Distance)
	case r.Min < 2 || r.Min > maxMin:
		return fmt.Errorf("the smallest group is %d faces: it must be 2 to %d", r.Min, maxMin)
	case !(r.Width > 0):
		return fmt.Errorf("the largest width of a group is %v: it must be above 0", r.Width)
	default:
		return nil
	}
}

// The range of distances to look at groups with (see Grouping.Look), relative to
// the rule's distance. docs/accuracy.md has the figures.
const (
	Strictest = 0.7
	Loosest   = 1.05
)

// Group is a group of faces.
type Group struct {
	Key   int64   // the smallest id of its faces
	Faces []int64 // ids, ascending
}

// Placement says which group a face belongs to now.
type Placement struct {
	Face  int64
	Group int64 // 0 if it belongs to none
}

// Eligible reports whether a face takes part in the grouping: it is described by
// the model set, it is above all floors of quality, and neither the rule nor a
// user has said who it is or that it does not count.
func Eligible(f faces.Face, m faces.Model) bool {
	if _, fails := m.Floors.Shortfall(f.Quality); fails {
		return false
	}
	unknown := f.Reason == faces.UnknownPerson || f.Reason == faces.Uncertain
	return unknown && f.Person == nil && !f.Drawn && f.Model == m.ID && len(f.Descriptor) > 0 && len(f.Descriptor) == m.Size
}
