package faces

import (
	"fmt"
	"math"
	"slices"
)

// EnrolReason is why a picture is refused as a known picture.
type EnrolReason string

// Reasons to refuse a known picture. The last five are Soft.
const (
	EnrolNoFace       EnrolReason = "no_face"
	EnrolSeveralFaces EnrolReason = "several_faces"
	EnrolDuplicate    EnrolReason = "duplicate"
	EnrolTooSmall     EnrolReason = "too_small"
	EnrolBlurred      EnrolReason = "blurred"
	EnrolTurnedAway   EnrolReason = "turned_away"
	EnrolCutOff       EnrolReason = "cut_off"
	EnrolOther        EnrolReason = "looks_like_other"
)

// EnrolReasons returns all reasons to refuse a known picture.
func EnrolReasons() []EnrolReason {
	return []EnrolReason{
		EnrolNoFace, EnrolSeveralFaces, EnrolDuplicate, EnrolTooSmall, EnrolBlurred, EnrolTurnedAway, EnrolCutOff, EnrolOther,
	}
}

// Soft reports whether a person who has seen the picture may enrol it all the
// same. Without exactly one face there is nothing to enrol.
func (r EnrolReason) Soft() bool {
	return !slices.Contains([]EnrolReason{EnrolNoFace, EnrolSeveralFaces, EnrolDuplicate}, r)
}

// Refusal is one reason to refuse a known picture, in words.
type Refusal struct {
	Reason  EnrolReason
	Message string // what was measured, what is needed, what to do
	Person  *Person
}

// MinEnrolSize is the smallest face of a known picture, in pixels of the shorter
// side of its box. Smaller faces are recognized, but each answer depends on known
// pictures: from 36 pixels down, answers get worse (docs/accuracy.md).
const MinEnrolSize = 48

// sameFace is the distance up to which two faces come from one photograph: the
// same cut-out, scaled or compressed anew, moves by up to 0.136 (ADR 21).
const sameFace = 0.15

// CheckEnrolment returns why a picture should not become a known picture of the
// person with an id. rec is what a recognizer found in it; owner returns the
// person whom a known picture shows. The limits are the floors of the model set,
// and MinEnrolSize. Without a refusal the picture may be enrolled.
func CheckEnrolment(rec Recognition, person int64, owner func(image string) (Person, bool)) []Refusal {
	switch n := len(rec.Sightings) + rec.Omitted; {
	case n == 0:
		return []Refusal{{Reason: EnrolNoFace, Message: "there is no face in the picture; send one that shows the person's face"}}
	case n > 1:
		return []Refusal{{Reason: EnrolSeveralFaces, Message: fmt.Sprintf(
			"there are %d faces in the picture; cut out the person's, or enrol the face of a posted image by its id", n)}}
	}
	f := rec.Sightings[0]
	refusals := checkEnrolQuality(f.Quality, rec.Model.Floors)
	return append(refusals, checkEnrolNeighbours(Candidates(f.Neighbours, owner), person, rec.Model)...)
}

func checkEnrolQuality(q Quality, floors Floors) []Refusal {
	var refusals []Refusal
	refuse := func(r EnrolReason, format string, args ...any) {
		refusals = append(refusals, Refusal{Reason: r, Message: fmt.Sprintf(format, args...)})
	}
	if least := max(floors.Size, MinEnrolSize); q.Size < least {
		refuse(EnrolTooSmall, "the face is %d pixels wide; at least %d are needed", q.Size, least)
	}
	if floors.CutOff > 0 && !(q.CutOff <= floors.CutOff) {
		refuse(EnrolCutOff, "%.0f %% of the face is outside the picture; at most %.0f %% may be", 100*q.CutOff, 100*floors.CutOff)
	}
	if yaw := math.Abs(q.Yaw); floors.Yaw > 0 && !(yaw <= floors.Yaw) {
		refuse(EnrolTurnedAway, "the face is turned by about %.0f degrees; at most %.0f are good", yaw, floors.Yaw)
	}
	if floors.Sharpness > 0 && !(q.Sharpness >= floors.Sharpness) {
		refuse(EnrolBlurred, "the face has a sharpness of %.2f; at least %.2f is needed", q.Sharpness, floors.Sharpness)
	}
	return refusals
}

// checkEnrolNeighbours compares the face with the known pictures: of the person,
// for a copy; of others, for somebody who would be taken for the person from now
// on.
func checkEnrolNeighbours(near []Candidate, person int64, m Model) []Refusal {
	var refusals []Refusal
	for _, c := range nearestPeople(near, Verdict{}) {
		switch {
		case c.Person.ID == person && c.Distance <= sameFace:
			refusals = append(refusals, Refusal{Reason: EnrolDuplicate, Message: fmt.Sprintf(
				"the known picture %s shows the same face (distance %.2f); another picture of the person helps more", c.Image, c.Distance)})
		case c.Person.ID != person && c.Distance <= m.Threshold:
			other := c.Person
			refusals = append(refusals, Refusal{Reason: EnrolOther, Person: &other, Message: fmt.Sprintf(
				"the face looks like person %d (distance %.2f, threshold %.2f); if both are one person, merge them", other.ID, c.Distance, m.Threshold)})
		}
	}
	return refusals
}
