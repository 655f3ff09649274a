package doctor_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/doctor"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// apart returns the distance between a picture that is asked about and a
// known one.
func apart(asked, known doctor.Picture) float64 {
	nearest := math.Inf(1)
	for i := range known.Known {
		nearest = min(nearest, asked.Asked.Distance(known.Known[i]))
	}
	return nearest
}

// plainly computes the figures in the simplest way: it puts every question to
// faces.Decide with all other pictures.
func plainly(list []doctor.Picture, m faces.Model) (f doctor.Figures) {
	owners := map[string]faces.Person{}
	for _, p := range list {
		owners[p.Name] = p.Owners[0]
	}
	owner := func(image string) (faces.Person, bool) { who, ok := owners[image]; return who, ok }
	answer := func(asked doctor.Picture, out func(doctor.Picture) bool) (faces.Face, bool) {
		var s faces.Sighting
		own := false
		for _, p := range list {
			if !out(p) {
				own = own || p.Owners[0] == asked.Owners[0]
				s.Neighbours = append(s.Neighbours, faces.Neighbour{Image: p.Name, Distance: apart(asked, p)})
			}
		}
		return faces.Decide(faces.Recognition{Sightings: []faces.Sighting{s}, Model: m}, owner).Faces[0], own
	}
	for i, p := range list {
		got, own := answer(p, func(o doctor.Picture) bool { return o.Name == p.Name })
		if own {
			f.Known.Asked++
			if got.Best.Person == p.Owners[0] {
				f.Known.Rank1++
			}
			switch {
			case got.Reason == faces.Uncertain:
				f.Known.Uncertain++
			case got.Person == nil:
				f.Known.Missed++
			case *got.Person == p.Owners[0]:
				f.Known.Right++
			default:
				f.Known.Misnamed++
			}
		}
		if got, _ = answer(p, func(o doctor.Picture) bool { return o.Owners[0] == p.Owners[0] }); got.Best != nil {
			f.Strange.Asked++
			switch got.Reason {
			case faces.Identified:
				f.Strange.FalseAccept++
			case faces.Uncertain:
				f.Strange.Uncertain++
			}
		}
		for _, o := range list[:i] {
			total, accepted := &f.Pairs.Different, &f.Pairs.DifferentAccepted
			if o.Owners[0] == p.Owners[0] {
				total, accepted = &f.Pairs.Same, &f.Pairs.SameAccepted
			}
			*total++
			if min(apart(o, p), apart(p, o)) <= m.Threshold {
				*accepted++
			}
		}
	}
	return f
}

func examine(t *testing.T, list []doctor.Picture, opts doctor.Options) *doctor.Report {
	t.Helper()
	r, err := doctor.Examine(t.Context(), list, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFiguresAreThePlainOnes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 1))
		list := crowd(r, 1+r.IntN(15), 6)
		far := model
		far.FarThreshold, far.FarMargin = model.Threshold+0.25, 0.125
		for _, m := range []faces.Model{model, far} {
			report := examine(t, list, doctor.Options{Model: m})
			if diff := cmp.Diff(plainly(list, m), report.Filed); diff != "" {
				t.Errorf("seed %d, %+v: figures (-plain +got):\n%s", seed, m, diff)
			}
			judged, err := doctor.Judge(t.Context(), list, m)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(report.Filed, judged); diff != "" {
				t.Errorf("seed %d, %+v: Judge and Examine differ:\n%s", seed, m, diff)
			}
		}
	}
}

func TestCurveIsThePlainOneAndMonotone(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 2))
		list := crowd(r, 4+r.IntN(10), 6)
		report := examine(t, list, doctor.Options{Model: model})
		if report.Cleaned != nil { // the curve is about the cleaned pictures
			list = slices.DeleteFunc(list, func(p doctor.Picture) bool { return slices.Contains(report.Cleaned.LeftOut, p.Name) })
		}
		before := doctor.Point{FalseReject: 1}
		for i, p := range report.Curve {
			m := model
			m.Threshold = p.Threshold
			if i%4 == 0 { // the simple way is slow
				if want := plainly(list, m); p.Known != want.Known || p.Strange != want.Strange {
					t.Fatalf("seed %d, threshold %v: got %+v and %+v, want %+v and %+v", seed, p.Threshold, p.Known, p.Strange, want.Known, want.Strange)
				}
			}
			if p.Threshold <= before.Threshold || p.FalseAccept < before.FalseAccept || p.FalseAcceptMost < before.FalseAcceptMost ||
				p.FalseReject > before.FalseReject || p.FalseAccept > p.FalseAcceptMost {
				t.Errorf("seed %d: after %+v comes %+v", seed, before, p)
			}
			before = p
		}
		if last := report.Curve[len(report.Curve)-1].Known; last.Missed != 0 {
			t.Errorf("seed %d: at the end of the curve %d are still strangers", seed, last.Missed)
		}
		if c := report.EqualError; c != nil && (c.Share < 0 || c.Share > 1) {
			t.Errorf("seed %d: equal error %+v", seed, c)
		}
	}
}

// Neither the order of the pictures nor the number of cores matters.
func TestReportIsTheSameInAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 3))
		list := crowd(r, 25, 6)
		want := examine(t, list, doctor.Options{Model: model, Workers: 1})
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		got := examine(t, list, doctor.Options{Model: model, Workers: 5})
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(doctor.Finding{})); diff != "" {
			t.Errorf("seed %d (-in order +shuffled):\n%s", seed, diff)
		}
	}
}

// 10,000 pictures: docs/doctor.md says how long that takes.
func BenchmarkExamine(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 4))
	list := crowd(r, 3600, model.Size)[:10_000]
	b.ReportAllocs()
	for b.Loop() {
		report, err := doctor.Examine(b.Context(), list, doctor.Options{Model: model})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(report.Findings)), "findings")
	}
}
