package history

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// What FaceAnswer.Corrected says. A confirmed face has its person in BestPerson,
// where programs of the first release look for it. Without a BestImage that
// person was not in reach of the distances.
const (
	NotCorrected = 0
	Corrected    = 1 // a person said who it is not
	Confirmed    = 2 // a person said who it is
)

// FaceAnswer is the decision about a face in the form in which it is stored and
// compared. Its JSON form is kept with the changes of a job, so that its tags
// must not change. The decision in its rich form is a faces.Face.
type FaceAnswer struct {
	ID             int64        `json:"id"`
	Reason         faces.Reason `json:"reason"`
	BestPerson     int64        `json:"best"` // faces.NoPerson for nobody
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
		// Release 0.1.0 knows no uncertain face without a second person, and fails
		// on it. The same person twice stands for nobody.
		second = f.Best
	}
	if second != nil {
		a.SecondPerson, a.SecondDistance, a.SecondImage = second.Person.ID, second.Distance, second.Image
		a.SecondParts = FormatParts(second.Parts)
	}
	return a
}

// candidates returns the two people of an answer. best is nil where nobody is near: a confirmed face without a picture was
// out of its person's reach.
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

// Face returns the decision as a faces.Face has it. name knows people by their
// ids; it may be nil where names do not matter. It is the reverse of AnswerOf.
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

// identified is the person that an identified face shows.
func (a FaceAnswer) identified() int64 {
	if a.Reason != faces.Identified {
		return faces.NoPerson
	}
	return a.BestPerson
}

// FormatParts returns the parts of a distance as the database keeps them: a
// JSON list, and nothing where they are not known. It is written by hand because
// a re-match calls it for every face that it looks at.
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

// ParseParts is the reverse of FormatParts. Parts only explain an answer, so
// that a text that cannot be read counts as none.
func ParseParts(text string) faces.Parts {
	var list []float32
	if text == "" || json.Unmarshal([]byte(text), &list) != nil {
		return faces.Parts{}
	}
	return faces.PartsOf(list)
}

// ImageAnswer is the outcome of an image whose faces decided it. Its JSON form
// is kept with the changes of a job.
type ImageAnswer struct {
	Reason faces.Reason `json:"reason"`
	Person int64        `json:"person"`
	Faces  []FaceAnswer `json:"faces"` // by their ids
}

// Equal reports whether two answers say the same of the image and of its faces.
func (a ImageAnswer) Equal(other ImageAnswer) bool {
	return a.Reason == other.Reason && a.Person == other.Person && slices.Equal(a.Faces, other.Faces)
}

// SortFaces orders the answers of faces by the faces' ids.
func SortFaces(list []FaceAnswer) {
	slices.SortFunc(list, func(a, b FaceAnswer) int { return int(a.ID - b.ID) })
}

// Change is what a decision makes of an image.
type Change struct {
	ImageID       int64
	Before, After ImageAnswer
}

// Visible reports whether the change is one of who is in the picture, and not
// only of why.
func (c Change) Visible() bool {
	if c.Before.Reason != c.After.Reason || c.Before.Person != c.After.Person {
		return true
	}
	return !slices.EqualFunc(c.Before.Faces, c.After.Faces, func(a, b FaceAnswer) bool {
		return a.Reason == b.Reason && a.identified() == b.identified()
	})
}

// StoredFace is a face as it is read from the database to be decided anew: its
// answer, and what matching it again needs. It has no landmarks, and its
// descriptor stays in the form in which it is sent, because a job reads all
// faces that there are.
type StoredFace struct {
	FaceAnswer
	ImageID    int64
	Box        faces.Box
	Model      string
	Gallery    string
	Descriptor []byte // see faces.Descriptor.Bytes
	Quality    faces.Quality
}

// Face returns the face with the decision that is stored; for name see
// FaceAnswer.Face.
func (f StoredFace) Face(name func(id int64) string) faces.Face {
	face := f.FaceAnswer.Face(name)
	face.Box, face.Model, face.Gallery, face.Quality = f.Box, f.Model, f.Gallery, f.Quality
	return face
}

// undecided returns what faces.Face.Judge and faces.NameOnce ask of a face.
func (f StoredFace) undecided() faces.Face {
	return faces.Face{ID: f.ID, Box: f.Box, Model: f.Model, Gallery: f.Gallery, Quality: f.Quality}
}

// StoredImage is an answered image with all of its faces.
type StoredImage struct {
	ID     int64
	Answer ImageAnswer
	Faces  []StoredFace // from left to right
	// Waits is set where the image has no answer now: somebody is at work on it,
	// or about to be.
	Waits bool
}

func (img StoredImage) boxes() []faces.Box {
	boxes := make([]faces.Box, len(img.Faces))
	for i, f := range img.Faces {
		boxes[i] = f.Box
	}
	return boxes
}

// decide puts the faces of an image together: those that were judged, each
// alone, and the others with the decisions that are stored. A decision that is
// not worth writing leaves the stored one; changed is false where none is. All
// stored answers are decided anew here, for re-matches and for corrections.
func (img StoredImage) decide(judged map[int64]faces.Face, m faces.Model, worth func(old, now FaceAnswer) bool) (c Change, changed bool) {
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
		if now := AnswerOf(list[i]); worth(f.FaceAnswer, now) {
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
