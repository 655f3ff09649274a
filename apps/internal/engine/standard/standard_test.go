package standard_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/enginetest"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/libjpeg"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// shared is one engine for all tests: it takes a while to open and 150 MB.
type shared struct {
	mu     sync.Mutex // guards engine: it looks at one picture at a time
	engine engine.Engine
}

// open opens the engine of the default model set.
func open(t *testing.T) *shared {
	t.Helper()
	return &shared{engine: enginetest.Open(t)}
}

func (s *shared) look(t *testing.T, file []byte) engine.Seen {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, err := s.engine.Look(t.Context(), file, engine.Ask)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// photograph reads a photograph, and skips the test where there are none.
func photograph(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("ROLLCALL_TEST_FACES")
	if dir == "" {
		t.Skip("ROLLCALL_TEST_FACES names no folder of photographs")
	}
	file, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// pixels decodes a file at full size.
func pixels(t *testing.T, file []byte) *picture.RGB {
	t.Helper()
	opts := picture.Defaults()
	opts.Library = libjpeg.Library{}
	p, err := picture.Open(file, opts)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Decode(max(p.Size().X, p.Size().Y))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func encode(t *testing.T, m *picture.RGB) []byte {
	t.Helper()
	file, err := libjpeg.Encode(m.Pix, m.Width, m.Height, 92)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// canvas returns a grey picture.
func canvas(width, height int) *picture.RGB {
	return &picture.RGB{Pix: bytes.Repeat([]byte{0x80}, 3*width*height), Stride: 3 * width, Width: width, Height: height}
}

func paste(on, m *picture.RGB, x, y int) {
	for row := range m.Height {
		copy(on.Pix[(y+row)*on.Stride+3*x:], m.Pix[row*m.Stride:][:3*m.Width])
	}
}

// turn returns a picture turned by degrees, clockwise, on grey.
func turn(m *picture.RGB, degrees float64) *picture.RGB {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	side := int(math.Ceil(math.Hypot(float64(m.Width), float64(m.Height))))
	out := canvas(side, side)
	tr := align.Transform{A: cos, B: sin}
	middle := tr.Apply(align.Point{X: float64(m.Width-1) / 2, Y: float64(m.Height-1) / 2})
	tr.X, tr.Y = float64(side-1)/2-middle.X, float64(side-1)/2-middle.Y
	align.Warp(m, tr, out)
	return out
}

// A panorama of 48 faces and a group in the corner of a 24-megapixel picture:
// every face of 32 pixels and more is found.
func TestFindsSmallFacesInLargePictures(t *testing.T) {
	t.Parallel()
	group := photograph(t, "groups/bbt4.jpg") // six faces, 110 to 140 pixels high
	e := open(t)
	m := pixels(t, group)

	panorama := canvas(8*m.Width, m.Height)
	for i := range 8 {
		paste(panorama, m, i*m.Width, 0)
	}
	if seen := e.look(t, encode(t, panorama)); len(seen.Faces) != 48 {
		t.Errorf("panorama of %d x %d: %d faces, want 48", seen.Width, seen.Height, len(seen.Faces))
	}
	small := m.Resize(m.Width/3, m.Height/3) // faces of about 40 pixels
	large := canvas(6000, 4000)
	paste(large, small, 5500, 3700)
	seen := e.look(t, encode(t, large))
	if len(seen.Faces) != 6 {
		t.Errorf("24 megapixels: %d faces, want 6", len(seen.Faces))
	}
	for _, f := range seen.Faces {
		if f.Box.X < 5500 || f.Box.Y < 3700 || f.Box.Height > 60 {
			t.Errorf("24 megapixels: a face at %+v", f.Box)
		}
	}
}

// The descriptor of a turned face is that of the upright one.
func TestTurnedFacesAreDescribedUpright(t *testing.T) {
	t.Parallel()
	group := photograph(t, "groups/bbt4.jpg")
	e := open(t)
	m := pixels(t, group)
	upright := e.look(t, encode(t, turn(m, 0)))
	if len(upright.Faces) != 6 {
		t.Fatalf("%d faces upright, want 6", len(upright.Faces))
	}
	for degrees := 15; degrees < 360; degrees += 30 {
		seen := e.look(t, encode(t, turn(m, float64(degrees))))
		same := 0
		for _, f := range seen.Faces {
			for _, u := range upright.Faces {
				if f.Descriptor.Distance(u.Descriptor) < 0.6 {
					same++
					break
				}
			}
		}
		if same < 5 || len(seen.Faces) > 7 {
			t.Errorf("%d degrees: %d faces, %d of them as upright; want 6, or one less", degrees, len(seen.Faces), same)
		}
	}
}

// Of more faces than the limit the largest are described, and the rest counted.
func TestCrowd(t *testing.T) {
	t.Parallel()
	group := photograph(t, "groups/bbt4.jpg")
	e := open(t)
	m := pixels(t, group)
	m = m.Resize(m.Width/2, m.Height/2)
	crowd := canvas(5*m.Width, 5*m.Height)
	for i := range 25 {
		paste(crowd, m, i%5*m.Width, i/5*m.Height)
	}
	seen := e.look(t, encode(t, crowd))
	if len(seen.Faces) != 128 || seen.Omitted < 15 || seen.Omitted > 25 {
		t.Errorf("%d faces and %d more; want 128 of 150", len(seen.Faces), seen.Omitted)
	}
}

// Boxes and landmarks lie within the picture, whatever the picture; a picture of
// any size, however odd, is answered.
func TestOddPictures(t *testing.T) {
	t.Parallel()
	e := open(t)
	for _, size := range []image.Point{{X: 1, Y: 1}, {X: 2, Y: 3}, {X: 31, Y: 33}, {X: 4000, Y: 2}, {X: 2, Y: 4000}, {X: 33, Y: 2000}} {
		var file bytes.Buffer
		if err := jpeg.Encode(&file, image.NewRGBA(image.Rectangle{Max: size}), nil); err != nil {
			t.Fatal(err)
		}
		if seen := e.look(t, file.Bytes()); seen.Width != size.X || seen.Height != size.Y {
			t.Errorf("%v: answered as %d x %d", size, seen.Width, seen.Height)
		}
	}
}

// The reference describes the built-in picture as the networks do.
func TestReexamine(t *testing.T) {
	t.Parallel()
	e := open(t)
	seen := e.look(t, engine.Portrait())
	if len(seen.Faces) != 1 || len(seen.Faces[0].Descriptor) != 320 {
		t.Fatalf("%d faces", len(seen.Faces))
	}
	again, err := e.engine.Reexamine(t.Context(), []int{0, 0})
	if err != nil || len(again) != 2 || again[0] == nil {
		t.Fatalf("got %v, error %v; want a descriptor twice", again, err)
	}
	if d := again[0].Distance(seen.Faces[0].Descriptor); d == 0 || d > 0.1 {
		t.Errorf("the two ways are %v apart; want more than 0 and at most 0.1", d)
	}
	for _, numbers := range [][]int{{1}, {-1}} {
		if _, err := e.engine.Reexamine(t.Context(), numbers); err == nil {
			t.Errorf("faces %v of one are described", numbers)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := e.engine.Reexamine(ended, []int{0}); err == nil {
		t.Error("a call that was given up goes on")
	}
}

func TestFilesThatAreNoPictures(t *testing.T) {
	t.Parallel()
	e := open(t)
	portrait := engine.Portrait()
	for name, file := range map[string][]byte{
		"nothing": nil, "text": []byte("not a picture"), "half a picture": portrait[:len(portrait)/2],
	} {
		e.mu.Lock()
		_, err := e.engine.Look(t.Context(), file, engine.Ask)
		e.mu.Unlock()
		if err == nil {
			t.Errorf("%s is answered", name)
		}
		if _, err := e.engine.Reexamine(t.Context(), []int{0}); err == nil {
			t.Errorf("after %s a face of an older picture is described", name)
		}
	}
	fmt.Fprintln(t.Output(), "afterwards:", len(e.look(t, portrait).Faces), "face")
}
