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

// answer answers about what an engine saw, from the known pictures as they are.
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

// Answer finds the known pictures near the faces of a picture that eng has just
// looked at. Faces that are hard to decide about are described once more by the
// reference, whose descriptor counts. It adds the time that this takes to t.
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
		return faces.Recognition{}, fmt.Errorf("describe faces by the reference: %w", err)
	}
	for i, number := range unsure {
		s := &answer.Sightings[number]
		if again[i] == nil {
			s.Quality.Detection = min(s.Quality.Detection, unconfirmed)
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

// match finds the neighbours of some of the faces.
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

// doubt is how close to a limit of the rule a distance, or a difference of two,
// must be for the reference to decide. The two ways of describing a face differ
// by less on 99 of 100 photographs.
const doubt = 0.05

// unconfirmed is the detection score of a face in which the reference sees none.
// It is below every floor, so that the face is not named by itself, and not 0,
// which stands for a detector that gives no score.
const unconfirmed = 0.01

// doubtful returns the numbers of the faces that the reference is to describe.
func doubtful(list []faces.Sighting, m faces.Model) []int {
	var numbers []int
	for i, s := range list {
		if isDoubtful(s.Neighbours, m) {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// isDoubtful reports whether a small change of the distances would change who is
// named. A recognizer knows pictures, not people: pictures in one folder are
// taken to be of one person, which is what folders of known people are for.
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

// secondPerson returns the distance of the nearest picture in another folder than
// the nearest one's, and infinity where the list has none.
func secondPerson(near []faces.Neighbour) float64 {
	first := personOf(near[0].Image)
	for _, n := range near[1:] {
		if personOf(n.Image) != first {
			return n.Distance
		}
	}
	return math.Inf(1)
}

// personOf returns what pictures of one person have in common: their folder, or
// nothing where they lie in none.
func personOf(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return name
}
