package recognizer

import (
	"context"
	"fmt"
	"math"
	"path"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// answer matches what an engine found against the current known pictures.
func (r *Recognizer) answer(ctx context.Context, eng engine.Engine, seen engine.Seen, l nearest.Limit, t *Timings) (faces.Recognition, error) {
	g := r.known.Current()
	answer, err := Answer(ctx, eng, seen, g.Index(), r.model, l, t)
	if err != nil {
		return faces.Recognition{}, err
	}
	begin := time.Now()
	r.explain(g.Index(), answer.Sightings)
	t.Match += time.Since(begin)
	answer.Gallery = g.Version()
	return answer, nil
}

// Answer finds the known pictures nearest to each face of a picture that eng
// has just looked at. Faces close to a limit of the rule are described again
// by the reference network, whose descriptor then counts. Answer adds the
// time it takes to t.
func Answer(ctx context.Context, eng engine.Engine, seen engine.Seen, known *nearest.Index, m faces.Model,
	l nearest.Limit, t *Timings) (faces.Recognition, error) {
	answer := faces.Recognition{
		Width: seen.Width, Height: seen.Height, Omitted: seen.Omitted, Warning: seen.Warning, Model: m,
	}
	for _, f := range seen.Faces {
		answer.Sightings = append(answer.Sightings, faces.Sighting{
			Box: f.Box, Landmarks: f.Landmarks, Descriptor: f.Descriptor, Quality: f.Quality,
		})
	}
	begin := time.Now()
	err := match(ctx, known, answer.Sightings, all(len(seen.Faces)), l)
	t.Match += time.Since(begin)
	if err != nil {
		return faces.Recognition{}, err
	}
	unsure := doubtful(answer.Sightings, m)
	if len(unsure) == 0 {
		return answer, nil
	}
	begin = time.Now()
	again, err := eng.Reexamine(ctx, unsure)
	t.Describe += time.Since(begin)
	if err != nil {
		return faces.Recognition{}, fmt.Errorf("describe faces with the reference: %w", err)
	}
	for i, number := range unsure {
		s := &answer.Sightings[number]
		if again[i] == nil {
			s.Quality.Detection = min(s.Quality.Detection, unconfirmedScore)
			continue
		}
		s.Descriptor = again[i]
	}
	begin = time.Now()
	err = match(ctx, known, answer.Sightings, unsure, l)
	t.Match += time.Since(begin)
	return answer, err
}

func all(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

// match finds the neighbours of the faces with these numbers.
func match(ctx context.Context, known *nearest.Index, list []faces.Sighting, numbers []int, l nearest.Limit) error {
	asked := make([]faces.Descriptor, len(numbers))
	for i, n := range numbers {
		asked[i] = list[n].Descriptor
	}
	near, err := known.Nearest(ctx, asked, l)
	if err != nil {
		return fmt.Errorf("match the faces: %w", err)
	}
	for i, n := range numbers {
		list[n].Neighbours = near[i]
	}
	return nil
}

// doubt is how close to a limit of the rule a distance, or a difference of
// two distances, must be for the reference to decide. For 99 of 100
// photographs the two descriptions of a face differ by less.
const doubt = 0.05

// unconfirmedScore is the detection score of a face that the reference does not
// find. It is below every floor, so that the face is not identified. It is
// not 0, which means that the detector gives no score.
const unconfirmedScore = 0.01

// doubtful returns the numbers of the faces that the reference must describe.
func doubtful(list []faces.Sighting, m faces.Model) []int {
	var numbers []int
	for i, s := range list {
		if isDoubtful(s.Neighbours, m) {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// isDoubtful reports whether a small change of the distances could change who
// is identified. A recognizer knows pictures, not people, so it assumes that
// the pictures in a folder are of one person.
func isDoubtful(near []faces.Neighbour, m faces.Model) bool {
	if len(near) == 0 {
		return false
	}
	best := near[0].Distance
	if math.Abs(best-m.Threshold) <= doubt {
		return true
	}
	second := secondPerson(near) - best
	if best < m.Threshold {
		return math.Abs(second-m.Margin) <= doubt
	}
	return m.FarThreshold > 0 && best <= m.FarThreshold+doubt && second >= m.FarMargin-doubt
}

// secondPerson returns the distance of the nearest picture in a different
// folder than the nearest picture's. It is infinite if there is none.
func secondPerson(near []faces.Neighbour) float64 {
	first := personOf(near[0].Image)
	for _, n := range near[1:] {
		if personOf(n.Image) != first {
			return n.Distance
		}
	}
	return math.Inf(1)
}

// personOf returns what identifies the person of a picture: its folder, or
// its name if it is not in a folder.
func personOf(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return name
}
