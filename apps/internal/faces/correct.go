package faces

import (
	"cmp"
	"slices"
	"time"
)

// Kind is what a correction is about. The database stores it.
type Kind string

// The kinds of corrections.
const (
	AboutPerson Kind = ""           // the face is a person, or is not
	SaysIgnore  Kind = "ignore"     // nobody wants to see the face again
	SaysNoFace  Kind = "not_a_face" // it is a poster or a pattern
	SaysDrawn   Kind = "drawn"      // there is a face that no detector found
)

// reason returns the reason of a face that a correction of this kind dismisses,
// or NoReason.
func (k Kind) reason() Reason {
	switch k {
	case SaysIgnore:
		return Ignored
	case SaysNoFace:
		return NotAFace
	default:
		return NoReason
	}
}

// Correction is a stored Statement about one face of an image: it is a person, or
// is not, or does not count. It belongs to a place in the picture, not to a row of faces. A face that
// any model set finds at that place later is the same face.
type Correction struct {
	ID        int64 // a larger one is newer
	ImageID   int64
	Box       Box    // of the face when it was corrected
	Model     string // the model set that found the face; empty if unknown
	Kind      Kind
	Person    Person // of AboutPerson only
	Not       bool   // the face is not this person
	CreatedAt time.Time
	UndoneAt  time.Time // zero while the correction is active
}

// CorrectionsByImage groups corrections by image id.
func CorrectionsByImage(list []Correction) map[int64][]Correction {
	byImage := map[int64][]Correction{}
	for _, c := range list {
		byImage[c.ImageID] = append(byImage[c.ImageID], c)
	}
	return byImage
}

// Statement is a user's claim about a face. Once stored it is a Correction.
type Statement struct {
	FaceID int64
	// Version is the Image.Version that the user has seen. If it is not empty and the
	// image has another one now, the statement is refused with CodeStale.
	Version string
	Kind    Kind // what follows is of AboutPerson only
	// PersonID identifies the person. If it is 0, Name does. A name that nobody has
	// creates a new person.
	PersonID int64
	Name     string
	Not      bool // the face is not this person
}

// Bounds for two boxes of the same face. They were calibrated on the boxes that
// the detectors of two releases find in the same pictures (ADR 18).
const (
	// samePlace is the minimum overlap of two boxes of the same face from the same
	// detector. Neighbouring faces never overlap as much.
	samePlace = 0.5
	// minOverlap is the minimum overlap of two boxes of the same face from
	// different detectors.
	minOverlap = 0.25
	// maxSizeRatio is the maximum ratio of the sizes (square roots of the areas) of
	// two boxes that overlap less but contain each other's centre.
	maxSizeRatio = 2.5
)

// Overlap returns the intersection over union of two boxes: 1 for equal boxes, 0
// for disjoint ones.
func (b Box) Overlap(other Box) float64 {
	width := min(b.X+b.Width, other.X+other.Width) - max(b.X, other.X)
	height := min(b.Y+b.Height, other.Y+other.Height) - max(b.Y, other.Y)
	if width <= 0 || height <= 0 {
		return 0
	}
	shared := float64(width) * float64(height)
	return shared / (b.area() + other.area() - shared)
}

func (b Box) area() float64 { return float64(b.Width) * float64(b.Height) }

// fit returns the overlap of a box and a place, or 0 if they cannot be the same
// face.
func (b Box) fit(place Box) float64 {
	overlap := b.Overlap(place)
	switch {
	case overlap >= minOverlap:
		return overlap
	case overlap == 0:
		return 0
	}
	small, large := b, place
	if small.area() > large.area() {
		small, large = large, small
	}
	if large.hasCentreOf(small) && small.hasCentreOf(large) && large.area() <= maxSizeRatio*maxSizeRatio*small.area() {
		return overlap
	}
	return 0
}

func (b Box) hasCentreOf(other Box) bool {
	x, y := 2*other.X+other.Width, 2*other.Y+other.Height // twice the centre, in whole numbers
	return x >= 2*b.X && x <= 2*(b.X+b.Width) && y >= 2*b.Y && y <= 2*(b.Y+b.Height)
}

// Verdict combines all active corrections of one face. It is zero for a face
// without any.
type Verdict struct {
	Person *Person // whom the face shows, whatever the distances; nil if nobody said
	Not    []int64 // ids of people whom it does not show, in ascending order
	// Dismissed is SaysIgnore or SaysNoFace if the face does not count. Then Person is
	// nil.
	Dismissed Kind
}

// IsZero reports whether there is no active correction.
func (v Verdict) IsZero() bool {
	return v.Person == nil && len(v.Not) == 0 && v.Dismissed == AboutPerson
}

// Excludes reports whether a correction says that the face is not this person.
func (v Verdict) Excludes(person int64) bool { return slices.Contains(v.Not, person) }

// Agrees reports whether the verdict already is what a statement says. A statement
// about a person names that person.
func (v Verdict) Agrees(kind Kind, person int64, not bool) bool {
	switch {
	case kind != AboutPerson:
		return v.Dismissed == kind
	case not:
		return v.Excludes(person)
	default:
		return v.Person != nil && v.Person.ID == person
	}
}

// Verdicts returns the verdict for each box of an image. Places assigns the
// corrections to the boxes; their order does not matter. Newer corrections win:
// "is Anna" replaces an older "is Ben", "is not Anna", "ignore" or "not a face",
// "is not Anna" replaces an older "is Anna", and "ignore" or "not a face" replace
// an older "is Anna" and each other.
func Verdicts(boxes []Box, corrections []Correction) []Verdict {
	verdicts := make([]Verdict, len(boxes))
	if len(corrections) == 0 {
		return verdicts
	}
	active := slices.DeleteFunc(slices.Clone(corrections), func(c Correction) bool { return !c.UndoneAt.IsZero() })
	slices.SortFunc(active, func(a, b Correction) int { return cmp.Compare(a.ID, b.ID) })
	for i, box := range Places(boxes, active) {
		if box >= 0 {
			verdicts[box] = verdicts[box].with(active[i])
		}
	}
	return verdicts
}

// Unplaced returns the active corrections whose face is not among the boxes. They
// take effect again once the face is found again.
func Unplaced(boxes []Box, corrections []Correction) []Correction {
	active := slices.DeleteFunc(slices.Clone(corrections), func(c Correction) bool { return !c.UndoneAt.IsZero() })
	var list []Correction
	for i, box := range Places(boxes, active) {
		if box < 0 {
			list = append(list, active[i])
		}
	}
	return list
}

// Places returns for each correction the index of the box that it belongs to, or
// -1. Corrections at the same place get the same box. The places that one model
// set found are paired with the boxes one to one, so that the total overlap is
// the largest possible. A simple nearest box would be wrong: the boxes of two
// detectors differ in shape, and in a group of people a box may overlap two
// places. Neither the order of boxes nor that of corrections matters.
func Places(boxes []Box, corrections []Correction) []int {
	at := make([]int, len(corrections))
	for i := range at {
		at[i] = -1
	}
	order := sortedBoxes(boxes)
	for _, numbers := range byModel(corrections) {
		places, placeOf := gatherPlaces(corrections, numbers)
		weights := make([][]float64, len(places))
		for p, place := range places {
			weights[p] = make([]float64, len(order))
			for column, box := range order {
				weights[p][column] = boxes[box].fit(place)
			}
		}
		columns := assign(weights, len(order))
		for i, number := range numbers {
			if column := columns[placeOf[i]]; column >= 0 {
				at[number] = order[column]
			}
		}
	}
	return at
}

// sortedBoxes returns the boxes' indices from left to right and top to bottom.
func sortedBoxes(boxes []Box) []int {
	order := make([]int, len(boxes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return boxes[a].compare(boxes[b]) })
	return order
}

// byModel returns the indices of the corrections of each model set. Places needs
// them apart, because only boxes of one detector are surely different faces if
// they do not overlap.
func byModel(corrections []Correction) map[string][]int {
	numbers := map[string][]int{}
	for i, c := range corrections {
		numbers[c.Model] = append(numbers[c.Model], i)
	}
	return numbers
}

// gatherPlaces returns the distinct places of some corrections, in order, and the
// index of each correction's place. A place has the box of its newest correction.
func gatherPlaces(corrections []Correction, numbers []int) (places []Box, placeOf []int) {
	newestFirst := slices.Clone(numbers)
	slices.SortFunc(newestFirst, func(a, b int) int { return cmp.Compare(corrections[b].ID, corrections[a].ID) })
	for _, number := range newestFirst {
		box := corrections[number].Box
		if bestPlace(places, box) < 0 {
			places = append(places, box)
		}
	}
	slices.SortFunc(places, Box.compare)
	placeOf = make([]int, len(numbers))
	for i, number := range numbers {
		placeOf[i] = bestPlace(places, corrections[number].Box)
	}
	return places, placeOf
}

// bestPlace returns the index of the place of a box from the same detector, or
// -1.
func bestPlace(places []Box, box Box) int {
	best, overlap := -1, samePlace
	for i, place := range places {
		o := box.Overlap(place)
		if box == place {
			return i
		}
		if o > overlap || o == overlap && best < 0 {
			best, overlap = i, o
		}
	}
	return best
}

// with returns the verdict after a newer correction.
func (v Verdict) with(c Correction) Verdict {
	if c.Kind.reason() != NoReason {
		v.Person, v.Dismissed = nil, c.Kind
	}
	if c.Kind != AboutPerson {
		return v
	}
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
