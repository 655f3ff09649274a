package fakeengine_test

import (
	"errors"
	"image"
	"image/color"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/kerneltest"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

var (
	red   = color.RGBA{R: 225, G: 30, B: 30, A: 255}
	green = color.RGBA{R: 30, G: 195, B: 30, A: 255}
	blue  = color.RGBA{R: 15, G: 30, B: 240, A: 255}
)

func TestFindsSquaresFromLeftToRight(t *testing.T) {
	t.Parallel()
	img := fakeengine.Draw(400, 300,
		fakeengine.Face{Box: image.Rect(300, 20, 360, 80), Colour: blue},
		fakeengine.Face{Box: image.Rect(20, 200, 60, 240), Colour: red},
		fakeengine.Face{Box: image.Rect(120, 100, 220, 200), Colour: green},
	)
	found, err := fakeengine.Find(fakeengine.JPEG(img))
	if err != nil {
		t.Fatal(err)
	}
	var boxes []image.Rectangle
	var who []faces.Descriptor
	for _, f := range found {
		boxes, who = append(boxes, f.Box), append(who, f.Descriptor)
		for _, p := range f.Landmarks {
			if !p.In(f.Box) {
				t.Errorf("landmark %v is outside %v", p, f.Box)
			}
		}
	}
	want := []image.Rectangle{image.Rect(20, 200, 60, 240), image.Rect(120, 100, 220, 200), image.Rect(300, 20, 360, 80)}
	if diff := cmp.Diff(want, boxes); diff != "" {
		t.Errorf("boxes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]faces.Descriptor{fakeengine.Describe(red), fakeengine.Describe(green), fakeengine.Describe(blue)}, who); diff != "" {
		t.Errorf("descriptors (-want +got):\n%s", diff)
	}
}

// The descriptor must not depend on the way that a picture took.
func TestDescriptorSurvivesPreparation(t *testing.T) {
	t.Parallel()
	for r := 0; r <= 255; r += 45 {
		for g := 0; g <= 255; g += 45 {
			for b := 0; b <= 255; b += 45 {
				c := color.RGBA{R: uint8(r), G: uint8(g), B: uint8(b), A: 255}
				if max(r, g, b)-min(r, g, b) < 60 {
					continue
				}
				prepared, err := picture.Decode(fakeengine.Portrait(c), picture.Defaults())
				if err != nil {
					t.Fatal(err)
				}
				found, err := fakeengine.Find(fakeengine.JPEG(prepared.Pixels))
				if err != nil || len(found) != 1 {
					t.Fatalf("%v: found %d faces, %v; want 1", c, len(found), err)
				}
				if got, want := found[0].Descriptor, fakeengine.Describe(c); !slices.Equal(got, want) {
					t.Errorf("%v: descriptor %v, want %v", c, got[:3], want[:3])
				}
			}
		}
	}
}

func TestFindRefusesWhatTheRealEngineRefuses(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string][]byte{
		"text": []byte("no picture"), "empty": nil, "png": fakeengine.Portrait(red), "grey": fakeengine.JPEG(image.NewGray(image.Rect(0, 0, 8, 8))),
	} {
		if _, err := fakeengine.Find(raw); !errors.Is(err, engine.ErrUnreadable) {
			t.Errorf("%s: error %v, want ErrUnreadable", name, err)
		}
	}
}

func TestStudioCounts(t *testing.T) {
	t.Parallel()
	var s fakeengine.Studio
	e, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Look(t.Context(), fakeengine.JPEG(image.NewYCbCr(image.Rect(0, 0, 50, 50), image.YCbCrSubsampleRatio420)), engine.Ask); err != nil {
		t.Fatal(err)
	}
	e.Close()
	if s.Opened() != 1 || s.Calls() != 1 || s.Closed() != 1 {
		t.Errorf("opened %d, calls %d, closed %d; want 1 each", s.Opened(), s.Calls(), s.Closed())
	}
	defer func() {
		if recover() == nil {
			t.Error("a closed engine can be used")
		}
	}()
	e.Look(t.Context(), fakeengine.Portrait(red), engine.Ask) //nolint:errcheck // it must panic
}

func TestKernel(t *testing.T) {
	t.Parallel()
	kerneltest.Test(t, fakeengine.Kernel{})
}

// A portrait is recognized at any size; nothing else is taken for it.
func TestPortraitIsFound(t *testing.T) {
	t.Parallel()
	var s fakeengine.Studio
	e, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if seen, err := e.Look(t.Context(), engine.Portrait(), engine.Ask); err != nil || len(seen.Faces) != 1 || s.Calls() != 0 {
		t.Errorf("found %v, error %v, %d calls; want one face, not counted", seen.Faces, err, s.Calls())
	}
	empty := fakeengine.JPEG(image.NewYCbCr(image.Rect(0, 0, 480, 600), image.YCbCrSubsampleRatio420))
	if seen, err := e.Look(t.Context(), empty, engine.Ask); err != nil || s.Calls() != 1 {
		t.Errorf("in an empty picture: %v, error %v, %d calls", seen.Faces, err, s.Calls())
	}
}
