// Package doctor examines the known people of a deployment: how well their
// pictures tell them apart, which threshold suits them, and which pictures
// need a person's look. It computes only: it reads no files and asks nobody.
//
// This file owns what goes in and what comes out. neighbours.go compares every
// picture with every other, questions.go asks about each as if it were not
// known, curves.go varies the threshold, suggest.go proposes one, findings.go
// names what is wrong, and text.go writes it all down for people.
package doctor

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Picture is a known picture, as the recognizer and the tables see it.
type Picture struct {
	Name string // relative to KNOWN_PEOPLE, with forward slashes
	// Owners are the people that it is listed for. Answers go to the first;
	// a picture without any is passed over.
	Owners []faces.Person
	Sum    [sha256.Size]byte // of its bytes; zero where they were not read

	// Problem says why the picture cannot be matched, and Reason of what kind
	// that is: NoFace, Uncertain for several faces, NotFound for a picture that
	// is listed and not there, or another failure's. Both are empty for a
	// picture with exactly one face, of which the rest is filled.
	Problem string
	Reason  faces.Reason

	Asked   faces.Descriptor   // as the picture would be asked about
	Known   []faces.Descriptor // as it is matched against, one or more
	Quality faces.Quality      // zero where it was not measured
}

func (p *Picture) usable() bool { return p.Problem == "" && len(p.Known) > 0 }

// Options say how to examine.
type Options struct {
	// Model has the threshold and margin that the deployment decides with.
	Model faces.Model
	// FAR is the share of strangers, from 0 to 1, who may be given a name; 0 is
	// DefaultFAR.
	FAR float64
	// People is everybody who should be recognized, as far as that is known
	// beyond the pictures' owners.
	People []faces.Person
	// Workers is how many cores to use; 0 is all.
	Workers int
	// Progress is told how many pictures were compared, now and then, from
	// several goroutines. It may be nil.
	Progress func(done, total int)
}

// DefaultFAR is the share of strangers who may be given a name.
const DefaultFAR = 0.001

// Report is what Examine found. Its JSON is described in docs/doctor.md.
type Report struct {
	Model    Model     `json:"model"`
	Pictures Counts    `json:"pictures"`
	People   int       `json:"people"` // with one usable picture or more
	Findings []Finding `json:"findings"`

	// Filed is how the pictures do as they are filed. Cleaned leaves out what
	// would only confuse the figures; it is nil where there is nothing such.
	Filed   Figures  `json:"as_filed"`
	Cleaned *Cleaned `json:"cleaned,omitempty"`

	// The rest is of the cleaned pictures where there are such.
	Curve      []Point    `json:"curve"`
	EqualError *Crossing  `json:"equal_error,omitempty"`
	PairsError *Crossing  `json:"equal_error_of_pairs,omitempty"`
	Suggestion Suggestion `json:"suggestion"`
	// QualityMeasured says whether blurred, small and turned faces were looked
	// for in every usable picture.
	QualityMeasured bool `json:"quality_measured"`
}

// Model is the rule that was used.
type Model struct {
	ID        string  `json:"id"`
	Threshold float64 `json:"threshold"`
	Margin    float64 `json:"margin"`
	// Up to FarThreshold a face is somebody's where the second person is more
	// than FarMargin farther; 0 where only Threshold speaks.
	FarThreshold float64 `json:"far_threshold"`
	FarMargin    float64 `json:"far_margin"`
}

// Counts are numbers of pictures.
type Counts struct {
	All      int `json:"all"`
	Usable   int `json:"usable"`   // with exactly one face
	Examined int `json:"examined"` // usable, and somebody's
}

// Cleaned are the figures without the pictures that were left out.
type Cleaned struct {
	LeftOut []string `json:"left_out"`
	Figures
}

// NeedsPerson reports whether a finding is there that somebody should see to.
func (r *Report) NeedsPerson() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity != Note })
}

// Examine looks at all known pictures. The order of the pictures does not
// matter; their names must differ.
func Examine(ctx context.Context, pictures []Picture, opts Options) (*Report, error) {
	if err := opts.settle(); err != nil {
		return nil, err
	}
	m := opts.Model
	r := &Report{Model: Model{
		ID: m.ID, Threshold: m.Threshold, Margin: m.Margin, FarThreshold: m.FarThreshold, FarMargin: m.FarMargin,
	}}
	r.Pictures.All = len(pictures)
	set := newSet(pictures)
	r.Pictures.Usable, r.Pictures.Examined, r.People = set.usable, len(set.pictures), len(set.people)
	r.QualityMeasured = set.qualityMeasured()

	v := view{set: set}
	var err error
	if v.seen, err = compare(ctx, set, opts); err != nil {
		return nil, err
	}
	r.Filed = ask(v, m).figures(m.Threshold)

	// What is filed twice, or wrongly, would decide about people in place of
	// their pictures. It is left out step by step: a picture that is there twice
	// is near to itself, whomever it shows.
	copies := findCopies(v)
	r.Findings = append(r.Findings, copies.findings...)
	clean, err := v.without(ctx, copies.out, opts)
	if err != nil {
		return nil, err
	}
	wrong := findMisfiled(clean, m)
	r.Findings = append(r.Findings, wrong.findings...)
	left := append(v.set.names(copies.out), clean.set.names(wrong.out)...)
	if clean, err = clean.without(ctx, wrong.out, opts); err != nil {
		return nil, err
	}
	asked := ask(clean, m)
	if len(left) > 0 {
		slices.Sort(left)
		r.Cleaned = &Cleaned{LeftOut: left, Figures: asked.figures(m.Threshold)}
	}
	r.Findings = slices.Concat(r.Findings, findTooClose(clean, asked, m), findAlone(clean, m), findPoor(set, m),
		findUnusable(pictures), findPeople(pictures, opts.People, set))
	r.Curve = asked.curve()
	r.EqualError, r.PairsError = asked.equalError(), clean.seen.pairs.equalError()
	r.Suggestion = suggest(clean.set, asked, m, opts.FAR)
	r.Findings = append(r.Findings, r.Suggestion.findings()...)
	sortFindings(r.Findings)
	return r, nil
}

// view is pictures and their distances.
type view struct {
	set  *set
	seen *seen
}

// without returns the view that lacks some pictures, given by their index.
func (v view) without(ctx context.Context, out map[int]bool, opts Options) (view, error) {
	if len(out) == 0 {
		return v, nil
	}
	rest := v.set.without(out)
	seen, err := compare(ctx, rest, opts)
	return view{set: rest, seen: seen}, err
}

func (o *Options) settle() error {
	if o.FAR == 0 {
		o.FAR = DefaultFAR
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	switch {
	case !(o.FAR > 0 && o.FAR < 1):
		return fmt.Errorf("a share of strangers of %v: it must be between 0 and 1", o.FAR)
	case !(o.Model.Threshold > 0):
		return fmt.Errorf("a threshold of %v: it must be above 0", o.Model.Threshold)
	case !(o.Model.Margin >= 0):
		return fmt.Errorf("a margin of %v: it must not be negative", o.Model.Margin)
	}
	return nil
}

// set is the pictures that can be compared: usable, and somebody's.
type set struct {
	pictures []Picture      // by name, so that of two at one distance the first counts
	person   []int          // of each picture: an index into people
	people   []faces.Person // by id, so that of two at one distance the first counts
	count    []int          // pictures of each person
	usable   int            // pictures with one face, also nobody's
}

func newSet(pictures []Picture) *set {
	s := &set{}
	ids := map[int64]faces.Person{}
	for _, p := range pictures {
		if !p.usable() {
			continue
		}
		s.usable++
		if len(p.Owners) > 0 {
			s.pictures = append(s.pictures, p)
			ids[p.Owners[0].ID] = p.Owners[0]
		}
	}
	slices.SortFunc(s.pictures, func(a, b Picture) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range ids {
		s.people = append(s.people, p)
	}
	slices.SortFunc(s.people, func(a, b faces.Person) int { return int(min(1, max(-1, a.ID-b.ID))) })
	at := make(map[int64]int, len(s.people))
	for i, p := range s.people {
		at[p.ID] = i
	}
	s.count = make([]int, len(s.people))
	for i := range s.pictures {
		who := at[s.pictures[i].Owners[0].ID]
		s.person = append(s.person, who)
		s.count[who]++
	}
	return s
}

// without returns the set that lacks some pictures, given by their index.
func (s *set) without(out map[int]bool) *set {
	var rest []Picture
	for i, p := range s.pictures {
		if !out[i] {
			rest = append(rest, p)
		}
	}
	return newSet(rest)
}

func (s *set) names(at map[int]bool) []string {
	var names []string
	for i := range s.pictures {
		if at[i] {
			names = append(names, s.pictures[i].Name)
		}
	}
	return names
}

// owner is the person of a picture, given by its index.
func (s *set) owner(picture int) faces.Person { return s.people[s.person[picture]] }

func (s *set) qualityMeasured() bool {
	return len(s.pictures) > 0 && !slices.ContainsFunc(s.pictures, func(p Picture) bool { return p.Quality == faces.Quality{} })
}
