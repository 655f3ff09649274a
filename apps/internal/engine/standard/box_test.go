package standard_test

import (
	"math"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

func (s *shared) describe(t *testing.T, file []byte, box faces.Box) (engine.Seen, error) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, err := s.engine.(engine.BoxDescriber).DescribeBox(t.Context(), file, box)
	if err == nil && (len(seen.Faces) != 1 || seen.Faces[0].Box != box) {
		t.Errorf("the box %+v: got %+v", box, seen.Faces)
	}
	return seen, err
}

// darker returns a picture with a share of its light.
func darker(m *picture.RGB, by float64) *picture.RGB {
	out := &picture.RGB{Pix: make([]byte, len(m.Pix)), Stride: m.Stride, Width: m.Width, Height: m.Height}
	for i, v := range m.Pix {
		out.Pix[i] = byte(float64(v) * by)
	}
	return out
}

// scaledBox returns a box of a picture that was resized by a factor and moved.
func scaledBox(b faces.Box, by float64, x, y int) faces.Box {
	part := func(v int) int { return int(math.Round(by * float64(v))) }
	return faces.Box{X: x + part(b.X), Y: y + part(b.Y), Width: part(b.Width), Height: part(b.Height)}
}

// A face in a box that somebody drew is described nearly as one that was found, also
// where it is not found.
func TestDescribeBox(t *testing.T) {
	t.Parallel()
	e := open(t)
	portrait := photograph(t, "people/sheldon/sheldon1.png")
	m := pixels(t, portrait)
	found := e.look(t, portrait).Faces[0]
	drawn := faces.Box{X: 5, Y: 0, Width: 143, Height: 150} // roughly

	small := canvas(1200, 900)
	const shrunk = 0.28
	side := int(shrunk * float64(m.Width))
	paste(small, m.Resize(side, side), 300, 300)
	for _, tt := range []struct {
		name      string
		picture   *picture.RGB
		box       faces.Box
		finds     int // faces, without the box
		landmarks bool
		most      float64 // distance from the face that was found
	}{
		{"a face that is found", m, drawn, 1, true, 0.2},
		{"a small face, missed in a large picture", small, scaledBox(drawn, shrunk, 300, 300), 0, true, 0.7},
		{"too dark to be found", darker(m, 0.05), drawn, 0, false, 1.1},
		{"too large to be decoded at full size", m.Resize(4500, 4500), scaledBox(drawn, 30, 0, 0), 1, true, 0.3},
	} {
		file := encode(t, tt.picture)
		if got := len(e.look(t, file).Faces); got != tt.finds {
			t.Errorf("%s: %d faces are found without the box, want %d", tt.name, got, tt.finds)
		}
		seen, err := e.describe(t, file, tt.box)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		f := seen.Faces[0]
		if d := f.Descriptor.Distance(found.Descriptor); d > tt.most {
			t.Errorf("%s: at a distance of %.2f, want at most %.2f", tt.name, d, tt.most)
		}
		if byLandmarks := len(f.Landmarks) == 5 && f.Quality.Detection > 0.5; byLandmarks != tt.landmarks || f.Quality.Score <= 0 {
			t.Errorf("%s: landmarks %v, %+v", tt.name, f.Landmarks, f.Quality)
		}
		if seen.Width != tt.picture.Width || seen.Height != tt.picture.Height {
			t.Errorf("%s: the picture has %d x %d", tt.name, seen.Width, seen.Height)
		}
	}
	if _, err := e.describe(t, portrait, drawn); err != nil {
		t.Fatal(err)
	}
	again, err := e.engine.Reexamine(t.Context(), []int{0})
	if err != nil || len(again) != 1 || again[0] == nil || again[0].Distance(found.Descriptor) > 0.3 {
		t.Errorf("reexamined: %v", err)
	}
}

// Any box inside the picture is described, whatever is in it, and no other.
func TestDescribeAnyBox(t *testing.T) {
	t.Parallel()
	e := open(t)
	file := encode(t, canvas(300, 200))
	for name, tt := range map[string]struct {
		box faces.Box
		ok  bool
	}{
		"one pixel":       {faces.Box{X: 299, Y: 199, Width: 1, Height: 1}, true},
		"a line":          {faces.Box{X: 0, Y: 100, Width: 300, Height: 1}, true},
		"everything":      {faces.Box{Width: 300, Height: 200}, true},
		"no pixel":        {faces.Box{X: 5, Y: 5}, false},
		"beyond an edge":  {faces.Box{X: 250, Y: 100, Width: 51, Height: 50}, false},
		"before the edge": {faces.Box{X: -1, Y: 100, Width: 51, Height: 50}, false},
		"far too large":   {faces.Box{X: 1, Width: math.MaxInt, Height: math.MaxInt}, false},
	} {
		seen, err := e.describe(t, file, tt.box)
		if tt.ok && (err != nil || len(seen.Faces[0].Descriptor) == 0 || len(seen.Faces[0].Landmarks) != 0) {
			t.Errorf("%s: %+v, %v", name, seen, err)
		}
		if !tt.ok && faces.ErrorCode(err) != faces.CodeInvalid {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := e.describe(t, file[:100], faces.Box{Width: 10, Height: 10}); !faces.ReasonOf(err).Permanent() {
		t.Errorf("half a file: %v", err)
	}
}
