package faces_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

var (
	ada   = faces.Person{ID: 1, Name: "Ada"}
	bruno = faces.Person{ID: 2, Name: "Bruno"}
	clara = faces.Person{ID: 3, Name: "Clara"}
)

// owner knows the people by their pictures; nobody owns "nobody.jpg".
func owner(image string) (faces.Person, bool) {
	p, ok := map[string]faces.Person{
		"ada/1.jpg": ada, "ada/2.jpg": ada, "ada/3.jpg": ada,
		"bruno/1.jpg": bruno, "bruno/2.jpg": bruno, "clara/1.jpg": clara,
	}[image]
	return p, ok
}

// Fractions of two, so that sums at the edge are exact.
var model = faces.Model{ID: "m1", Threshold: 0.5, Margin: 0.125}

// near lists neighbours: near("ada/1.jpg", 0.25).
func near(list ...any) []faces.Neighbour {
	var n []faces.Neighbour
	for i := 0; i < len(list); i += 2 {
		n = append(n, faces.Neighbour{Image: list[i].(string), Distance: list[i+1].(float64)})
	}
	return n
}

func decide(found ...[]faces.Neighbour) faces.Outcome {
	r := faces.Recognition{Width: 800, Height: 600, Model: model, Gallery: "g1"}
	for i, n := range found {
		r.Sightings = append(r.Sightings, faces.Sighting{
			Box: faces.Box{X: 100 * i, Width: 50, Height: 60}, Landmarks: []faces.Point{{X: i}},
			Descriptor: faces.Descriptor{float32(i)}, Neighbours: n,
		})
	}
	return faces.Decide(r, owner)
}

func TestDecideOneFace(t *testing.T) {
	t.Parallel()
	const above = 0x1p-40 // a little
	for _, c := range []struct {
		name   string
		found  []faces.Neighbour
		reason faces.Reason
		best   *faces.Candidate
		second *faces.Candidate
		detail string
	}{
		{"no known picture near", nil, faces.UnknownPerson, nil, nil, ""},
		{"one person", near("ada/1.jpg", 0.25), faces.Identified, &faces.Candidate{Person: ada, Distance: 0.25, Image: "ada/1.jpg"}, nil, "Ada"},
		{
			"the nearest of a person's pictures", near("ada/2.jpg", 0.375, "ada/1.jpg", 0.25, "ada/3.jpg", 0.5),
			faces.Identified, &faces.Candidate{Person: ada, Distance: 0.25, Image: "ada/1.jpg"}, nil, "Ada",
		},
		{
			"at the threshold", near("ada/1.jpg", 0.5), faces.Identified,
			&faces.Candidate{Person: ada, Distance: 0.5, Image: "ada/1.jpg"}, nil, "Ada",
		},
		{
			"above the threshold", near("ada/1.jpg", 0.5+above), faces.UnknownPerson,
			&faces.Candidate{Person: ada, Distance: 0.5 + above, Image: "ada/1.jpg"}, nil, "",
		},
		{
			"the second at the margin", near("ada/1.jpg", 0.25, "bruno/1.jpg", 0.375), faces.Identified,
			&faces.Candidate{Person: ada, Distance: 0.25, Image: "ada/1.jpg"},
			&faces.Candidate{Person: bruno, Distance: 0.375, Image: "bruno/1.jpg"}, "Ada",
		},
		{
			"the second within the margin", near("ada/1.jpg", 0.25, "bruno/1.jpg", 0.375-above), faces.Uncertain,
			&faces.Candidate{Person: ada, Distance: 0.25, Image: "ada/1.jpg"},
			&faces.Candidate{Person: bruno, Distance: 0.375 - above, Image: "bruno/1.jpg"}, "Ada or Bruno?",
		},
		{
			"the second within the margin, beyond the threshold", near("ada/1.jpg", 0.5, "bruno/1.jpg", 0.5625), faces.Uncertain,
			&faces.Candidate{Person: ada, Distance: 0.5, Image: "ada/1.jpg"},
			&faces.Candidate{Person: bruno, Distance: 0.5625, Image: "bruno/1.jpg"}, "Ada or Bruno?",
		},
		{
			"two strangers close to each other", near("ada/1.jpg", 0.625, "bruno/1.jpg", 0.625), faces.UnknownPerson,
			&faces.Candidate{Person: ada, Distance: 0.625, Image: "ada/1.jpg"},
			&faces.Candidate{Person: bruno, Distance: 0.625, Image: "bruno/1.jpg"}, "",
		},
		{
			"a tie goes to the smaller id", near("clara/1.jpg", 0.25, "bruno/1.jpg", 0.25), faces.Uncertain,
			&faces.Candidate{Person: bruno, Distance: 0.25, Image: "bruno/1.jpg"},
			&faces.Candidate{Person: clara, Distance: 0.25, Image: "clara/1.jpg"}, "Bruno or Clara?",
		},
		{
			"a tie of one person's pictures goes to the first name", near("ada/2.jpg", 0.25, "ada/1.jpg", 0.25), faces.Identified,
			&faces.Candidate{Person: ada, Distance: 0.25, Image: "ada/1.jpg"}, nil, "Ada",
		},
		{
			"a person's own second picture is no rival", near("ada/1.jpg", 0.25, "ada/2.jpg", 0.25, "clara/1.jpg", 0.5),
			faces.Identified, &faces.Candidate{Person: ada, Distance: 0.25, Image: "ada/1.jpg"},
			&faces.Candidate{Person: clara, Distance: 0.5, Image: "clara/1.jpg"}, "Ada",
		},
		{
			"a third person is not told", near("ada/1.jpg", 0.125, "bruno/1.jpg", 0.375, "clara/1.jpg", 0.25), faces.Identified,
			&faces.Candidate{Person: ada, Distance: 0.125, Image: "ada/1.jpg"},
			&faces.Candidate{Person: clara, Distance: 0.25, Image: "clara/1.jpg"}, "Ada",
		},
		{
			"pictures without an owner are passed over", near("nobody.jpg", 0.0, "ada/1.jpg", 0.25, "nobody.jpg", 0.25), faces.Identified,
			&faces.Candidate{Person: ada, Distance: 0.25, Image: "ada/1.jpg"}, nil, "Ada",
		},
		{"only pictures without an owner", near("nobody.jpg", 0.0), faces.UnknownPerson, nil, nil, ""},
		{"what is no distance is passed over", near("ada/1.jpg", math.NaN()), faces.UnknownPerson, nil, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := faces.Face{
				Box: faces.Box{Width: 50, Height: 60}, Landmarks: []faces.Point{{}}, Descriptor: faces.Descriptor{0},
				Reason: c.reason, Best: c.best, Second: c.second, Model: "m1", Gallery: "g1",
			}
			if c.best != nil {
				want.MatchedImage = c.best.Image
			}
			if c.reason == faces.Identified {
				want.Person = &c.best.Person
			}
			wantOutcome := faces.Outcome{
				Reason: c.reason, Person: want.Person, Faces: []faces.Face{want},
				Width: 800, Height: 600, Model: "m1",
			}
			got := decide(c.found)
			if diff := cmp.Diff(wantOutcome, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if text := describe(got, model); text != c.detail {
				t.Errorf("described as %q, want %q", text, c.detail)
			}
		})
	}
}

func TestDecideImage(t *testing.T) {
	t.Parallel()
	stranger := near("ada/1.jpg", 0.75)
	unsure := near("bruno/1.jpg", 0.25, "clara/1.jpg", 0.25)
	for _, c := range []struct {
		name   string
		found  [][]faces.Neighbour
		reason faces.Reason
		person *faces.Person
		detail string
	}{
		{"no face", nil, faces.NoFace, nil, ""},
		{"strangers", [][]faces.Neighbour{stranger, nil}, faces.UnknownPerson, nil, ""},
		{"one unsure", [][]faces.Neighbour{stranger, unsure}, faces.Uncertain, nil, "Bruno or Clara?, 1 unknown"},
		{
			"one known among others", [][]faces.Neighbour{stranger, unsure, near("ada/1.jpg", 0.5), nil},
			faces.Identified, &ada, "Bruno or Clara?, Ada, 2 unknown",
		},
		{
			"the nearest is the image's person", [][]faces.Neighbour{near("ada/1.jpg", 0.25), near("bruno/1.jpg", 0.125), near("clara/1.jpg", 0.5)},
			faces.Identified, &bruno, "Ada, Bruno, Clara",
		},
		{
			"nearer, but unsure, does not count", [][]faces.Neighbour{unsure, near("ada/1.jpg", 0.5)},
			faces.Identified, &ada, "Bruno or Clara?, Ada",
		},
		{
			"a tie goes to the first face", [][]faces.Neighbour{near("clara/1.jpg", 0.25), near("ada/1.jpg", 0.25)},
			faces.Identified, &clara, "Clara, Ada",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := decide(c.found...)
			text := describe(got, model)
			if got.Reason != c.reason || text != c.detail || len(got.Faces) != len(c.found) {
				t.Errorf("got %s, %q, %d faces; want %s, %q, %d", got.Reason, text, len(got.Faces), c.reason, c.detail, len(c.found))
			}
			if diff := cmp.Diff(c.person, got.Person); diff != "" {
				t.Errorf("person (-want +got):\n%s", diff)
			}
			for i, f := range got.Faces {
				if f.Box.X != 100*i || f.Descriptor[0] != float32(i) {
					t.Errorf("face %d is another: %+v", i, f.Box)
				}
			}
		})
	}
}

// Whatever is near, the order in which it is told does not matter.
func TestDecideDoesNotDependOnOrder(t *testing.T) {
	t.Parallel()
	images := []string{"ada/1.jpg", "ada/2.jpg", "ada/3.jpg", "bruno/1.jpg", "bruno/2.jpg", "clara/1.jpg", "nobody.jpg"}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var n []faces.Neighbour
		for _, image := range images[:rnd.IntN(len(images)+1)] {
			n = append(n, faces.Neighbour{Image: image, Distance: float64(rnd.IntN(8)) / 8}) // few values: many ties
		}
		want := decide(n)
		rnd.Shuffle(len(n), func(i, j int) { n[i], n[j] = n[j], n[i] })
		if diff := cmp.Diff(want, decide(n)); diff != "" {
			t.Fatalf("%v (-one order +another):\n%s", n, diff)
		}
	}
}

func TestDescriptor(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	a := make(faces.Descriptor, 128)
	for i := range a {
		a[i] = float32(rnd.NormFloat64())
	}
	a[0], a[1], a[2] = math.MaxFloat32, -math.SmallestNonzeroFloat32, float32(math.Inf(-1))
	back, err := faces.DescriptorFromBytes(a.Bytes())
	if err != nil || !slices.Equal(back, a) {
		t.Errorf("another descriptor comes back: %v", err)
	}
	if got := (faces.Descriptor{1, 0, 0}).Bytes(); len(got) != 12 || got[2] != 0x80 || got[3] != 0x3f {
		t.Errorf("%d bytes that begin with % x; want 12, little-endian", len(got), got[:4])
	}
	for _, size := range []int{0, 1, 511, 513, 4*faces.MaxDescriptorSize + 4} {
		if _, err := faces.DescriptorFromBytes(make([]byte, size)); err == nil {
			t.Errorf("%d bytes are a descriptor", size)
		}
	}
	a, b := faces.Descriptor{3, 0}, faces.Descriptor{0, 4}
	if got := a.Distance(b); got != 5 {
		t.Errorf("distance %v, want 5", got)
	}
	if a.Distance(b) != b.Distance(a) || a.Distance(a) != 0 {
		t.Error("distance is no distance")
	}
}
