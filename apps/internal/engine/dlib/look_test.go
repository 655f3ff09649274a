package dlib_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"io/fs"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// pixels returns a sample picture as the recognizer decodes it.
func pixels(t *testing.T, name string) picture.Prepared {
	t.Helper()
	raw, err := fs.ReadFile(samples.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	opts := picture.Defaults()
	opts.JPEG = dlib.DecodeJPEG
	p, err := picture.Decode(raw, opts)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

// unknown returns the names of the sample pictures that show groups and more.
func unknown(t *testing.T) []string {
	t.Helper()
	names, err := fs.Glob(samples.Files(), "unknown/*")
	if err != nil || len(names) == 0 {
		t.Fatalf("samples %v, error %v", names, err)
	}
	return names
}

// On a picture without colour, which go-face's JPEG loader hands to dlib as it
// is, our detector finds what dlib's does, at the same places.
func TestDetectorFindsWhatDlibFinds(t *testing.T) {
	t.Parallel()
	e := open(t)
	d, err := dlib.NewDetector()
	if err != nil {
		t.Fatal(err)
	}
	faces := 0
	for _, name := range unknown(t) {
		m := pixels(t, name).Pixels
		for i := range m.Cb {
			m.Cb[i], m.Cr[i] = 128, 128
		}
		var file bytes.Buffer
		if err := jpeg.Encode(&file, m, &jpeg.Options{Quality: 100}); err != nil {
			t.Fatal(err)
		}
		want, err := e.Recognize(file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Detect(m, -0.1)
		if err != nil {
			t.Fatal(err)
		}
		faces += len(want)
		for _, w := range want {
			if !has(got, w.Box) {
				t.Errorf("%s: dlib finds %v, we do not: %v", name, w.Box, got)
			}
		}
		for _, g := range got {
			found := false
			for _, w := range want {
				found = found || w.Box == g.Box
			}
			if !found && g.Score > 0.1 {
				t.Errorf("%s: we find %v, dlib does not", name, g)
			}
		}
	}
	if faces == 0 {
		t.Error("dlib finds nothing in any sample")
	}
}

func has(list []dlib.Candidate, box image.Rectangle) bool {
	for _, c := range list {
		if c.Box == box {
			return true
		}
	}
	return false
}

// Looking at cut-outs answers what go-face answers of the whole picture: the
// same faces, with descriptors that are nearly the same. They move with the box,
// which dlib places in steps of a fifth of its size, and those of drawn faces
// move more than those of photographs (docs/accuracy.md).
func TestLookSeesWhatGoFaceSees(t *testing.T) {
	t.Parallel()
	e := open(t)
	const near = 0.15
	var faces, far int
	for _, name := range unknown(t) {
		p := pixels(t, name)
		raw, err := picture.EncodeJPEG(p.Pixels, 98)
		if err != nil {
			t.Fatal(err)
		}
		want, err := e.Recognize(raw)
		if err != nil {
			t.Fatal(err)
		}
		seen, err := e.Look(p.Pixels)
		if err != nil {
			t.Fatal(err)
		}
		if len(seen.Faces) < len(want) {
			t.Errorf("%s: %d faces, go-face sees %d", name, len(seen.Faces), len(want))
		}
		for _, w := range want {
			best := 10.0
			for _, f := range seen.Faces {
				if f.Box.Overlaps(w.Box) {
					best = min(best, f.Descriptor.Distance(w.Descriptor))
				}
			}
			faces++
			if best > near {
				far++
				t.Logf("%s: the nearest descriptor of the face at %v is at %.3f", name, w.Box, best)
			}
		}
	}
	if faces == 0 || 5*far > faces {
		t.Errorf("of %d faces, %d are described as another would be; want one in five at most", faces, far)
	}
}

func TestLookMeasuresSharpness(t *testing.T) {
	t.Parallel()
	e := open(t)
	m := pixels(t, "known/Ada/1.jpg").Pixels
	last := 1.0
	for _, by := range []float64{1, 0.25, 0.15} {
		small, _ := picture.Crop(m, m.Rect, by)
		blurred, _ := picture.Crop(small, small.Rect, 1/by)
		seen, err := e.Look(blurred)
		if err != nil || len(seen.Faces) != 1 {
			t.Fatalf("blurred by %.2f: %d faces, error %v", by, len(seen.Faces), err)
		}
		if s := seen.Faces[0].Sharpness; s <= 0 || s >= last {
			t.Errorf("blurred by %.2f: sharpness %.2f, before %.2f", by, s, last)
		} else {
			last = s
		}
	}
}

func TestLookAtOddSizes(t *testing.T) {
	t.Parallel()
	e := open(t)
	for _, size := range []image.Point{{}, {X: 1, Y: 1}, {X: 1600, Y: 1}, {X: 1, Y: 1600}, {X: 7, Y: 9}, {X: 79, Y: 81}, {X: 1601, Y: 99}} {
		seen, err := e.Look(image.NewYCbCr(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio420))
		if err != nil || len(seen.Faces) != 0 {
			t.Errorf("%v: %d faces, error %v", size, len(seen.Faces), err)
		}
	}
}
