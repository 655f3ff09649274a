package rematch_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func (r *recognizers) DescribeFace(_ context.Context, path string, box faces.Box, file faces.File) (faces.Described, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cannot != nil {
		return faces.Described{}, r.cannot
	}
	d := faces.Described{Model: r.model, Gallery: r.version(), File: r.file, Changed: r.file.SHA256 != file.SHA256}
	x, ok := r.drawn[box]
	if d.Changed || !ok || !strings.HasPrefix(path, "/unknown_people/") {
		d.Changed = true
		return d, nil
	}
	r.described++
	d.Sighting = faces.Sighting{Box: box, Descriptor: at(x), Quality: faces.Quality{Score: 1, Size: 60}, Landmarks: []faces.Point{{X: 1, Y: 2}}}
	return d, nil
}

func (r *recognizers) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func fileOf(letter string) faces.File {
	return faces.File{Size: 9, Modified: 7, SHA256: strings.Repeat(letter, 64)}
}

// Boxes beside those of the faces that are found, and where their faces are.
var (
	boxOfAda   = faces.Box{X: 300, Y: 20, Width: 60, Height: 70}
	boxOfBruno = faces.Box{X: 500, Y: 20, Width: 60, Height: 70}
)

// drawing is a rig with a picture of a stranger, in which faces of Ada and of Bruno
// were not found.
func drawing(r *rig) int64 {
	r.rec.drawn, r.rec.file = map[faces.Box]float64{boxOfAda: 0.125, boxOfBruno: 5}, fileOf("a")
	r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 5})
	return r.see(9)
}

func (r *rig) draw(image int64, box faces.Box, name string) store.Corrected {
	r.Helper()
	done, err := r.store.DrawFace(r.Context(), faces.Drawing{ImageID: image, Box: box, Name: name})
	r.must(err)
	return done
}

// shows says who the faces of an image are, each with its model set.
func shows(img faces.Image) string {
	text := ""
	for _, f := range img.Faces {
		who := string(f.Reason)
		if f.Person != nil {
			who = f.Person.Name
		}
		if f.Drawn {
			who = fmt.Sprintf("drawn %s by %q", who, f.Model)
		}
		text += who + ", "
	}
	return text + says(img)
}

func (r *rig) shows(what string, image int64, want string) {
	r.Helper()
	if diff := cmp.Diff(want, shows(r.image(image))); diff != "" {
		r.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A drawn face is decided as any other one, once it has a descriptor.
func TestDrawnFacesAreDescribed(t *testing.T) {
	onBoth(t, func(r *rig) {
		id := drawing(r)
		m := r.rematcher(options())
		settle(m)
		who := r.draw(id, boxOfAda, "")
		named := r.draw(id, boxOfBruno, "Cleo")
		r.shows("at once", id, `unknown_person, drawn unknown_person by "", drawn Cleo by "", Cleo`)
		settle(m)
		r.shows("described", id, `unknown_person, drawn Ada by "lite", drawn Cleo by "lite", Cleo`)
		f := r.image(id).Faces[1]
		if !cmp.Equal(f.Descriptor, at(0.125)) || f.Best == nil || f.Best.Distance != 0.125 || f.Quality.Size != 60 || len(f.Landmarks) != 1 || f.ID != who.FaceID {
			t.Errorf("the drawn face: %+v", f)
		}
		if r.rec.described != 2 {
			t.Errorf("%d faces were described, want 2", r.rec.described)
		}

		_, err := r.store.CorrectFace(r.Context(), faces.Statement{FaceID: f.ID, PersonID: f.Person.ID, Not: true})
		r.must(err)
		settle(m)
		r.shows("not Ada", id, `unknown_person, drawn unknown_person by "lite", drawn Cleo by "lite", Cleo`)
		r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 5, "Dora/1.jpg": 0.25, "Eve/1.jpg": 9})
		settle(m)
		r.shows("others are known", id, `Eve, drawn Dora by "lite", drawn Cleo by "lite", Cleo`)
		_, err = r.store.UndoCorrection(r.Context(), named.Correction.ID, "")
		r.must(err)
		settle(m)
		r.shows("the drawing is undone", id, `Eve, drawn Dora by "lite", Eve`)
	})
}

// A picture that has changed is not described in place of the one in which somebody
// drew. When it is processed again, it is.
func TestDrawnFacesOfAChangedFile(t *testing.T) {
	onBoth(t, func(r *rig) {
		id := drawing(r)
		m := r.rematcher(options())
		settle(m)
		r.draw(id, boxOfAda, "")
		r.rec.set(func() { r.rec.file = fileOf("b") })
		settle(m)
		r.shows("another file", id, `unknown_person, drawn unknown_person by "", unknown_person`)
		r.finish(r.requeue(id), r.recognize(9))
		settle(m)
		r.shows("processed again", id, `unknown_person, drawn Ada by "lite", Ada`)
		r.rec.set(func() { r.rec.file = fileOf("c"); r.rec.drawn[boxOfAda] = 5 })
		r.finish(r.requeue(id), r.recognize(9))
		r.shows("a third file, at once", id, `unknown_person, drawn unknown_person by "", unknown_person`)
		settle(m)
		r.shows("a third file", id, `unknown_person, drawn Bruno by "lite", Bruno`)
		r.rec.set(func() { r.rec.file = faces.File{} }) // as recognizers of 0.1.0 answer
		r.finish(r.requeue(id), r.recognize(9))
		settle(m)
		r.shows("of an unknown file", id, `unknown_person, drawn unknown_person by "", unknown_person`)
	})
}

// A face that was described keeps its descriptor and its name while its image is
// processed again, and is described again by another model set.
func TestDrawnFacesKeepTheirDescriptor(t *testing.T) {
	onBoth(t, func(r *rig) {
		id := drawing(r)
		m := r.rematcher(options())
		settle(m)
		r.draw(id, boxOfAda, "")
		settle(m)
		r.finish(r.requeue(id), r.recognize(9))
		r.shows("the same file, at once", id, `unknown_person, drawn Ada by "lite", Ada`)
		settle(m)
		if r.rec.described != 1 {
			t.Errorf("it was described %d times, want once", r.rec.described)
		}
		r.finish(r.requeue(id), r.recognize(0))
		r.shows("Ada is found, too, and nearer", id, `Ada, drawn uncertain by "lite", Ada`)
		r.finish(r.requeue(id), r.recognize(9))
		settle(m)
		r.shows("and no more", id, `unknown_person, drawn Ada by "lite", Ada`)

		other := lite
		other.ID = "other"
		r.rec.set(func() { r.rec.model = other })
		r.finish(r.requeue(id), r.recognize(9))
		r.shows("another model set, at once", id, `unknown_person, drawn Ada by "lite", Ada`)
		settle(m)
		r.shows("another model set", id, `unknown_person, drawn Ada by "other", Ada`)
		seen := r.recognize(9, 5)
		seen.Sightings[1].Box = boxOfAda
		r.finish(r.requeue(id), seen)
		settle(m)
		r.shows("found by a detector", id, `unknown_person, Bruno, Bruno`)
	})
}

// The event of an image tells the answer that is stored: with the people of faces that
// were drawn and described before.
func TestEventsOfDrawnFaces(t *testing.T) {
	onBoth(t, func(r *rig) {
		id := drawing(r)
		m := r.rematcher(options())
		settle(m)
		r.draw(id, boxOfAda, "")
		settle(m)
		r.finish(r.requeue(id), r.recognize(9))
		r.tells("processed again", id, "image.answered identified Ada")
		r.finish(r.requeue(id), r.recognize(0))
		r.tells("Ada is found, too, and nearer", id, "image.answered identified Ada")
		r.finish(r.requeue(id), r.recognize(5))
		r.tells("Bruno is found, too", id, "image.answered identified Ada Bruno")
	})
}

// A kept face is a new row: were it as old as the one before, all rows with smaller ids
// would count as settled, and those of slow transactions would never be matched again.
func TestKeptDrawnFacesAreNew(t *testing.T) {
	onBoth(t, func(r *rig) {
		id := drawing(r)
		m := r.rematcher(options())
		settle(m)
		r.draw(id, boxOfAda, "")
		settle(m)
		begin := time.Now()
		r.finish(r.requeue(id), r.recognize(9))
		r.shows("processed again", id, `unknown_person, drawn Ada by "lite", Ada`)
		settled, err := r.store.SettledFace(r.Context(), begin)
		r.must(err)
		for _, f := range r.image(id).Faces {
			if f.ID <= settled {
				r.Errorf("face %d was stored now, and the faces up to %d count as settled before", f.ID, settled)
			}
		}
	})
}

// tells checks the newest event of an image.
func (r *rig) tells(what string, image int64, want string) {
	r.Helper()
	_, err := r.store.SequenceEvents(r.Context(), 1000)
	r.must(err)
	page, err := r.store.Events(r.Context(), 0, nil, 1000)
	r.must(err)
	got := ""
	for _, e := range page.Events {
		if e.ImageID == image {
			var names []string
			for _, id := range e.People {
				names = append(names, e.Names[id])
			}
			slices.Sort(names)
			got = strings.Join(append([]string{string(e.Type), string(e.Reason)}, names...), " ")
		}
	}
	if got != want {
		r.Errorf("%s: the newest event says %q, want %q", what, got, want)
	}
}

// What a recognizer cannot do now is asked again later, by this program or another.
func TestDrawnFacesWaitForRecognizers(t *testing.T) {
	for name, err := range map[string]error{
		"of an older release": fmt.Errorf("%w: %w", faces.ErrNotOffered, faces.Fault(faces.RecognizerUnavailable, "too old")),
		"not ready":           fmt.Errorf("%w: %w", faces.ErrNotAsked, faces.Fault(faces.RecognizerUnavailable, "not ready")),
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(r *rig) {
				id := drawing(r)
				r.rec.cannot = err
				older := r.rematcher(options())
				settle(older)
				r.draw(id, boxOfAda, "")
				settle(older)
				r.shows("cannot", id, `unknown_person, drawn unknown_person by "", unknown_person`)
				r.know(map[string]float64{"Ada/1.jpg": 0, "Bruno/1.jpg": 5, "Eve/1.jpg": 9})
				settle(older)
				r.shows("all else goes on", id, `Eve, drawn unknown_person by "", Eve`)
				r.must(older.Stop(r.Context()))
				r.rec.set(func() { r.rec.cannot = nil })
				settle(r.rematcher(options()))
				r.shows("can", id, `Eve, drawn Ada by "lite", Eve`)
			})
		})
	}
}

// One picture that cannot be described is in the way of no other.
func TestDrawnFacesOfABadPicture(t *testing.T) {
	for name, err := range map[string]error{
		"is gone":          faces.Fault(faces.NotFound, "there is no such file"),
		"fails":            faces.Fault(faces.Internal, "the recognizer failed on this picture"),
		"another size now": faces.Errorf(faces.CodeInvalid, "the box is not inside the picture"),
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(r *rig) {
				id := drawing(r)
				m := r.rematcher(options())
				settle(m)
				r.draw(id, boxOfAda, "")
				r.rec.set(func() { r.rec.cannot = err })
				settle(m)
				r.rec.set(func() { r.rec.cannot = nil })
				other := r.see(9)
				r.draw(other, boxOfBruno, "")
				r.must(m.Stop(r.Context()))
				m = r.rematcher(options())
				settle(m)
				r.shows("the other", other, `unknown_person, drawn Bruno by "lite", Bruno`)
				r.shows("this one waits", id, `unknown_person, drawn unknown_person by "", unknown_person`)
				r.finish(r.requeue(id), r.recognize(9))
				settle(m)
				r.shows("processed again", id, `unknown_person, drawn Ada by "lite", Ada`)
			})
		})
	}
}

// A program of the release before stores no time at which a face is to be described.
func TestDrawnFacesOfAnOlderReceiver(t *testing.T) {
	onBoth(t, func(r *rig) {
		id := drawing(r)
		r.draw(id, boxOfAda, "")
		_, err := r.raw.ExecContext(r.Context(), "update corrections set describe_at = null")
		r.must(err)
		settle(r.rematcher(options()))
		r.shows("described", id, `unknown_person, drawn Ada by "lite", Ada`)
	})
}
