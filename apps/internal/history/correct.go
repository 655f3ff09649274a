package history

import "github.com/rollcall-faces/rollcall/apps/internal/faces"

// StoredCandidate is a person who was near a face when it was corrected. A list
// of them is stored with the correction as JSON, because the row of the face has
// only those who are near after the correction.
type StoredCandidate struct {
	Person   int64   `json:"person"`
	Distance float64 `json:"distance"`
	Image    string  `json:"image"`
	Parts    string  `json:"parts,omitempty"` // see FormatParts
	// Alone means that the rule had named the face, and that nobody else was near
	// enough to be stored. The far threshold needs to know.
	Alone bool `json:"alone,omitempty"`
}

// Candidates returns the people near the face.
func (a FaceAnswer) Candidates() []StoredCandidate {
	var list []StoredCandidate
	if a.BestPerson != faces.NoPerson && a.BestImage != "" {
		list = append(list, StoredCandidate{a.BestPerson, a.BestDistance, a.BestImage, a.BestParts, a.isAlone()})
	}
	if a.SecondPerson != faces.NoPerson && a.SecondPerson != a.BestPerson { // else see AnswerOf
		list = append(list, StoredCandidate{a.SecondPerson, a.SecondDistance, a.SecondImage, a.SecondParts, false})
	}
	return list
}

// isAlone reports whether the rule named the face and there is no second person.
// That is also so for a face that lost the name to another one (see AnswerOf).
func (a FaceAnswer) isAlone() bool {
	switch a.Reason {
	case faces.Identified:
		return a.Corrected != Confirmed && a.SecondPerson == faces.NoPerson
	case faces.Uncertain:
		return a.SecondPerson == a.BestPerson
	default:
		return false
	}
}

func (p StoredCandidate) candidate() faces.Candidate {
	return faces.Candidate{Person: faces.Person{ID: p.Person}, Distance: p.Distance, Image: p.Image, Parts: ParseParts(p.Parts)}
}

// PastCorrection is an active or undone correction with the people who were near
// its face when it was made.
type PastCorrection struct {
	faces.Correction
	Candidates []StoredCandidate // only those who still own the known picture
}

// Correct decides an image again after a face was corrected, or a correction was
// undone. It uses the stored candidates of the faces and needs no recognizer.
// Faces without corrections keep their decision, because nothing new is known
// about them. corrections are the active ones; models are the rules by model set
// id.
func Correct(img StoredImage, corrections []faces.Correction, past []PastCorrection, models map[string]faces.Model) Change {
	near, alone := img.candidatesPerFace(past)
	judged := map[int64]faces.Face{}
	var rule faces.Model // of the faces that a model set found; a drawn face has none
	for i, v := range faces.Verdicts(img.boxes(), corrections) {
		f := img.Faces[i]
		m := models[f.Model]
		m.ID = f.Model
		if f.Model != "" {
			rule = m
		}
		nearby := faces.Nearby{Candidates: near[i]}
		if alone[i] > 0 {
			const tolerance = 1e-6
			nearby.Horizon, nearby.People = alone[i]+m.FarMargin+tolerance, len(v.Not)+2
		}
		face := f.undecided().Judge(nearby, m, v)
		nameFree := f.Reason == faces.Uncertain && face.Reason == faces.Identified // another face had the name until now
		if f.Corrected != NotCorrected || !v.IsZero() || nameFree {
			judged[f.ID] = face
		}
	}
	c, _ := img.decide(judged, rule, func(old, now FaceAnswer) bool { return old != now })
	return c
}

// candidatesPerFace returns the candidates of each face: those of its answer and
// those of the corrections at its place. alone is the largest distance of one who
// was alone (see StoredCandidate), or 0: everybody else is more than the far margin
// farther.
func (img StoredImage) candidatesPerFace(past []PastCorrection) (near [][]faces.Candidate, alone []float64) {
	near, alone = make([][]faces.Candidate, len(img.Faces)), make([]float64, len(img.Faces))
	for i, f := range img.Faces {
		if f.isAlone() {
			alone[i] = f.BestDistance
		}
		face := f.Face(nil)
		for _, c := range []*faces.Candidate{face.Best, face.Second} {
			if c != nil {
				near[i] = append(near[i], *c)
			}
		}
	}
	corrections := make([]faces.Correction, len(past))
	for i, m := range past {
		corrections[i] = m.Correction
	}
	for n, i := range faces.Places(img.boxes(), corrections) {
		if i < 0 || img.Faces[i].Model != past[n].Model {
			continue
		}
		for _, p := range past[n].Candidates {
			near[i] = append(near[i], p.candidate())
			if p.Alone {
				alone[i] = max(alone[i], p.Distance)
			}
		}
	}
	return near, alone
}
