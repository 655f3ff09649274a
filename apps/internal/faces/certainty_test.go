package faces_test

import (
	"math"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

func TestCertainty(t *testing.T) {
	t.Parallel()
	m := model
	m.Floors = faces.Floors{Size: 40, Sharpness: 0.5, Yaw: 30, CutOff: 0.5, Detection: 0.5}
	good := faces.Quality{Size: 80, Sharpness: 0.75, Detection: 0.75}
	face := func(r faces.Reason, best float64, second float64, change func(*faces.Quality)) faces.Face {
		f := faces.Face{Model: m.ID, Reason: r, Quality: good, Best: &faces.Candidate{Person: ada, Distance: best}}
		if second > 0 {
			f.Second = &faces.Candidate{Person: bruno, Distance: second}
		}
		if change != nil {
			change(&f.Quality)
		}
		return f
	}
	alone := func(change func(*faces.Quality), r faces.Reason) faces.Face { return face(r, 0.25, 0, change) }
	for _, c := range []struct {
		name string
		face faces.Face
		want int
	}{
		{"a quarter of the margin", face(faces.Uncertain, 0.25, 0.28125, nil), 250},
		{"nearly the margin", face(faces.Uncertain, 0.25, 0.3749, nil), 999},
		{"two as near", face(faces.Uncertain, 0.25, 0.25, nil), 0},
		{"another face has the person", face(faces.Uncertain, 0.25, 0.75, nil), 1000},
		{"nobody else is near", face(faces.Uncertain, 0.25, 0, nil), 1000},
		{"half as large as needed", alone(func(q *faces.Quality) { q.Size = 20 }, faces.TooSmall), 500},
		{"blurred", alone(func(q *faces.Quality) { q.Sharpness = 0.125 }, faces.Blurred), 250},
		{"hardly detected", alone(func(q *faces.Quality) { q.Detection = 0.4 }, faces.Blurred), 800},
		{"turned halfway too far", alone(func(q *faces.Quality) { q.Yaw = -60 }, faces.TurnedAway), 500},
		{"three quarters cut off", alone(func(q *faces.Quality) { q.CutOff = 0.75 }, faces.CutOff), 500},
		{"small, and the margin is the smaller share", face(faces.TooSmall, 0.25, 0.28125, func(q *faces.Quality) { q.Size = 20 }), 250},
		{"small, and near to nobody", face(faces.TooSmall, 0.75, 0, func(q *faces.Quality) { q.Size = 20 }), 0},
		{"unknown", face(faces.UnknownPerson, 0.75, 0, nil), 0},
		{"ignored", faces.Face{Model: m.ID, Reason: faces.Ignored}, 0},
		{"a distance that is no number", face(faces.Uncertain, 0.25, math.NaN(), nil), 1000}, // NaN is not larger than 0: nobody
		{"of a model set that is unknown", faces.Face{Model: "other", Reason: faces.Uncertain, Best: &faces.Candidate{}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rule := func(id string) faces.Model { return map[string]faces.Model{m.ID: m}[id] }
			if got := faces.Certainty([]faces.Face{c.face}, rule); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
			stranger := face(faces.UnknownPerson, 0.9, 0, nil)
			if got := faces.Certainty([]faces.Face{stranger, c.face, face(faces.Uncertain, 0.25, 0.265625, nil)}, rule); got != max(c.want, 125) {
				t.Errorf("beside others: got %d, want %d", got, max(c.want, 125))
			}
		})
	}
}
