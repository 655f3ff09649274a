package history

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Values of FaceAnswer.Corrected. A confirmed face has its person in BestPerson,
// because programs of release 0.1.0 read it there. Its BestImage is empty if no
// picture of that person was near.
const (
	NotCorrected = 0
	Corrected    = 1 // a correction says who it is not
	Confirmed    = 2 // a correction says who it is
)

// FaceAnswer is the decision about a face in the form that is stored and
// compared; a faces.Face is its rich form. The changes of a job are stored as its
// JSON, so the tags must not change.
type FaceAnswer struct {
	ID             int64        `json:"id"`
	Reason         faces.Reason `json:"reason"`
	BestPerson     int64        `json:"best"` // faces.NoPerson if none
	BestDistance   float64      `json:"best_distance"`
	BestImage      string       `json:"best_image"`
	SecondPerson   int64        `json:"second"`
	SecondDistance float64      `json:"second_distance"`
	SecondImage    string       `json:"second_image"`
	Corrected      int          `json:"corrected"`            // NotCorrected, Corrected or Confirmed
	BestParts      string       `json:"best_parts,omitempty"` // see FormatParts
	SecondParts    string       `json:"second_parts,omitempty"`
}

// AnswerOf returns the decision about a face.
func AnswerOf(f faces.Face) FaceAnswer {
	a := FaceAnswer{ID: f.ID, Reason: f.Reason, BestPerson: faces.NoPerson, SecondPerson: faces.NoPerson}
	switch {
	case f.Confirmed:
		a.Corrected, a.BestPerson = Confirmed, f.Person.ID
	case f.Corrected:
		a.Corrected = Corrected
	}
	if f.Best != nil {
		a.BestPerson, a.BestDistance, a.BestImage = f.Best.Person.ID, f.Best.Distance, f.Best.Image
		a.BestParts = FormatParts(f.Best.Parts)
	}
	second := f.Second
	if second == nil && f.Reason == faces.Uncertain {
		// Release 0.1.0 fails on an uncertain face without a second person. If both
		// are the same person, there is no second person.
		second = f.Best
	}
	if second != nil {
		a.SecondPerson, a.SecondDistance, a.SecondImage = second.Person.ID, second.Distance, second.Image
		a.SecondParts = FormatParts(second.Parts)
	}
	return a
}

// bestAndSecond returns the two people of an answer. Each is nil if there is
// none.
func (a FaceAnswer) bestAndSecond(name func(id int64) string) (best, second *faces.Candidate) {
	candidate := func(id int64, distance float64, image, parts string) *faces.Candidate {
		if id == faces.NoPerson {
			return nil
		}
		p := faces.Person{ID: id}
		if name != nil {
			p.Name = name(id)
		}
		return &faces.Candidate{Person: p, Distance: distance, Image: image, Parts: ParseParts(parts)}
	}
	best = candidate(a.BestPerson, a.BestDistance, a.BestImage, a.BestParts)
	if a.SecondPerson != a.BestPerson { // else see AnswerOf
		second = candidate(a.SecondPerson, a.SecondDistance, a.SecondImage, a.SecondParts)
	}
	return best, second
}

// Face returns the decision as a faces.Face. It is the reverse of AnswerOf. name
// returns the name of a person; it may be nil if names do not matter.
func (a FaceAnswer) Face(name func(id int64) string) faces.Face {
	f := faces.Face{
		ID: a.ID, Reason: a.Reason, MatchedImage: a.BestImage,
		Corrected: a.Corrected != NotCorrected, Confirmed: a.Corrected == Confirmed,
	}
	f.Best, f.Second = a.bestAndSecond(name)
	if f.Reason == faces.Identified && f.Best != nil {
		person := f.Best.Person
		f.Person = &person
	}
	if f.Confirmed && a.BestImage == "" {
		f.Best = nil
	}
	return f
}

// identified returns the person whom an identified face shows, otherwise
// faces.NoPerson.
func (a FaceAnswer) identified() int64 {
	if a.Reason != faces.Identified {
		return faces.NoPerson
	}
	return a.BestPerson
}

// FormatParts encodes the parts of a distance for the database as a JSON list, or
// as "" if they are unknown. It does not use package json, because a re-match
// calls it for every face.
func FormatParts(p faces.Parts) string {
	if p == (faces.Parts{}) {
		return ""
	}
	text := []byte{'['}
	for i, part := range p.List() {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendFloat(text, float64(part), 'g', -1, 32)
	}
	return string(append(text, ']'))
}

// ParseParts is the reverse of FormatParts. It returns no parts for an invalid
// text, because parts only explain an answer.
func ParseParts(text string) faces.Parts {
	var list []float32
	if text == "" || json.Unmarshal([]byte(text), &list) != nil {
		return faces.Parts{}
	}
	return faces.PartsOf(list)
}

// ImageAnswer is the outcome of an image, as decided from its faces. The changes
// of a job are stored as its JSON.
type ImageAnswer struct {
	Reason faces.Reason `json:"reason"`
	Person int64        `json:"person"`
	Faces  []FaceAnswer `json:"faces"` // ordered by id
}

// Equal reports whether two answers are equal, including all faces.
func (a ImageAnswer) Equal(other ImageAnswer) bool {
	return a.Reason == other.Reason && a.Person == other.Person && slices.Equal(a.Faces, other.Faces)
}

// SortFaces sorts answers by face id.
func SortFaces(list []FaceAnswer) {
	slices.SortFunc(list, func(a, b FaceAnswer) int { return int(a.ID - b.ID) })
}

// Change is an image's answer before and after a new decision.
type Change struct {
	ImageID       int64
	Before, After ImageAnswer
}

// Visible reports whether the change affects who is in the picture. Distances
// and other explanations may change without being visible.
func (c Change) Visible() bool {
	if c.Before.Reason != c.After.Reason || c.Before.Person != c.After.Person {
		return true
	}
	return !slices.EqualFunc(c.Before.Faces, c.After.Faces, func(a, b FaceAnswer) bool {
		return a.Reason == b.Reason && a.identified() == b.identified()
	})
}

// StoredFace is a face that was read from the database to be decided again: its
// answer, and what matching needs. A job reads all stored faces. To keep that
// cheap, a StoredFace has no landmarks and its descriptor stays encoded.
type StoredFace struct {
	FaceAnswer
	ImageID    int64
	Box        faces.Box
	Model      string
	Gallery    string
	Descriptor []byte // see faces.Descriptor.Bytes
	Quality    faces.Quality
}

// Face returns the face with its stored decision. See FaceAnswer.Face for name.
func (f StoredFace) Face(name func(id int64) string) faces.Face {
	face := f.FaceAnswer.Face(name)
	face.Box, face.Model, face.Gallery, face.Quality = f.Box, f.Model, f.Gallery, f.Quality
	return face
}

// undecided returns the face without a decision, as faces.Face.Judge needs it.
func (f StoredFace) undecided() faces.Face {
	return faces.Face{ID: f.ID, Box: f.Box, Model: f.Model, Gallery: f.Gallery, Quality: f.Quality}
}

// StoredImage is an answered image with all of its faces.
type StoredImage struct {
	ID     int64
	Answer ImageAnswer
	Faces  []StoredFace // from left to right
	// Waits is set if the image currently has no answer, because it is queued or
	// being processed.
	Waits bool
}

func (img StoredImage) boxes() []faces.Box {
	boxes := make([]faces.Box, len(img.Faces))
	for i, f := range img.Faces {
		boxes[i] = f.Box
	}
	return boxes
}

// decide decides the image from its faces: the judged ones, and the others with
// their stored decisions. A new decision replaces the stored one only if differs
// returns true. changed reports whether any decision was replaced. Both re-matches
// and corrections decide here.
func (img StoredImage) decide(judged map[int64]faces.Face, m faces.Model, differs func(old, now FaceAnswer) bool) (c Change, changed bool) {
	list := make([]faces.Face, len(img.Faces))
	for i, f := range img.Faces {
		if face, done := judged[f.ID]; done {
			list[i] = face
		} else {
			list[i] = f.Face(nil)
		}
	}
	faces.NameOnce(list)
	after := make(map[int64]FaceAnswer, len(img.Faces))
	for i, f := range img.Faces {
		after[f.ID] = f.FaceAnswer
		if now := AnswerOf(list[i]); differs(f.FaceAnswer, now) {
			after[f.ID], changed = now, true
		} else {
			list[i] = f.Face(nil)
		}
	}
	reason, person := faces.Conclude(list, m)
	c = Change{ImageID: img.ID, Before: img.Answer, After: ImageAnswer{Reason: reason, Person: faces.NoPerson}}
	if person != nil {
		c.After.Person = person.ID
	}
	for _, f := range img.Answer.Faces {
		c.After.Faces = append(c.After.Faces, after[f.ID])
	}
	return c, changed
}
