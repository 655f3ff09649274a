// Package answers compares the answers of the receiver with those that the sample
// pictures should get.
package answers

import (
	"fmt"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// Difference says how the answer for an image differs from the expected one. It is
// empty if both are the same.
func Difference(img api.ImageDetail, want samples.Expectation) string {
	people := PeopleIn(img)
	if string(img.Reason) == want.Reason && slices.Equal(people, want.People) && len(img.Faces) == want.Faces {
		return ""
	}
	return fmt.Sprintf("got %s %q with %d face(s), want %s %q with %d", img.Reason, people, len(img.Faces), want.Reason, want.People, want.Faces)
}

// PeopleIn returns the names of the people in an image, each once.
func PeopleIn(img api.ImageDetail) []string {
	names := []string{}
	for _, f := range img.Faces {
		if f.Person != nil {
			names = append(names, f.Person.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
