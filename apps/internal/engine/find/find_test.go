package find_test

import (
	"errors"
	"image"
	"math"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/find"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// scripted is a network that returns the same faces for every picture,
// relative to the picture's size. It records the input sizes.
type scripted struct {
	faces [][15]float32
	sizes []image.Point
	err   error
}

func (s *scripted) Run(input []uint8, shape []int64, out []float32) ([]float32, []int64, error) {
	if int64(len(input)) != shape[0]*shape[1]*shape[2]*shape[3] || shape[1]%32 != 0 || shape[2]%32 != 0 {
		return nil, nil, errors.New("the input does not have its shape")
	}
	size := image.Pt(int(shape[2]), int(shape[1]))
	s.sizes = append(s.sizes, size)
	for _, f := range s.faces {
		for i, v := range f {
			switch {
			case i == 0:
			case i%2 == 1:
				v *= float32(size.X)
			default:
				v *= float32(size.Y)
			}
			out = append(out, v)
		}
	}
	return out, []int64{int64(len(s.faces)), 15}, s.err
}

// face returns a face with a score and a box, relative to the picture's size,
// upright or upside down.
func face(score, x, y, side float32, upright bool) [15]float32 {
	eyes, mouth := y+0.3*side, y+0.8*side
	if !upright {
		eyes, mouth = mouth, eyes
	}
	return [15]float32{
		score, x, y, side, side,
		x + 0.3*side, eyes, x + 0.7*side, eyes, x + 0.5*side, y + 0.5*side, x + 0.3*side, mouth, x + 0.7*side, mouth,
	}
}

func blank(width, height int) *picture.RGB {
	return &picture.RGB{Pix: make([]byte, 3*width*height), Stride: 3 * width, Width: width, Height: height}
}

func TestSearchesBySize(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		original image.Point
		side     int // at which it is to be decoded, about
		searches int // with a certain face in it
	}{
		"small":         {image.Pt(320, 256), 320, 1},
		"a web picture": {image.Pt(640, 480), 640, 1},
		"2 megapixels":  {image.Pt(1600, 1200), 800, 2},
		"24 megapixels": {image.Pt(6000, 4000), 2239, 5},
		"a panorama":    {image.Pt(6000, 473), 3000, 2},
		"one pixel":     {image.Pt(1, 1), 1, 1},
	} {
		side := find.Side(tt.original)
		if side < tt.side*95/100 || side > tt.side*105/100+1 {
			t.Errorf("%s: to be decoded at %d, want about %d", name, side, tt.side)
		}
		scale := float64(side) / float64(max(tt.original.X, tt.original.Y))
		m := blank(max(1, int(float64(tt.original.X)*scale)), max(1, int(float64(tt.original.Y)*scale)))
		net := &scripted{faces: [][15]float32{face(0.95, 0.4, 0.4, 0.2, true)}}
		found, err := find.New(net).Find(t.Context(), m, tt.original)
		// The network also returns a face for each tile of the second search.
		if want := max(1, tt.searches-2); err != nil || len(found) < 1 || len(found) > tt.searches || want == 1 && len(found) != 1 {
			t.Errorf("%s: %d faces, error %v; want %d or so", name, len(found), err, want)
		}
		if len(net.sizes) != tt.searches {
			t.Errorf("%s: searched at %v, want %d searches", name, net.sizes, tt.searches)
		}
		for _, s := range net.sizes {
			if s.X*s.Y > 1_300_000 {
				t.Errorf("%s: searched %v at once, which takes too much memory", name, s)
			}
		}
	}
}

func TestWhichBoxesAreFaces(t *testing.T) {
	t.Parallel()
	certain := face(0.95, 0.1, 0.1, 0.2, true)
	for name, tt := range map[string]struct {
		faces [][15]float32
		want  int
	}{
		"nothing":               {nil, 0},
		"one":                   {[][15]float32{certain}, 1},
		"two apart":             {[][15]float32{certain, face(0.9, 0.6, 0.6, 0.2, true)}, 2},
		"one twice":             {[][15]float32{certain, face(0.9, 0.11, 0.1, 0.2, true)}, 1},
		"a part of one":         {[][15]float32{certain, face(0.7, 0.15, 0.15, 0.08, true)}, 1},
		"a faint one":           {[][15]float32{certain, face(0.3, 0.6, 0.6, 0.2, true)}, 1},
		"a score that is NaN":   {[][15]float32{certain, face(float32(math.NaN()), 0.6, 0.6, 0.2, true)}, 1},
		"a box without an area": {[][15]float32{certain, face(0.9, 0.6, 0.6, 0, true)}, 1},
	} {
		found, err := find.New(&scripted{faces: tt.faces}).Find(t.Context(), blank(640, 480), image.Pt(640, 480))
		if err != nil || len(found) != tt.want {
			t.Errorf("%s: %d faces, error %v; want %d", name, len(found), err, tt.want)
		}
	}
}

func TestTurnsOnlyWhereNothingIsCertain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		face [15]float32
		want int // searches
	}{
		"a certain face":      {face(0.95, 0.4, 0.4, 0.2, true), 1},
		"an uncertain one":    {face(0.8, 0.4, 0.4, 0.2, true), 8},
		"one that is on end":  {face(0.95, 0.4, 0.4, 0.2, false), 8},
		"one far too faint":   {face(0.2, 0.4, 0.4, 0.2, true), 8},
		"one of a score of 0": {face(0, 0.4, 0.4, 0.2, true), 8},
	} {
		net := &scripted{faces: [][15]float32{tt.face}}
		if _, err := find.New(net).Find(t.Context(), blank(640, 480), image.Pt(640, 480)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(net.sizes) != tt.want {
			t.Errorf("%s: %d searches, want %d", name, len(net.sizes), tt.want)
		}
	}
}

func TestNetworkThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	if _, err := find.New(&scripted{err: broken}).Find(t.Context(), blank(64, 64), image.Pt(64, 64)); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}
