package recognizer_test

import (
	"fmt"
	"image/color"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// knownImages pages through the known pictures.
func (f *fixture) knownImages() []*recognizerv1.KnownImage {
	f.t.Helper()
	var all []*recognizerv1.KnownImage
	req := &recognizerv1.ListKnownImagesRequest{}
	for {
		res, err := f.client.ListKnownImages(f.t.Context(), req)
		if err != nil {
			f.t.Fatal(err)
		}
		if len(res.GetImages()) == 0 {
			return all
		}
		all = append(all, res.GetImages()...)
		req.GalleryVersion, req.After = res.GetGalleryVersion(), all[len(all)-1].GetImageName()
	}
}

// match matches descriptors and returns the names of their neighbours.
func (f *fixture) match(req *recognizerv1.MatchRequest, asked ...faces.Descriptor) [][]string {
	f.t.Helper()
	req.ModelId = f.model.ID
	for _, d := range asked {
		req.Descriptors = append(req.Descriptors, d.Bytes())
	}
	res, err := f.client.Match(f.t.Context(), req)
	if err != nil {
		f.t.Fatal(err)
	}
	var names [][]string
	for _, m := range res.GetMatches() {
		var list []string
		for _, n := range m.GetNeighbours() {
			list = append(list, n.GetImageName())
		}
		names = append(names, list)
	}
	return names
}

func TestKnownImagesAreListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t).often()
	f.studio.Recognize = func([]byte) ([]engine.PixelFace, error) {
		return []engine.PixelFace{{Descriptor: fakeengine.Describe(red)}}, nil
	}
	const many = 10_001 // more than two pages
	for i := range many {
		f.known(fmt.Sprintf("%d/%d.jpg", i%7, i), shot(fakeengine.Portrait(red), i%3))
	}
	f.known("bad.jpg", []byte("no picture"))
	f.start()
	all := f.knownImages()
	if len(all) != many {
		t.Fatalf("%d known pictures, want %d", len(all), many)
	}
	if !slices.IsSortedFunc(all, func(a, b *recognizerv1.KnownImage) int { return strings.Compare(a.GetImageName(), b.GetImageName()) }) {
		t.Error("they are not sorted")
	}
	contents := map[string]bool{}
	for _, k := range all {
		contents[k.GetContentId()] = true
	}
	if len(contents) != 3 {
		t.Errorf("%d contents, want 3", len(contents))
	}
	// In the middle of the list the gallery changes.
	version := f.info().GetGalleryVersion()
	f.known("new.jpg", fakeengine.Portrait(blue))
	f.eventually("the picture is known", func() bool { return f.info().GetGalleryVersion() != version })
	_, err := f.client.ListKnownImages(t.Context(), &recognizerv1.ListKnownImagesRequest{GalleryVersion: version, After: "3"})
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a page of the old state: error %v, want FailedPrecondition", err)
	}
	res, err := f.client.ListKnownImages(t.Context(), &recognizerv1.ListKnownImagesRequest{After: "6/9999.jpg"})
	if err != nil || len(res.GetImages()) != 1 || res.GetImages()[0].GetImageName() != "new.jpg" {
		t.Errorf("after the last but one: %v, error %v", res.GetImages(), err)
	}
}

func TestMatchAgainstSome(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.known("Ann/2.png", fakeengine.Portrait(yellow))
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	f.known("Bob/none.png", fakeengine.Group())
	f.start()
	for name, test := range map[string]struct {
		images []string
		want   []string // for red
	}{
		"all":                         {nil, []string{"Ann/1.png", "Ann/2.png", "Bob/1.png"}},
		"one":                         {[]string{"Bob/1.png"}, []string{"Bob/1.png"}},
		"one, said twice":             {[]string{"Bob/1.png", "Bob/1.png"}, []string{"Bob/1.png"}},
		"two":                         {[]string{"Bob/1.png", "Ann/2.png"}, []string{"Ann/2.png", "Bob/1.png"}},
		"one that is not there":       {[]string{"Cid/1.png"}, nil},
		"one that has no face":        {[]string{"Bob/none.png"}, nil},
		"some that are not all there": {[]string{"Zed/1.png", "Ann/1.png", ""}, []string{"Ann/1.png"}},
	} {
		got := f.match(&recognizerv1.MatchRequest{ImageNames: test.images}, fakeengine.Describe(red))
		if len(got) != 1 || !slices.Equal(got[0], test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestMatchOfOneState(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.start()
	d := fakeengine.Describe(red)
	for version, want := range map[string]codes.Code{
		"": codes.OK, f.info().GetGalleryVersion(): codes.OK, "0123456789abcdef": codes.FailedPrecondition,
	} {
		_, err := f.client.Match(t.Context(), &recognizerv1.MatchRequest{ModelId: f.model.ID, GalleryVersion: version, Descriptors: [][]byte{d.Bytes()}})
		if status.Code(err) != want {
			t.Errorf("version %q: error %v, want %v", version, err, want)
		}
	}
}

// Slack does not apply to strangers, so that their lists stay short.
func TestSlackWithin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 5 {
		f.known(fmt.Sprintf("Ann/%d.png", i), fakeengine.Portrait(color.RGBA{R: 240, G: uint8(30 + 15*i), B: 30})) // 15 of 255 apart
	}
	f.start()
	limit := &recognizerv1.NeighbourLimit{Count: 1, Slack: 0.5, SlackWithin: 0.3}
	got := f.match(&recognizerv1.MatchRequest{Neighbours: limit}, fakeengine.Describe(red), fakeengine.Describe(blue))
	if len(got[0]) != 5 || len(got[1]) != 1 {
		t.Errorf("%d neighbours of one who is known and %d of a stranger, want 5 and 1", len(got[0]), len(got[1]))
	}
	req := byContent(fakeengine.Portrait(blue))
	req.Neighbours = limit
	res, err := f.client.Recognize(t.Context(), req)
	if err != nil || len(res.GetFaces()[0].GetNeighbours()) != 1 {
		t.Errorf("Recognize: %v, error %v; want one neighbour", res.GetFaces(), err)
	}
	limit.SlackWithin = -1
	if _, err := f.client.Recognize(t.Context(), req); status.Code(err) != codes.InvalidArgument {
		t.Errorf("negative slack_within: error %v, want InvalidArgument", err)
	}
}

// A call with thousands of descriptors is answered in order; too many are refused.
func TestMatchOfThousands(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	f.start()
	var asked []faces.Descriptor
	for i := range 5000 {
		asked = append(asked, fakeengine.Describe([]color.RGBA{red, blue, blue}[i%3]))
	}
	req := &recognizerv1.MatchRequest{Neighbours: &recognizerv1.NeighbourLimit{Count: 1}}
	for i, got := range f.match(req, asked...) {
		if want := []string{"Ann/1.png", "Bob/1.png", "Bob/1.png"}[i%3]; len(got) != 1 || got[0] != want {
			t.Fatalf("descriptor %d: %v, want %s", i, got, want)
		}
	}
	for len(req.Descriptors) < 20_000 {
		req.Descriptors = append(req.Descriptors, req.Descriptors[0])
	}
	if _, err := f.client.Match(t.Context(), req); status.Code(err) != codes.InvalidArgument {
		t.Errorf("20,000 descriptors: error %v, want InvalidArgument", err)
	}
}
