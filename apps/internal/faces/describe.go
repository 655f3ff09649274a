package faces

import (
	"fmt"
	"strings"
)

// Describe summarizes an image's outcome in one line for people: who is in it or
// may be, why it has no answer, and what is wrong with its file. The names come
// from the image's faces and are never stored as text, so that a renamed person
// has the new name everywhere at once.
func Describe(img Image) string {
	if img.Status == Failed {
		return withWarning(img.Detail, img.Warning)
	}
	return withWarning(describeFaces(img.Faces, img.Rule), img.Warning)
}

// describeFaces lists the people from left to right. Ignored faces are mentioned only if
// no other face counts.
func describeFaces(list []Face, m Model) string {
	var parts []string
	unknown, ignored, count := 0, 0, len(list)
	for i := range list {
		f := &list[i]
		switch {
		case f.Reason.IsDismissed():
			count--
			if f.Reason == Ignored {
				ignored++
			}
		case f.Reason == Identified && f.Person != nil:
			parts = append(parts, f.Person.DisplayName())
		case f.IsAmbiguous(m):
			parts = append(parts, fmt.Sprintf("%s or %s?", f.Best.Person.DisplayName(), f.Second.Person.DisplayName()))
		case f.ResemblesBest(m):
			parts = append(parts, f.Best.Person.DisplayName()+"?")
		default:
			unknown++
		}
	}
	switch {
	case unknown > 0 && unknown < count:
		parts = append(parts, fmt.Sprintf("%d unknown", unknown))
	case count == 0 && ignored > 0:
		parts = append(parts, fmt.Sprintf("%d ignored", ignored))
	}
	return strings.Join(parts, ", ")
}

func withWarning(text, warning string) string {
	switch {
	case warning == "":
		return text
	case text == "":
		return warning
	default:
		return text + "; " + warning
	}
}
