package faces_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// farModel also names a far face whose second person is farther still.
// Fractions of two, so that sums at the edge are exact.
var farModel = faces.Model{ID: "m2", Threshold: 0.5, Margin: 0.125, FarThreshold: 0.75, FarMargin: 0.25}

func TestFarRunnerUpIsEvidence(t *testing.T) {
	t.Parallel()
	const above = 0x1p-40 // a little
	for _, c := range []struct {
		name    string
		found   []faces.Neighbour
		horizon float64
		people  int
		reason  faces.Reason
	}{
		{"within the threshold, nobody else known", near("ada/1.jpg", 0.5), math.Inf(1), 1, faces.Identified},
		{"far, nobody else known", near("ada/1.jpg", 0.625), math.Inf(1), 1, faces.UnknownPerson},
		{"far, the second far enough", near("ada/1.jpg", 0.625, "bruno/1.jpg", 0.875+above), math.Inf(1), 2, faces.Identified},
		{"far, the second exactly at the far margin", near("ada/1.jpg", 0.625, "bruno/1.jpg", 0.875), math.Inf(1), 2, faces.UnknownPerson},
		{"at the far threshold", near("ada/1.jpg", 0.75, "bruno/1.jpg", 2.0), math.Inf(1), 2, faces.Identified},
		{"beyond the far threshold", near("ada/1.jpg", 0.75+above, "bruno/1.jpg", 2.0), math.Inf(1), 2, faces.UnknownPerson},
		{"another picture of the same person is no second person", near("ada/1.jpg", 0.625, "ada/2.jpg", 2.0), math.Inf(1), 1, faces.UnknownPerson},
		{"the second beyond a list that reaches far", near("ada/1.jpg", 0.625), 0.875 + above, 2, faces.Identified},
		{"the second beyond a list that reaches to the far margin", near("ada/1.jpg", 0.625), 0.875, 2, faces.UnknownPerson},
		{"a list that was cut", near("ada/1.jpg", 0.625, "ada/2.jpg", 0.6875), 0.6875, 2, faces.UnknownPerson},
		{"a list of unknown reach", near("ada/1.jpg", 0.625), 0, 2, faces.UnknownPerson},
		{"a reach that is no number", near("ada/1.jpg", 0.625), math.NaN(), 2, faces.UnknownPerson},
		{"a list that reaches far, nobody else known", near("ada/1.jpg", 0.625), 2, 1, faces.UnknownPerson},
		{"a list that reaches far, nobody counted", near("ada/1.jpg", 0.625), 2, 0, faces.UnknownPerson},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := faces.Decide(faces.Recognition{
				Model: farModel, People: c.people, Sightings: []faces.Sighting{{Neighbours: c.found, Horizon: c.horizon}},
			}, owner)
			if got.Reason != c.reason {
				t.Errorf("got %s, want %s", got.Reason, c.reason)
			}
			if (got.Person != nil) != (c.reason == faces.Identified) || got.Person != nil && *got.Person != ada {
				t.Errorf("got person %v", got.Person)
			}
		})
	}
}

// A person whom a correction excludes is no runner-up, and does not count as
// one who may be beyond the list's end.
func TestExcludedPersonIsNoEvidence(t *testing.T) {
	t.Parallel()
	not := faces.Correction{ID: 1, Box: faces.Box{Width: 9, Height: 9}, Person: bruno, Not: true}
	for people, want := range map[int]faces.Reason{2: faces.UnknownPerson, 3: faces.Identified} {
		rec := faces.Recognition{Model: farModel, People: people, Sightings: []faces.Sighting{{
			Box: not.Box, Neighbours: near("ada/1.jpg", 0.625, "bruno/1.jpg", 1.5), Horizon: 1.5,
		}}}
		if got := faces.Decide(rec, owner, not); got.Reason != want {
			t.Errorf("of %d people: got %s, want %s", people, got.Reason, want)
		}
	}
}

func TestWithRule(t *testing.T) {
	t.Parallel()
	plain := faces.Model{Threshold: 0.5, Margin: 0.125}
	for _, c := range []struct {
		name              string
		model             faces.Model
		threshold, margin float64
		want              faces.Model
	}{
		{"nothing", farModel, 0, 0, farModel},
		{"the far threshold moves along", farModel, 0.25, 0, faces.Model{ID: "m2", Threshold: 0.25, Margin: 0.125, FarThreshold: 0.5, FarMargin: 0.25}},
		{"a margin", farModel, 0, 0.25, faces.Model{ID: "m2", Threshold: 0.5, Margin: 0.25, FarThreshold: 0.75, FarMargin: 0.25}},
		{"only the threshold speaks", plain, 0.75, 0, faces.Model{Threshold: 0.75, Margin: 0.125}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			once := c.model.WithRule(c.threshold, c.margin)
			if once != c.want {
				t.Errorf("got %+v, want %+v", once, c.want)
			}
			if twice := once.WithRule(c.threshold, c.margin); twice != once {
				t.Errorf("twice gives %+v, once %+v", twice, once)
			}
		})
	}
	if farModel.RuleID() == plain.RuleID() || len(farModel.RuleID()) > 64 {
		t.Errorf("rules %q and %q", farModel.RuleID(), plain.RuleID())
	}
}

func TestFloors(t *testing.T) {
	t.Parallel()
	floors := faces.Floors{Size: 24, Sharpness: 0.25, Yaw: 45, CutOff: 0.25, Detection: 0.5}
	good := faces.Quality{Score: 0.5, Size: 24, Sharpness: 0.25, Yaw: -45, CutOff: 0.25, Detection: 0.5}
	with := func(change func(q *faces.Quality)) faces.Quality {
		q := good
		change(&q)
		return q
	}
	for _, c := range []struct {
		name    string
		quality faces.Quality
		reason  faces.Reason
		says    string
	}{
		{"at every floor", good, "", ""},
		{"never measured", faces.Quality{}, "", ""},
		{"too small", with(func(q *faces.Quality) { q.Size = 18 }), faces.TooSmall, "too small to be named: 18 px, at least 24 are needed"},
		{"blurred", with(func(q *faces.Quality) { q.Sharpness = 0.125 }), faces.Blurred, "too blurred to be named: sharpness 0.12, at least 0.25 is needed"},
		{"not sharp at all", with(func(q *faces.Quality) { q.Sharpness = 0 }), faces.Blurred, "too blurred to be named: sharpness 0.00, at least 0.25 is needed"},
		{"to the left", with(func(q *faces.Quality) { q.Yaw = -60 }), faces.TurnedAway, "turned too far to a side to be named: about 60°, at most 45° are allowed"},
		{"to the right", with(func(q *faces.Quality) { q.Yaw = 60 }), faces.TurnedAway, "turned too far to a side to be named: about 60°, at most 45° are allowed"},
		{"at the edge", with(func(q *faces.Quality) { q.CutOff = 0.5 }), faces.CutOff, "cut off by the edge of the picture: 50 % of the face is outside, at most 25 % may be"},
		{"the detector is unsure", with(func(q *faces.Quality) { q.Detection = 0.25 }), faces.Blurred, "not clear enough to be named: the detector's score is 0.25, at least 0.50 is needed"},
		{"a detector without scores", with(func(q *faces.Quality) { q.Detection = 0 }), "", ""},
		{"no number", with(func(q *faces.Quality) { q.Sharpness = math.NaN() }), faces.Blurred, ""},
		{"small before all else", with(func(q *faces.Quality) { q.Size, q.Yaw, q.Sharpness = 1, 90, 0 }), faces.TooSmall, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, failed := floors.Shortfall(c.quality)
			if failed != (c.reason != "") || s.Reason != c.reason {
				t.Fatalf("got %v, %v; want %q", s, failed, c.reason)
			}
			if c.says != "" && s.String() != c.says {
				t.Errorf("says %q, want %q", s, c.says)
			}
			m := farModel
			m.Floors = floors
			f := faces.Face{Quality: c.quality}.Judge(faces.Nearby{Candidates: []faces.Candidate{{Person: ada, Distance: 0.25, Image: "ada/1.jpg"}}}, m, faces.Verdict{})
			if want := cmp.Or(c.reason, faces.Identified); f.Reason != want || (f.Person == nil) != want.BelowFloor() || f.Best == nil {
				t.Errorf("decided %s for %v, want %s", f.Reason, f.Person, want)
			}
			if c.says != "" && f.Explain(m) != c.says {
				t.Errorf("explained as %q", f.Explain(m))
			}
		})
	}
	if s, failed := (faces.Floors{}).Shortfall(faces.Quality{Size: 1, Yaw: 90, CutOff: 1}); failed {
		t.Errorf("no floors: %v", s)
	}
}

// What a face below a floor says of its image.
func TestFloorsAndTheImage(t *testing.T) {
	t.Parallel()
	m := farModel
	m.Floors.Size = 24
	box := faces.Box{Width: 20, Height: 20}
	small := func(n []faces.Neighbour) faces.Sighting {
		return faces.Sighting{Box: box, Neighbours: n, Horizon: 9, Quality: faces.Quality{Size: 20}}
	}
	other := faces.Sighting{Box: faces.Box{X: 100, Width: 90, Height: 90}, Neighbours: near("bruno/1.jpg", 0.25), Quality: faces.Quality{Size: 90}}
	for _, c := range []struct {
		name        string
		found       []faces.Sighting
		corrections []faces.Correction
		reason      faces.Reason
		face        faces.Reason
		detail      string
	}{
		{"near somebody", []faces.Sighting{small(near("ada/1.jpg", 0.5))}, nil, faces.Uncertain, faces.TooSmall, "Ada?"},
		{"near nobody", []faces.Sighting{small(near("ada/1.jpg", 0.625))}, nil, faces.UnknownPerson, faces.TooSmall, ""},
		{"nobody known", []faces.Sighting{small(nil)}, nil, faces.UnknownPerson, faces.TooSmall, ""},
		{"beside somebody", []faces.Sighting{small(near("ada/1.jpg", 0.5)), other}, nil, faces.Identified, faces.TooSmall, "Ada?, Bruno"},
		{
			"a person says who it is", []faces.Sighting{small(near("ada/1.jpg", 0.5))},
			[]faces.Correction{{ID: 1, Box: box, Person: clara}}, faces.Identified, faces.Identified, "Clara",
		},
		{
			"a person says who it is not", []faces.Sighting{small(near("ada/1.jpg", 0.5))},
			[]faces.Correction{{ID: 1, Box: box, Person: ada, Not: true}}, faces.UnknownPerson, faces.TooSmall, "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := faces.Decide(faces.Recognition{Model: m, People: 3, Sightings: c.found}, owner, c.corrections...)
			text := describe(got, m)
			if got.Reason != c.reason || got.Faces[0].Reason != c.face || text != c.detail {
				t.Errorf("got %s, face %s, %q; want %s, %s, %q", got.Reason, got.Faces[0].Reason, text, c.reason, c.face, c.detail)
			}
		})
	}
}

func TestNameOnce(t *testing.T) {
	t.Parallel()
	at := func(x int, q float64, n []faces.Neighbour) faces.Sighting {
		return faces.Sighting{Box: faces.Box{X: x, Width: 50, Height: 50}, Quality: faces.Quality{Score: q, Size: 50}, Neighbours: n}
	}
	says := func(id int64, x int, p faces.Person) faces.Correction {
		return faces.Correction{ID: id, Box: faces.Box{X: x, Width: 50, Height: 50}, Person: p}
	}
	for _, c := range []struct {
		name        string
		found       []faces.Sighting
		corrections []faces.Correction
		want        []string // of each face, from left to right
	}{
		{"the nearer face", []faces.Sighting{at(0, 1, near("ada/1.jpg", 0.25)), at(100, 0, near("ada/1.jpg", 0.125))}, nil, []string{"uncertain", "Ada"}},
		{"the better picture of a tie", []faces.Sighting{at(0, 0.5, near("ada/1.jpg", 0.25)), at(100, 0.75, near("ada/2.jpg", 0.25))}, nil, []string{"uncertain", "Ada"}},
		{"the left one where all is equal", []faces.Sighting{at(0, 1, near("ada/1.jpg", 0.25)), at(100, 1, near("ada/1.jpg", 0.25))}, nil, []string{"Ada", "uncertain"}},
		{"two people", []faces.Sighting{at(0, 1, near("ada/1.jpg", 0.25)), at(100, 1, near("bruno/1.jpg", 0.25))}, nil, []string{"Ada", "Bruno"}},
		{
			"a confirmed face, however far", []faces.Sighting{at(0, 1, near("ada/1.jpg", 0.125)), at(100, 0, nil)},
			[]faces.Correction{says(1, 100, ada)}, []string{"uncertain", "Ada"},
		},
		{
			"two confirmed faces: a mirror", []faces.Sighting{at(0, 1, near("ada/1.jpg", 0.125)), at(100, 1, nil), at(200, 1, near("ada/1.jpg", 0.25))},
			[]faces.Correction{says(1, 100, ada), says(2, 200, ada)}, []string{"uncertain", "Ada", "Ada"},
		},
		{
			"the other is free where the better one is somebody else's", []faces.Sighting{at(0, 1, near("ada/1.jpg", 0.125)), at(100, 1, near("ada/1.jpg", 0.25))},
			[]faces.Correction{says(1, 0, bruno)}, []string{"Bruno", "Ada"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := faces.Decide(faces.Recognition{Model: model, Sightings: c.found}, owner, c.corrections...)
			var names []string
			for _, f := range got.Faces {
				name := string(f.Reason)
				if f.Person != nil {
					name = f.Person.Name
				}
				names = append(names, name)
				if f.Reason == faces.Uncertain && (f.Best == nil || !strings.Contains(f.Explain(model), "another face of this picture")) {
					t.Errorf("the face that lost is explained as %q", f.Explain(model))
				}
			}
			if diff := gocmp.Diff(c.want, names); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Reason != faces.Identified {
				t.Errorf("the image is %s", got.Reason)
			}
		})
	}
}

// crowd is a random gallery and a rule, for properties.
type crowd struct {
	*rand.Rand
	model faces.Model
	all   []faces.Neighbour // of one face, nearest first
	owner func(image string) (faces.Person, bool)
}

func newCrowd(rnd *rand.Rand) crowd {
	eighth := func(n int) float64 { return float64(rnd.IntN(n)) / 8 } // few values: many ties
	c := crowd{Rand: rnd, model: faces.Model{
		ID: "m", Threshold: 0.25 + eighth(4), Margin: eighth(3), FarThreshold: eighth(12), FarMargin: eighth(4),
		Floors: faces.Floors{Size: rnd.IntN(3) * 20},
	}}
	people := 1 + rnd.IntN(4)
	for i := range rnd.IntN(12) {
		c.all = append(c.all, faces.Neighbour{Image: fmt.Sprintf("%d/%d.jpg", rnd.IntN(people+1), i), Distance: eighth(16)})
	}
	slices.SortStableFunc(c.all, func(a, b faces.Neighbour) int { return cmp.Compare(a.Distance, b.Distance) })
	c.owner = func(image string) (faces.Person, bool) {
		var id int64
		fmt.Sscanf(image, "%d/", &id) // 0 is nobody
		return faces.Person{ID: id, Name: fmt.Sprint("P", id)}, id > 0
	}
	return c
}

func (c crowd) people() int {
	ids := map[int64]bool{}
	for _, n := range c.all {
		if p, ok := c.owner(n.Image); ok {
			ids[p.ID] = true
		}
	}
	return len(ids)
}

// answered returns the only face of a picture whose neighbours a recognizer cut
// by a limit; most stands in for faces.MaxNeighbours.
func (c crowd) answered(l faces.NeighbourLimit, most int) faces.Face {
	list := c.all
	for i, n := range c.all {
		within := l.Within == 0 || c.all[0].Distance <= l.Within
		if i >= most || i >= l.Count && !(within && n.Distance <= c.all[0].Distance+l.Slack) {
			list = c.all[:i]
			break
		}
	}
	horizon := l.Horizon(list)
	if len(list) == most && len(list) > 0 {
		horizon = list[len(list)-1].Distance // as Horizon does at MaxNeighbours: see TestHorizon
	}
	return faces.Decide(faces.Recognition{
		Model: c.model, People: c.people(), Sightings: []faces.Sighting{{Neighbours: list, Horizon: horizon}},
	}, c.owner).Faces[0]
}

// A list that a limit cuts never fakes a far runner-up: whom the rule names
// from it, it names from all known pictures, too. And a list as long as
// Model.Limit asks for loses nobody, unless it is cut at its maximum.
func TestCutListsFakeNobody(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 6))
	named, lost := 0, 0
	for range 5000 {
		c := newCrowd(rnd)
		whole := c.answered(faces.NeighbourLimit{Count: 1000}, 1000)
		l := faces.NeighbourLimit{Count: 1 + rnd.IntN(4), Slack: float64(rnd.IntN(4)) / 8, Within: float64(rnd.IntN(10)) / 8}
		cut := c.answered(l, 1+rnd.IntN(12))
		if cut.Reason == faces.Identified && whole.Reason == faces.UnknownPerson {
			t.Fatalf("%+v by %+v: named from a cut list %+v, not from all", c.all, c.model, l)
		}
		full := c.answered(c.model.Limit(1), 1000)
		if full.Reason == faces.Identified {
			named++
		}
		// Pictures of nobody may be so much nearer than the nearest person that
		// the slack ends before it: then the answer is the careful one.
		if len(c.all) > 0 {
			if _, owned := c.owner(c.all[0].Image); owned && full.Reason != whole.Reason {
				t.Fatalf("%+v by %+v: %s from the list that is asked for, %s from all", c.all, c.model, full.Reason, whole.Reason)
			}
		}
		if cut.Reason != whole.Reason {
			lost++
		}
	}
	if named < 300 || lost < 50 {
		t.Errorf("%d named, %d lost by cutting: the test asks too little", named, lost)
	}
}

func TestHorizon(t *testing.T) {
	t.Parallel()
	many := make([]faces.Neighbour, faces.MaxNeighbours)
	for i := range many {
		many[i].Distance = 0.5 + float64(i)/8192
	}
	last := many[len(many)-1].Distance
	l := faces.NeighbourLimit{Count: 2, Slack: 0.25, Within: 0.75}
	for _, c := range []struct {
		name  string
		limit faces.NeighbourLimit
		list  []faces.Neighbour
		want  float64
	}{
		{"nothing is known", l, nil, math.Inf(1)},
		{"fewer than the count: these are all", l, near("a", 0.5), math.Inf(1)},
		{"the slack", l, near("a", 0.5, "b", 0.625), 0.75},
		{"beyond the slack by the count", l, near("a", 0.5, "b", 0.875), 0.875},
		{"too far for the slack", l, near("a", 0.875, "b", 0.9375), 0.9375},
		{"without a bound on the nearest", faces.NeighbourLimit{Count: 2, Slack: 0.25}, near("a", 4.0, "b", 4.125), 4.25},
		{"cut at the maximum", l, many, last},
		{"a zero limit is of one", faces.NeighbourLimit{}, near("a", 0.5), 0.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.limit.Horizon(c.list); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// A better match never loses a name: whoever is identified stays identified
// when their pictures come nearer and everybody else's go farther.
func TestRuleIsMonotone(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(7, 8))
	kept := 0
	for range 5000 {
		c := newCrowd(rnd)
		before := c.answered(faces.NeighbourLimit{Count: 1000}, 1000)
		if before.Reason != faces.Identified {
			continue
		}
		kept++
		c.all = slices.Clone(c.all)
		by := float64(1+rnd.IntN(4)) / 8
		for i, n := range c.all {
			if p, ok := c.owner(n.Image); ok && p == *before.Person {
				c.all[i].Distance = max(0, n.Distance-by)
			} else {
				c.all[i].Distance += by
			}
		}
		slices.SortStableFunc(c.all, func(a, b faces.Neighbour) int { return cmp.Compare(a.Distance, b.Distance) })
		after := c.answered(faces.NeighbourLimit{Count: 1000}, 1000)
		if after.Reason != faces.Identified || *after.Person != *before.Person {
			t.Fatalf("%+v by %+v: %s was named, and is %s after coming nearer", c.all, c.model, before.Person.Name, after.Reason)
		}
	}
	if kept < 300 {
		t.Errorf("only %d were named: the test asks too little", kept)
	}
}

// Whatever is seen and said: no person is named twice unless people say so,
// what people say holds, and the order of faces and neighbours does not matter.
func TestPicturesAsAWhole(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(9, 10))
	twice := 0
	for range 5000 {
		rec := faces.Recognition{Model: newCrowd(rnd).model, People: 3}
		var corrections []faces.Correction
		images := []string{"ada/1.jpg", "ada/2.jpg", "bruno/1.jpg", "clara/1.jpg", "nobody.jpg"}
		people := []faces.Person{ada, bruno, clara}
		for i := range 1 + rnd.IntN(5) {
			s := faces.Sighting{
				Box: faces.Box{X: 100 * i, Width: 50, Height: 50}, Horizon: math.Inf(1),
				Quality: faces.Quality{Score: float64(rnd.IntN(3)) / 2, Size: 10 + rnd.IntN(40)},
			}
			for _, image := range images {
				s.Neighbours = append(s.Neighbours, faces.Neighbour{Image: image, Distance: float64(rnd.IntN(12)) / 8})
			}
			rec.Sightings = append(rec.Sightings, s)
			if rnd.IntN(4) == 0 {
				corrections = append(corrections, faces.Correction{ID: int64(i + 1), Box: s.Box, Person: people[rnd.IntN(3)], Not: rnd.IntN(2) == 0})
			}
		}
		out := faces.Decide(rec, owner, corrections...)
		confirmed, named := map[int64]int{}, map[int64]int{}
		for i, f := range out.Faces {
			for _, c := range corrections {
				if c.Box != f.Box {
					continue
				}
				if !c.Not && (f.Person == nil || *f.Person != c.Person) || c.Not && f.Person != nil && *f.Person == c.Person {
					t.Fatalf("face %d is %v though %+v was said", i, f.Person, c)
				}
			}
			if (f.Person != nil) != (f.Reason == faces.Identified) {
				t.Fatalf("face %d is %s and %v", i, f.Reason, f.Person)
			}
			if f.Person == nil {
				continue
			}
			named[f.Person.ID]++
			if f.Confirmed {
				confirmed[f.Person.ID]++
			}
		}
		for id, n := range named {
			if n > max(1, confirmed[id]) {
				t.Fatalf("person %d has %d faces, %d of them confirmed", id, n, confirmed[id])
			}
			if n > 1 {
				twice++
			}
		}
		rnd.Shuffle(len(rec.Sightings), func(i, j int) { rec.Sightings[i], rec.Sightings[j] = rec.Sightings[j], rec.Sightings[i] })
		for _, s := range rec.Sightings {
			rnd.Shuffle(len(s.Neighbours), func(i, j int) { s.Neighbours[i], s.Neighbours[j] = s.Neighbours[j], s.Neighbours[i] })
		}
		again := faces.Decide(rec, owner, corrections...)
		slices.SortFunc(again.Faces, func(a, b faces.Face) int { return cmp.Compare(a.Box.X, b.Box.X) })
		if diff := gocmp.Diff(out.Faces, again.Faces); diff != "" || out.Reason != again.Reason {
			t.Fatalf("another order gives %s in place of %s (-one +another):\n%s", again.Reason, out.Reason, diff)
		}
	}
	if twice == 0 {
		t.Error("nobody was confirmed twice: the test asks too little")
	}
}

func TestReasonsOfFaces(t *testing.T) {
	t.Parallel()
	for _, r := range faces.FaceReasons() {
		if got, err := faces.ParseFaceReason(string(r)); err != nil || got != r {
			t.Errorf("%q is parsed as %q, %v", r, got, err)
		}
		_, err := faces.ParseReason(string(r))
		ofFacesOnly := r.BelowFloor() || r.IsDismissed()
		if ofFacesOnly != (err != nil) {
			t.Errorf("%s as the reason of an image: %v", r, err)
		}
		if ofFacesOnly && (!strings.Contains(err.Error(), "a reason of a face, not of an image") || r.Status() != faces.Pending || r.Transient() || r.Permanent()) {
			t.Errorf("%s: %v, status %s", r, err, r.Status())
		}
	}
	for _, name := range []string{"", "queued", "no_face", "Blurred"} {
		if _, err := faces.ParseFaceReason(name); faces.ErrorCode(err) != faces.CodeInvalid {
			t.Errorf("%q: got %v", name, err)
		}
	}
}
