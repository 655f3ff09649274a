package faces_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

func TestOverlap(t *testing.T) {
	t.Parallel()
	box := faces.Box{X: 10, Y: 10, Width: 100, Height: 50}
	for name, c := range map[string]struct {
		other faces.Box
		want  float64
	}{
		"itself":       {box, 1},
		"half of it":   {faces.Box{X: 10, Y: 10, Width: 50, Height: 50}, 0.5},
		"a neighbour":  {faces.Box{X: 110, Y: 10, Width: 100, Height: 50}, 0},
		"far away":     {faces.Box{X: 1000, Y: 1000, Width: 1, Height: 1}, 0},
		"a corner":     {faces.Box{X: 60, Y: 35, Width: 100, Height: 50}, 1250.0 / 8750},
		"no area":      {faces.Box{X: 10, Y: 10}, 0},
		"around it":    {faces.Box{Width: 200, Height: 100}, 0.25},
		"a large one":  {faces.Box{X: -1 << 30, Y: -1 << 30, Width: 1 << 31, Height: 1 << 31}, 5000.0 / (1 << 62)},
		"turned about": {faces.Box{X: 110, Y: 60, Width: -100, Height: -50}, 0},
	} {
		if got := box.Overlap(c.other); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if a, b := box.Overlap(c.other), c.other.Overlap(box); a != b {
			t.Errorf("%s: %v one way, %v the other", name, a, b)
		}
	}
}

func is(id int64, p faces.Person) faces.Correction { return faces.Correction{ID: id, Person: p} }

func isNot(id int64, p faces.Person) faces.Correction {
	return faces.Correction{ID: id, Person: p, Not: true}
}

func says(id int64, kind faces.Kind) faces.Correction { return faces.Correction{ID: id, Kind: kind} }

func undone(c faces.Correction) faces.Correction {
	c.UndoneAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return c
}

func TestNewestCorrectionWins(t *testing.T) {
	t.Parallel()
	box := faces.Box{X: 1, Y: 2, Width: 30, Height: 40}
	for name, c := range map[string]struct {
		corrections []faces.Correction
		want        faces.Verdict
	}{
		"nothing":                  {nil, faces.Verdict{}},
		"is":                       {[]faces.Correction{is(1, ada)}, faces.Verdict{Person: &ada}},
		"is not":                   {[]faces.Correction{isNot(1, ada)}, faces.Verdict{Not: []int64{1}}},
		"is, then is another":      {[]faces.Correction{is(1, ada), is(2, bruno)}, faces.Verdict{Person: &bruno}},
		"is, then is not":          {[]faces.Correction{is(1, ada), isNot(2, ada)}, faces.Verdict{Not: []int64{1}}},
		"is not, then is":          {[]faces.Correction{isNot(1, ada), is(2, ada)}, faces.Verdict{Person: &ada}},
		"not two":                  {[]faces.Correction{isNot(1, bruno), isNot(2, ada)}, faces.Verdict{Not: []int64{1, 2}}},
		"not twice":                {[]faces.Correction{isNot(1, ada), isNot(2, ada)}, faces.Verdict{Not: []int64{1}}},
		"is, and not another":      {[]faces.Correction{is(1, ada), isNot(2, bruno)}, faces.Verdict{Person: &ada, Not: []int64{2}}},
		"ignore":                   {[]faces.Correction{says(1, faces.SaysIgnore)}, faces.Verdict{Dismissed: faces.SaysIgnore}},
		"is, then ignore":          {[]faces.Correction{is(1, ada), says(2, faces.SaysIgnore)}, faces.Verdict{Dismissed: faces.SaysIgnore}},
		"ignore, then not a face":  {[]faces.Correction{says(1, faces.SaysIgnore), says(2, faces.SaysNoFace)}, faces.Verdict{Dismissed: faces.SaysNoFace}},
		"ignore, then is":          {[]faces.Correction{says(1, faces.SaysIgnore), is(2, ada)}, faces.Verdict{Person: &ada}},
		"not a face, then is not":  {[]faces.Correction{says(1, faces.SaysNoFace), isNot(2, ada)}, faces.Verdict{Dismissed: faces.SaysNoFace, Not: []int64{1}}},
		"is not, then ignore":      {[]faces.Correction{isNot(1, ada), says(2, faces.SaysIgnore)}, faces.Verdict{Dismissed: faces.SaysIgnore, Not: []int64{1}}},
		"an ignore undone":         {[]faces.Correction{is(1, ada), undone(says(2, faces.SaysIgnore))}, faces.Verdict{Person: &ada}},
		"undone":                   {[]faces.Correction{undone(is(1, ada))}, faces.Verdict{}},
		"the newest undone":        {[]faces.Correction{is(1, ada), undone(isNot(2, ada))}, faces.Verdict{Person: &ada}},
		"an older one undone":      {[]faces.Correction{undone(is(1, ada)), is(2, bruno)}, faces.Verdict{Person: &bruno}},
		"one that was overruled":   {[]faces.Correction{is(1, bruno), is(2, ada), isNot(3, ada)}, faces.Verdict{Not: []int64{1}}},
		"by number, not as listed": {[]faces.Correction{is(2, bruno), is(1, ada)}, faces.Verdict{Person: &bruno}},
	} {
		for i := range c.corrections {
			c.corrections[i].Box = box
		}
		if diff := cmp.Diff([]faces.Verdict{c.want}, faces.Verdicts([]faces.Box{box}, c.corrections), equateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func equateEmpty() cmp.Option {
	return cmp.Transformer("ids", func(v faces.Verdict) map[string]any {
		m := map[string]any{"not": len(v.Not), "dismissed": v.Dismissed}
		for _, id := range v.Not {
			m[string(rune('0'+id))] = true
		}
		if v.Person != nil {
			m["is"] = *v.Person
		}
		return m
	})
}

func TestCorrectionFindsItsFace(t *testing.T) {
	t.Parallel()
	left := faces.Box{X: 0, Width: 100, Height: 100}
	right := faces.Box{X: 200, Width: 100, Height: 100}
	for name, c := range map[string]struct {
		boxes []faces.Box
		at    faces.Box
		want  int // index, or -1
	}{
		"the same box":                {[]faces.Box{left, right}, right, 1},
		"found again, a little moved": {[]faces.Box{left, right}, faces.Box{X: 210, Y: 5, Width: 100, Height: 100}, 1},
		"exactly a quarter":           {[]faces.Box{left}, faces.Box{X: 0, Width: 25, Height: 100}, 0},
		"less than a quarter":         {[]faces.Box{left}, faces.Box{X: 0, Width: 24, Height: 100}, -1},
		"small, in the middle":        {[]faces.Box{left}, faces.Box{X: 30, Y: 30, Width: 40, Height: 40}, 0},
		"smaller, in the middle":      {[]faces.Box{left}, faces.Box{X: 31, Y: 31, Width: 38, Height: 38}, -1},
		"no face there any more":      {[]faces.Box{left}, right, -1},
		"the one that overlaps most":  {[]faces.Box{{X: 30, Width: 100, Height: 100}, {X: 5, Width: 100, Height: 100}}, left, 1},
		"the left one of two alike":   {[]faces.Box{{X: 10, Width: 100, Height: 100}, {X: -10, Width: 100, Height: 100}}, left, 1},
		"no faces":                    {nil, left, -1},
	} {
		verdicts := faces.Verdicts(c.boxes, []faces.Correction{{ID: 1, Box: c.at, Person: ada}})
		got := slices.IndexFunc(verdicts, func(v faces.Verdict) bool { return !v.IsZero() })
		if got != c.want || len(verdicts) != len(c.boxes) {
			t.Errorf("%s: belongs to box %d of %d, want %d", name, got, len(verdicts), c.want)
		}
	}
}

// detected is what the detectors of two releases find in one picture.
type detected struct {
	Picture   string
	HOG       []faces.Box // release 0.1.0
	YuNet640  []faces.Box `json:"yunet_640"` // at a longer side of 640 pixels
	YuNet1024 []faces.Box `json:"yunet_1024"`
}

func readDetected(t *testing.T) []detected {
	t.Helper()
	text, err := os.ReadFile("testdata/boxes.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []detected
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// Every correction that somebody made on the faces that release 0.1.0 found
// belongs to the same face as the new detector finds it, and back again.
func TestCorrectionsSurviveAnotherDetector(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, d := range readDetected(t) {
		for name, c := range map[string]struct{ before, after []faces.Box }{
			"HOG to YuNet at 640":   {d.HOG, d.YuNet640},
			"HOG to YuNet at 1024":  {d.HOG, d.YuNet1024},
			"YuNet at 640 to 1024":  {d.YuNet640, d.YuNet1024},
			"YuNet at 640 to HOG":   {found(d.YuNet640, d.HOG), d.HOG},
			"YuNet at 1024 to HOG":  {found(d.YuNet1024, d.HOG), d.HOG},
			"YuNet at 1024 and 640": {found(d.YuNet1024, d.YuNet640), d.YuNet640},
		} {
			var corrections []faces.Correction
			for i, box := range c.before {
				corrections = append(corrections, faces.Correction{ID: int64(i + 1), Box: box, Model: "before", Person: faces.Person{ID: int64(i + 1)}})
			}
			verdicts := faces.Verdicts(c.after, corrections)
			for i, box := range c.before {
				at := slices.IndexFunc(verdicts, func(v faces.Verdict) bool { return v.Person != nil && v.Person.ID == int64(i+1) })
				if want := nearestBox(c.after, box); at != want {
					t.Errorf("%s, %s: the correction of %v is at %d, want %d", d.Picture, name, box, at, want)
				}
				tried++
			}
			if left := faces.Unplaced(c.after, corrections); len(left) > 0 {
				t.Errorf("%s, %s: without a face: %v", d.Picture, name, left)
			}
		}
	}
	if tried < 300 {
		t.Errorf("only %d corrections were tried", tried)
	}
}

// found returns those of the boxes whose face the other detector finds, too.
func found(boxes, other []faces.Box) []faces.Box {
	var list []faces.Box
	for _, b := range boxes {
		if slices.ContainsFunc(other, func(o faces.Box) bool { return b.Overlap(o) > 0.3 }) {
			list = append(list, b)
		}
	}
	return list
}

func nearestBox(boxes []faces.Box, to faces.Box) int {
	best, overlap := -1, 0.0
	for i, b := range boxes {
		if o := b.Overlap(to); o > overlap {
			best, overlap = i, o
		}
	}
	return best
}

// In a group, a box of another detector may overlap two places: the pairs are
// chosen together.
func TestCorrectionsArePairedTogether(t *testing.T) {
	t.Parallel()
	box := func(x, width int) faces.Box { return faces.Box{X: x, Width: width, Height: 100} }
	for name, c := range map[string]struct {
		boxes, places []faces.Box
		want          []int // index of the box of each place, or -1
	}{
		"each its own":           {[]faces.Box{box(0, 100), box(200, 100)}, []faces.Box{box(210, 100), box(10, 100)}, []int{1, 0}},
		"both nearest to one":    {[]faces.Box{box(20, 100), box(90, 100)}, []faces.Box{box(0, 100), box(45, 100)}, []int{0, 1}},
		"one box for two places": {[]faces.Box{box(20, 100)}, []faces.Box{box(0, 100), box(60, 100)}, []int{0, -1}},
		"the one that fits best": {[]faces.Box{box(0, 100), box(70, 100)}, []faces.Box{box(0, 100)}, []int{0}},
	} {
		var corrections []faces.Correction
		for i, place := range c.places {
			corrections = append(corrections, faces.Correction{ID: int64(i + 1), Box: place, Model: "before", Person: faces.Person{ID: int64(i + 1)}})
		}
		if diff := cmp.Diff(c.want, faces.Places(c.boxes, corrections)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		left := 0
		for _, at := range c.want {
			if at < 0 {
				left++
			}
		}
		if got := faces.Unplaced(c.boxes, corrections); len(got) != left {
			t.Errorf("%s: %d corrections without a face, want %d", name, len(got), left)
		}
	}
}

// A face that was corrected before and after a change of the detector has two
// boxes in its corrections; all of them count.
func TestCorrectionsOfTwoDetectorsMeet(t *testing.T) {
	t.Parallel()
	hog, yunet := faces.Box{X: 100, Y: 100, Width: 100, Height: 100}, faces.Box{X: 110, Y: 60, Width: 80, Height: 130}
	corrections := []faces.Correction{
		{ID: 1, Box: hog, Model: "hog", Person: bruno, Not: true},
		{ID: 2, Box: yunet, Model: "yunet", Person: ada},
	}
	want := []faces.Verdict{{Person: &ada, Not: []int64{bruno.ID}}}
	for _, box := range []faces.Box{hog, yunet, {X: 105, Y: 80, Width: 90, Height: 115}} {
		if diff := cmp.Diff(want, faces.Verdicts([]faces.Box{box}, corrections), equateEmpty()); diff != "" {
			t.Errorf("at %v (-want +got):\n%s", box, diff)
		}
	}
}

func TestDecideCorrected(t *testing.T) {
	t.Parallel()
	box := faces.Box{X: 1, Y: 2, Width: 30, Height: 40}
	adaNear := near("ada/1.jpg", 0.25, "bruno/1.jpg", 0.4375, "clara/1.jpg", 0.75)
	for _, c := range []struct {
		name        string
		found       []faces.Neighbour
		corrections []faces.Correction
		reason      faces.Reason
		person      *faces.Person
		best        string // matched picture
		second      string
	}{
		{"nothing said", adaNear, nil, faces.Identified, &ada, "ada/1.jpg", "bruno/1.jpg"},
		{"not the nearest", adaNear, []faces.Correction{isNot(1, ada)}, faces.Identified, &bruno, "bruno/1.jpg", "clara/1.jpg"},
		{"not the nearest two", adaNear, []faces.Correction{isNot(1, ada), isNot(2, bruno)}, faces.UnknownPerson, nil, "clara/1.jpg", ""},
		{"none of them", adaNear, []faces.Correction{isNot(1, ada), isNot(2, bruno), isNot(3, clara)}, faces.UnknownPerson, nil, "", ""},
		{"the nearest", adaNear, []faces.Correction{is(1, ada)}, faces.Identified, &ada, "ada/1.jpg", "bruno/1.jpg"},
		{"the second", adaNear, []faces.Correction{is(1, bruno)}, faces.Identified, &bruno, "bruno/1.jpg", "ada/1.jpg"},
		{"one beyond the threshold", adaNear, []faces.Correction{is(1, clara)}, faces.Identified, &clara, "clara/1.jpg", "ada/1.jpg"},
		{"one that is not near", near("bruno/1.jpg", 0.25), []faces.Correction{is(1, ada)}, faces.Identified, &ada, "", "bruno/1.jpg"},
		{"nobody is near", nil, []faces.Correction{is(1, ada)}, faces.Identified, &ada, "", ""},
		{
			"doubt is settled by who it is", near("ada/1.jpg", 0.25, "bruno/1.jpg", 0.25),
			[]faces.Correction{is(1, bruno)}, faces.Identified, &bruno, "bruno/1.jpg", "ada/1.jpg",
		},
		{
			"doubt is settled by who it is not", near("ada/1.jpg", 0.25, "bruno/1.jpg", 0.25),
			[]faces.Correction{isNot(1, ada)}, faces.Identified, &bruno, "bruno/1.jpg", "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for i := range c.corrections {
				c.corrections[i].Box = box
			}
			out := faces.Decide(faces.Recognition{Model: model, Sightings: []faces.Sighting{{Box: box, Neighbours: c.found}}}, owner, c.corrections...)
			f := out.Faces[0]
			if f.Reason != c.reason || out.Reason != c.reason || f.MatchedImage != c.best {
				t.Errorf("face %s, image %s, matched %q; want %s, %q", f.Reason, out.Reason, f.MatchedImage, c.reason, c.best)
			}
			if diff := cmp.Diff(c.person, f.Person); diff != "" {
				t.Errorf("person (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.person, out.Person); diff != "" {
				t.Errorf("image's person (-want +got):\n%s", diff)
			}
			if (f.Second == nil) != (c.second == "") || f.Second != nil && f.Second.Image != c.second {
				t.Errorf("second %+v, want %q", f.Second, c.second)
			}
			if (f.Best == nil) != (c.best == "") || f.Best != nil && f.Best.Image != c.best {
				t.Errorf("best %+v, want %q", f.Best, c.best)
			}
			if f.Corrected != (len(c.corrections) > 0) || f.Confirmed != (len(c.corrections) == 1 && !c.corrections[0].Not) {
				t.Errorf("corrected %v, confirmed %v after %v", f.Corrected, f.Confirmed, c.corrections)
			}
		})
	}
}

// A person's word is nearer than any distance, also for the image's person.
func TestConfirmedFaceIsTheImagesPerson(t *testing.T) {
	t.Parallel()
	at := func(x int) faces.Box { return faces.Box{X: x, Width: 50, Height: 50} }
	rec := faces.Recognition{Model: model, Sightings: []faces.Sighting{
		{Box: at(0), Neighbours: near("ada/1.jpg", 0.0)}, {Box: at(100)}, {Box: at(200)},
	}}
	out := faces.Decide(rec, owner, faces.Correction{ID: 1, Box: at(100), Person: clara})
	if text := describe(out, model); out.Person == nil || *out.Person != clara || text != "Ada, Clara, 1 unknown" {
		t.Errorf("got %+v, %q", out.Person, text)
	}
}

// Whatever is near and whatever was said: an excluded person is never
// answered, a face is whom a person says it is, the face says that somebody
// corrected it, and no order matters.
func TestDecideHonoursCorrections(t *testing.T) {
	t.Parallel()
	const seed = 5
	rnd := rand.New(rand.NewPCG(seed, seed))
	images := []string{"ada/1.jpg", "ada/2.jpg", "bruno/1.jpg", "bruno/2.jpg", "clara/1.jpg", "nobody.jpg"}
	everybody := []faces.Person{ada, bruno, clara}
	for round := range 2000 {
		rec := faces.Recognition{Model: model}
		for i := range rnd.IntN(3) + 1 {
			s := faces.Sighting{Box: faces.Box{X: 60*i + rnd.IntN(20), Width: 50, Height: 50}}
			for range rnd.IntN(6) {
				s.Neighbours = append(s.Neighbours, faces.Neighbour{Image: images[rnd.IntN(len(images))], Distance: float64(rnd.IntN(8)) / 8})
			}
			rec.Sightings = append(rec.Sightings, s)
		}
		var corrections []faces.Correction
		for id := range rnd.IntN(5) {
			c := faces.Correction{ID: int64(id + 1), Person: everybody[rnd.IntN(3)], Not: rnd.IntN(2) == 0}
			c.Box = rec.Sightings[rnd.IntN(len(rec.Sightings))].Box
			if rnd.IntN(4) == 0 {
				c = undone(c)
			}
			corrections = append(corrections, c)
		}
		out := faces.Decide(rec, owner, corrections...)
		var boxes []faces.Box
		for _, s := range rec.Sightings {
			boxes = append(boxes, s.Box)
		}
		for i, v := range faces.Verdicts(boxes, corrections) {
			f := out.Faces[i]
			switch {
			case f.Corrected == v.IsZero():
				t.Fatalf("round %d (seed %d): corrected %v with %+v", round, seed, f.Corrected, v)
			case v.Person != nil && (f.Person == nil || *f.Person != *v.Person || f.Reason != faces.Identified):
				t.Fatalf("round %d (seed %d): %+v, said to be %v", round, seed, f, v.Person)
			}
			for _, c := range []*faces.Candidate{f.Best, f.Second} {
				if c != nil && v.Excludes(c.Person.ID) {
					t.Fatalf("round %d (seed %d): %v is named, but excluded", round, seed, c.Person)
				}
			}
		}
		rnd.Shuffle(len(corrections), func(i, j int) { corrections[i], corrections[j] = corrections[j], corrections[i] })
		for _, s := range rec.Sightings {
			rnd.Shuffle(len(s.Neighbours), func(i, j int) { s.Neighbours[i], s.Neighbours[j] = s.Neighbours[j], s.Neighbours[i] })
		}
		if diff := cmp.Diff(out, faces.Decide(rec, owner, corrections...)); diff != "" {
			t.Fatalf("round %d (seed %d): another order (-one +another):\n%s", round, seed, diff)
		}
	}
}

// A face that does not count is never named, suggested or told of, whatever is
// near it and however well it is seen.
func TestDecideDismissed(t *testing.T) {
	t.Parallel()
	left, right := faces.Box{Width: 40, Height: 40}, faces.Box{X: 100, Width: 40, Height: 40}
	at := func(c faces.Correction, box faces.Box) faces.Correction { c.Box = box; return c }
	ignored, none := at(says(1, faces.SaysIgnore), left), at(says(2, faces.SaysNoFace), left)
	for _, c := range []struct {
		name     string
		right    []faces.Neighbour // of the other face
		said     []faces.Correction
		reason   faces.Reason // of the image
		of       faces.Reason // of the left face
		describe string
	}{
		{"ignored beside Ada's other face", near("ada/1.jpg", 0.375), []faces.Correction{ignored}, faces.Identified, faces.Ignored, "Ada"},
		{"not a face beside a stranger", nil, []faces.Correction{none}, faces.UnknownPerson, faces.NotAFace, ""},
		{"both ignored", nil, []faces.Correction{ignored, at(says(2, faces.SaysIgnore), right)}, faces.NoFace, faces.Ignored, "2 ignored"},
		{"both no faces", nil, []faces.Correction{none, at(says(3, faces.SaysNoFace), right)}, faces.NoFace, faces.NotAFace, ""},
		{"undone", nil, []faces.Correction{undone(ignored)}, faces.Identified, faces.Identified, "Ada, 1 unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out := faces.Decide(faces.Recognition{Model: model, Sightings: []faces.Sighting{
				{Box: left, Neighbours: near("ada/1.jpg", 0.25)}, {Box: right, Neighbours: c.right},
			}}, owner, c.said...)
			f := out.Faces[0]
			if out.Reason != c.reason || f.Reason != c.of {
				t.Errorf("image %s, face %s; want %s, %s", out.Reason, f.Reason, c.reason, c.of)
			}
			if f.Reason.IsDismissed() && (f.Person != nil || f.Best != nil || f.Second != nil || f.MatchedImage != "" || !f.Corrected || f.Confirmed) {
				t.Errorf("it suggests somebody: %+v", f)
			}
			if got := describe(out, model); got != c.describe {
				t.Errorf("described as %q, want %q", got, c.describe)
			}
		})
	}
}

// What people see, and what was said, make a version; distances do not.
func TestVersionOf(t *testing.T) {
	t.Parallel()
	image := func() faces.Image {
		return faces.Image{ID: 1, Status: faces.Processed, Reason: faces.Identified, Person: &faces.Person{ID: 1, Name: "Ada"}, Faces: []faces.Face{
			{ID: 7, Reason: faces.Identified, Person: &faces.Person{ID: 1, Name: "Ada"}, Best: &faces.Candidate{Person: ada, Distance: 0.25}},
		}}
	}
	said := []faces.Correction{is(1, ada)}
	first := faces.VersionOf(image(), said)
	for name, change := range map[string]func(img *faces.Image) []faces.Correction{
		"another image":  func(img *faces.Image) []faces.Correction { img.ID++; return said },
		"another face":   func(img *faces.Image) []faces.Correction { img.Faces[0].ID++; return said },
		"another name":   func(img *faces.Image) []faces.Correction { img.Faces[0].Person.Name = "Ida"; return said },
		"another reason": func(img *faces.Image) []faces.Correction { img.Faces[0].Reason = faces.Blurred; return said },
		"a face less":    func(img *faces.Image) []faces.Correction { img.Faces = nil; return said },
		"another candidate": func(img *faces.Image) []faces.Correction {
			img.Faces[0].Best = &faces.Candidate{Person: bruno}
			return said
		},
		"said to be so": func(img *faces.Image) []faces.Correction { img.Faces[0].Confirmed = true; return said },
		"one statement more": func(*faces.Image) []faces.Correction {
			return append(slices.Clone(said), isNot(2, bruno))
		},
		"an undone statement": func(*faces.Image) []faces.Correction { return []faces.Correction{undone(is(1, ada))} },
	} {
		img := image()
		if list := change(&img); faces.VersionOf(img, list) == first {
			t.Errorf("%s: the version stays", name)
		}
	}
	img := image()
	img.Faces[0].Best.Distance, img.Faces[0].Gallery, img.UpdatedAt = 0.375, "g2", time.Now()
	if faces.VersionOf(img, said) != first {
		t.Error("a distance makes another version")
	}
	img.Version = first
	if err := errorsOf(img.CheckVersion(first), img.CheckVersion("")); len(err) > 0 {
		t.Error(err)
	}
	if err := img.CheckVersion("other"); faces.ErrorCode(err) != faces.CodeStale {
		t.Errorf("another version: %v", err)
	}
}

func errorsOf(list ...error) []error {
	return slices.DeleteFunc(list, func(err error) bool { return err == nil })
}
