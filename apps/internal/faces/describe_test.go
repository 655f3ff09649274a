package faces_test

import (
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// imageOf is the image that an outcome is stored as.
func imageOf(out faces.Outcome, m faces.Model) faces.Image {
	return faces.Image{
		Status: out.Reason.Status(), Reason: out.Reason, Detail: out.Detail, Warning: out.Warning,
		Person: out.Person, Faces: out.Faces, Rule: m,
	}
}

func describe(out faces.Outcome, m faces.Model) string { return faces.Describe(imageOf(out, m)) }

func TestDescribe(t *testing.T) {
	t.Parallel()
	const early = "the file ends early"
	faceless := faces.Sighting{}
	of := func(list ...any) faces.Sighting { return faces.Sighting{Neighbours: near(list...)} }
	for _, c := range []struct {
		name    string
		found   []faces.Sighting
		warning string
		want    string
	}{
		{name: "no face"},
		{name: "no face in a damaged file", warning: early, want: early},
		{name: "one person", found: []faces.Sighting{of("ada/1.jpg", 0.25)}, want: "Ada"},
		{name: "strangers", found: []faces.Sighting{faceless, faceless}},
		{
			name: "the image's person comes last", found: []faces.Sighting{of("bruno/1.jpg", 0.5), faceless, of("ada/1.jpg", 0.25)},
			want: "Bruno, Ada, 1 unknown",
		},
		{
			name: "a person and a stranger in a damaged file", found: []faces.Sighting{of("ada/1.jpg", 0.25), faceless}, warning: early,
			want: "Ada, 1 unknown; " + early,
		},
		{
			name: "a person in a damaged file", found: []faces.Sighting{of("ada/1.jpg", 0.25)}, warning: early,
			want: "Ada; " + early,
		},
		{
			name: "nobody for sure", found: []faces.Sighting{of("bruno/1.jpg", 0.25, "clara/1.jpg", 0.25)},
			want: "Bruno or Clara?",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out := faces.Decide(faces.Recognition{Model: model, Sightings: c.found, Warning: c.warning}, owner)
			if out.Detail != "" || out.Warning != c.warning {
				t.Errorf("stored as %q with the warning %q", out.Detail, out.Warning)
			}
			img := imageOf(out, model)
			if got := faces.Describe(img); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestDescribeFailure(t *testing.T) {
	t.Parallel()
	out := faces.Failure(faces.Fault(faces.CorruptImage, "it ends in the middle"))
	if got := describe(out, model); got != "it ends in the middle" {
		t.Errorf("got %q", got)
	}
}

// A person may have lost the name that the answer had.
func TestDescribeNameless(t *testing.T) {
	t.Parallel()
	img := faces.Image{Status: faces.Processed, Faces: []faces.Face{{Reason: faces.Identified, Person: &faces.Person{ID: 7}}}}
	if got := faces.Describe(img); got != "person 7" {
		t.Errorf("got %q", got)
	}
}
