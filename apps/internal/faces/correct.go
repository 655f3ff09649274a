package faces

// This file owns corrections: what people said of faces, to which faces it
// belongs, and what the sayings about one face amount to.

import (
	"cmp"
	"slices"
	"time"
)

// Correction is what a person said of one face of an image: that it is
// somebody, or that it is not. It is about a place in the picture, not about a
// row: faces that are found again, by whichever model set, are the same.
type Correction struct {
	ID        int64 // a larger one is newer
	ImageID   int64
	Box       Box // of the face when it was corrected
	Person    Person
	Not       bool // the face is not this person
	CreatedAt time.Time
	UndoneAt  time.Time // zero while it counts
}

// SameFace is the least overlap (see Box.Overlap) at which two boxes of one
// picture are of one face.
const SameFace = 0.5

// Overlap returns the area that two boxes share in relation to the area that
// they cover together: 1 for equal boxes, 0 for boxes apart.
func (b Box) Overlap(other Box) float64 {
	width := min(b.X+b.Width, other.X+other.Width) - max(b.X, other.X)
	height := min(b.Y+b.Height, other.Y+other.Height) - max(b.Y, other.Y)
	if width <= 0 || height <= 0 {
		return 0
	}
	shared := float64(width) * float64(height)
	return shared / (float64(b.Width)*float64(b.Height) + float64(other.Width)*float64(other.Height) - shared)
}

// Verdict is what all corrections of one face amount to. Its zero value is
// that of a face that nobody corrected.
type Verdict struct {
	Person *Person // who it is, whatever the distances
	Not    []int64 // ids, in order, of people that it is not
}

// IsZero reports whether nobody said anything that still counts.
func (v Verdict) IsZero() bool { return v.Person == nil && len(v.Not) == 0 }

// Excludes reports whether the face is not the person's.
func (v Verdict) Excludes(person int64) bool { return slices.Contains(v.Not, person) }

// Verdicts returns the verdict on each box of an image. A correction belongs
// to the box that overlaps it most, by SameFace at least; the order in which
// corrections come does not matter. The newest wins: "is Anna" ends an older
// "is Ben" and an older "is not Anna", "is not Anna" ends an older "is Anna".
func Verdicts(boxes []Box, corrections []Correction) []Verdict {
	verdicts := make([]Verdict, len(boxes))
	if len(corrections) == 0 {
		return verdicts
	}
	oldestFirst := slices.SortedFunc(slices.Values(corrections), func(a, b Correction) int { return cmp.Compare(a.ID, b.ID) })
	for _, c := range oldestFirst {
		if i := boxOf(c, boxes); i >= 0 && c.UndoneAt.IsZero() {
			verdicts[i] = verdicts[i].with(c)
		}
	}
	return verdicts
}

// boxOf returns the index of the box that a correction belongs to, or -1. Of
// boxes that overlap equally it is the leftmost, then the topmost, so that
// their order does not matter.
func boxOf(c Correction, boxes []Box) int {
	best, overlap := -1, 0.0
	for i, b := range boxes {
		o := b.Overlap(c.Box)
		if o < SameFace || o < overlap {
			continue
		}
		if best < 0 || o > overlap || b.before(boxes[best]) {
			best, overlap = i, o
		}
	}
	return best
}

func (b Box) before(other Box) bool { return b.compare(other) < 0 }

// with returns the verdict after one more, newer correction.
func (v Verdict) with(c Correction) Verdict {
	not := slices.DeleteFunc(slices.Clone(v.Not), func(id int64) bool { return id == c.Person.ID })
	if !c.Not {
		person := c.Person
		return Verdict{Person: &person, Not: not}
	}
	v.Not = append(not, c.Person.ID)
	slices.Sort(v.Not)
	if v.Person != nil && v.Person.ID == c.Person.ID {
		v.Person = nil
	}
	return v
}
