package dlib_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// goFace returns the model set that go-face answers, and the folder that
// go-face loads.
func goFace(t *testing.T) (modelset.Set, string) {
	t.Helper()
	models, err := modelset.SourceFolder()
	if err != nil {
		t.Fatal(err)
	}
	set, err := modelset.Load(filepath.Join(models, modelset.GoFaceSet))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := set.Reference(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return set, dir
}

// open returns an engine that is closed when the test ends.
func open(t *testing.T) *dlib.Engine {
	t.Helper()
	_, dir := goFace(t)
	e, err := dlib.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// sample returns a sample picture at the size that the detector needs, and the
// same picture as a JPEG.
func sample(t *testing.T, name string) (picture.Prepared, []byte) {
	t.Helper()
	raw, err := fs.ReadFile(samples.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	prepared, err := picture.Decode(raw, picture.Defaults())
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	file, err := picture.EncodeJPEG(prepared.Pixels, 95)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return prepared, file
}

// sampleJPEG returns a sample picture as a JPEG at the size that the detector
// needs.
func sampleJPEG(t *testing.T, name string) []byte {
	t.Helper()
	_, file := sample(t, name)
	return file
}

func TestBLASIsOpenBLAS(t *testing.T) {
	t.Parallel()
	if got := dlib.BLAS(); !strings.Contains(got, "OpenBLAS") {
		t.Errorf("BLAS %q; the reference one is several times slower", got)
	}
}

// That every known picture has one face, TestSamplesAreAnsweredAsExpected sees.
func TestKnownSamples(t *testing.T) {
	t.Parallel()
	e := open(t)
	names, err := fs.Glob(samples.Files(), "known/*/1.jpg")
	if err != nil || len(names) == 0 {
		t.Fatalf("samples %v, error %v", names, err)
	}
	for _, name := range names {
		prepared, file := sample(t, name)
		found, err := e.Recognize(file)
		if err != nil || len(found) != 1 {
			t.Errorf("%s: %d faces, error %v; want one", name, len(found), err)
			continue
		}
		checkFace(t, name, found[0], prepared)
	}
}

// checkFace wants a face that is mostly in its picture, with its landmarks
// about where they belong.
func checkFace(t *testing.T, name string, f engine.PixelFace, p picture.Prepared) {
	t.Helper()
	bounds := image.Rect(0, 0, p.PreparedWidth, p.PreparedHeight)
	inside := f.Box.Intersect(bounds)
	if 2*inside.Dx()*inside.Dy() < f.Box.Dx()*f.Box.Dy() || f.Box.Dx() < 40 {
		t.Errorf("%s: box %v in a picture of %v", name, f.Box, bounds)
	}
	if len(f.Landmarks) != 5 {
		t.Errorf("%s: %d landmarks, want 5", name, len(f.Landmarks))
	}
	for _, at := range f.Landmarks {
		if !at.In(f.Box) {
			t.Errorf("%s: landmark %v outside the face %v", name, at, f.Box)
		}
	}
	for i, v := range f.Descriptor {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			t.Errorf("%s: value %d of the descriptor is %v", name, i, v)
		}
	}
	if len(f.Descriptor) != 128 || !slices.ContainsFunc(f.Descriptor, func(v float32) bool { return v != 0 }) {
		t.Errorf("%s: the descriptor is not 128 numbers, or zero", name)
	}
}

func TestFacesAreSortedFromLeftToRight(t *testing.T) {
	t.Parallel()
	e := open(t)
	for name, want := range map[string]int{"unknown/unknown0006.jpg": 0, "unknown/unknown0010.jpg": 4} {
		found, err := e.Recognize(sampleJPEG(t, name))
		if err != nil || len(found) != want {
			t.Errorf("%s: %d faces, error %v; want %d", name, len(found), err, want)
		}
		sorted := slices.IsSortedFunc(found, func(a, b engine.PixelFace) int { return a.Box.Min.X - b.Box.Min.X })
		if !sorted {
			t.Errorf("%s: faces %v are not in order", name, found)
		}
	}
}

func TestUnreadableBytes(t *testing.T) {
	t.Parallel()
	e := open(t)
	good := sampleJPEG(t, "unknown/unknown0001.jpg")
	fromPicture := func(name string) []byte {
		raw, err := os.ReadFile(filepath.FromSlash("../../picture/testdata/" + name))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	var grey bytes.Buffer
	if err := jpeg.Encode(&grey, image.NewGray(image.Rect(0, 0, 100, 100)), nil); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"empty": {}, "text": []byte("not a picture"), "grey": grey.Bytes(),
		"progressive grey": fromPicture("grey-progressive.jpg"), "CMYK": fromPicture("cmyk.jpg"), "YCCK": fromPicture("ycck.jpg"),
		"truncated": good[:len(good)/2], "header only": good[:20], "webp": fromPicture("lossy.webp"),
	} {
		if found, err := e.Recognize(raw); !errors.Is(err, engine.ErrUnreadable) {
			t.Errorf("%s: %d faces, error %v; want ErrUnreadable", name, len(found), err)
		}
	}
	if found, err := e.Recognize(good); err != nil || len(found) != 1 {
		t.Errorf("afterwards: %d faces, error %v; want one", len(found), err)
	}
}

func TestEnginesAtOnceAgree(t *testing.T) {
	t.Parallel()
	names := []string{"known/Ada/1.jpg", "unknown/unknown0010.jpg"}
	var prepared [][]byte
	for _, name := range names {
		prepared = append(prepared, sampleJPEG(t, name))
	}
	answers := make([][][]engine.PixelFace, 2)
	var group sync.WaitGroup
	for i := range answers {
		e := open(t)
		group.Go(func() {
			for _, raw := range prepared {
				found, err := e.Recognize(raw)
				if err != nil {
					t.Errorf("engine %d: %v", i, err)
				}
				answers[i] = append(answers[i], found)
			}
		})
	}
	group.Wait()
	if diff := cmp.Diff(answers[0], answers[1]); diff != "" {
		t.Errorf("two engines see different things (-first +second):\n%s", diff)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	_, dir := goFace(t)
	e, err := dlib.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	e.Close() // a second time is fine
	if _, err := e.Recognize(sampleJPEG(t, "known/Ada/1.jpg")); err == nil || errors.Is(err, engine.ErrUnreadable) {
		t.Errorf("after Close: error %v, want one that does not blame the picture", err)
	}
}

func TestOpenWithoutModels(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := dlib.Open(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v, want one that names %s", err, dir)
	}
}
