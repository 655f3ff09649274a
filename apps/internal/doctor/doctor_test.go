package doctor_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/doctor"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The people of the tests. They are far from each other unless a test moves
// them.
var (
	ann = person(1, "Ann")
	bob = person(2, "Bob")
	eve = person(3, "Eve")
)

// healthy returns pictures of people without any finding. Each person has
// three, 0.1 to 0.2 apart. People are 1 apart.
func healthy(people int) []doctor.Picture {
	var list []doctor.Picture
	for p := range people {
		who := person(int64(100+p), fmt.Sprintf("P%02d", p))
		for k := range 3 {
			d := point()
			d[10+p] = float32(1 / math.Sqrt2)
			d[k] = 0.1
			list = append(list, picture(fmt.Sprintf("P%02d/%d.jpg", p, k+1), who, d))
		}
	}
	return list
}

// found returns the findings of a kind.
func found(r *doctor.Report, k doctor.Kind) []doctor.Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f doctor.Finding) bool { return f.Kind != k })
}

func TestHealthyPeople(t *testing.T) {
	t.Parallel()
	r := examine(t, healthy(12), doctor.Options{Model: model})
	if len(r.Findings) != 0 || r.NeedsPerson() || r.Cleaned != nil {
		t.Errorf("found %+v, cleaned %+v", r.Findings, r.Cleaned)
	}
	if r.Suggestion.Verdict != doctor.Keep || r.Suggestion.Threshold != model.Threshold {
		t.Errorf("suggestion %+v", r.Suggestion)
	}
	want := doctor.Known{Asked: 36, Rank1: 36, Right: 36}
	if r.Filed.Known != want || r.Filed.Strange != (doctor.Strange{Asked: 36}) {
		t.Errorf("figures %+v", r.Filed)
	}
	if !r.QualityMeasured || r.Pictures != (doctor.Counts{All: 36, Usable: 36, Examined: 36}) || r.People != 12 {
		t.Errorf("quality measured %v, pictures %+v, people %d", r.QualityMeasured, r.Pictures, r.People)
	}
}

// unusable returns a picture with a problem.
func unusable(name string, why faces.Reason, owners ...faces.Person) doctor.Picture {
	return doctor.Picture{Name: name, Owners: owners, Reason: why, Problem: "it is of no use"}
}

// with returns a copy of a picture with another quality.
func with(p doctor.Picture, change func(*faces.Quality)) doctor.Picture {
	change(&p.Quality)
	return p
}

func TestFindings(t *testing.T) {
	t.Parallel()
	copied := picture("ann/copy.jpg", ann, point(0.7))
	copied.Sum = picture("ann/1.jpg", ann, point(0.7)).Sum
	stolen := copied
	stolen.Name, stolen.Owners = "bob/stolen.jpg", []faces.Person{bob}
	both := picture("both.jpg", ann, point(0.7, 0.1))
	both.Owners = []faces.Person{ann, bob}
	loose := picture("loose.jpg", ann, point(0, 0, 0.7))
	loose.Owners = nil
	annsTwo := []doctor.Picture{picture("ann/1.jpg", ann, point(0.7)), picture("ann/2.jpg", ann, point(0.7, 0.2))}
	bobsTwo := []doctor.Picture{picture("bob/1.jpg", bob, point(0, 0.7)), picture("bob/2.jpg", bob, point(0, 0.7, 0.2))}
	for _, c := range []struct {
		name     string
		more     []doctor.Picture
		kind     doctor.Kind
		severity doctor.Severity
		pictures []string
		people   []string
	}{
		{"never recognized", []doctor.Picture{unusable("eve/1.jpg", faces.NoFace, eve)}, doctor.NoUsablePicture, doctor.Error,
			[]string{"eve/1.jpg"}, []string{"Eve"}},
		{"two owners", []doctor.Picture{both}, doctor.TwoOwners, doctor.Error, []string{"both.jpg"}, []string{"Ann", "Bob"}},
		{"one file under two people", []doctor.Picture{stolen}, doctor.Shared, doctor.Error,
			[]string{"ann/1.jpg", "bob/stolen.jpg"}, []string{"Ann", "Bob"}},
		{"one photograph under two people", []doctor.Picture{picture("bob/x.jpg", bob, point(0.7, 0.07))}, doctor.Shared, doctor.Error,
			[]string{"ann/1.jpg", "bob/x.jpg"}, []string{"Ann", "Bob"}},
		{"a second name", []doctor.Picture{picture("eve/1.jpg", eve, point(0.7, 0.1, 0.1))}, doctor.SamePerson, doctor.Error,
			[]string{"ann/1.jpg", "eve/1.jpg"}, []string{"Ann", "Eve"}},
		{"a wrong name", []doctor.Picture{picture("bob/3.jpg", bob, point(0.7, 0.1, 0.1))}, doctor.Mislabelled, doctor.Error,
			[]string{"bob/3.jpg", "ann/1.jpg"}, []string{"Bob", "Ann"}},
		{"missing", []doctor.Picture{unusable("ann/3.jpg", faces.NotFound, ann)}, doctor.Missing, doctor.Warning, []string{"ann/3.jpg"}, []string{"Ann"}},
		{"unreadable", []doctor.Picture{unusable("ann/3.jpg", faces.CorruptImage, ann)}, doctor.Unreadable, doctor.Warning, []string{"ann/3.jpg"}, []string{"Ann"}},
		{"no face", []doctor.Picture{unusable("ann/3.jpg", faces.NoFace, ann)}, doctor.NoFace, doctor.Warning, []string{"ann/3.jpg"}, []string{"Ann"}},
		{"several faces", []doctor.Picture{unusable("ann/3.jpg", faces.Uncertain, ann)}, doctor.SeveralFaces, doctor.Warning, []string{"ann/3.jpg"}, []string{"Ann"}},
		{"nobody's", []doctor.Picture{loose}, doctor.Nobodys, doctor.Warning, []string{"loose.jpg"}, nil},
		{"too close", []doctor.Picture{picture("eve/1.jpg", eve, point(0.7, 0, 0.38)), picture("eve/2.jpg", eve, point(0.7, 0, 0.7))}, doctor.TooClose, doctor.Warning,
			[]string{"ann/1.jpg", "eve/1.jpg"}, []string{"Ann", "Eve"}},
		{"close, within the margin", []doctor.Picture{picture("eve/1.jpg", eve, point(0.7, 0, 0.41)), picture("eve/2.jpg", eve, point(0.7, 0, 0.7))}, doctor.TooClose, doctor.Note,
			[]string{"ann/1.jpg", "eve/1.jpg"}, []string{"Ann", "Eve"}},
		{"blurred", []doctor.Picture{with(picture("ann/3.jpg", ann, point(0.7, 0, 0.2)), func(q *faces.Quality) { q.Sharpness = 0.01 })}, doctor.Blurred, doctor.Warning,
			[]string{"ann/3.jpg"}, []string{"Ann"}},
		{"small", []doctor.Picture{with(picture("ann/3.jpg", ann, point(0.7, 0, 0.2)), func(q *faces.Quality) { q.Size = 20 })}, doctor.Small, doctor.Warning,
			[]string{"ann/3.jpg"}, []string{"Ann"}},
		{"turned", []doctor.Picture{with(picture("ann/3.jpg", ann, point(0.7, 0, 0.2)), func(q *faces.Quality) { q.Yaw = -60 })}, doctor.Turned, doctor.Warning,
			[]string{"ann/3.jpg"}, []string{"Ann"}},
		{"tilted", []doctor.Picture{with(picture("ann/3.jpg", ann, point(0.7, 0, 0.2)), func(q *faces.Quality) { q.Roll = 60 })}, doctor.Turned, doctor.Warning,
			[]string{"ann/3.jpg"}, []string{"Ann"}},
		{"alone", []doctor.Picture{picture("ann/3.jpg", ann, point(0.7, 0, 0.5))}, doctor.Alone, doctor.Note, []string{"ann/3.jpg"}, []string{"Ann"}},
		{"a copy", []doctor.Picture{copied}, doctor.Doubled, doctor.Note, []string{"ann/1.jpg", "ann/copy.jpg"}, []string{"Ann"}},
		{"as good as a copy", []doctor.Picture{picture("ann/3.jpg", ann, point(0.7, 0, 0.05))}, doctor.Doubled, doctor.Note,
			[]string{"ann/1.jpg", "ann/3.jpg"}, []string{"Ann"}},
		{"single", []doctor.Picture{picture("eve/1.jpg", eve, point(0, 0, 0.7))}, doctor.Single, doctor.Note, []string{"eve/1.jpg"}, []string{"Eve"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := examine(t, slices.Concat(annsTwo, bobsTwo, c.more), doctor.Options{Model: model})
			if r.NeedsPerson() != (c.severity != doctor.Note) {
				t.Errorf("needs a person: %v", r.NeedsPerson())
			}
			list := found(r, c.kind)
			if len(list) != 1 {
				t.Fatalf("found %+v", r.Findings)
			}
			got := list[0]
			if got.Severity != c.severity || got.What == "" || got.Do == "" {
				t.Errorf("found %+v", got)
			}
			if diff := cmp.Diff([][]string{c.pictures, c.people}, [][]string{got.Pictures, got.People}); diff != "" {
				t.Errorf("pictures and people (-want +got):\n%s", diff)
			}
			for _, f := range r.Findings {
				if f.Severity == doctor.Error && f.Kind != c.kind {
					t.Errorf("accused besides: %+v", f)
				}
			}
		})
	}
}

// Each engine measures sharpness on its own scale.
func TestBlurDependsOnTheModelSet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		networks  string
		sharpness float64
		blurred   bool
	}{
		"go-face, sharp enough": {"dlib", 0.3, false},
		"go-face, blurred":      {"dlib", 0.2, true},
		"both, sharp enough":    {"dlibresnet,mobilefacenet", 0.5, false},
		"both, blurred":         {"dlibresnet,mobilefacenet", 0.3, true},
	} {
		list := healthy(2)
		list[0].Quality.Sharpness = c.sharpness
		m := model
		m.Networks = c.networks
		r := examine(t, list, doctor.Options{Model: m})
		if got := len(found(r, doctor.Blurred)) > 0; got != c.blurred {
			t.Errorf("%s: found to be blurred: %v, want %v", name, got, c.blurred)
		}
	}
}

// A picture in the wrong folder must not make the doctor blame the right
// pictures of the person it shows, although they are nearest to it.
func TestMislabelledAccusesNobodyElse(t *testing.T) {
	t.Parallel()
	list := healthy(12)
	wrong := list[0]
	wrong.Name, wrong.Owners = "P05/wrong.jpg", list[3*5].Owners
	wrong.Sum[0]++
	wrong.Asked = slices.Clone(wrong.Asked)
	wrong.Asked[90] = 0.09 // another photograph, nearer to P00's than they are to each other
	wrong.Known = []faces.Descriptor{wrong.Asked}
	r := examine(t, append(list, wrong), doctor.Options{Model: model})
	if got := found(r, doctor.Mislabelled); len(got) != 1 || got[0].Pictures[0] != wrong.Name {
		t.Errorf("mislabelled: %+v", got)
	}
	if r.Cleaned == nil || !slices.Equal(r.Cleaned.LeftOut, []string{wrong.Name}) {
		t.Fatalf("cleaned %+v", r.Cleaned)
	}
	if r.Filed.Strange.FalseAccept == 0 || r.Cleaned.Strange.FalseAccept != 0 || r.Suggestion.Verdict != doctor.Keep {
		t.Errorf("as filed %+v, cleaned %+v, suggestion %+v", r.Filed, r.Cleaned.Figures, r.Suggestion)
	}
}

func TestSuggestion(t *testing.T) {
	t.Parallel()
	alike := healthy(12)
	for i := range 3 { // P01 comes to be 0.35 from P00, and each picture of theirs 0.5 from the others
		alike[3+i].Asked = slices.Clone(alike[i].Asked)
		alike[3+i].Asked[50+0] += 0.35
		for p := range 2 {
			alike[3*p+i].Asked[i] = 0.36
			alike[3*p+i].Known = []faces.Descriptor{alike[3*p+i].Asked}
		}
	}
	tight := model
	tight.Threshold = 0.1
	for _, c := range []struct {
		name      string
		list      []doctor.Picture
		model     faces.Model
		far       float64
		verdict   doctor.Verdict
		threshold float64
		why       string
	}{
		{"nobody", nil, model, 0.5, doctor.NoVerdict, 0, "0 people"},
		{"too few people", healthy(9), model, 0.5, doctor.NoVerdict, 0, "10 people at least"},
		{"strangers are named", alike, model, 0.001, doctor.Lower, 0.34, "only between P00 and P01"},
		{"strangers are named, and may be", alike, model, 0.5, doctor.Keep, 0.4, "6 of 36"},
		{"few people cannot raise it", healthy(30), tight, 0.001, doctor.Keep, 0.1, "takes 3838 people"},
		{"many can", healthy(60), tight, 0.1, doctor.Raise, 0.15, "no more of the known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := examine(t, c.list, doctor.Options{Model: c.model, FAR: c.far})
			s := r.Suggestion
			if s.Verdict != c.verdict || s.Threshold != c.threshold || !strings.Contains(s.Why, c.why) {
				t.Errorf("suggestion %+v", s)
			}
			if changes := s.Verdict == doctor.Lower || s.Verdict == doctor.Raise; changes != (s.Then != nil) || changes != (len(s.Changes) > 0) ||
				changes != (len(found(r, doctor.Threshold)) == 1) {
				t.Errorf("then %+v, changes %+v, findings %+v", s.Then, s.Changes, r.Findings)
			}
		})
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]doctor.Options{
		"no threshold": {}, "a negative margin": {Model: faces.Model{Threshold: 0.4, Margin: -1}},
		"a share of 1": {Model: model, FAR: 1}, "a negative share": {Model: model, FAR: -0.1}, "no number": {Model: model, FAR: math.NaN()},
	} {
		if _, err := doctor.Examine(t.Context(), healthy(2), opts); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := doctor.Examine(ctx, healthy(2), doctor.Options{Model: model}); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: error %v", err)
	}
}

// sick returns people with one fault of almost every kind.
func sick() []doctor.Picture {
	list := healthy(12)
	list[0].Quality.Sharpness = 0.1
	list[1].Quality.Size = 31
	list[2].Quality.Yaw = 48
	double := list[4]
	double.Name = "P01/double.jpg"
	wrong := picture("P02/wrong.jpg", list[6].Owners[0], list[9].Asked)
	wrong.Asked[60] = 0.2
	wrong.Known = []faces.Descriptor{wrong.Asked}
	list = append(list, double, wrong, unusable("P04/nobody.jpg", faces.NoFace, list[12].Owners[0]),
		unusable("P05/group.jpg", faces.Uncertain, list[15].Owners[0]), unusable("Zoë/notes\x1b[2J.txt", faces.UnsupportedFormat, person(7, "Zoë")))
	for i := range 5 {
		loose := picture(fmt.Sprintf("loose%d.jpg", i), person(0, ""), point(float32(i)))
		loose.Owners = nil
		list = append(list, loose)
	}
	return list
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]doctor.Picture{"healthy": healthy(12), "sick": sick(), "empty": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := examine(t, list, doctor.Options{Model: model}).WriteText(&b, 3); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".golden.txt")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("text (-golden +got); -update writes it anew:\n%s", diff)
			}
		})
	}
}

// docs/doctor.md describes every field of the JSON and every kind of finding.
func TestDocsDescribeTheJSON(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.FromSlash("../../../docs/doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	fields(reflect.TypeFor[doctor.Report](), names)
	if len(names) < 30 {
		t.Fatalf("only %d fields: %v", len(names), names)
	}
	for _, k := range doctor.Kinds() {
		names[string(k)] = true
	}
	for name := range names {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/doctor.md does not describe %s", name)
		}
	}
}

// fields collects the JSON names of a type's fields.
func fields(t reflect.Type, names map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		fields(t.Elem(), names)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
				names[name] = true
			}
			fields(f.Type, names)
		}
	}
}
