package faces_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

func at(x float32, side int) faces.Face {
	return faces.Face{Descriptor: faces.Descriptor{x, 0}, Box: faces.Box{Width: side, Height: side}, Quality: faces.Quality{Score: 1, Size: side}}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	m := faces.Model{ID: "m", Threshold: 0.5, Margin: 0.125, FarThreshold: 0.75, FarMargin: 0.25, Floors: faces.Floors{Size: 30}}
	plain := m
	plain.FarThreshold = 0
	for _, c := range []struct {
		name string
		a, b faces.Face
		m    faces.Model
		want faces.Likeness
	}{
		{"one face", at(1, 40), at(1, 40), m, faces.LikeSame},
		{"at the threshold", at(1, 40), at(1.5, 40), m, faces.LikeSame},
		{"beyond the threshold", at(1, 40), at(1.5625, 40), m, faces.LikeUncertain},
		{"at the far threshold", at(1, 40), at(1.75, 40), m, faces.LikeUncertain},
		{"far away", at(1, 40), at(1.875, 40), m, faces.LikeDifferent},
		{"a set without a far threshold, within the margin", at(1, 40), at(1.625, 40), plain, faces.LikeUncertain},
		{"a set without a far threshold", at(1, 40), at(1.75, 40), plain, faces.LikeDifferent},
		{"too small to say", at(1, 20), at(1, 40), m, faces.LikeUncertain},
		{"too small to say, and far away", at(1, 40), at(3, 20), m, faces.LikeUncertain},
		{"descriptors of two sets", at(1, 40), faces.Face{Descriptor: faces.Descriptor{1}}, m, faces.LikeDifferent},
	} {
		pairs, omitted := faces.Compare([]faces.Face{c.a}, []faces.Face{c.b}, c.m)
		if len(pairs) != 1 || omitted != 0 || pairs[0].Likeness != c.want {
			t.Errorf("%s: %+v, want %s", c.name, pairs, c.want)
		}
	}
}

// Large faces come first, and a crowd is bounded.
func TestComparePairs(t *testing.T) {
	t.Parallel()
	m := faces.Model{Threshold: 0.5}
	pairs, omitted := faces.Compare([]faces.Face{at(1, 40), at(2, 90)}, []faces.Face{at(2, 40), at(5, 50), at(1, 80)}, m)
	var order [][2]int
	for _, p := range pairs {
		order = append(order, [2]int{p.A, p.B})
	}
	if diff := cmp.Diff([][2]int{{1, 2}, {1, 1}, {1, 0}, {0, 2}, {0, 1}, {0, 0}}, order); diff != "" || omitted != 0 {
		t.Errorf("%d omitted; order (-want +got):\n%s", omitted, diff)
	}
	crowd := make([]faces.Face, 25)
	for i := range crowd {
		crowd[i] = at(float32(i), 10+i)
	}
	pairs, omitted = faces.Compare(crowd, crowd, m)
	if len(pairs) != 100 || omitted != 525 || pairs[0].A != 24 || pairs[99].B != 15 {
		t.Errorf("%d pairs, %d omitted, from %+v to %+v", len(pairs), omitted, pairs[0], pairs[len(pairs)-1])
	}
	if pairs, omitted := faces.Compare(nil, crowd, m); len(pairs) != 0 || omitted != 0 {
		t.Errorf("nobody: %d pairs, %d omitted", len(pairs), omitted)
	}
}
