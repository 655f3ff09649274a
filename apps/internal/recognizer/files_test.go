package recognizer_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/asuser"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// identifiable marks the paths that lead to a picture.
const identifiable faces.Reason = ""

func TestPaths(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	dir := f.opts.UnknownPeople
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, filepath.Join(outside, "secret.png"), fakeengine.Portrait(red))
	f.unknown("a.png", fakeengine.Portrait(red))
	f.unknown("sub/deep/a.png", fakeengine.Portrait(red))
	f.unknown("sp ace ü.png", fakeengine.Portrait(red))
	f.unknown("empty.jpg", nil)
	f.unknown("text.jpg", []byte("This is not a picture.\n"))
	small := fakeengine.JPEG(fakeengine.Draw(300, 200, fakeengine.Face{Box: image.Rect(20, 20, 90, 90), Colour: red}))
	f.unknown("truncated.jpg", small[:len(small)/2])
	large := fakeengine.JPEG(fakeengine.Draw(1600, 300, fakeengine.Face{Box: image.Rect(20, 20, 290, 290), Colour: red}))
	f.unknown("truncated-large.jpg", large[:len(large)/2])
	f.unknown("header-only.jpg", small[:20])
	f.unknown("bomb.png", pngOfSize(100_000, 100_000))
	f.unknown("too-many-bytes.jpg", nil)
	if err := os.Truncate(filepath.Join(dir, "too-many-bytes.jpg"), 201<<20); err != nil { // sparse
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"link-inside.png":          "a.png",
		"sub/link-up.png":          "../a.png",
		"link-folder-inside":       "sub",
		"link-absolute.png":        filepath.Join(dir, "a.png"),
		"link-absolute-folder":     filepath.Join(dir, "sub"),
		"chain1.png":               "chain2.png",
		"chain2.png":               "sub/../chain3.png",
		"chain3.png":               "a.png",
		"link-out.png":             filepath.Join(outside, "secret.png"),
		"link-out-relative.png":    filepath.Join("..", "..", "x", "secret.png"),
		"link-out-folder":          outside,
		"chain-out1.png":           "chain-out2.png",
		"chain-out2.png":           "link-out.png",
		"dangling.png":             "nowhere.png",
		"dangling-out.png":         filepath.Join(outside, "nowhere.png"),
		"circle1.png":              "circle2.png",
		"circle2.png":              "circle1.png",
		"self.png":                 "self.png",
		"link-proc.png":            "/proc/self/environ",
		"link-absolute-dotdot.png": dir + "/sub/../a.png",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	special(t, dir)
	f.start()

	for name, test := range map[string]struct {
		path string
		want faces.Reason
	}{
		"relative":                      {"a.png", identifiable},
		"absolute":                      {filepath.Join(dir, "a.png"), identifiable},
		"in a sub-folder":               {"sub/deep/a.png", identifiable},
		"dots that stay inside":         {"sub/../sub/./deep//a.png", identifiable},
		"absolute with dots":            {dir + "/sub/../a.png", identifiable},
		"space and umlaut":              {"sp ace ü.png", identifiable},
		"link to a file":                {"link-inside.png", identifiable},
		"link upwards, inside":          {"sub/link-up.png", identifiable},
		"through a link to a folder":    {"link-folder-inside/deep/a.png", identifiable},
		"chain of links":                {"chain1.png", identifiable},
		"absolute link inside":          {"link-absolute.png", identifiable},
		"absolute link to a folder":     {"link-absolute-folder/deep/a.png", identifiable},
		"absolute link with dots":       {"link-absolute-dotdot.png", identifiable},
		"dots that leave":               {"../known/Ann/1.png", faces.PathNotAllowed},
		"dots that leave, later":        {"sub/../../known/Ann/1.png", faces.PathNotAllowed},
		"absolute with dots that leave": {dir + "/../known/Ann/1.png", faces.PathNotAllowed},
		"absolute elsewhere":            {"/etc/passwd", faces.PathNotAllowed},
		"sibling with the same prefix":  {dir + "2/a.png", faces.PathNotAllowed},
		"zero byte":                     {"a.png\x00.jpg", faces.PathNotAllowed},
		"link out":                      {"link-out.png", faces.PathNotAllowed},
		"relative link out":             {"link-out-relative.png", faces.PathNotAllowed},
		"through a folder link out":     {"link-out-folder/secret.png", faces.PathNotAllowed},
		"chain out":                     {"chain-out1.png", faces.PathNotAllowed},
		"link to nowhere outside":       {"dangling-out.png", faces.PathNotAllowed},
		"link to a proc file":           {"link-proc.png", faces.PathNotAllowed},
		"circle of links":               {"circle1.png", faces.PathNotAllowed},
		"link to itself":                {"self.png", faces.PathNotAllowed},
		"link to nowhere":               {"dangling.png", faces.NotFound},
		"no such file":                  {"b.png", faces.NotFound},
		"no such folder":                {"b/c/d.png", faces.NotFound},
		"file as a folder":              {"a.png/b.png", faces.NotFound},
		"name of 300 characters":        {strings.Repeat("x", 300) + ".png", faces.NotFound},
		"path of 6000 characters":       {strings.Repeat("x/", 3000) + "a.png", faces.NotFound},
		"the folder itself":             {".", faces.UnsupportedFormat},
		"the folder itself, absolute":   {dir, faces.UnsupportedFormat},
		"a folder":                      {"sub", faces.UnsupportedFormat},
		"named pipe":                    {"pipe.jpg", faces.UnsupportedFormat},
		"socket":                        {"socket.jpg", faces.UnsupportedFormat},
		"text":                          {"text.jpg", faces.UnsupportedFormat},
		"empty file":                    {"empty.jpg", faces.UnsupportedFormat},
		"truncated":                     {"truncated.jpg", faces.CorruptImage},
		"truncated, handed on as it is": {"truncated-large.jpg", faces.CorruptImage},
		"header only":                   {"header-only.jpg", faces.CorruptImage},
		"claims 100000 x 100000":        {"bomb.png", faces.ImageTooLarge},
		"201 MiB":                       {"too-many-bytes.jpg", faces.ImageTooLarge},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: the next picture must work
			res, err := f.recognize(test.path)
			if test.want != identifiable {
				checkRefused(t, err, test.want)
				if got := f.nearest("a.png"); got != "Ann/1.png" {
					t.Errorf("the next picture is nearest to %q", got)
				}
				return
			}
			if err != nil || len(res.GetFaces()) != 1 {
				t.Errorf("%d faces, error %v; want 1 face", len(res.GetFaces()), err)
			}
		})
	}
}

// checkRefused checks the reason, its gRPC code, and that the message has no paths.
func checkRefused(t *testing.T, err error, want faces.Reason) {
	t.Helper()
	wantCodes := map[faces.Reason]codes.Code{
		faces.NotFound: codes.NotFound, faces.PathNotAllowed: codes.PermissionDenied,
		faces.UnsupportedFormat: codes.InvalidArgument, faces.CorruptImage: codes.InvalidArgument,
		faces.ImageTooLarge: codes.OutOfRange,
	}
	if got := reasonIn(err); got != want {
		t.Errorf("reason %q (%v), want %q", got, err, want)
	}
	if got := status.Code(err); got != wantCodes[want] {
		t.Errorf("code %v, want %v", got, wantCodes[want])
	}
	if message := status.Convert(err).Message(); message == "" || strings.Contains(message, os.TempDir()) {
		t.Errorf("message %q: want one, without the folder's place", message)
	}
}

// special makes a named pipe without a writer and a socket.
func special(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.jpg"), 0o644); err != nil {
		t.Fatal(err)
	}
	short, err := os.MkdirTemp("", "s") // a socket's path is at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	l, err := net.Listen("unix", filepath.Join(short, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := os.Rename(filepath.Join(short, "s"), filepath.Join(dir, "socket.jpg")); err != nil {
		t.Fatal(err)
	}
}

// pngOfSize returns the start of a PNG with this size in its header.
func pngOfSize(width, height uint32) []byte {
	var chunk bytes.Buffer
	chunk.WriteString("IHDR")
	chunk.Write(binary.BigEndian.AppendUint32(nil, width))
	chunk.Write(binary.BigEndian.AppendUint32(nil, height))
	chunk.Write([]byte{8, 2, 0, 0, 0})
	raw := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), chunk.Bytes()...)
	return binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(chunk.Bytes()))
}

func TestDevice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const zero = 1<<8 | 5 // /dev/zero, which never ends
	err := syscall.Mknod(filepath.Join(f.opts.UnknownPeople, "device.jpg"), syscall.S_IFCHR|0o666, zero)
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this user may not make devices")
	}
	if err != nil {
		t.Fatal(err)
	}
	f.start()
	_, err = f.recognize("device.jpg")
	checkRefused(t, err, faces.UnsupportedFormat)
}

func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	asuser.Run(t, func(t *testing.T) {
		f := newFixture(t)
		if err := os.Chmod(f.unknown("a.png", fakeengine.Portrait(red)), 0); err != nil {
			t.Fatal(err)
		}
		f.start()
		_, err := f.recognize("a.png")
		checkRefused(t, err, faces.NotFound)
	})
}

// Replacing a file by a link out of the folder, or by a named pipe, while it is being
// read must neither reveal other files nor block the recognizer.
func TestFileReplacedWhileItIsRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	secret := filepath.Join(t.TempDir(), "secret.png")
	write(t, secret, fakeengine.Portrait(blue))
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.known("Secret/1.png", fakeengine.Portrait(blue))
	path := f.unknown("a.png", fakeengine.Portrait(red))
	f.start()

	harmless := fakeengine.Portrait(red)
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		next := filepath.Join(f.opts.UnknownPeople, "next")
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			var err error
			switch i % 3 {
			case 0:
				err = os.Symlink(secret, next)
			case 1:
				err = os.WriteFile(next, harmless, 0o644)
			case 2:
				err = syscall.Mkfifo(next, 0o644)
			}
			if err := errors.Join(err, os.Rename(next, path)); err != nil {
				t.Errorf("swap: %v", err)
				return
			}
		}
	})
	seen := map[string]int{}
	for range 200 {
		res, err := f.recognize("a.png")
		switch {
		case err == nil && len(res.GetFaces()) == 1:
			seen[res.GetFaces()[0].GetNeighbours()[0].GetImageName()]++
		case err == nil:
			t.Errorf("%d faces", len(res.GetFaces()))
		default:
			seen[string(reasonIn(err))]++
		}
	}
	close(stop)
	swapping.Wait()
	if seen["Secret/1.png"] > 0 {
		t.Errorf("the file outside was read: %v", seen)
	}
	if seen[""] > 0 {
		t.Errorf("errors without a reason: %v; the log:\n%s", seen, f.log)
	}
	if seen["Ann/1.png"] == 0 || seen[string(faces.PathNotAllowed)] == 0 {
		t.Logf("the race was not met this time: %v", seen)
	}
}

// A folder that is deleted and created again, or mounted over, is found again.
func TestFoldersMadeAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t).often()
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.unknown("a.png", fakeengine.Portrait(red))
	f.start()
	for _, dir := range []string{f.opts.KnownPeople, f.opts.UnknownPeople} {
		if err := os.Rename(dir, dir+".old"); err != nil {
			t.Fatal(err)
		}
	}
	f.eventually("the missing folder is told", func() bool { return f.logged("cannot read the pictures of known people") })
	if got := f.info().GetKnownImages(); got != 1 {
		t.Errorf("%d known pictures while the folder is missing, want the 1 from before", got)
	}
	f.known("Bob/1.png", fakeengine.Portrait(red))
	f.unknown("b.png", fakeengine.Portrait(red))
	f.eventually("the new folders are in use", func() bool {
		res, err := f.recognize("b.png")
		if err != nil || len(res.GetFaces()) == 0 || len(res.GetFaces()[0].GetNeighbours()) == 0 {
			return false // the new folder was loaded before the picture was in it
		}
		return res.GetFaces()[0].GetNeighbours()[0].GetImageName() == "Bob/1.png"
	})
}
