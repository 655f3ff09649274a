package recognizer_test

import (
	"crypto/sha256"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// fileAt is what a recognizer should say of a file.
func fileAt(t *testing.T, path string) *recognizerv1.File {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return &recognizerv1.File{Size: info.Size(), Modified: info.ModTime().UnixNano(), Sha256: sum[:]}
}

func touch(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// A picture that the caller knows is not looked at again: by size and time
// without reading it, else by its content.
func TestUnlessUnchanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	path := f.unknown("a.png", fakeengine.Portrait(red))
	ask := func(known *recognizerv1.File) *recognizerv1.RecognizeResponse {
		t.Helper()
		req := byPath(path)
		req.UnlessUnchanged = known
		res, err := f.client.Recognize(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	first := ask(nil)
	known := first.GetFile()
	if want := fileAt(t, path); !proto.Equal(known, want) || first.GetUnchanged() || len(first.GetFaces()) != 1 {
		t.Fatalf("file %v, want %v; answer %v", known, want, first)
	}
	for name, c := range map[string]struct {
		known     *recognizerv1.File
		unchanged bool
	}{
		"the same file":               {known, true},
		"equal size and time":         {&recognizerv1.File{Size: known.Size, Modified: known.Modified}, true},
		"another time, equal content": {&recognizerv1.File{Size: known.Size, Modified: 1, Sha256: known.Sha256}, true},
		"another time and content":    {&recognizerv1.File{Size: known.Size, Modified: 1, Sha256: make([]byte, 32)}, false},
		"another size":                {&recognizerv1.File{Size: known.Size + 1, Modified: known.Modified}, false},
		"nothing known":               {&recognizerv1.File{}, false},
	} {
		res := ask(c.known)
		if res.GetUnchanged() != c.unchanged || len(res.GetFaces()) == 0 != c.unchanged || !proto.Equal(res.GetFile(), known) && name != "equal size and time" {
			t.Errorf("%s: got %v", name, res)
		}
		if res.GetModel().GetId() == "" {
			t.Errorf("%s: the answer names no model set", name)
		}
	}
	f.unknown("a.png", fakeengine.Portrait(blue))
	if res := ask(known); res.GetUnchanged() || proto.Equal(res.GetFile(), known) {
		t.Errorf("a file that has changed: %v", res)
	}
	f.unknown("a.png", fakeengine.Portrait(red))
	touch(t, path, time.Unix(0, known.Modified).Add(-time.Hour)) // as copying with its time does
	if res := ask(known); !res.GetUnchanged() || !proto.Equal(res.GetFile(), fileAt(t, path)) {
		t.Errorf("the old content with another time: %v", res)
	}
}

// A picture's fault says which file it is about: posted again, the same file
// need not be read again.
func TestFaultNamesItsFile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	path := f.unknown("half.png", fakeengine.Portrait(red)[:100])
	_, err := f.recognize(path)
	var known *recognizerv1.File
	for _, d := range status.Convert(err).Details() {
		if file, ok := d.(*recognizerv1.File); ok {
			known = file
		}
	}
	if want := fileAt(t, path); !proto.Equal(known, want) {
		t.Fatalf("the fault %v is about %v, want %v", err, known, want)
	}
	req := byPath(path)
	req.UnlessUnchanged = known
	if res, err := f.client.Recognize(t.Context(), req); err != nil || !res.GetUnchanged() {
		t.Errorf("asked again: %v, %v", res, err)
	}
	f.unknown("half.png", fakeengine.Portrait(red))
	if res, err := f.client.Recognize(t.Context(), req); err != nil || res.GetUnchanged() || len(res.GetFaces()) != 1 {
		t.Errorf("mended: %v, %v", res, err)
	}
	if _, err := f.recognize("/none.png"); len(status.Convert(err).Details()) != 1 {
		t.Errorf("a file that is not there is described: %v", err)
	}
}
