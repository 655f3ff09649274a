// Package doctor examines the known people of a deployment: how well their
// pictures distinguish them, which threshold suits them, and which pictures a
// person should look at. Call Examine with all known pictures and write the
// Report as text or JSON. The package only computes; it reads no files and
// contacts no services.
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

// Picture is a known picture with what the recognizer and the database know
// of it.
type Picture struct {
	Name string // relative to KNOWN_PEOPLE, with forward slashes
	// Owners are the people that the picture is listed for. The first one
	// counts in answers. A picture without owners is skipped.
	Owners []faces.Person
	Sum    [sha256.Size]byte // of the file; zero if it was not read

	// Problem says why the picture cannot be matched, and Reason classifies
	// it: NoFace, Uncertain for several faces, NotFound for a listed picture
	// without a file, or the reason of another failure. Both are empty for a
	// picture with exactly one face. Only then are the fields below set.
	Problem string
	Reason  faces.Reason

	Asked   faces.Descriptor   // the descriptor it is asked about with
	Known   []faces.Descriptor // the descriptors it is matched by, one or more
	Quality faces.Quality      // zero if not measured
}

func (p *Picture) usable() bool { return p.Problem == "" && len(p.Known) > 0 }

// Options configure Examine.
type Options struct {
	// Model has the deployment's threshold and margin.
	Model faces.Model
	// FAR is the acceptable share of strangers who are given a name, between
	// 0 and 1. 0 means DefaultFAR.
	FAR float64
	// People are all people who should be recognized. The pictures' owners
	// need not be listed again.
	People []faces.Person
	// Workers is the number of cores to use. 0 means all.
	Workers int
	// Progress is called from time to time with the number of pictures
	// compared, from several goroutines. It may be nil.
	Progress func(done, total int)
}

// DefaultFAR is the default acceptable share of strangers who are given a
// name.
const DefaultFAR = 0.001

// Report is the result of Examine. docs/doctor.md describes its JSON.
type Report struct {
	Model    Model     `json:"model"`
	Pictures Counts    `json:"pictures"`
	People   int       `json:"people"` // people with at least one usable picture
	Findings []Finding `json:"findings"`

	// Filed are the figures of all pictures as they are filed. Cleaned leaves
	// out pictures that distort the figures. It is nil if there are none.
	Filed   Figures  `json:"as_filed"`
	Cleaned *Cleaned `json:"cleaned,omitempty"`

	// The fields below are about the cleaned pictures, if Cleaned is set.
	Curve      []Point    `json:"curve"`
	EqualError *Crossing  `json:"equal_error,omitempty"`
	PairsError *Crossing  `json:"equal_error_of_pairs,omitempty"`
	Suggestion Suggestion `json:"suggestion"`
	// QualityMeasured reports whether every usable picture was checked for
	// blurred, small and turned faces.
	QualityMeasured bool `json:"quality_measured"`
}

// Model is the rule that was used.
type Model struct {
	ID        string  `json:"id"`
	Threshold float64 `json:"threshold"`
	Margin    float64 `json:"margin"`
	// Up to FarThreshold a face is identified if the second person is more
	// than FarMargin farther. 0 if the model set has no such rule.
	FarThreshold float64 `json:"far_threshold"`
	FarMargin    float64 `json:"far_margin"`
}

// Counts are numbers of pictures.
type Counts struct {
	All      int `json:"all"`
	Usable   int `json:"usable"`   // with exactly one face
	Examined int `json:"examined"` // usable, with an owner
}

// Cleaned are the figures without the pictures in LeftOut.
type Cleaned struct {
	LeftOut []string `json:"left_out"`
	Figures
}

// NeedsPerson reports whether any finding requires somebody's attention.
func (r *Report) NeedsPerson() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity != Note })
}

// Examine examines all known pictures. Their names must differ; their order
// does not matter. It returns ctx's error, or an error if opts are invalid.
func Examine(ctx context.Context, pictures []Picture, opts Options) (*Report, error) {
	if err := opts.validate(); err != nil {
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
	if v.distances, err = compare(ctx, set, opts); err != nil {
		return nil, err
	}
	r.Filed = ask(v, m).figures(m.Threshold)

	// Copies and misfiled pictures would decide about people instead of their
	// other pictures. They are left out in two steps, because a picture that
	// is there twice is its own nearest neighbour, whomever it shows.
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
	r.Findings = slices.Concat(r.Findings, findTooClose(clean, asked, m), findOutliers(clean, m), findPoor(set, m),
		findUnusable(pictures), findPeople(pictures, opts.People, set))
	r.Curve = asked.curve()
	r.EqualError, r.PairsError = asked.equalError(), clean.distances.pairs.equalError()
	r.Suggestion = suggest(clean.set, asked, m, opts.FAR)
	r.Findings = append(r.Findings, r.Suggestion.findings()...)
	sortFindings(r.Findings)
	return r, nil
}

// view is a set of pictures with their distances.
type view struct {
	set       *set
	distances *distances
}

// without returns a view without the pictures with these indexes.
func (v view) without(ctx context.Context, out map[int]bool, opts Options) (view, error) {
	if len(out) == 0 {
		return v, nil
	}
	rest := v.set.without(out)
	distances, err := compare(ctx, rest, opts)
	return view{set: rest, distances: distances}, err
}

func (o *Options) validate() error {
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
		return fmt.Errorf("the acceptable share of strangers is %v; it must be between 0 and 1", o.FAR)
	case !(o.Model.Threshold > 0):
		return fmt.Errorf("the threshold is %v; it must be above 0", o.Model.Threshold)
	case !(o.Model.Margin >= 0):
		return fmt.Errorf("the margin is %v; it must not be negative", o.Model.Margin)
	}
	return nil
}

// set holds the pictures that can be compared: usable, with an owner.
type set struct {
	pictures []Picture      // sorted by name: of two at the same distance the first counts
	person   []int          // person of each picture: an index into people
	people   []faces.Person // sorted by id: of two at the same distance the first counts
	count    []int          // number of pictures of each person
	usable   int            // number of pictures with one face, with or without an owner
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

// without returns a set without the pictures with these indexes.
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

// owner returns the person of the picture with this index.
func (s *set) owner(picture int) faces.Person { return s.people[s.person[picture]] }

func (s *set) qualityMeasured() bool {
	return len(s.pictures) > 0 && !slices.ContainsFunc(s.pictures, func(p Picture) bool { return p.Quality == faces.Quality{} })
}
