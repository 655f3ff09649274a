package recognizer_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
)

func (f *fixture) look(how recognizer.KnownLook) []recognizer.KnownPicture {
	f.t.Helper()
	list, err := recognizer.Known(f.t.Context(), f.opts, f.model, f.studio.Open, how)
	if err != nil {
		f.t.Fatal(err)
	}
	if f.studio.Opened() != f.studio.Closed() {
		f.t.Errorf("%d engines opened, %d closed", f.studio.Opened(), f.studio.Closed())
	}
	return list
}

func TestKnown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	portrait, notes := fakeengine.Portrait(red), []byte("notes")
	f.known("Ann/1.png", portrait)
	f.known("none.png", fakeengine.Group())
	f.known("two.png", fakeengine.Group(red, blue))
	f.known("notes.txt", notes)
	f.known(".hidden.png", portrait)
	var told [2]int
	f.opts.Engines = 1
	list := f.look(recognizer.KnownLook{Progress: func(done, total int) { told = [2]int{done, total} }})
	if told != [2]int{4, 4} {
		t.Errorf("told %v of the progress", told)
	}
	got := map[string]faces.Reason{}
	for _, p := range list {
		got[p.Name] = p.Reason
		if (p.Problem == "") != (p.Reason == faces.NoReason) || (p.Problem == "") != (len(p.Descriptors) > 0) {
			t.Errorf("%+v", p)
		}
		if p.Sum == [sha256.Size]byte{} {
			t.Errorf("%s has no sum", p.Name)
		}
	}
	want := map[string]faces.Reason{
		"Ann/1.png": faces.NoReason, "none.png": faces.NoFace, "two.png": faces.Uncertain, "notes.txt": faces.UnsupportedFormat,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if ann := list[0]; ann.Sum != sha256.Sum256(portrait) || !slices.Equal(ann.Descriptors[0], fakeengine.Describe(red)) {
		t.Errorf("%+v", ann)
	}
}

func TestKnownIsRemembered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.Cache = t.TempDir()
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	f.start()
	f.close()
	f.known("Bob/1.png", fakeengine.Portrait(green)) // another picture by now
	before := f.studio.Calls()
	list := f.look(recognizer.KnownLook{Remembered: true})
	once := f.studio.Calls() - before
	if !slices.Equal(list[0].Descriptors[0], fakeengine.Describe(red)) || !slices.Equal(list[1].Descriptors[0], fakeengine.Describe(green)) {
		t.Errorf("%+v", list)
	}
	seen := f.look(recognizer.KnownLook{})
	if seen[0].Quality == (faces.Quality{}) || list[0].Quality != (faces.Quality{}) || list[1].Quality != seen[1].Quality {
		t.Errorf("quality: seen %+v, remembered %+v", seen, list)
	}
	list[0].Quality = seen[0].Quality // this alone is not remembered
	if diff := cmp.Diff(list, seen); diff != "" {
		t.Errorf("remembered and looked at (-+):\n%s", diff)
	}
	if both := f.studio.Calls() - before - once; once == 0 || both != 2*once {
		t.Errorf("%d looks for one changed picture, %d for two", once, both)
	}
}

func TestKnownGivesUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := recognizer.Known(ctx, f.opts, f.model, f.studio.Open, recognizer.KnownLook{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	f.opts.KnownPeople += "/gone"
	if _, err := recognizer.Known(t.Context(), f.opts, f.model, f.studio.Open, recognizer.KnownLook{}); err == nil {
		t.Error("a folder that is not there: no error")
	}
}
