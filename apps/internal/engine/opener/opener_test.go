package opener_test

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/enginetest"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// counter counts the faces described by the reference.
type counter struct {
	engine.Engine
	enrolled, reexamined *atomic.Int64
}

func (c counter) Look(ctx context.Context, file []byte, purpose engine.Purpose) (engine.Seen, error) {
	seen, err := c.Engine.Look(ctx, file, purpose)
	if purpose == engine.Enrol {
		c.enrolled.Add(int64(len(seen.Faces)))
	}
	return seen, err
}

func (c counter) Reexamine(ctx context.Context, numbers []int) ([]faces.Descriptor, error) {
	c.reexamined.Add(int64(len(numbers)))
	return c.Engine.Reexamine(ctx, numbers)
}

// system is a recognizer with real engines.
type system struct {
	t          *testing.T
	recognizer *recognizer.Recognizer
	model      faces.Model
	counter    counter
}

// start starts a recognizer of a model set and waits until it has read the known
// people, all of whose pictures must be usable.
func start(t *testing.T, id, known, unknown string) *system {
	t.Helper()
	set, open := enginetest.Load(t, id)
	s := &system{t: t, model: set.Model(), counter: counter{enrolled: new(atomic.Int64), reexamined: new(atomic.Int64)}}
	counted := func() (engine.Engine, error) {
		e, err := open()
		return counter{Engine: e, enrolled: s.counter.enrolled, reexamined: s.counter.reexamined}, err
	}
	reg := prometheus.NewRegistry()
	var err error
	s.recognizer, err = recognizer.New(recognizer.Options{
		KnownPeople: known, UnknownPeople: unknown, Engines: 2, MaxPixels: picture.Defaults().MaxPixels, Refresh: 50 * time.Millisecond,
		Cache: t.TempDir(),
	}, s.model, counted, kernel.New(), slog.New(slog.NewTextHandler(t.Output(), nil)), reg)
	if err != nil {
		t.Fatal(err)
	}
	s.recognizer.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.recognizer.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	s.waitReady()
	s.counter.reexamined.Store(0) // the self-test at the start uses the reference, too
	if usable, unusable := knownPictures(t, reg); usable == 0 || unusable != 0 {
		t.Fatalf("%v known pictures can be used, %v cannot: each must show one face", usable, unusable)
	}
	return s
}

func (s *system) waitReady() {
	s.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for s.recognizer.Ready(s.t.Context()) != nil {
		select {
		case <-ticker.C:
		case <-s.t.Context().Done():
			s.t.Fatal(s.t.Context().Err())
		}
	}
}

func nearestLimit(m faces.Model) nearest.Limit {
	l := m.Limit(16)
	return nearest.Limit{Count: l.Count, Slack: l.Slack, Within: l.Within}
}

// decide decides about a picture in the folder of unknown people.
func (s *system) decide(name string) faces.Outcome {
	s.t.Helper()
	seen, _, err := s.recognizer.Recognize(s.t.Context(), recognizer.Source{Path: name}, nearestLimit(s.model))
	if err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	for i := range seen.Sightings {
		seen.Sightings[i].Horizon = s.model.Limit(16).Horizon(seen.Sightings[i].Neighbours)
	}
	seen.People = 2 // more than one person is known in every test
	return faces.Decide(seen, owner)
}

// knownPictures reads the recognizer's metrics about its gallery.
func knownPictures(t *testing.T, reg *prometheus.Registry) (usable, unusable float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	gauges := map[string]float64{}
	for _, f := range families {
		gauges[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	return gauges["rollcall_known_pictures"], gauges["rollcall_known_picture_problems"]
}

// owner returns the person whose folder a known picture is in.
func owner(image string) (faces.Person, bool) {
	name, _, ok := strings.Cut(image, "/")
	id := int64(0)
	for _, r := range name { // any number that differs by name
		id = id*31 + int64(r)
	}
	return faces.Person{ID: id, Name: name}, ok
}

// namesIn returns who was identified, sorted.
func namesIn(out faces.Outcome) []string {
	names := []string{}
	for _, f := range out.Faces {
		if f.Person != nil {
			names = append(names, f.Person.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestSamplesAreAnsweredAsExpected(t *testing.T) {
	t.Parallel()
	expected, err := samples.Expected()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := samples.Extract(dir); err != nil {
		t.Fatal(err)
	}
	s := start(t, modelset.Default, filepath.Join(dir, "known"), filepath.Join(dir, "unknown"))
	asked := 0
	for name, want := range expected {
		out := s.decide(name)
		got := samples.Expectation{People: namesIn(out), Faces: len(out.Faces), Reason: string(out.Reason)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		asked += len(out.Faces)
		checkBoxes(t, name, out)
	}
	// go-face takes five times as long as the networks. It must describe only
	// known faces and those that are hard to decide about.
	known, err := fs.Glob(os.DirFS(dir), "known/*/*.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.counter.enrolled.Load(); got != int64(len(known)) {
		t.Errorf("go-face described %d known faces, want each of %d once", got, len(known))
	}
	if got := s.counter.reexamined.Load(); got > int64(asked)/2 {
		t.Errorf("go-face described %d of %d faces again; want half of them at most", got, asked)
	}
}

// checkBoxes checks that every face and landmark is inside the picture.
func checkBoxes(t *testing.T, name string, out faces.Outcome) {
	t.Helper()
	for _, f := range out.Faces {
		b := f.Box
		if b.X < 0 || b.Y < 0 || b.Width < 1 || b.Height < 1 || b.X+b.Width > out.Width || b.Y+b.Height > out.Height {
			t.Errorf("%s: box %+v in a picture of %d x %d", name, b, out.Width, out.Height)
		}
		for _, p := range f.Landmarks {
			if p.X < 0 || p.Y < 0 || p.X >= out.Width || p.Y >= out.Height {
				t.Errorf("%s: landmark %+v in a picture of %d x %d", name, p, out.Width, out.Height)
			}
		}
	}
}

// photographs returns the folders of known people and of groups. It skips the
// test if there are none.
func photographs(t *testing.T) (known, groups string) {
	t.Helper()
	dir := os.Getenv("ROLLCALL_TEST_FACES")
	if dir == "" {
		t.Skip("ROLLCALL_TEST_FACES names no folder of photographs")
	}
	known = filepath.Join(t.TempDir(), "known")
	if err := os.CopyFS(known, os.DirFS(filepath.Join(dir, "people"))); err != nil {
		t.Fatal(err)
	}
	return known, filepath.Join(dir, "groups")
}

// Photographs of characters of a series, some in disguise, among portraits of
// its cast and of others. Names are from left to right.
func TestPhotographsOfGroups(t *testing.T) {
	t.Parallel()
	s := func() *system {
		known, groups := photographs(t)
		return start(t, modelset.Default, known, groups)
	}()
	named, all := 0, 0
	for name, want := range map[string][]string{
		"bbt1.jpg": {"raj", "leonard", "howard", "sheldon"},
		"bbt2.jpg": {"raj", "leonard", "sheldon"},
		"bbt3.jpg": {"sheldon", "howard", "penny", "raj", "leonard"},
		"bbt4.jpg": {"leonard", "amy", "raj", "penny", "sheldon", "bernadette"},
		"bbt5.jpg": {"raj", "penny", "sheldon", "leonard", "howard"},
	} {
		out := s.decide(name)
		checkBoxes(t, name, out)
		if len(out.Faces) != len(want) {
			t.Errorf("%s: %d faces, want %d", name, len(out.Faces), len(want))
			continue
		}
		for i, f := range out.Faces {
			all++
			t.Logf("%s, face %d: %s, nearest %s at %.3f", name, i, f.Reason, f.MatchedImage, f.Best.Distance)
			if f.Person == nil {
				continue
			}
			named++
			if f.Person.Name != want[i] {
				t.Errorf("%s: face %d is taken for %s, want %s", name, i, f.Person.Name, want[i])
			}
		}
	}
	if named < 20 {
		t.Errorf("%d of %d faces are named, want 20 or more", named, all)
	}
}

// go-face alone is the fallback and must keep working.
func TestGoFaceAlone(t *testing.T) {
	t.Parallel()
	known, groups := photographs(t)
	s := start(t, modelset.GoFaceSet, known, groups)
	out := s.decide("bbt1.jpg")
	checkBoxes(t, "bbt1.jpg", out)
	want := []string{"raj", "leonard", "howard", "sheldon"}
	if len(out.Faces) != len(want) {
		t.Fatalf("%d faces, want %d", len(out.Faces), len(want))
	}
	for i, f := range out.Faces {
		t.Logf("face %d: %s, nearest %s at %.3f", i, f.Reason, f.MatchedImage, f.Best.Distance)
		if f.Person != nil && f.Person.Name != want[i] {
			t.Errorf("face %d is taken for %s, want %s", i, f.Person.Name, want[i])
		}
	}
}
