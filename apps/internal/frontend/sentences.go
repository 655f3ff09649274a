package frontend

import (
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// sentence describes the outcome of an image. m is the model set that answered,
// empty if unknown.
func (l *language) sentence(img faces.Image, m faces.Model) string {
	switch {
	case img.Status == faces.Processing:
		return l.words("sentence.processing")
	case img.Status == faces.Failed:
		return l.failure(img)
	case img.Reason == faces.Queued:
		return l.words("sentence.queued")
	case img.Reason == faces.NoFace && len(img.Faces) > 0:
		return l.words("sentence.dismissed")
	case img.Reason == faces.NoFace:
		return l.words("sentence.noface")
	}
	return l.whoIsThere(img, m)
}

// whoIsThere describes the people in an answered image, in clauses.
func (l *language) whoIsThere(img faces.Image, m faces.Model) string {
	var clauses []string
	names, doubts, strangers := l.sortFaces(img, m)
	switch {
	case len(names) > 0:
		clauses = append(clauses, l.counted("clause.here", len(names), l.list(names)))
	case img.Reason == faces.Identified:
		clauses = append(clauses, l.words("clause.somebody"))
	}
	clauses = append(clauses, doubts...)
	switch {
	case strangers == 0:
	case len(clauses) > 0:
		clauses = append(clauses, l.counted("clause.others", strangers))
	default:
		clauses = append(clauses, l.counted("clause.strangers", strangers))
	}
	if len(clauses) == 0 {
		clauses = append(clauses, l.outcomeOf(img.Status, img.Reason).Label)
	}
	if len(names) == 0 { // a name keeps its own case
		clauses[0] = capital(clauses[0])
	}
	return l.words("clause.end", l.join(clauses, "clause.more", "clause.more"))
}

// sortFaces returns the names of the identified people, each once, a clause for
// each face that may be somebody, and the number of unknown faces.
func (l *language) sortFaces(img faces.Image, m faces.Model) (names, doubts []string, strangers int) {
	seen := map[int64]bool{}
	add := func(p *faces.Person) {
		if p != nil && !seen[p.ID] {
			seen[p.ID] = true
			names = append(names, l.isolatedName(*p))
		}
	}
	add(img.Person) // first; it is set also if a program that knows no faces wrote the row
	for i := range img.Faces {
		f := &img.Faces[i]
		switch {
		case f.Reason.IsDismissed():
		case f.Reason == faces.Identified:
			add(f.Person)
		case f.IsAmbiguous(m):
			doubts = append(doubts, l.words("clause.either", l.isolatedName(f.Best.Person), l.isolatedName(f.Second.Person)))
		case f.ResemblesBest(m) && f.Reason.BelowFloor():
			doubts = append(doubts, l.words("clause.poor", l.isolatedName(f.Best.Person), l.why(f, m)))
		case f.ResemblesBest(m):
			doubts = append(doubts, l.words("clause.like", l.isolatedName(f.Best.Person)))
		default:
			strangers++
		}
	}
	return names, doubts, strangers
}

// failure says why an image has no answer.
func (l *language) failure(img faces.Image) string {
	if img.Reason.Permanent() {
		return l.words("failure." + string(img.Reason))
	}
	key := "failure." + string(faces.Internal)
	if img.Reason == faces.RecognizerUnavailable || img.Reason == faces.Timeout {
		key = "failure." + string(img.Reason)
	}
	return l.counted(key, max(img.Attempts, 1))
}

// whatNext says what happens next with an image without an answer.
func (l *language) whatNext(img faces.Image) string {
	switch {
	case img.Reason.Permanent():
		return l.words("next.permanent", img.ID)
	case img.Reason.Transient():
		return l.words("next.transient")
	case img.Reason == faces.UnknownPerson, img.Reason == faces.Uncertain:
		return l.words("next.answer")
	default:
		return ""
	}
}

// inShort lists who is in an image or may be, why it has no answer, and what is wrong with
// its file. Of a failed image that is the detail that a program stored, which has no
// translation.
func (l *language) inShort(img faces.Image) string {
	if img.Status == faces.Failed {
		return l.warned(img.Detail, img.Warning)
	}
	return l.warned(l.people(img, nil), img.Warning)
}

// besides is like inShort but leaves out the image's person, for views that show that
// person separately.
func (l *language) besides(img faces.Image) string {
	if img.Person == nil {
		return l.inShort(img)
	}
	others := l.people(img, img.Person)
	if others != "" {
		others = l.words("short.with", others)
	}
	return l.warned(others, img.Warning)
}

// people lists the people of an image from left to right. It skips the first face that shows
// except. Ignored faces are mentioned only if no other face counts.
func (l *language) people(img faces.Image, except *faces.Person) string {
	var list []string
	unknown, ignored, count := 0, 0, len(img.Faces)
	for i := range img.Faces {
		f := &img.Faces[i]
		switch {
		case f.Reason.IsDismissed():
			count--
			if f.Reason == faces.Ignored {
				ignored++
			}
		case f.Reason == faces.Identified && f.Person != nil:
			if except != nil && f.Person.ID == except.ID {
				except = nil
				continue
			}
			list = append(list, l.personName(*f.Person))
		case f.IsAmbiguous(img.Rule), f.ResemblesBest(img.Rule):
			list = append(list, l.maybe(f, img.Rule))
		default:
			unknown++
		}
	}
	switch {
	case unknown > 0 && unknown < count:
		list = append(list, l.counted("short.unknown", unknown))
	case count == 0 && ignored > 0:
		list = append(list, l.counted("short.ignored", ignored))
	}
	return l.parts(list)
}

// maybe names whom a face resembles, such as "Anna or Bela?".
func (l *language) maybe(f *faces.Face, m faces.Model) string {
	if f.IsAmbiguous(m) {
		return l.words("short.either", l.personName(f.Best.Person), l.personName(f.Second.Person))
	}
	return l.words("short.maybe", l.personName(f.Best.Person))
}

// warned adds what is wrong with the file, as the program that read it has written it.
func (l *language) warned(text, warning string) string {
	text, warning = visible(text), visible(warning)
	switch {
	case warning == "":
		return text
	case text == "":
		return warning
	default:
		return l.words("short.warning", text, warning)
	}
}
