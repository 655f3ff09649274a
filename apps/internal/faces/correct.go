package faces

import (
	"cmp"
	"slices"
	"time"
)

// Correction is a stored Statement about one face of an image: it is a person, or
// it is not. It belongs to a place in the picture, not to a row: a face that any
// model set finds at that place again is the same face.
type Correction struct {
	ID        int64 // a larger one is newer
	ImageID   int64
	Box       Box    // of the face when it was corrected
	Model     string // the model set that had found the face; empty where it is not known
	Person    Person
	Not       bool // the face is not this person
	CreatedAt time.Time
	UndoneAt  time.Time // zero while it counts
}

// CorrectionsByImage groups corrections by the images that they belong to.
func CorrectionsByImage(list []Correction) map[int64][]Correction {
	byImage := map[int64][]Correction{}
	for _, c := range list {
		byImage[c.ImageID] = append(byImage[c.ImageID], c)
	}
	return byImage
}

// Statement is what somebody says of a face. Once it is stored it is a
// Correction.
type Statement struct {
	FaceID int64
	// PersonID names the person, or Name does where it is 0. A name that nobody
	// has yet makes a new person.
	PersonID int64
	Name     string
	Not      bool // the face is not this person
}

// Bounds of what counts as one face. They were calibrated on the boxes that
// the detectors of two releases find in the same pictures, see ADR 18.
const (
	// samePlace is the overlap from which two boxes that one detector drew are
	// of one face: it draws no two boxes of a face, and faces beside each other
	// never overlap as much.
	samePlace = 0.5
	// minOverlap is the overlap from which a box can be of the face at a place
	// whichever detector drew it.
	minOverlap = 0.25
	// maxSizeRatio bounds how much larger one box may be, by the square root of
	// the area, where they overlap less but share their centre.
	maxSizeRatio = 2.5
)

// Overlap returns the area that two boxes share in relation to the area that
// they cover together (intersection over union): 1 for equal boxes, 0 for boxes
// apart.
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

// fit returns how well a box suits a place, by its overlap; 0 where they cannot
// be of one face.
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

// Verdict is the sum of all corrections of one face that count. It is zero for a
// face that nobody corrected.
type Verdict struct {
	Person *Person // who it is, whatever the distances
	Not    []int64 // ids, in order, of people that it is not
}

// IsZero reports whether there is no correction that counts.
func (v Verdict) IsZero() bool { return v.Person == nil && len(v.Not) == 0 }

// Excludes reports whether the face is not the person's.
func (v Verdict) Excludes(person int64) bool { return slices.Contains(v.Not, person) }

// Verdicts returns the verdict on each box of an image. Corrections belong to
// boxes as Places says; their order does not matter. The newest wins: "is Anna"
// ends an older "is Ben" and an older "is not Anna", "is not Anna" ends an older
// "is Anna".
func Verdicts(boxes []Box, corrections []Correction) []Verdict {
	verdicts := make([]Verdict, len(boxes))
	if len(corrections) == 0 {
		return verdicts
	}
	counting := slices.DeleteFunc(slices.Clone(corrections), func(c Correction) bool { return !c.UndoneAt.IsZero() })
	slices.SortFunc(counting, func(a, b Correction) int { return cmp.Compare(a.ID, b.ID) })
	for i, box := range Places(boxes, counting) {
		if box >= 0 {
			verdicts[box] = verdicts[box].with(counting[i])
		}
	}
	return verdicts
}

// Unplaced returns the corrections, of those that count, whose face is not
// among the boxes. They count again once the face is found again.
func Unplaced(boxes []Box, corrections []Correction) []Correction {
	counting := slices.DeleteFunc(slices.Clone(corrections), func(c Correction) bool { return !c.UndoneAt.IsZero() })
	var list []Correction
	for i, box := range Places(boxes, counting) {
		if box < 0 {
			list = append(list, counting[i])
		}
	}
	return list
}

// Places returns for each correction the index of the box that it belongs to,
// or -1. Corrections at one place go together. The places that one model set
// found are paired with the boxes one to one, so that the overlap of all pairs
// together is the largest possible: the boxes of two detectors differ in shape,
// and in a group of people a box may overlap two places. Neither the order of
// boxes nor that of corrections matters.
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

// byModel returns the numbers of the corrections of each model set: only boxes
// of one detector are known to be of different faces where they are apart.
func byModel(corrections []Correction) map[string][]int {
	numbers := map[string][]int{}
	for i, c := range corrections {
		numbers[c.Model] = append(numbers[c.Model], i)
	}
	return numbers
}

// gatherPlaces returns the different places of some corrections, in order, and
// the place of each correction. The newest box of a place stands for it.
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

// bestPlace returns the place that a box of the same detector is at, or -1.
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
