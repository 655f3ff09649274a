package recognizer_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
)

// cacheFixture has a gallery of 10 pictures, 2 of them unusable.
func cacheFixture(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	for i := range 8 {
		f.known(fmt.Sprintf("Ann/%d.png", i), shot(fakeengine.Portrait(red), i))
	}
	f.known("nobody.png", fakeengine.Group())
	f.known("two.png", fakeengine.Group(red, blue))
	f.unknown("red.png", fakeengine.Portrait(red))
	return f
}

// allLooks is the number of engine calls for cacheFixture's known pictures: two for
// each of the eight usable ones (enlarged and at their own size), and one for each of
// the two with a problem.
const allLooks = 8*2 + 2

// restart restarts with new engines. It returns the number of engine calls for known
// pictures.
func (f *fixture) restart() int {
	f.t.Helper()
	if f.recognizer != nil {
		f.close()
	}
	f.studio = &fakeengine.Studio{}
	f.start()
	return f.studio.Calls()
}

// cacheFolder is the cache's folder beside the pictures.
func (f *fixture) cacheFolder() string {
	return filepath.Join(f.opts.KnownPeople, ".rollcall", "gallery-1", f.model.ID)
}

// segments reads the files of a cache, by name.
func segments(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue // tidied away since
		}
		if err != nil {
			t.Fatal(err)
		}
		files[name] = raw
	}
	return files
}

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
	if got := len(segments(t, f.cacheFolder())); got != 1 {
		t.Errorf("%d files, want one", got)
	}
	err := filepath.WalkDir(filepath.Join(f.opts.KnownPeople, ".rollcall"), func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v; want it for its owner only", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// garble changes a file's bytes but not its size and time, so that only reading it
// reveals the change.
func garble(t *testing.T, name string) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.Repeat([]byte("x"), int(info.Size())), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

func TestTenThousandPicturesAreNotReadAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const many = 10_000
	for i := range many { // copies of ten pictures: files enough, and soon described
		name := filepath.Join(f.opts.KnownPeople, fmt.Sprintf("person %03d", i/100), fmt.Sprintf("%d.png", i))
		if i%100 == 0 {
			if err := os.Mkdir(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(name, shot(fakeengine.Portrait(red), i%10), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.restart(); got != 10*2 {
		t.Errorf("%d looks at 10 contents, want 20", got)
	}
	version := f.info().GetGalleryVersion()
	f.close()
	for i := range many {
		garble(t, filepath.Join(f.opts.KnownPeople, fmt.Sprintf("person %03d", i/100), fmt.Sprintf("%d.png", i)))
	}
	begin := time.Now()
	if got := f.restart(); got != 0 {
		t.Errorf("%d looks at the next start, want none", got)
	}
	t.Logf("ready after %s", time.Since(begin))
	if got := f.info(); got.GetKnownImages() != many || got.GetGalleryVersion() != version || len(got.GetProblems()) > 0 {
		t.Errorf("%d known pictures at version %s, %d problems; want %d at %s and none: the pictures were read",
			got.GetKnownImages(), got.GetGalleryVersion(), len(got.GetProblems()), many, version)
	}
}

func TestOnlyWhatHasChangedIsDescribed(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	f.restart()
	f.close()
	f.known("Ann/0.png", larger(fakeengine.Portrait(yellow)))
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	if err := os.Remove(filepath.Join(f.opts.KnownPeople, "Ann/2.png")); err != nil {
		t.Fatal(err)
	}
	if got := f.restart(); got != 2*2 {
		t.Errorf("%d looks, want two at each of 2 pictures", got)
	}
	if got := f.nearest("red.png"); got != "Ann/1.png" {
		t.Errorf("nearest %q", got)
	}
	if got := f.restart(); got != 0 {
		t.Errorf("%d pictures described at the start after, want none", got)
	}
}

// moveAround renames, moves, copies and touches pictures of cacheFixture.
func moveAround(f *fixture) {
	f.t.Helper()
	at := func(name string) string { return filepath.Join(f.opts.KnownPeople, name) }
	later := time.Now().Add(time.Minute)
	for _, err := range []error{
		os.Rename(at("Ann/0.png"), at("Ann/00.png")),
		os.Mkdir(at("Zoe"), 0o755),
		os.Rename(at("Ann/1.png"), at("Zoe/1.png")),
		os.Chtimes(at("Ann/3.png"), later, later),
		os.Rename(at("two.png"), at("both.png")),
	} {
		if err != nil {
			f.t.Fatal(err)
		}
	}
	f.known("Ann/copy.png", shot(fakeengine.Portrait(red), 2))
}

func TestMovedPicturesAreNotDescribedAgain(t *testing.T) {
	t.Parallel()
	check := func(f *fixture) {
		f.t.Helper()
		if got := f.studio.Calls(); got != 0 {
			f.t.Errorf("%d looks, want none", got)
		}
		if got := f.nearest("red.png"); got != "Ann/00.png" {
			f.t.Errorf("nearest %q", got)
		}
		if got := f.problems(); len(got) != 2 || got["both.png"] == "" {
			f.t.Errorf("problems %v", got)
		}
		var names []string
		for _, k := range f.knownImages() {
			names = append(names, k.GetImageName())
		}
		want := []string{"Ann/00.png", "Ann/2.png", "Ann/3.png", "Ann/4.png", "Ann/5.png", "Ann/6.png", "Ann/7.png", "Ann/copy.png", "Zoe/1.png"}
		if !slices.Equal(names, want) {
			f.t.Errorf("known pictures %v, want %v", names, want)
		}
	}
	t.Run("between two starts", func(t *testing.T) {
		t.Parallel()
		f := cacheFixture(t)
		f.restart()
		f.close()
		moveAround(f)
		f.restart()
		check(f)
		f.restart()
		check(f)
	})
	t.Run("while it runs", func(t *testing.T) {
		t.Parallel()
		f := cacheFixture(t)
		f.restart()
		f.opts.Refresh = 10 * time.Millisecond
		f.restart()
		moveAround(f)
		f.eventually("the changes are noticed", func() bool { return f.info().GetKnownImages() == 9 && f.problems()["both.png"] != "" })
		check(f)
	})
	t.Run("with nothing on disk", func(t *testing.T) {
		t.Parallel()
		f := cacheFixture(t).often()
		write(t, filepath.Join(f.opts.KnownPeople, ".rollcall"), nil) // a file where the folder should be
		f.restart()
		before := f.studio.Calls()
		moveAround(f)
		f.eventually("the changes are noticed", func() bool { return f.info().GetKnownImages() == 9 && f.problems()["both.png"] != "" })
		if got := f.studio.Calls(); got != before {
			t.Errorf("%d looks after the move, want none", got-before)
		}
	})
}

// The same pictures under the same names have the same gallery version on any volume.
func TestVersionIsOfNamesAndContents(t *testing.T) {
	t.Parallel()
	f, g := cacheFixture(t), newFixture(t)
	for i := range 8 {
		g.known(fmt.Sprintf("Ann/%d.png", 7-i), shot(fakeengine.Portrait(red), 7-i))
	}
	later := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(g.opts.KnownPeople, "Ann/3.png"), later, later); err != nil {
		t.Fatal(err)
	}
	f.start() // has two more that cannot be matched
	g.start()
	version := f.info().GetGalleryVersion()
	if got := g.info().GetGalleryVersion(); got != version {
		t.Errorf("versions %s and %s of the same pictures", version, got)
	}
	if err := os.Rename(filepath.Join(g.opts.KnownPeople, "Ann/3.png"), filepath.Join(g.opts.KnownPeople, "Ann/8.png")); err != nil {
		t.Fatal(err)
	}
	g.restart()
	if got := g.info().GetGalleryVersion(); got == version {
		t.Error("the version is the same under another name")
	}
}

// Removing a person also removes their name and descriptors from disk.
func TestRemovedPicturesLeaveTheCache(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t).often()
	f.known("Secret/1.png", fakeengine.Portrait(green))
	f.restart()
	face := fakeengine.Describe(green)
	holds := func(what []byte) bool {
		return slices.ContainsFunc(slices.Collect(maps.Values(segments(t, f.cacheFolder()))), func(raw []byte) bool {
			return bytes.Contains(raw, what)
		})
	}
	if !holds([]byte("Secret/1.png")) || !holds(face.Bytes()) {
		t.Fatal("the picture is not in the cache at all")
	}
	if err := os.RemoveAll(filepath.Join(f.opts.KnownPeople, "Secret")); err != nil {
		t.Fatal(err)
	}
	f.eventually("it is forgotten", func() bool { return !holds([]byte("Secret/1.png")) && !holds(face.Bytes()) })
	if got := f.restart(); got != 0 {
		t.Errorf("%d looks after that, want none: others were forgotten as well", got)
	}
}

// Damage affects only the pictures whose records it hits.
func TestDamagedCache(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	f.restart()
	f.close()
	good := segments(t, f.cacheFolder())
	if len(good) != 1 {
		t.Fatalf("%d segments, want one", len(good))
	}
	var name string
	var raw []byte
	for name, raw = range good {
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	at := rng.IntN(len(raw))
	flip := func(at int) []byte {
		bad := bytes.Clone(raw)
		bad[at] ^= 1 << rng.IntN(8)
		return bad
	}
	for what, test := range map[string]struct {
		raw  []byte
		most int // looks
	}{
		"a bit":            {flip(at), 2},
		"another bit":      {flip(rng.IntN(len(raw))), 2},
		"the first bit":    {flip(0), 2},
		"the last bit":     {flip(len(raw) - 1), 2},
		"a byte more":      {slices.Insert(bytes.Clone(raw), at, 'x'), 2},
		"a byte less":      {slices.Delete(bytes.Clone(raw), at, min(at+1, len(raw))), 2},
		"half of it":       {raw[:len(raw)/2], allLooks},
		"nothing left":     {nil, allLooks},
		"text":             {[]byte("hello\n"), allLooks},
		"noise":            {noise(rng, 100_000), allLooks},
		"noise in between": {slices.Concat(raw[:at], noise(rng, 1000), raw[at:]), 2},
		"twice":            {slices.Concat(raw, raw), 0},
	} {
		t.Run(what, func(t *testing.T) { // one after the other: they share the folder
			f.t = t
			for old := range segments(t, f.cacheFolder()) {
				if err := os.Remove(old); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(name, test.raw, 0o600); err != nil {
				t.Fatal(err)
			}
			f.log = &logBuffer{}
			if got := f.restart(); got > test.most {
				t.Errorf("%d looks, want at most %d (seed %d, byte %d)", got, test.most, seed, at)
			}
			f.checkGallery()
			if test.most > 0 && len(test.raw) != 0 && what != "half of it" && !f.logged("damaged") {
				t.Errorf("the log says nothing:\n%s", f.log)
			}
			f.eventually("the damage is gone", func() bool {
				f.log = &logBuffer{}
				return f.restart() == 0 && !f.logged("damaged")
			})
			f.close()
		})
	}
}

func noise(rng *rand.Rand, n int) []byte {
	raw := make([]byte, n)
	for i := range raw {
		raw[i] = byte(rng.Uint32())
	}
	return raw
}

// The caches of two model sets are independent, even if somebody mixes their files.
func TestModelSetsHaveTheirOwnCaches(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	f.restart()
	f.close()
	first := segments(t, f.cacheFolder())
	f.model.ID = "fake-2"
	f.studio = &fakeengine.Studio{}
	if got := f.restart(); got != allLooks {
		t.Errorf("%d looks with another model set, want %d", got, allLooks)
	}
	f.close()
	for name := range segments(t, f.cacheFolder()) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, raw := range first {
		write(t, filepath.Join(f.cacheFolder(), filepath.Base(name)), raw)
	}
	if got := f.restart(); got != allLooks {
		t.Errorf("%d looks with the first set's files in the second's folder, want %d", got, allLooks)
	}
	f.close()
	f.model.ID = "a/b ../c" // any text may be an id
	if got := f.restart(); got != allLooks {
		t.Errorf("%d looks with a third model set, want %d", got, allLooks)
	}
	if got := f.restart(); got != 0 {
		t.Errorf("%d pictures described again with that set, want none", got)
	}
	f.close()
	f.model = fakeengine.Model()
	if got := f.restart(); got != 0 {
		t.Errorf("%d pictures described with the first model set again, want none", got)
	}
}

// "Too large" depends on a setting; descriptors do not.
func TestProblemsAreOfTheSettings(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	f.restart()
	f.opts.MaxPixels *= 2
	if got := f.restart(); got != 2 {
		t.Errorf("%d pictures described with another limit, want the 2 with problems", got)
	}
	f.checkGallery()
	f.opts.MaxPixels /= 2
	if got := f.restart(); got != 0 {
		t.Errorf("%d pictures described with the first limit, want none", got)
	}
}

// If the cache cannot be beside the known pictures, it is in another folder or in
// memory. The only cost is the time of the next start.
func TestKnownPeopleThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	for name, spoil := range map[string]func(hidden string) error{
		"a file is in its place":  func(hidden string) error { return os.WriteFile(hidden, nil, 0o644) },
		"a link leads out":        func(hidden string) error { return os.Symlink(outside, hidden) },
		"a link leads to nothing": func(hidden string) error { return os.Symlink("nowhere/at/all", hidden) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := cacheFixture(t)
			if err := spoil(filepath.Join(f.opts.KnownPeople, ".rollcall")); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				f.log = &logBuffer{}
				if got := f.restart(); got != allLooks {
					t.Errorf("%d looks, want %d", got, allLooks)
				}
				f.checkGallery()
				if got := strings.Count(f.log.String(), "in memory only"); got != 1 {
					t.Errorf("told %d times, want once:\n%s", got, f.log)
				}
			}
			f.opts.Cache = filepath.Join(t.TempDir(), "data", "gallery")
			f.restart()
			if got := f.restart(); got != 0 {
				t.Errorf("%d looks with another folder, want none", got)
			}
			f.checkGallery()
			if !f.logged("in=" + f.opts.Cache) {
				t.Errorf("the log does not tell where:\n%s", f.log)
			}
			f.opts.Cache = filepath.Join(f.opts.KnownPeople, "two.png") // no folder either
			f.log = &logBuffer{}
			f.restart()
			f.checkGallery()
			if !f.logged("ROLLCALL_GALLERY_CACHE") || !f.logged("in memory only") {
				t.Errorf("the log does not tell:\n%s", f.log)
			}
		})
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
			t.Errorf("%v, error %v: something was written through the link", left, err)
		}
	})
}

// If the cache's folder is removed, the next save creates it again.
func TestCacheFolderIsMadeAgain(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t).often()
	f.restart()
	if err := os.RemoveAll(filepath.Join(f.opts.KnownPeople, ".rollcall")); err != nil {
		t.Fatal(err)
	}
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	f.eventually("it is there again", func() bool { return len(segments(t, f.cacheFolder())) == 1 })
	f.eventually("Bob is known", func() bool { return f.info().GetKnownImages() == 9 })
	if f.logged("anew") {
		t.Errorf("it gave up:\n%s", f.log)
	}
}

// Whatever the cache's folder contains, the recognizer starts and knows its people.
func TestHostileCacheFolder(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	f.restart()
	f.close()
	at := func(name string) string { return filepath.Join(f.cacheFolder(), name) }
	huge, err := os.Create(at("huge.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		huge.Truncate(1 << 40), huge.Close(),
		syscall.Mkfifo(at("pipe.seg"), 0o600),
		os.Mkdir(at("folder.seg"), 0o700),
		os.Symlink("/etc/passwd", at("link.seg")),
		os.Symlink("/dev/zero", at("zero.seg")),
		os.WriteFile(at("\xff.seg"), []byte("\xf0RCGD\xff\xff\xff\xff"), 0o600),
		os.WriteFile(at("other.txt"), []byte("not ours"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := f.restart(); got != 0 {
		t.Errorf("%d looks, want none", got)
	}
	f.checkGallery()
	if _, err := os.Stat(at("other.txt")); err != nil {
		t.Errorf("somebody else's file: %v", err)
	}
}

// Recognizers can share a volume without coordination.
func TestRecognizersShareTheCache(t *testing.T) {
	t.Parallel()
	const replicas, pictures = 4, 60
	first := newFixture(t).often()
	for i := range pictures {
		first.known(fmt.Sprintf("Ann/%02d.png", i), shot(fakeengine.Portrait(red), i))
	}
	all := []*fixture{first}
	for range replicas - 1 {
		f := newFixture(t).often()
		f.opts.KnownPeople, f.opts.UnknownPeople = first.opts.KnownPeople, first.opts.UnknownPeople
		all = append(all, f)
	}
	for _, f := range all {
		f.open()
		f.recognizer.Start()
	}
	agree := func(images int) {
		t.Helper()
		for _, f := range all {
			f.eventually(fmt.Sprintf("all know %d pictures", images), func() bool {
				got := f.info()
				return int(got.GetKnownImages()) == images && got.GetGalleryVersion() == first.info().GetGalleryVersion()
			})
		}
	}
	agree(pictures)
	// Changes, while each recognizer saves and cleans up at any time.
	for i := range pictures / 2 {
		if err := os.Remove(filepath.Join(first.opts.KnownPeople, fmt.Sprintf("Ann/%02d.png", i))); err != nil {
			t.Fatal(err)
		}
		first.known(fmt.Sprintf("Bob/%02d.png", i), shot(fakeengine.Portrait(blue), i))
	}
	agree(pictures)
	for _, f := range all {
		f.close()
	}
	if got := first.restart(); got != 0 {
		t.Errorf("%d looks at the start after, want none: they have lost each other's work", got)
	}
	agree2 := first.info()
	if int(agree2.GetKnownImages()) != pictures {
		t.Errorf("%d known pictures, want %d", agree2.GetKnownImages(), pictures)
	}
	for name, raw := range segments(t, first.cacheFolder()) {
		if bytes.Contains(raw, []byte("Ann/00.png")) {
			t.Errorf("%s still holds who was removed", name)
		}
	}
}

// A second recognizer uses what the first one has just described.
func TestWorkOfAnotherRecognizerIsTakenOver(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	f.restart()
	g := newFixture(t).often()
	g.opts.KnownPeople, g.opts.UnknownPeople = f.opts.KnownPeople, f.opts.UnknownPeople
	if g.start(); g.studio.Calls() != 0 {
		t.Fatalf("%d looks by the second, want none", g.studio.Calls())
	}
	// The first one finds Bob's descriptors in the cache at its next start.
	var starting sync.Mutex
	starting.Lock()
	g.studio.Recognize = func(jpeg []byte) ([]engine.PixelFace, error) {
		starting.Lock() // until the first is done
		defer starting.Unlock()
		return fakeengine.Find(jpeg)
	}
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	f.known("Bob/2.png", shot(fakeengine.Portrait(blue), 2))
	f.restart()
	starting.Unlock()
	g.eventually("the second knows Bob", func() bool { return g.info().GetKnownImages() == 10 })
	if got := f.restart(); got != 0 {
		t.Errorf("%d looks at the next start, want none", got)
	}
}

// After an interrupted start, the next one continues where it stopped.
func TestInterruptedStartIsTakenUp(t *testing.T) {
	t.Parallel()
	f := cacheFixture(t)
	f.opts.Engines = 1
	arrived, open := make(chan struct{}, 100), make(chan struct{}, 100)
	f.studio.Recognize = func(jpeg []byte) ([]engine.PixelFace, error) {
		arrived <- struct{}{}
		<-open
		return fakeengine.Find(jpeg)
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
	f.studio = &fakeengine.Studio{}
	f.start()
	// The picture that was being described is finished, too.
	if got, want := f.studio.Calls(), int64(allLooks-done-1); int64(got) > want {
		t.Errorf("%d looks at the next start, want at most %d", got, want)
	}
	f.checkGallery()
}
