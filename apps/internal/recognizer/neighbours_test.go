package recognizer_test

import (
	"cmp"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// palette returns n colours that the fake engine distinguishes.
func palette(n int) []color.RGBA {
	var list []color.RGBA
	for r := 0; r <= 255; r += 15 {
		for g := 0; g <= 255; g += 15 {
			for b := 0; b <= 255; b += 15 {
				if max(r, g, b)-min(r, g, b) >= 75 && len(list) < n {
					list = append(list, color.RGBA{R: uint8(r), G: uint8(g), B: uint8(b), A: 255})
				}
			}
		}
	}
	return list
}

// coarse returns a random descriptor whose distances have no rounding errors
// and are often equal.
func coarse(rng *rand.Rand) faces.Descriptor {
	d := make(faces.Descriptor, fakeengine.Size)
	for range 6 {
		d[rng.IntN(fakeengine.Size)] = float32(rng.IntN(4)) / 4
	}
	return d
}

// knowMany adds n pictures with random descriptors to the gallery.
func knowMany(f *fixture, rng *rand.Rand, n int) map[string]faces.Descriptor {
	byColour := map[string]faces.Descriptor{} // by what the fake engine makes of them
	byName := map[string]faces.Descriptor{}
	for i, c := range palette(n) {
		name := fmt.Sprintf("%02d/%04d.jpg", rng.IntN(20), i)
		d := coarse(rng)
		byName[name], byColour[string(fakeengine.Describe(c).Bytes())] = d, d
		f.known(name, fakeengine.JPEG(fakeengine.Draw(12, 12, fakeengine.Face{Box: image.Rect(0, 0, 12, 12), Colour: c})))
	}
	f.studio.Recognize = func(jpeg []byte) ([]engine.PixelFace, error) {
		found, err := fakeengine.Find(jpeg)
		for i := range found {
			found[i].Descriptor = byColour[string(found[i].Descriptor.Bytes())]
		}
		return found, err
	}
	return byName
}

// bruteForce implements NeighbourLimit as the protocol describes it.
func bruteForce(known map[string]faces.Descriptor, d faces.Descriptor, count uint32, slack float32) []string {
	type near struct {
		name     string
		distance float64
	}
	var all []near
	for name, k := range known {
		all = append(all, near{name, d.Distance(k)})
	}
	slices.SortFunc(all, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	if count == 0 {
		count = 16
	}
	var names []string
	for i, n := range all {
		if i < 1000 && (i < int(count) || n.distance <= all[0].distance+float64(slack)) {
			names = append(names, fmt.Sprintf("%s %.4f", n.name, n.distance))
		}
	}
	return names
}

func TestNeighboursAreThoseOfBruteForce(t *testing.T) {
	t.Parallel()
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, seed))
	f := newFixture(t)
	known := knowMany(f, rng, 1100)
	f.start()
	if got := f.info().GetKnownImages(); int(got) != len(known) || len(known) != 1100 {
		t.Fatalf("%d known pictures of %d", got, len(known))
	}
	limits := []*recognizerv1.NeighbourLimit{
		nil, {}, {Count: 1}, {Count: 3, Slack: 0.25}, {Slack: 0.5}, {Count: 1, Slack: 1}, {Count: 40, Slack: 0.125},
		{Count: 999}, {Count: 1000}, {Count: 1001}, {Count: 1 << 31, Slack: 100}, {Count: 1, Slack: 100},
	}
	for _, l := range limits {
		var raw [][]byte
		var asked []faces.Descriptor
		for range 4 {
			d := coarse(rng)
			asked, raw = append(asked, d), append(raw, d.Bytes())
		}
		res, err := f.client.Match(t.Context(), &recognizerv1.MatchRequest{ModelId: f.model.ID, Descriptors: raw, Neighbours: l})
		if err != nil {
			t.Fatalf("%v: %v", l, err)
		}
		if len(res.GetMatches()) != len(asked) {
			t.Fatalf("%v: %d answers to %d descriptors", l, len(res.GetMatches()), len(asked))
		}
		for i, m := range res.GetMatches() {
			var got []string
			for _, n := range m.GetNeighbours() {
				got = append(got, fmt.Sprintf("%s %.4f", n.GetImageName(), n.GetDistance()))
			}
			if diff := gocmp.Diff(bruteForce(known, asked[i], l.GetCount(), l.GetSlack()), got); diff != "" {
				t.Fatalf("%v, descriptor %d (seed %d) (-want +got):\n%s", l, i, seed, diff)
			}
		}
	}
}

func TestRecognizeHeedsTheLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 30 {
		f.known(fmt.Sprintf("Ann/%02d.png", i), fakeengine.Portrait(red))
	}
	f.known("Bob/1.png", fakeengine.Portrait(color.RGBA{R: 240, G: 60, B: 30})) // 30 of 255 away
	f.start()
	for name, test := range map[string]struct {
		limit *recognizerv1.NeighbourLimit
		want  int
	}{
		"default":            {nil, 16},
		"few, no slack":      {&recognizerv1.NeighbourLimit{Count: 2}, 30}, // all at the same distance
		"second person seen": {&recognizerv1.NeighbourLimit{Count: 2, Slack: 0.2}, 31},
		"slack too small":    {&recognizerv1.NeighbourLimit{Count: 2, Slack: 0.1}, 30},
	} {
		req := byContent(fakeengine.Portrait(red))
		req.Neighbours = test.limit
		res, err := f.client.Recognize(t.Context(), req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := len(res.GetFaces()[0].GetNeighbours())
		if name == "default" && got < test.want || name != "default" && got != test.want {
			t.Errorf("%s: %d neighbours, want %d", name, got, test.want)
		}
	}
}

func TestMatchRefusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.start()
	d := fakeengine.Describe(red)
	good := d.Bytes()
	nan := slices.Concat([]byte{0, 0, 0xc0, 0x7f}, good[4:])
	for name, test := range map[string]struct {
		req  *recognizerv1.MatchRequest
		want codes.Code
	}{
		"works":               {&recognizerv1.MatchRequest{ModelId: "fake-1", Descriptors: [][]byte{good}}, codes.OK},
		"nothing to match":    {&recognizerv1.MatchRequest{ModelId: "fake-1"}, codes.OK},
		"another model set":   {&recognizerv1.MatchRequest{ModelId: "dlib-resnet-v1", Descriptors: [][]byte{good}}, codes.FailedPrecondition},
		"no model set":        {&recognizerv1.MatchRequest{Descriptors: [][]byte{good}}, codes.FailedPrecondition},
		"short descriptor":    {&recognizerv1.MatchRequest{ModelId: "fake-1", Descriptors: [][]byte{good, good[:500]}}, codes.InvalidArgument},
		"not a number":        {&recognizerv1.MatchRequest{ModelId: "fake-1", Descriptors: [][]byte{nan}}, codes.InvalidArgument},
		"negative slack":      {&recognizerv1.MatchRequest{ModelId: "fake-1", Neighbours: &recognizerv1.NeighbourLimit{Slack: -1}}, codes.InvalidArgument},
		"empty descriptor":    {&recognizerv1.MatchRequest{ModelId: "fake-1", Descriptors: [][]byte{nil}}, codes.InvalidArgument},
		"descriptor too long": {&recognizerv1.MatchRequest{ModelId: "fake-1", Descriptors: [][]byte{append(good, 0)}}, codes.InvalidArgument},
	} {
		if _, err := f.client.Match(t.Context(), test.req); status.Code(err) != test.want {
			t.Errorf("%s: error %v, want %v", name, err, test.want)
		}
	}
}

// If nobody is known, faces have no neighbours, which is a valid answer.
func TestNobodyIsKnown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() {
			res, err := f.client.Recognize(t.Context(), byContent(fakeengine.Group(red, blue)))
			if err != nil || len(res.GetFaces()) != 2 || len(res.GetFaces()[0].GetNeighbours()) != 0 {
				t.Errorf("%v, error %v; want two faces without neighbours", res, err)
			}
		})
	}
	calls.Wait()
}
