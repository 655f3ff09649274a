package recognizer_test

// This file owns the tests of what is remembered between two starts.

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/fake"
)

// cacheFixture has a gallery of 10 pictures, 2 of them unusable, and a cache.
func cacheFixture(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.opts.Cache = filepath.Join(t.TempDir(), "data", "gallery")
	for i := range 8 {
		f.known(fmt.Sprintf("Ann/%d.png", i), fake.Portrait(red))
	}
	f.known("nobody.png", fake.Group())
	f.known("two.png", fake.Group(red, blue))
	f.unknown("red.png", fake.Portrait(red))
	return f
}

// allLooks is how often the engines look at cacheFixture's known pictures: at
// the eight usable ones twice, enlarged and as they are, at two with a problem
// once.
const allLooks = 8*2 + 2

// restart starts again, with new engines, and returns how often they looked at
// known pictures.
func (f *fixture) restart() int {
	f.t.Helper()
	if f.recognizer != nil {
		f.close()
	}
	f.studio = &fake.Studio{}
	f.start()
	return f.studio.Calls()
}

func (f *fixture) cacheFile() string { return filepath.Join(f.opts.Cache, f.model.ID+".cache") }

// checkGallery wants the gallery of cacheFixture.
func (f *fixture) checkGallery() {
	f.t.Helper()
	if got := f.info(); got.GetKnownImages() != 8 || len(got.GetProblems()) != 2 {
		f.t.Errorf("%d known pictures, problems %v; want 8 and 2", got.GetKnownImages(), got.GetProblems())
	}
	if got := f.nearest("red.png"); got != "Ann/0.png" {
		f.t.Errorf("nearest %q", got)
	}
}

func TestSecondStartDescribesNothing(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	if got := f.restart(); got != allLooks {
		t.Fatalf("%d looks at the first start, want %d", got, allLooks)
	}
	version := f.info().GetGalleryVersion()
	for range 2 {
		if got := f.restart(); got != 0 {
			t.Errorf("%d pictures described at the next start, want none", got)
		}
		f.checkGallery()
		if got := f.info().GetGalleryVersion(); got != version {
			t.Errorf("version %s, want %s as before", got, version)
		}
	}
	if !f.logged("two.png") {
		t.Error("the problems are not told after a restart")
	}
	files, err := os.ReadDir(f.opts.Cache)
	if err != nil || len(files) != 1 {
		t.Errorf("files %v, error %v; want one", files, err)
	}
	info, err := os.Stat(f.cacheFile())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the cache is %v, error %v; want it for its owner only", info.Mode(), err)
	}
}

func TestOnlyWhatHasChangedIsDescribed(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	f.restart()
	f.close()
	f.known("Ann/0.png", larger(fake.Portrait(yellow))) // another size
	later := time.Now().Add(time.Minute)                // another time
	if err := os.Chtimes(filepath.Join(f.opts.KnownPeople, "Ann/1.png"), later, later); err != nil {
		t.Fatal(err)
	}
	f.known("Bob/1.png", fake.Portrait(blue))
	if err := os.Remove(filepath.Join(f.opts.KnownPeople, "Ann/2.png")); err != nil {
		t.Fatal(err)
	}
	if got := f.restart(); got != 3*2 {
		t.Errorf("%d looks, want two at each of 3 pictures", got)
	}
	if got := f.nearest("red.png"); got != "Ann/1.png" {
		t.Errorf("nearest %q", got)
	}
	if got := f.restart(); got != 0 {
		t.Errorf("%d pictures described at the start after, want none", got)
	}
}

// Who is removed is forgotten on disk, too.
func TestRemovedPicturesLeaveTheCache(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t).often()
	f.known("Secret/1.png", fake.Portrait(green))
	f.restart()
	holds := func() bool {
		raw, err := os.ReadFile(f.cacheFile())
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(raw, []byte("Secret/1.png"))
	}
	if !holds() {
		t.Fatal("the picture is not in the cache at all")
	}
	if err := os.RemoveAll(filepath.Join(f.opts.KnownPeople, "Secret")); err != nil {
		t.Fatal(err)
	}
	f.eventually("it is forgotten", func() bool { return !holds() })
}

func TestUselessCaches(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	f.restart()
	f.close()
	good, err := os.ReadFile(f.cacheFile())
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-20] ^= 1
	// The same length and a right checksum of other content: another model's.
	other := f.otherModelsCache()
	for name, raw := range map[string][]byte{
		"empty":              {},
		"truncated":          good[:len(good)-1],
		"truncated early":    good[:30],
		"damaged":            flipped,
		"text":               []byte("hello\n"),
		"of another model":   other,
		"of another version": bytes.Replace(good, []byte("cache 2"), []byte("cache 9"), 1),
		"with more":          append(bytes.Clone(good), 'x'),
	} {
		t.Run(name, func(t *testing.T) { // one after the other: they share the file
			f.t = t
			if err := os.WriteFile(f.cacheFile(), raw, 0o600); err != nil {
				t.Fatal(err)
			}
			f.log = &logBuffer{}
			if got := f.restart(); got != allLooks {
				t.Errorf("%d looks, want %d", got, allLooks)
			}
			f.checkGallery()
			if !f.logged("the gallery cache is of no use") {
				t.Errorf("the log says nothing:\n%s", f.log)
			}
			if got := f.restart(); got != 0 {
				t.Errorf("%d pictures described at the start after, want none: the cache was not renewed", got)
			}
			f.close()
		})
	}
}

// otherModelsCache returns a valid cache of another model set, in which the
// same pictures have other descriptors.
func (f *fixture) otherModelsCache() []byte {
	f.t.Helper()
	g := newFixture(f.t)
	g.opts = f.opts
	g.opts.Cache = filepath.Join(f.t.TempDir(), "other")
	g.model.ID = "fake-2"
	g.studio.Recognize = func(jpeg []byte) ([]engine.Found, error) {
		found, err := fake.Find(jpeg)
		for i := range found {
			found[i].Descriptor[100] = 0.5
		}
		return found, err
	}
	g.start()
	g.close()
	raw, err := os.ReadFile(g.cacheFile())
	if err != nil {
		f.t.Fatal(err)
	}
	return raw
}

// Two model sets in one folder keep to themselves.
func TestModelSetsHaveTheirOwnCaches(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	f.restart()
	f.close()
	f.model.ID = "a/b ../c" // any text may be an id
	if got := f.restart(); got != allLooks {
		t.Errorf("%d looks with another model set, want %d", got, allLooks)
	}
	if got := f.restart(); got != 0 {
		t.Errorf("%d pictures described again with that set, want none", got)
	}
	f.close()
	f.model = fake.Model()
	if got := f.restart(); got != 0 {
		t.Errorf("%d pictures described with the first model set again, want none", got)
	}
	files, err := os.ReadDir(f.opts.Cache)
	if err != nil || len(files) != 2 {
		t.Errorf("files %v, error %v; want two", files, err)
	}
}

// What is too large depends on a setting; descriptors do not.
func TestProblemsAreOfTheSettings(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	f.restart()
	f.opts.MaxPixels *= 2
	if got := f.restart(); got != 2 {
		t.Errorf("%d pictures described with another limit, want the 2 with problems", got)
	}
	f.checkGallery()
}

// A cache that cannot be written costs the next start its time, no more.
func TestCacheThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	write(t, filepath.Dir(f.opts.Cache), nil) // a file where a folder should be
	for range 2 {
		if got := f.restart(); got != allLooks {
			t.Errorf("%d looks, want %d", got, allLooks)
		}
		f.checkGallery()
	}
	if !f.logged("the next start will have to describe the known pictures anew") {
		t.Errorf("the log says nothing:\n%s", f.log)
	}
}

// A start that is stopped half way is taken up there.
func TestInterruptedStartIsTakenUp(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	f.opts.Engines = 1
	arrived, open := make(chan struct{}, 100), make(chan struct{}, 100)
	f.studio.Recognize = func(jpeg []byte) ([]engine.Found, error) {
		arrived <- struct{}{}
		<-open
		return fake.Find(jpeg)
	}
	f.open()
	f.recognizer.Start()
	const done = 4
	for range done {
		within(t, "a picture", arrived)
		open <- struct{}{}
	}
	within(t, "the last picture", arrived)
	closed := make(chan struct{})
	go func() { f.close(); close(closed) }()
	f.eventually("the server has stopped", f.refuses)
	close(open)
	within(t, "close", closed)
	f.studio = &fake.Studio{}
	f.start()
	if got := f.studio.Calls(); got > allLooks-done {
		t.Errorf("%d looks at the next start, want at most %d", got, allLooks-done)
	}
	f.checkGallery()
}
