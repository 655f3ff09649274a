package recognizer_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/asuser"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/volume"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// waits reports whether a picture is refused without an attempt, and the
// recognizer is not ready.
func (f *fixture) waits(path string) bool {
	f.t.Helper()
	_, err := f.recognize(path)
	if status.Code(err) != codes.Unavailable || string(reasonIn(err)) != recognizerclient.ReasonNotAsked {
		f.t.Logf("%s: %v", path, err)
		return false
	}
	res, err := healthpb.NewHealthClient(f.conn).Check(f.t.Context(), &healthpb.HealthCheckRequest{})
	return err == nil && res.GetStatus() == healthpb.HealthCheckResponse_NOT_SERVING && f.recognizer.Ready(f.t.Context()) != nil
}

func (f *fixture) answers(path string) func() bool {
	return func() bool {
		res, err := f.recognize(path)
		return err == nil && len(res.GetFaces()) == 1
	}
}

// The case of the field: unmounted, post, mounted, post.
func TestVolumeOfUnknownPeopleGoesAway(t *testing.T) {
	t.Parallel()
	bound := func(t *testing.T, folder string) func() {
		source := t.TempDir()
		return func() { volume.Bind(t, source, folder) }
	}
	inMemory := func(t *testing.T, folder string) func() {
		return func() { volume.Mount(t, folder, 0) }
	}
	for name, test := range map[string]struct {
		mount func(t *testing.T, folder string) func()
		below string // UNKNOWN_PEOPLE, below the mount point
		left  string // what is in the mount point without the volume
	}{
		"tmpfs":                             {mount: inMemory},
		"a bind mount on the same device":   {mount: bound},
		"files lie in the mount point":      {mount: bound, left: "readme.txt"},
		"a folder of the volume":            {mount: inMemory, below: "pictures"},
		"that folder is there without it":   {mount: inMemory, below: "pictures", left: "pictures/readme.txt"},
		"an equal file lies in the way too": {mount: bound, left: "other.png"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t).often()
			point := f.opts.UnknownPeople
			f.opts.UnknownPeople = filepath.Join(point, test.below)
			mount := test.mount(t, point)
			if test.left != "" {
				write(t, filepath.Join(point, test.left), fakeengine.Portrait(red))
			}
			mount()
			f.unknown("a.png", fakeengine.Portrait(red))
			f.start()
			f.eventually("the picture is answered", f.answers("a.png"))

			volume.Unmount(t, point)
			f.eventually("pictures wait", func() bool { return f.waits("late.png") })
			if why := f.recognizer.Ready(t.Context()); !strings.Contains(why.Error(), "mount") {
				t.Errorf("not ready because of %q; want a word about mounting", why)
			}

			mount()
			f.unknown("late.png", fakeengine.Portrait(red))
			f.eventually("the picture is answered", f.answers("late.png"))
			if _, err := f.recognize("never.png"); reasonIn(err) != faces.NotFound {
				t.Errorf("a picture that is not there: %v, want not_found", err)
			}
		})
	}
}

// A disk or a file server that fails is no fault of any picture: pictures wait.
func TestVolumeThatFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, picture string
		fail          func(t *testing.T, folder string) (broken string) // what to unmount
	}{
		{"a file server that has ended", "a.png", func(t *testing.T, folder string) string {
			volume.Dead(t, folder)
			return folder
		}},
		{"a file server that has ended, for a folder below", "below/a.png", func(t *testing.T, folder string) string {
			volume.Dead(t, filepath.Join(folder, "below"))
			return filepath.Join(folder, "below")
		}},
		{"errors of reading", "a.png", func(t *testing.T, folder string) string {
			volume.Unreadable(t, filepath.Join(folder, "a.png"))
			return filepath.Join(folder, "a.png")
		}},
		{"errors of reading all that there is", "a.png", func(t *testing.T, folder string) string {
			write(t, filepath.Join(folder, "b.png"), nil)
			volume.Unreadable(t, filepath.Join(folder, "b.png"))
			volume.Unreadable(t, filepath.Join(folder, "a.png"))
			return filepath.Join(folder, "a.png")
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t).often()
			f.unknown(test.picture, fakeengine.Portrait(red))
			f.start()
			f.eventually("the picture is answered", f.answers(test.picture))
			broken := test.fail(t, f.opts.UnknownPeople)
			f.eventually("the picture waits", func() bool { return f.waits(test.picture) })
			if why := f.recognizer.Ready(t.Context()); why == nil || !strings.Contains(why.Error(), "check its disk or its file server") {
				t.Errorf("not ready because of %v; want a word about the disk", why)
			}
			volume.Unmount(t, broken)
			f.eventually("the picture is answered", f.answers(test.picture))
		})
	}
}

// One damaged file on a disk that works does not keep the other pictures waiting.
func TestDamagedFileOnAVolumeThatWorks(t *testing.T) {
	t.Parallel()
	f := newFixture(t).often()
	f.unknown("good.png", fakeengine.Portrait(red))
	bad := f.unknown("folder/bad.png", fakeengine.Portrait(red))
	f.start()
	volume.Unreadable(t, bad)
	_, err := f.recognize("folder/bad.png")
	if status.Code(err) != codes.Unavailable || reasonIn(err) != "" || !strings.Contains(err.Error(), "check the volume") {
		t.Errorf("error %v, want an attempt that failed because of the volume", err)
	}
	if err := f.recognizer.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	f.eventually("the other picture is answered", f.answers("good.png"))
}

func TestEmptyFolderOfUnknownPeople(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.Refresh = 10 * time.Millisecond
	f.start()
	if err := f.recognizer.Ready(t.Context()); err != nil {
		t.Fatalf("a fresh install is not ready: %v", err)
	}
	f.eventually("a picture in an empty folder waits", func() bool { return f.waits("a.png") })
	if why := f.recognizer.Ready(t.Context()).Error(); !strings.Contains(why, "not mounted or has come back empty; mount it, or put any file there") {
		t.Errorf("not ready because of %q", why)
	}
	f.unknown("b.png", fakeengine.Portrait(red))
	f.eventually("the other picture is answered", f.answers("b.png"))
	if _, err := f.recognize("a.png"); reasonIn(err) != faces.NotFound {
		t.Errorf("now the picture is missing: %v, want not_found", err)
	}
}

func TestWhatMayNotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	asuser.Run(t, func(t *testing.T) {
		f := newFixture(t).often()
		file := f.unknown("file.png", fakeengine.Portrait(red))
		folder := filepath.Dir(f.unknown("folder/a.png", fakeengine.Portrait(red)))
		f.unknown("good.png", fakeengine.Portrait(red))
		chmod := func(name string, mode os.FileMode) {
			t.Helper()
			if err := os.Chmod(name, mode); err != nil {
				t.Fatal(err)
			}
		}
		chmod(file, 0)
		chmod(folder, 0)
		t.Cleanup(func() { chmod(folder, 0o755) })
		f.start()
		for path, want := range map[string]string{
			"file.png":     "user 65534 may not read this file; chmod or chown it, then post it again",
			"folder/a.png": "user 65534 may not enter a folder on the way to this file; chmod or chown that folder, then post the picture again",
		} {
			_, err := f.recognize(path)
			checkRefused(t, err, faces.NotFound)
			if got := status.Convert(err).Message(); got != want {
				t.Errorf("%s: %q, want %q", path, got, want)
			}
		}
		chmod(f.opts.UnknownPeople, 0)
		t.Cleanup(func() { chmod(f.opts.UnknownPeople, 0o755) })
		f.eventually("pictures wait while the whole folder may not be read", func() bool { return f.waits("file.png") })
		chmod(f.opts.UnknownPeople, 0o755)
		f.eventually("the folder is back", f.answers("good.png"))
	})
}

func TestVolumeOfKnownPeopleGoesAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t).often()
	point := f.opts.KnownPeople
	volume.Mount(t, point, 0)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.unknown("a.png", fakeengine.Portrait(red))
	f.start()
	version := f.info().GetGalleryVersion()
	stays := func(what string) {
		t.Helper()
		for range 20 {
			if got := f.info().GetGalleryVersion(); got != version {
				t.Fatalf("%s: the known people have changed", what)
			}
			time.Sleep(f.opts.Refresh)
		}
	}
	volume.Unmount(t, point)
	f.eventually("it is told", func() bool { return f.logged("is not mounted any more") })
	stays("unmounted")
	if left := entries(t, point); len(left) > 0 {
		t.Errorf("something was written into the mount point: %v", left)
	}
	volume.Mount(t, point, 0)
	f.eventually("it is told", func() bool { return f.logged("KNOWN_PEOPLE has come back empty") })
	stays("another volume, empty")
	if left := entries(t, point); len(left) > 0 {
		t.Errorf("something was written into the empty volume: %v", left)
	}
	f.known("Bob/1.png", fakeengine.Portrait(red))
	f.eventually("the volume is in use", func() bool { return f.nearest("a.png") == "Bob/1.png" })
	if got := entries(t, point); !cmp.Equal(got, []string{".rollcall", "Bob"}) {
		t.Errorf("the volume has %v, want the cache beside Bob", got)
	}
}

// A start in front of an empty mount point leaves nothing in it.
func TestEmptyMountPointStaysEmpty(t *testing.T) {
	t.Parallel()
	f := newFixture(t).often()
	f.start()
	if left := entries(t, f.opts.KnownPeople); len(left) > 0 {
		t.Errorf("something was written: %v", left)
	}
	volume.Mount(t, f.opts.KnownPeople, 0)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.eventually("Ann is known", func() bool { return f.info().GetKnownImages() == 1 })
	volume.Unmount(t, f.opts.KnownPeople)
	if left := entries(t, f.opts.KnownPeople); len(left) > 0 {
		t.Errorf("something was written below the volume: %v", left)
	}
}

func entries(t *testing.T, folder string) []string {
	t.Helper()
	list, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// What a file server leaves in shared folders is nobody, and one bad name or
// folder stops nobody else.
func TestFoldersThatAreNotPeople(t *testing.T) {
	t.Parallel()
	asuser.Run(t, func(t *testing.T) {
		f := newFixture(t).often()
		f.known("Ann/1.png", fakeengine.Portrait(red))
		for _, folder := range []string{
			"lost+found", "@eaDir", "#recycle/Raj", "#snapshot", "$RECYCLE.BIN", "System Volume Information", "__MACOSX", "Ann/@eaDir", ".Trash-1000", "@EADIR",
		} {
			f.known(folder+"/1.png", fakeengine.Portrait(blue))
		}
		for _, file := range []string{"Thumbs.db", "Ann/Thumbs.db", "Ann/desktop.ini", "Ann/.DS_Store"} {
			f.known(file, []byte("x"))
		}
		closed := filepath.Join(f.opts.KnownPeople, "closed")
		f.known("closed/1.png", fakeengine.Portrait(blue))
		f.known("M\xfcller/1.png", fakeengine.Portrait(blue))
		f.known("Ann/J\xf6rg.png", fakeengine.Portrait(blue))
		err := errors.Join(os.Chmod(closed, 0), os.Chmod(filepath.Join(f.opts.KnownPeople, "lost+found"), 0),
			os.Symlink("nowhere.png", filepath.Join(f.opts.KnownPeople, "Ann", "dangling.png")),
			os.Symlink("Ann", filepath.Join(f.opts.KnownPeople, "Anna")),
			os.Symlink("..", filepath.Join(f.opts.KnownPeople, "Ann", "up")),
			os.Symlink("/etc", filepath.Join(f.opts.KnownPeople, "etc")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = os.Chmod(closed, 0o755)
			_ = os.Chmod(filepath.Join(f.opts.KnownPeople, "lost+found"), 0o755)
		})
		f.start()
		link := "it is a link to a folder, and such links are not followed; move the folder here, or mount it here"
		want := map[string]string{
			"closed": "the recognizer may not read this folder", "M\uFFFDller": "its name is not UTF-8", "Ann/J\uFFFDrg.png": "its name is not UTF-8",
			"Ann/dangling.png": "it is a link to a file that is not there", "Anna": link, "Ann/up": link, "etc": "a link leads out of the folder",
		}
		if diff := cmp.Diff(want, f.problems()); diff != "" {
			t.Errorf("problems (-want +got):\n%s", diff)
		}
		if got := f.info().GetKnownImages(); got != 1 {
			t.Errorf("%d known pictures, want 1", got)
		}
		if !f.logged("passed over") {
			t.Error("nothing is logged about what was passed over")
		}
		f.known("Bob/1.png", fakeengine.Portrait(blue))
		f.known("K\xf6hler/1.png", fakeengine.Portrait(blue))
		f.eventually("Bob is known", func() bool { return f.info().GetKnownImages() == 2 })
		counts := map[string]int{"bad_name": 3, "unreadable_folder": 1, "link": 4}
		f.eventually("the new bad name is counted", func() bool { return maps.Equal(f.recognizer.ProblemKinds(), counts) })
	})
}

// A Mac writes "é" as two characters; people type one. Either finds the other.
func TestNormalForms(t *testing.T) {
	t.Parallel()
	const composed, decomposed = "Jos\u00e9", "Jose\u0301"
	f := newFixture(t)
	f.known(decomposed+"/1.png", fakeengine.Portrait(red))
	f.unknown(decomposed+"/"+composed+".png", fakeengine.Portrait(red))
	f.unknown(composed+".png", fakeengine.Portrait(red))
	outside := filepath.Join(t.TempDir(), composed+".png")
	write(t, outside, fakeengine.Portrait(red))
	if err := os.Symlink(outside, filepath.Join(f.opts.UnknownPeople, composed+"-out.png")); err != nil {
		t.Fatal(err)
	}
	f.start()
	for _, path := range []string{
		composed + "/" + composed + ".png", composed + "/" + decomposed + ".png", decomposed + "/" + decomposed + ".png",
		composed + ".png", decomposed + ".png", filepath.Join(f.opts.UnknownPeople, decomposed+".png"),
	} {
		if got, want := f.nearest(path), decomposed+"/1.png"; got != want {
			t.Errorf("%q is nearest to %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]faces.Reason{
		decomposed + "-out.png": faces.PathNotAllowed, "Zo\u00eb.png": faces.NotFound, "../" + composed + ".png": faces.PathNotAllowed,
	} {
		if _, err := f.recognize(path); reasonIn(err) != want {
			t.Errorf("%q: %v, want %s", path, err, want)
		}
	}
}

func TestMatchTakesEitherNormalForm(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Jose\u0301/1.png", fakeengine.Portrait(red))
	f.known("Zo\u00eb/1.png", fakeengine.Portrait(blue))
	f.start()
	for asked, want := range map[string]string{"Jos\u00e9/1.png": "Jose\u0301/1.png", "Zoe\u0308/1.png": "Zo\u00eb/1.png"} {
		got := f.match(&recognizerv1.MatchRequest{ImageNames: []string{asked}}, fakeengine.Describe(red))
		if diff := cmp.Diff([][]string{{want}}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", asked, diff)
		}
	}
}

// A recognizer that is not ready costs a picture no attempt.
func TestRefusedBeforeItWasLookedAt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	client, err := recognizerclient.Dial(recognizerclient.Options{Address: f.conn.Target(), Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	for range 2 { // the first finds the folder empty, the second is refused because of it
		_, err := client.Recognize(t.Context(), "a.png", faces.File{})
		if !errors.Is(err, faces.ErrNotAsked) || faces.ReasonOf(err) != faces.RecognizerUnavailable {
			t.Errorf("error %v, want one that says that nobody was asked", err)
		}
	}
}

// A full volume is no reason not to recognize, but somebody must learn of it.
func TestFullVolumeIsSaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t).often()
	const size = 256 << 10
	volume.Mount(t, f.opts.KnownPeople, size)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.unknown("a.png", fakeengine.Portrait(red))
	fill := filepath.Join(f.opts.KnownPeople, ".fill")
	file, err := os.Create(fill)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	f.start()
	if got := f.nearest("a.png"); got != "Ann/1.png" {
		t.Errorf("nearest %q", got)
	}
	want := map[string]string{"gallery cache": "its volume is full: the next start will describe the known pictures again; make room on it"}
	f.eventually("the warning", func() bool { return cmp.Equal(f.recognizer.Warnings(), want) })
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	f.eventually("the warning is gone", func() bool { return len(f.recognizer.Warnings()) == 0 && f.info().GetKnownImages() == 2 })
	f.eventually("the room is measured", func() bool {
		free := f.metric("rollcall_volume_free_bytes")
		return free > 0 && free < size
	})
}
