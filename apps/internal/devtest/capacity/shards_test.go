package capacity_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/capacity"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/kerneltest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// model has limits like those of the default set, for the generated people.
var model = faces.Model{ID: "test", Size: kerneltest.FaceSize, Threshold: 0.95, Margin: 0.05, FarThreshold: 1.02, FarMargin: 0.08}

// gallery is known pictures, in one index and in several.
type gallery struct {
	known  kerneltest.Known
	asked  []faces.Descriptor
	shards map[int]capacity.Shards
	whole  *nearest.Index
}

// draw returns the pictures of some people, and faces: of them, of strangers, and of neither.
func draw(seed uint64, people int, counts ...int) gallery {
	rng := rand.New(rand.NewPCG(seed, 1))
	source := kerneltest.NewPeople(seed)
	g := gallery{known: kerneltest.Known{}, shards: map[int]capacity.Shards{}}
	for p := range people {
		person := source.Person()
		for n := range 1 + rng.IntN(3) {
			g.known[fmt.Sprintf("Person %03d/%d.jpg", p, n)] = []faces.Descriptor{source.Picture(person)}
		}
		if p%10 == 0 {
			g.asked = append(g.asked, source.Picture(person), source.Picture(source.Person()))
		}
	}
	// Pictures at all distances from a face, and some at exactly the same.
	for n := range 120 {
		d := source.At(g.asked[n%4], 0.7+0.5*rng.Float64())
		g.known[fmt.Sprintf("Near %03d/1.jpg", n)] = []faces.Descriptor{d}
		if n%20 == 0 {
			g.known[fmt.Sprintf("Twin %03d/1.jpg", n)] = []faces.Descriptor{d}
		}
	}
	g.whole = nearest.NewIndex(nearest.Plain{}, kerneltest.FaceSize, g.known.All())
	for _, n := range counts {
		g.shards[n] = split(g.known, n)
	}
	return g
}

func split(known kerneltest.Known, n int) capacity.Shards {
	parts := make([]kerneltest.Known, n)
	for i := range parts {
		parts[i] = kerneltest.Known{}
	}
	for name, list := range known {
		parts[capacity.ShardOf(name, n)][name] = list
	}
	var shards capacity.Shards
	for _, part := range parts {
		shards = append(shards, nearest.NewIndex(nearest.Plain{}, kerneltest.FaceSize, part.All()))
	}
	return shards
}

func limitOf(l faces.NeighbourLimit) nearest.Limit {
	return nearest.Limit{Count: l.Count, Slack: l.Slack, Within: l.Within}
}

// Several indexes, asked and merged, answer what one index of all pictures answers: the same
// pictures in the same order at the same distances, and so the same decision.
func TestShardsAnswerAsOneIndex(t *testing.T) {
	t.Parallel()
	limits := []nearest.Limit{
		limitOf(model.Limit(1)), limitOf(model.Limit(16)), {Count: 2, Slack: 0.3, Within: 0.8}, {Count: 1, Slack: 0.02, Within: 0.75},
		{}, {Count: 3}, {Count: 5, Slack: 0.5}, {Count: 1, Slack: 1e9}, {Count: faces.MaxNeighbours},
	}
	for seed := range uint64(2) {
		g := draw(seed, 60, 1, 2, 3, 16, 200)
		for _, l := range limits {
			want, err := g.whole.Nearest(t.Context(), g.asked, l)
			if err != nil {
				t.Fatal(err)
			}
			for count, shards := range g.shards {
				g.compare(t, fmt.Sprintf("seed %d, %d shards, %+v", seed, count, l), shards, l, want)
			}
		}
	}
}

// compare compares the answers of shards with those of one index.
func (g gallery) compare(t *testing.T, what string, shards capacity.Shards, l nearest.Limit, want [][]faces.Neighbour) {
	t.Helper()
	got, err := shards.Nearest(t.Context(), g.asked, l)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-one index +shards):\n%s", what, diff)
	}
	if one, several := g.decide(want, l), g.decide(got, l); !cmp.Equal(one, several) {
		t.Fatalf("%s: decided %+v, want %+v", what, several, one)
	}
}

// decide decides each face as the processor does.
func (g gallery) decide(near [][]faces.Neighbour, l nearest.Limit) []faces.Outcome {
	people := map[string]int64{}
	for i, name := range slices.Sorted(maps.Keys(g.known)) {
		if people[path.Dir(name)] == 0 {
			people[path.Dir(name)] = int64(i + 1)
		}
	}
	owner := func(image string) (faces.Person, bool) {
		name := path.Dir(image)
		return faces.Person{ID: people[name], Name: name}, true
	}
	var list []faces.Outcome
	for i, d := range g.asked {
		limit := faces.NeighbourLimit{Count: l.Count, Slack: l.Slack, Within: l.Within}
		s := faces.Sighting{Descriptor: d, Neighbours: near[i], Horizon: limit.Horizon(near[i])}
		list = append(list, faces.Decide(faces.Recognition{Model: model, People: len(people), Sightings: []faces.Sighting{s}}, owner))
	}
	return list
}

// asked is a Searcher that keeps what it was asked with.
type asked struct {
	capacity.Searcher
	limit *nearest.Limit
}

func (a asked) Nearest(ctx context.Context, list []faces.Descriptor, l nearest.Limit) ([][]faces.Neighbour, error) {
	return a.Searcher.Nearest(ctx, list, *a.limit)
}

// A shard that is asked with the limit of the whole, and no further, leaves pictures out. So the
// wider limit is not there for nothing.
func TestTheLimitOfTheWholeIsTooNarrowForAShard(t *testing.T) {
	t.Parallel()
	g := draw(1, 100, 16)
	l := nearest.Limit{Count: 1, Slack: 0.2, Within: 0.8}
	var narrow capacity.Shards
	for _, s := range g.shards[16] {
		narrow = append(narrow, asked{s, &l})
	}
	want, err := g.whole.Nearest(t.Context(), g.asked, l)
	if err != nil {
		t.Fatal(err)
	}
	got, err := narrow.Nearest(t.Context(), g.asked, l)
	if err != nil {
		t.Fatal(err)
	}
	if cmp.Equal(want, got) {
		t.Error("nothing was left out")
	}
}

func TestPicturesOfAPersonAreInOneShard(t *testing.T) {
	t.Parallel()
	const shards, people = 8, 8000
	var count [shards]int
	for p := range people {
		first := capacity.ShardOf(fmt.Sprintf("Person %d/1.jpg", p), shards)
		if other := capacity.ShardOf(fmt.Sprintf("Person %d/2.jpg", p), shards); other != first {
			t.Fatalf("person %d is in the shards %d and %d", p, first, other)
		}
		count[first]++
	}
	if least := slices.Min(count[:]); least < people/shards*9/10 {
		t.Errorf("people by shard: %v", count)
	}
	if a, b := capacity.ShardOf("a.jpg", 1000), capacity.ShardOf("b.jpg", 1000); a == b {
		t.Errorf("pictures without a folder are all in shard %d", a)
	}
}

// broken is a shard that does not answer.
type broken struct{}

var errBroken = errors.New("this shard is broken")

func (broken) Nearest(context.Context, []faces.Descriptor, nearest.Limit) ([][]faces.Neighbour, error) {
	return nil, errBroken
}

// An answer without one shard could name the wrong person, so there is none.
func TestAMissingShardIsAnError(t *testing.T) {
	t.Parallel()
	g := draw(1, 40, 2)
	if _, err := append(g.shards[2], broken{}).Nearest(t.Context(), g.asked, nearest.Limit{}); !errors.Is(err, errBroken) {
		t.Errorf("the error is %v", err)
	}
}
