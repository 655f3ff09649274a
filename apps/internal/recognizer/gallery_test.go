package recognizer_test

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/asuser"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// larger returns a portrait whose file is larger than fakeengine.Portrait's.
func larger(content []byte) []byte { return append(content, make([]byte, 100)...) }

// shot returns one of many different files that show the same portrait.
func shot(content []byte, n int) []byte { return fmt.Appendf(content, "shot %d", n) }

func TestChangesAreNoticed(t *testing.T) {
	t.Parallel()
	f := newFixture(t).often()
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.unknown("red.png", fakeengine.Portrait(red))
	f.unknown("blue.png", fakeengine.Portrait(blue))
	f.start()
	knownPath := func(name string) string { return filepath.Join(f.opts.KnownPeople, name) }
	versions := map[string]string{}
	check := func(what string, images int, red, blue string) {
		t.Helper()
		f.eventually(what, func() bool {
			return int(f.info().GetKnownImages()) == images && f.nearest("red.png") == red && f.nearest("blue.png") == blue
		})
		v := f.info().GetGalleryVersion()
		if before, ok := versions[v]; ok {
			t.Errorf("%s: the version is the same as when %s", what, before)
		}
		versions[v] = what
	}
	check("at first", 1, "Ann/1.png", "Ann/1.png")
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	check("Bob is added", 2, "Ann/1.png", "Bob/1.png")
	f.known("Ann/1.png", larger(fakeengine.Portrait(yellow)))
	f.known("Cid/1.png", fakeengine.Portrait(red))
	check("Ann has changed, Cid is added", 3, "Cid/1.png", "Bob/1.png")
	if err := os.Rename(knownPath("Bob"), knownPath("Robert")); err != nil {
		t.Fatal(err)
	}
	check("Bob is renamed", 3, "Cid/1.png", "Robert/1.png")
	if err := os.RemoveAll(knownPath("Cid")); err != nil {
		t.Fatal(err)
	}
	check("Cid is removed", 2, "Ann/1.png", "Robert/1.png")
	for _, name := range []string{"Ann", "Robert"} {
		if err := os.RemoveAll(knownPath(name)); err != nil {
			t.Fatal(err)
		}
	}
	check("nobody is left", 0, "", "")
}

func TestUnchangedPicturesAreNotDescribedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t).often()
	for i := range 20 {
		f.known(fmt.Sprintf("Ann/%d.png", i), shot(fakeengine.Portrait(red), i))
	}
	f.known("notes.txt", []byte("not a picture"))
	f.known("nobody.png", fakeengine.Group())
	f.start()
	// Ann's pictures are described twice, enlarged and at their own size. The text
	// is refused before it reaches an engine.
	if got, want := f.studio.Calls(), 20*2+1; got != want {
		t.Errorf("%d looks at first, want %d", got, want)
	}
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	f.eventually("Bob is known", func() bool { return f.info().GetKnownImages() == 21 })
	// After any number of refreshes the count is the same. A changed picture proves
	// that a refresh took place.
	f.known("Bob/1.png", larger(fakeengine.Portrait(blue)))
	f.eventually("Bob is described again", func() bool { return f.studio.Calls() >= 45 })
	f.close()
	if got, want := f.studio.Calls(), 41+2+2; got != want {
		t.Errorf("%d looks, want %d: 41, two at one added, two at one changed", got, want)
	}
}

// A picture that cannot be used does not change who is known. It is told nevertheless, and
// so is its end.
func TestProblemsThatComeAloneAreTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t).often()
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.start()
	problems := func(n float64) func() bool {
		return func() bool { return f.metric("rollcall_known_picture_problems") == n }
	}
	f.known("Nobody/1.jpg", []byte("not a picture"))
	f.eventually("the metric counts the picture", problems(1))
	f.eventually("the log names it", func() bool { return f.logged("Nobody/1.jpg") })
	if err := os.RemoveAll(filepath.Join(f.opts.KnownPeople, "Nobody")); err != nil {
		t.Fatal(err)
	}
	f.eventually("the metric does not count it any more", problems(0))
}

func TestProblemsOfKnownPicturesAreTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t).often()
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.known("Ann/nobody.png", fakeengine.Group())
	f.known("Ann/three.png", fakeengine.Group(red, green, blue))
	f.known("Ann/notes.jpg", []byte("not a picture"))
	f.known("Ann/empty.jpg", nil)
	jpeg := fakeengine.JPEG(fakeengine.Draw(100, 100))
	f.known("Ann/cut.jpg", jpeg[:len(jpeg)/2])
	f.known("J\xf6rg.png", fakeengine.Portrait(blue)) // Latin-1
	// Skipped.
	f.known(".hidden.png", fakeengine.Portrait(blue))
	f.known(".trash/1.png", fakeengine.Portrait(blue))
	f.known("Ann/.DS_Store", []byte("x"))
	// What a Kubernetes volume looks like: links into a hidden folder.
	f.known("..2026_01_01/mounted.png", fakeengine.Portrait(green))
	outside := filepath.Join(t.TempDir(), "outside.png")
	write(t, outside, fakeengine.Portrait(yellow))
	for name, target := range map[string]string{
		"..data": "..2026_01_01", "mounted.png": "..data/mounted.png", "absolute.png": filepath.Join(f.opts.KnownPeople, "Ann", "1.png"),
		"out.png": outside, "dangling.png": "nowhere.png", "folder": "Ann", "circle.png": "circle.png",
	} {
		if err := os.Symlink(target, filepath.Join(f.opts.KnownPeople, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(f.opts.KnownPeople, "pipe.png"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.start()
	want := map[string]string{
		"Ann/nobody.png": "no face was found in it",
		"Ann/three.png":  "3 faces were found in it; it must show one person",
		"Ann/notes.jpg":  "the file seems to be text/plain; JPEG, PNG, WebP, GIF, BMP and TIFF can be read",
		"Ann/empty.jpg":  "the file is empty",
		"Ann/cut.jpg":    "the JPEG file is damaged or incomplete",
		"J\uFFFDrg.png":  "its name is not UTF-8",
		"out.png":        "a link leads out of the folder",
		"dangling.png":   "it is a link to a file that is not there",
		"folder":         "it is a link to a folder, and such links are not followed; move the folder here, or mount it here",
		"circle.png":     "its symbolic links form a loop",
		"pipe.png":       "this is not a file",
	}
	if diff := cmp.Diff(want, f.problems()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if got := f.info().GetKnownImages(); got != 3 { // Ann/1, mounted and absolute
		t.Errorf("%d known pictures, want 3", got)
	}
	for name := range want {
		if name != "J\uFFFDrg.png" && !f.logged(name) {
			t.Errorf("the problem of %s is not in the log", name)
		}
	}
	// Logged once, not at every refresh.
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	f.eventually("Bob is known", func() bool { return f.info().GetKnownImages() == 4 })
	if got := strings.Count(f.log.String(), "Ann/three.png"); got != 1 {
		t.Errorf("the same problem is told %d times", got)
	}
}

func TestUnreadableKnownFolderIsTold(t *testing.T) {
	t.Parallel()
	asuser.Run(t, func(t *testing.T) {
		f := newFixture(t)
		f.known("Ann/1.png", fakeengine.Portrait(red))
		f.known("private/1.png", fakeengine.Portrait(blue))
		dir := filepath.Join(f.opts.KnownPeople, "private")
		if err := os.Chmod(dir, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(dir, 0o755) })
		f.start()
		if diff := cmp.Diff(map[string]string{"private": "the recognizer may not read this folder"}, f.problems()); diff != "" {
			t.Errorf("problems (-want +got):\n%s", diff)
		}
	})
}

// While a new gallery is being built, answers come from the old one.
func TestAnswersGoOnDuringARefresh(t *testing.T) {
	t.Parallel()
	f := newFixture(t).often()
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.unknown("red.png", fakeengine.Portrait(red))
	f.start()
	open, arrived := make(chan struct{}), make(chan struct{}, 100)
	f.studio.Recognize = func(jpeg []byte) ([]engine.PixelFace, error) {
		found, err := fakeengine.Find(jpeg)
		if len(found) == 1 && slices.Equal(found[0].Descriptor, fakeengine.Describe(green)) {
			arrived <- struct{}{}
			<-open
		}
		return found, err
	}
	for i := range 5 {
		f.known(fmt.Sprintf("Gus/%d.png", i), shot(fakeengine.Portrait(green), i))
	}
	within(t, "a new picture is being described", arrived)
	for range 10 {
		if got := f.nearest("red.png"); got != "Ann/1.png" {
			t.Fatalf("nearest %q during a refresh", got)
		}
		if got := f.info().GetKnownImages(); got != 1 {
			t.Fatalf("%d known pictures during a refresh, want the 1 from before", got)
		}
	}
	close(open)
	f.eventually("the new pictures are known", func() bool { return f.info().GetKnownImages() == 6 })
}

// With concurrent changes and calls, each answer is from a single gallery.
func TestChangesUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.Refresh = time.Millisecond
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.start()
	picture := larger(fakeengine.Portrait(blue))
	stop := make(chan struct{})
	var changing sync.WaitGroup
	changing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			f.known(fmt.Sprintf("Bob/%d.png", i%10), picture)
			os.Remove(filepath.Join(f.opts.KnownPeople, fmt.Sprintf("Bob/%d.png", (i+5)%10)))
		}
	})
	d := fakeengine.Describe(red)
	for range 100 {
		res, err := f.client.Match(t.Context(), matchRequest(f, d.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if n := res.GetMatches()[0].GetNeighbours(); len(n) == 0 || n[0].GetImageName() != "Ann/1.png" || n[0].GetDistance() != 0 {
			t.Fatalf("neighbours %v, want Ann first", n)
		}
	}
	close(stop)
	changing.Wait()
}

// A small known picture is described enlarged and at its own size. The nearer
// descriptor counts, and the picture is listed once.
func TestKnownPictureIsMatchedAtEitherSize(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	size, err := png.DecodeConfig(bytes.NewReader(fakeengine.Portrait(red)))
	if err != nil {
		t.Fatal(err)
	}
	asIs, enlarged := fakeengine.Describe(red), fakeengine.Describe(blue)
	f.studio.Recognize = func(raw []byte) ([]engine.PixelFace, error) {
		cfg, err := jpeg.DecodeConfig(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		if cfg.Width == size.Width {
			return []engine.PixelFace{{Descriptor: asIs}}, nil
		}
		return []engine.PixelFace{{Descriptor: enlarged}}, nil
	}
	f.start()
	for _, asked := range []faces.Descriptor{asIs, enlarged} {
		res, err := f.client.Match(t.Context(), &recognizerv1.MatchRequest{ModelId: f.model.ID, Descriptors: [][]byte{asked.Bytes()}})
		if err != nil {
			t.Fatal(err)
		}
		near := res.GetMatches()[0].GetNeighbours()
		if len(near) != 1 || near[0].GetImageName() != "Ann/1.png" || near[0].GetDistance() != 0 {
			t.Errorf("neighbours %v, want Ann/1.png once, at distance 0", near)
		}
	}
	if got := f.info().GetKnownImages(); got != 1 {
		t.Errorf("%d known pictures, want 1", got)
	}
}
