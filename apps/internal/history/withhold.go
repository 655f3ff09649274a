package history

import "github.com/rollcall-faces/rollcall/apps/internal/faces"

// Names reports whether the answer names one of the people, be it as the second one
// near a face, for another reason than that somebody said so.
func (a ImageAnswer) Names(people func(id int64) bool) bool {
	for _, f := range a.Faces {
		if f.BestPerson != faces.NoPerson && f.Corrected != Confirmed && people(f.BestPerson) {
			return true
		}
		if f.SecondPerson != faces.NoPerson && f.SecondPerson != f.BestPerson && people(f.SecondPerson) {
			return true
		}
	}
	return false
}

// Without returns the answer without the withheld people. What somebody said about a
// face stays.
func (a FaceAnswer) Without(withheld func(id int64) bool) FaceAnswer {
	if a.SecondPerson != faces.NoPerson && withheld(a.SecondPerson) {
		a.SecondPerson, a.SecondDistance, a.SecondImage, a.SecondParts = faces.NoPerson, 0, "", ""
	}
	if a.BestPerson == faces.NoPerson || !withheld(a.BestPerson) {
		return a
	}
	a.BestDistance, a.BestImage, a.BestParts = 0, "", ""
	if a.Corrected == Confirmed {
		return a
	}
	a.BestPerson = faces.NoPerson
	a.SecondPerson, a.SecondDistance, a.SecondImage, a.SecondParts = faces.NoPerson, 0, "", ""
	if a.Reason == faces.Identified || a.Reason == faces.Uncertain {
		a.Reason = faces.UnknownPerson
	}
	return a
}

// Withhold takes the withheld people out of an image's answer, without asking a
// recognizer. changed is false if they are not in it. m is the model set of the faces.
func (img StoredImage) Withhold(withheld func(id int64) bool, m faces.Model) (c Change, changed bool) {
	judged := map[int64]faces.Face{}
	for _, f := range img.Faces {
		if now := f.Without(withheld); now != f.FaceAnswer {
			stripped := f
			stripped.FaceAnswer = now
			judged[f.ID] = stripped.Face(nil)
		}
	}
	return img.decide(judged, m, func(old, now FaceAnswer) bool { return old != now })
}
