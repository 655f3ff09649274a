package rematch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/rematch"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func TestAnswersFollowTheKnownPeople(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 10})
		m := r.rematcher(options())
		settle(m)
		ada, clara, both, stranger := r.see(0.25), r.see(20), r.see(10, 20.125), r.see(50)
		r.expect("at first", map[int64]string{ada: "Ada", clara: "unknown_person", both: "Bruno", stranger: "unknown_person"})
		settle(m)
		if got := r.jobs(); got != 0 {
			r.Errorf("%d re-matches while nothing changed", got)
		}

		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 10, "Clara/1.jpg": 20})
		settle(m)
		r.expect("Clara added", map[int64]string{ada: "Ada", clara: "Clara", both: "Bruno", stranger: "unknown_person"})
		if got := faces.Describe(r.image(both)); got != "Bruno, Clara" {
			r.Errorf("of both faces the image says %q", got)
		}
		job := r.latest()
		if job.State != history.Applied || job.Scope != history.ScopeAdded || job.Images != 2 || job.Faces != 5 || job.Detail == "" {
			r.Errorf("the job was %+v", job)
		}

		for range 20 {
			r.see(20) // near Clara, then Bruno
		}
		settle(m)
		before := r.rec.matches()
		r.know(map[string]float64{"Bruno/1.jpg": 10, "Clara/1.jpg": 20})
		settle(m)
		r.expect("Ada removed", map[int64]string{ada: "unknown_person", clara: "Clara", both: "Bruno", stranger: "unknown_person"})
		if job := r.latest(); job.Scope != history.ScopeTouched {
			r.Errorf("the job was %+v", job)
		}
		if got := r.rec.matches() - before; got > 4 {
			r.Errorf("%d faces were matched, to 4 of which Ada was the nearest or second person, or beside one in a picture", got)
		}

		r.enrol(map[string]string{"Bruno/1.jpg": "Bruno", "Clara/1.jpg": "Dora"})
		settle(m)
		r.expect("a picture given to Dora", map[int64]string{clara: "Dora", both: "Bruno", stranger: "unknown_person"})
		if got := faces.Describe(r.image(both)); got != "Bruno, Dora" {
			r.Errorf("of both faces the image says %q", got)
		}

		r.rec.put("Clara/1.jpg", 50)
		settle(m)
		r.expect("another picture under the name", map[int64]string{clara: "unknown_person", stranger: "Dora", both: "Bruno"})

		settle(m)
		if got, want := r.jobs(), 4; got != want {
			r.Errorf("%d re-matches, want %d", got, want)
		}
	})
}

// Whatever changes, in whatever order, what the incremental jobs make of the
// answers is what deciding every face anew makes of them.
func TestIncrementalIsFull(t *testing.T) {
	onBoth(t, func(r *rig) { incrementalIsFull(r, lite) })
}

// So it is with a rule that knows far runner-ups and floors of quality.
func TestIncrementalIsFullByTheWholeRule(t *testing.T) {
	onBoth(t, func(r *rig) {
		incrementalIsFull(r, faces.Model{
			ID: "both", Threshold: 0.375, Margin: 0.0625, FarThreshold: 0.75, FarMargin: 0.25, Floors: faces.Floors{Size: 25},
		})
	})
}

func incrementalIsFull(r *rig, model faces.Model) {
	r.rec.model = model
	const seed = 11
	rnd := rand.New(rand.NewPCG(seed, seed))
	place := func() float64 { return float64(rnd.IntN(160)) / 8 } // half of the faces are near somebody
	names := []string{"Ada", "Bruno", "Clara", "Dora", "Emil"}
	known := map[string]float64{"Ada/0.jpg": 1, "Bruno/0.jpg": 2, "loose.jpg": 3}
	r.know(known)
	m := r.rematcher(options())
	settle(m)
	images := map[int64][]float64{}
	for range 40 {
		places := []float64{place(), place(), place()}[:rnd.IntN(3)+1]
		images[r.see(places...)] = places
	}
	for round := range 12 {
		for range rnd.IntN(3) + 1 {
			name := fmt.Sprintf("%s/%d.jpg", names[rnd.IntN(len(names))], rnd.IntN(4))
			if _, ok := known[name]; ok && len(known) > 4 && rnd.IntN(2) == 0 {
				delete(known, name)
			} else {
				known[name] = place()
			}
		}
		r.know(known)
		settle(m)
		owners, err := r.store.AllOwners(r.Context())
		r.must(err)
		for id, places := range images {
			seen := r.recognize(places...)
			seen.People, err = r.store.CountKnownPeople(r.Context(), 100)
			r.must(err)
			want := faces.Decide(seen, func(image string) (faces.Person, bool) { p, ok := owners[image]; return p, ok })
			got := r.image(id)
			described := faces.Describe(faces.Image{Status: want.Reason.Status(), Faces: want.Faces, Rule: got.Rule})
			if got.Reason != want.Reason || says(got) != says(faces.Image{Reason: want.Reason, Person: want.Person}) || faces.Describe(got) != described {
				r.Fatalf("round %d (seed %d): image %d at %v is %s, %q; want %s, %q",
					round, seed, id, places, says(got), faces.Describe(got), want.Reason, described)
			}
			for i, f := range got.Faces {
				w := want.Faces[i]
				if f.Reason != w.Reason || f.Reason == faces.Identified && (f.MatchedImage != w.MatchedImage || f.Person.ID != w.Person.ID) {
					r.Fatalf("round %d (seed %d): face %d of image %d is %s by %q; want %s by %q",
						round, seed, i, id, f.Reason, f.MatchedImage, w.Reason, w.MatchedImage)
				}
			}
		}
	}
	if job := r.latest(); job.State != history.Applied {
		r.Errorf("the last job was %+v", job)
	}
}

// An image is decided as a whole, however the pages of faces are cut: nobody
// has two of its faces.
func TestNobodyIsInAPictureTwice(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 8})
		o := options()
		o.Page = 1
		m := r.rematcher(o)
		settle(m)
		id := r.see(0.25, 0.125, 4) // the second is Ada, the first is like her
		reasons := func() string {
			var list []string
			for _, f := range r.image(id).Faces {
				list = append(list, says(faces.Image{Reason: f.Reason, Person: f.Person}))
			}
			return strings.Join(list, " ")
		}
		for _, step := range []struct {
			what  string
			known map[string]float64
			want  string
		}{
			{"at first", map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 8}, "uncertain Ada unknown_person"},
			{"a picture of Ada nearer to the first face", map[string]float64{"Ada/1.jpg": 0, "Ada/2.jpg": 0.25, "Bruno/1.jpg": 8}, "Ada uncertain unknown_person"},
			{"the first face becomes Bruno's", map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 8, "Bruno/2.jpg": 0.375}, "Bruno Ada unknown_person"},
			{"the second becomes Bruno's, too", map[string]float64{"Ada/1.jpg": 8, "Bruno/1.jpg": 0.25}, "Bruno uncertain unknown_person"},
			{"both of one person again", map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 8}, "uncertain Ada unknown_person"},
		} {
			r.know(step.known)
			settle(m)
			if got := reasons(); got != step.want {
				r.Errorf("%s: got %s, want %s", step.what, got, step.want)
			}
		}
	})
}

// A face below a floor of quality stays below it, whoever becomes known; the
// warning about the file stays in the detail.
func TestFloorsHoldInRematches(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.rec.model.Floors.Size = 25
		r.know(map[string]float64{"Bruno/1.jpg": 8})
		m := r.rematcher(options())
		settle(m)
		small := r.see(0) // of 20 pixels: see quality
		if _, err := r.raw.ExecContext(r.Context(), "update images set warning = 'the file ends early'"); err != nil {
			r.Fatal(err)
		}
		r.expect("a stranger", map[int64]string{small: "unknown_person"})
		r.know(map[string]float64{"Bruno/1.jpg": 8, "Ada/1.jpg": 0})
		settle(m)
		img := r.image(small)
		if img.Reason != faces.Uncertain || faces.Describe(img) != "Ada?; the file ends early" || img.Faces[0].Reason != faces.TooSmall || img.Faces[0].Best.Person.Name != "Ada" {
			r.Errorf("a small face near Ada: %s, %q, face %+v", img.Reason, faces.Describe(img), img.Faces[0])
		}
	})
}

// The first face of a person whose second picture lies far away is named by the
// far rule only while there is somebody to compare with.
func TestFarRuleFollowsTheKnownPeople(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.rec.model = faces.Model{ID: "both", Threshold: 0.375, Margin: 0.0625, FarThreshold: 0.75, FarMargin: 0.25}
		r.know(map[string]float64{"Ada/1.jpg": 0})
		m := r.rematcher(options())
		settle(m)
		id := r.see(0.5)
		r.expect("nobody to compare with", map[int64]string{id: "unknown_person"})
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 8})
		settle(m)
		r.expect("a second person, far away", map[int64]string{id: "Ada"})
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 8, "Clara/1.jpg": 1.125})
		settle(m)
		r.expect("a second person, too near", map[int64]string{id: "unknown_person"})
		r.know(map[string]float64{"Ada/1.jpg": 0})
		settle(m)
		r.expect("alone again", map[int64]string{id: "unknown_person"})
	})
}

func TestPreviewApplyUndo(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0})
		o := options()
		o.Mode = rematch.ModeAsk
		m := r.rematcher(o)
		settle(m)
		var ids []int64
		for i := range 8 {
			ids = append(ids, r.see(float64(i)*0.0625, 20+float64(i)*0.0625))
		}
		ids = append(ids, r.see(20), r.see(30))
		r.know(map[string]float64{"Bruno/1.jpg": 20})
		settle(m)
		preview := r.latest()
		if preview.State != history.Ready || preview.Images != 9 || preview.Cause != history.CauseKnown {
			r.Fatalf("the preview is %+v", preview)
		}
		if want := "9 images change: 8 Ada → Bruno, 1 unknown → Bruno"; preview.Detail != want {
			r.Errorf("the preview says %q, want %q", preview.Detail, want)
		}
		planned, err := r.store.RematchChanges(r.Context(), preview.ID, 0, 0)
		r.must(err)
		becomes := map[int64]string{}
		for _, c := range planned {
			if c.State != "planned" {
				r.Errorf("change %+v", c)
			}
			becomes[c.ImageID] = c.To.String()
		}
		r.expect("before it is applied", map[int64]string{ids[0]: "Ada", ids[8]: "unknown_person", ids[9]: "unknown_person"})
		settle(m)
		if got := r.jobs(); got != 1 {
			r.Errorf("%d previews of one change", got)
		}

		// Somebody else is quicker with one of them.
		l := r.requeue(ids[2])
		r.finish(l, faces.Recognition{Model: lite, Gallery: r.rec.gallery()})
		delete(becomes, ids[2])
		_, err = r.store.ChangeRematchState(r.Context(), preview.ID, history.Applying)
		r.must(err)
		settle(m)
		r.expect("applied as planned", becomes)
		r.expect("what changed meanwhile stays", map[int64]string{ids[2]: "no_face", ids[9]: "unknown_person"})
		if job := r.latest(); job.State != history.Applied || job.Skipped != 1 {
			r.Errorf("the job is %+v", job)
		}

		ada := r.image(ids[0]).Faces[0].ID
		_, err = r.store.CorrectFace(r.Context(), faces.Statement{FaceID: ada, Name: "Zoe"})
		r.must(err)
		settle(m)
		_, err = r.store.ChangeRematchState(r.Context(), preview.ID, history.Undoing)
		r.must(err)
		settle(m)
		r.expect("undone", map[int64]string{ids[0]: "Zoe", ids[1]: "Ada", ids[2]: "no_face", ids[7]: "Ada", ids[8]: "unknown_person"})
		if job := r.latest(); job.State != history.Undone || job.Skipped != 1 || r.jobs() != 1 {
			r.Errorf("the job is %+v of %d", job, r.jobs())
		}
		for _, to := range []history.State{history.Applying, history.Undoing} {
			_, err := r.store.ChangeRematchState(r.Context(), preview.ID, to)
			if to == history.Applying && faces.ErrorCode(err) != faces.CodeConflict {
				r.Errorf("an undone preview is applied: %v", err)
			}
		}
		_, err = r.store.ChangeRematchState(r.Context(), 4711, history.Undoing)
		if faces.ErrorCode(err) != faces.CodeMissing {
			r.Errorf("a job that is not there is undone: %v", err)
		}
	})
}

// A preview of what is no longer known is not applied.
func TestOutdatedPreview(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0})
		o := options()
		o.Mode = rematch.ModeOff
		m := r.rematcher(o)
		settle(m)
		id := r.see(5)
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 5})
		settle(m)
		if r.jobs() != 0 {
			r.Error("a re-match that nobody asked for")
		}
		job, err := r.store.RequestRematch(r.Context(), history.CauseRequest, false, true)
		r.must(err)
		settle(m)
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 7})
		_, err = r.store.ChangeRematchState(r.Context(), job.ID, history.Applying)
		r.must(err)
		settle(m)
		if got := r.latest(); got.State != history.Outdated {
			r.Errorf("the preview is %+v", got)
		}
		r.expect("nothing changed", map[int64]string{id: "unknown_person"})
		_, err = r.store.RequestRematch(r.Context(), history.CauseRequest, true, false)
		r.must(err)
		r.rec.put("Bruno/1.jpg", 5)
		settle(m)
		r.expect("asked for", map[int64]string{id: "Bruno"})
	})
}

// Whoever has just enrolled somebody and asks for a re-match gets one that knows
// of it, however seldom the owners of all pictures are read otherwise.
func TestRequestKnowsTheNewestPeople(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0, "loose.jpg": 5})
		o := options()
		o.Mode, o.Poll = rematch.ModeOff, 1
		m := r.rematcher(o)
		id := r.see(5)
		settle(m)
		r.enrol(map[string]string{"Ada/1.jpg": "Ada", "loose.jpg": "Bruno"})
		_, err := r.store.RequestRematch(r.Context(), history.CauseRequest, true, false)
		r.must(err)
		settle(m)
		r.expect("asked for", map[int64]string{id: "Bruno"})
	})
}

// Where nearly all known pictures are gone, a volume may be.
func TestLossIsNotFollowed(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 10})
		m := r.rematcher(options())
		settle(m)
		id := r.see(0)
		for name := range map[string]bool{"Ada/1.jpg": true, "Bruno/1.jpg": true} {
			r.rec.take(name)
		}
		settle(m)
		r.expect("all pictures gone", map[int64]string{id: "Ada"})
		job := r.latest()
		if job.State != history.Ready || job.Images != 1 {
			r.Fatalf("the job is %+v", job)
		}
		_, err := r.store.ChangeRematchState(r.Context(), job.ID, history.Applying)
		r.must(err)
		settle(m)
		r.expect("as somebody wished", map[int64]string{id: "unknown_person"})
	})
}

func TestCorrectionsSurvive(t *testing.T) {
	onBoth(t, func(r *rig) {
		known := map[string]float64{"Ada/1.jpg": 0, "Ada/2.jpg": 0.01, "Ada/3.jpg": 0.02, "Bruno/1.jpg": 0.375, "Clara/1.jpg": 9}
		for i := range 40 {
			known[fmt.Sprintf("Ada/more%d.jpg", i)] = float64(i) / 1000
		}
		r.know(known)
		m := r.rematcher(options())
		settle(m)
		wrong, unknown := r.see(0), r.see(5)
		people := map[string]int64{}
		list, err := r.store.People(r.Context())
		r.must(err)
		for _, p := range list {
			people[p.Name] = p.ID
		}
		face := func(id int64) int64 { return r.image(id).Faces[0].ID }

		not, err := r.store.CorrectFace(r.Context(), faces.Statement{FaceID: face(wrong), PersonID: people["Ada"], Not: true})
		r.must(err)
		if got := says(not.Image); got == "Ada" {
			r.Error("still Ada after somebody said no")
		}
		settle(m)
		// Bruno is beyond the many pictures of Ada; only recognizers know him.
		r.expect("not Ada", map[int64]string{wrong: "Bruno"})
		if f := r.image(wrong).Faces[0]; !f.Corrected || f.Confirmed {
			r.Errorf("the face says corrected %v, confirmed %v", f.Corrected, f.Confirmed)
		}

		is, err := r.store.CorrectFace(r.Context(), faces.Statement{FaceID: face(unknown), PersonID: people["Clara"]})
		r.must(err)
		if f := is.Image.Faces[0]; says(is.Image) != "Clara" || !f.Corrected || !f.Confirmed || is.Image.Status != faces.Processed {
			r.Errorf("said to be Clara, is %s: %+v", says(is.Image), f)
		}
		settle(m)
		if f := r.image(unknown).Faces[0]; f.MatchedImage != "Clara/1.jpg" || f.Best == nil || f.Best.Distance != 4 {
			r.Errorf("how far she is, is told as %+v", f.Best)
		}

		// Other known people.
		known["Ada/new.jpg"], known["Dora/1.jpg"] = 0, 5
		r.know(known)
		settle(m)
		r.expect("after a re-match", map[int64]string{wrong: "Bruno", unknown: "Clara"})

		// Another answer, whose box is a little off, of another model set.
		r.rec.model.ID = "official"
		for id, place := range map[int64]float64{wrong: 0, unknown: 5} {
			seen := r.recognize(place)
			seen.Sightings[0].Box.X += 7
			r.finish(r.requeue(id), seen)
			if id == unknown {
				r.expect("after a retry", map[int64]string{unknown: "Clara"})
			} else if got := says(r.image(wrong)); got == "Ada" {
				r.Error("Ada again after a retry")
			}
		}
		settle(m)
		r.expect("after a retry with another model set", map[int64]string{wrong: "Bruno", unknown: "Clara"})

		for _, c := range []store.Corrected{not, is} {
			_, err := r.store.UndoCorrection(r.Context(), c.Correction.ID, "")
			r.must(err)
		}
		settle(m)
		r.expect("undone", map[int64]string{wrong: "Ada", unknown: "Dora"})
		if f := r.image(wrong).Faces[0]; f.Corrected {
			r.Error("a face is corrected after its correction was undone")
		}
		settle(m)
		left, err := r.store.PendingCorrections(r.Context(), 10)
		r.must(err)
		if len(left) > 0 {
			r.Errorf("corrections nobody looked after: %v", left)
		}
	})
}

// A face that does not count stays so, whoever becomes known. Undone, it is matched
// again.
func TestDismissedFacesSurvive(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0})
		m := r.rematcher(options())
		settle(m)
		id := r.see(5)
		done, err := r.store.CorrectFace(r.Context(), faces.Statement{FaceID: r.image(id).Faces[0].ID, Kind: faces.SaysIgnore})
		r.must(err)
		settle(m)
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 5})
		settle(m)
		if img := r.image(id); img.Reason != faces.NoFace || img.Faces[0].Reason != faces.Ignored || img.Faces[0].Best != nil {
			r.Errorf("after a re-match: %s, %+v", img.Reason, img.Faces[0])
		}
		_, err = r.store.UndoCorrection(r.Context(), done.Correction.ID, "")
		r.must(err)
		settle(m)
		r.expect("undone", map[int64]string{id: "Bruno"})
	})
}

// A processor of the release before, which does not know that faces are dismissed,
// names one. The next holder of the lease dismisses it again.
func TestDismissedFacesComeBackAfterAnOlderProcessor(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0})
		older := r.rematcher(options())
		settle(older)
		id, other := r.see(0), r.see(0)
		for i, kind := range []faces.Kind{faces.SaysIgnore, faces.SaysNoFace} {
			_, err := r.store.CorrectFace(r.Context(), faces.Statement{FaceID: r.image([]int64{id, other}[i]).Faces[0].ID, Kind: kind})
			r.must(err)
		}
		settle(older)
		for _, query := range []string{
			"update faces set reason = 'identified', best_person_id = 1, matched_image = 'Ada/1.jpg', corrected = 0 where image_id = ?",
			"update images set status = 1, reason = 'identified', person = 1 where id = ?",
		} {
			_, err := r.raw.ExecContext(r.Context(), query, id)
			r.must(err)
		}
		r.must(older.Stop(r.Context()))
		newer := r.rematcher(options())
		settle(newer)
		for id, want := range map[int64]faces.Reason{id: faces.Ignored, other: faces.NotAFace} {
			if img := r.image(id); img.Reason != faces.NoFace || img.Faces[0].Reason != want {
				r.Errorf("image %d is %s, its face %s, want %s", id, img.Reason, img.Faces[0].Reason, want)
			}
		}
	})
}

// An answer that older known people gave while the job ran is caught up.
func TestLateAnswersAreCaughtUp(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0})
		m := r.rematcher(options())
		settle(m)
		id := r.see(0)
		busy := r.see(5)
		lease := r.requeue(busy)
		older := r.recognize(5)
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 5})
		settle(m)
		if got := r.image(busy); got.Status != faces.Processing {
			r.Errorf("an image at work became %s", got.Status)
		}
		r.finish(lease, older) // decided by the old recognizers
		r.expect("answered late", map[int64]string{busy: "unknown_person"})
		settle(m)
		r.expect("caught up", map[int64]string{id: "Ada", busy: "Bruno"})
		before := r.rec.matches()
		settle(m)
		if got := r.rec.matches(); got != before {
			r.Errorf("%d faces were matched again and again", got-before)
		}
	})
}

// No job starts while recognizers disagree.
func TestRecognizersThatDisagree(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0})
		m := r.rematcher(options())
		settle(m)
		id := r.see(5)
		old := newRecognizers()
		old.put("Ada/1.jpg", 0)
		r.rec.mu.Lock()
		r.rec.old = old
		r.rec.mu.Unlock()
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 5})
		for range 20 {
			m.RunOnce()
		}
		if r.jobs() > 0 {
			r.Error("a job began while recognizers disagreed")
		}
		r.rec.mu.Lock()
		r.rec.old = nil
		r.rec.mu.Unlock()
		settle(m)
		r.expect("agreed", map[int64]string{id: "Bruno"})
	})
}

func TestModelAndThresholdChange(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0})
		m := r.rematcher(options())
		settle(m)
		id := r.see(0.375)
		r.expect("at first", map[int64]string{id: "Ada"})
		o := options()
		o.Threshold = 0.25
		r.must(m.Stop(r.Context()))
		m = r.rematcher(o)
		settle(m)
		r.expect("a stricter threshold", map[int64]string{id: "unknown_person"})
		if job := r.latest(); job.Cause != history.CauseModel || job.Scope != history.ScopeFull {
			r.Errorf("the job was %+v", job)
		}
		r.rec.mu.Lock()
		r.rec.model.ID = "official"
		r.rec.mu.Unlock()
		other := r.see(0.125)
		settle(m)
		r.expect("another model set", map[int64]string{id: "unknown_person", other: "Ada"})
		if job := r.latest(); job.Cause != history.CauseModel || !strings.HasSuffix(job.Detail, "1 faces of other model sets stay as they are") {
			r.Errorf("the job was %+v", job)
		}
	})
}

// killed is a store that a program dies on.
type killed struct {
	rematch.Store
	mu    sync.Mutex // guards steps
	steps int        // until it dies
	dead  bool
}

var errKilled = errors.New("killed")

func (k *killed) StepRematch(ctx context.Context, token int64, job history.Job, step history.Step) (int64, []int64, error) {
	k.mu.Lock()
	k.steps--
	k.dead = k.dead || k.steps < 0
	dead := k.dead
	k.mu.Unlock()
	if dead {
		return 0, nil, errKilled
	}
	return k.Store.StepRematch(ctx, token, job, step)
}

func (k *killed) LeaseRematch(ctx context.Context, owner string, token int64, lease time.Duration) (int64, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dead {
		return 0, false, errKilled
	}
	return k.Store.LeaseRematch(ctx, owner, token, lease)
}

func (k *killed) FreeRematch(context.Context, int64) error { return nil } // who is killed frees nothing

func TestKilledJobIsTakenOver(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 100})
		m := r.rematcher(options())
		settle(m)
		want := map[int64]string{}
		for i := range 1300 {
			want[r.see(20+float64(i%4)*0.0625)] = "Clara"
		}
		want[r.see(100)] = "Bruno"
		r.must(m.Stop(r.Context()))
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 100, "Clara/1.jpg": 20})
		o := options()
		o.Page, o.Lease = 100, 3*time.Second
		first := r.rematcherOn(&killed{Store: r.store, steps: 1}, o)
		for range 6 {
			first.RunOnce()
		}
		job := r.latest()
		if job.State != history.Running || job.Images == 0 || job.Images >= 1300 {
			r.Fatalf("it was to be cut off half-way: %+v", job)
		}
		changed := 0
		for id := range want {
			if says(r.image(id)) == "Clara" {
				changed++
			}
		}
		if int64(changed) != job.Images {
			r.Errorf("%d images changed, the job says %d", changed, job.Images)
		}
		second := r.rematcher(o)
		if second.RunOnce() {
			r.Error("the lease of the first was not heeded")
		}
		deadline := time.Now().Add(time.Minute)
		for r.latest().State != history.Applied && time.Now().Before(deadline) {
			second.RunOnce()
		}
		r.expect("taken over", want)
		if job := r.latest(); r.jobs() != 1 || job.Images != 1300 || job.Skipped != 0 || job.Faces != 1301 {
			r.Errorf("the job is %+v of %d", job, r.jobs())
		}
		settle(second)
		if r.jobs() != 1 {
			r.Error("it was done once more")
		}
	})
}

func TestTwoAtOnce(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 100})
		o := options()
		o.Lease, o.Poll = 2*time.Second, 2*time.Millisecond
		two := []*rematch.Rematcher{r.rematcher(o), r.rematcher(o)}
		settle(two[0])
		want := map[int64]string{}
		for range 50 {
			want[r.see(20)] = "Clara"
		}
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 100, "Clara/1.jpg": 20})
		for _, m := range two {
			m.Start()
		}
		deadline := time.After(time.Minute)
		for r.jobs() == 0 || r.latest().State != history.Applied {
			select {
			case <-deadline:
				r.Fatalf("not applied: %d jobs", r.jobs())
			case <-time.After(5 * time.Millisecond):
			}
		}
		for _, m := range two {
			r.must(m.Stop(r.Context()))
		}
		r.expect("once", want)
		if job := r.latest(); r.jobs() != 1 || job.Images != 50 || job.Faces != 50 {
			r.Errorf("the job is %+v of %d", job, r.jobs())
		}
	})
}

// What else the lease's holder has to do waits until nothing is to be
// re-matched, and for recognizers that agree.
func TestWhenIdle(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.know(map[string]float64{"Ada/1.jpg": 0})
		var calls []string
		m := r.rematcher(options())
		m.WhenIdle(func(ctx context.Context, token int64, model faces.Model) (bool, error) {
			_, _, err := r.store.AgreeOnModel(ctx, token, model, true) // is refused without the lease
			r.must(err)
			calls = append(calls, model.ID)
			return len(calls) < 3, nil
		})
		image := r.see(20)
		settle(m)
		if len(calls) < 3 || calls[0] != lite.ID {
			r.Errorf("called for %v", calls)
		}
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 20})
		m.RunOnce()
		before := len(calls)
		if m.RunOnce(); says(r.image(image)) == "Bruno" && len(calls) != before {
			r.Error("called in a turn that re-matched")
		}
		settle(m)
		before = len(calls)
		r.rec.old = &recognizers{model: faces.Model{ID: "older"}, pictures: r.rec.pictures}
		settle(m)
		if len(calls) != before {
			r.Error("called while recognizers disagree")
		}
	})
}
