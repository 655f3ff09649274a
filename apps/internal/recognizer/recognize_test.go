package recognizer_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"math"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

func TestRecognizeByPathAndByContent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	group := fakeengine.PNG(fakeengine.Draw(300, 200,
		fakeengine.Face{Box: image.Rect(30, 50, 80, 100), Colour: blue},
		fakeengine.Face{Box: image.Rect(150, 40, 220, 110), Colour: red},
	))
	path := f.unknown("group.png", group)
	f.start()

	for name, req := range map[string]*recognizerv1.RecognizeRequest{
		"absolute path": byPath(path), "relative path": byPath("group.png"), "content": byContent(group),
	} {
		res, err := f.client.Recognize(t.Context(), req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if res.GetWidth() != 300 || res.GetHeight() != 200 {
			t.Errorf("%s: size %dx%d, want 300x200", name, res.GetWidth(), res.GetHeight())
		}
		if len(res.GetFaces()) != 2 {
			t.Errorf("%s: %d faces, want 2", name, len(res.GetFaces()))
			continue
		}
		checkFace(t, name, res.GetFaces()[0], image.Rect(30, 50, 80, 100), "Bob/1.png", fakeengine.Describe(blue))
		checkFace(t, name, res.GetFaces()[1], image.Rect(150, 40, 220, 110), "Ann/1.png", fakeengine.Describe(red))
		if m := res.GetModel(); m.GetId() != "fake-1" || m.GetThreshold() != 0.2 || m.GetMargin() != 0.02 || !m.GetOfficial() {
			t.Errorf("%s: model %v", name, m)
		}
		if res.GetGalleryVersion() == "" || res.GetGalleryVersion() != f.info().GetGalleryVersion() {
			t.Errorf("%s: gallery version %q, GetInfo says %q", name, res.GetGalleryVersion(), f.info().GetGalleryVersion())
		}
		if res.GetTimings().GetPrepare() == 0 || res.GetTimings().GetRecognize() == 0 {
			t.Errorf("%s: timings %v: want some for prepare and recognize", name, res.GetTimings())
		}
	}
}

// checkFace checks a face. Its box may be a few pixels off, because the
// picture was scaled.
func checkFace(t *testing.T, name string, f *recognizerv1.Face, box image.Rectangle, nearest string, d faces.Descriptor) {
	t.Helper()
	b := f.GetBox()
	got := image.Rect(int(b.GetX()), int(b.GetY()), int(b.GetX()+b.GetWidth()), int(b.GetY()+b.GetHeight()))
	const slop = 4
	if !box.Inset(-slop).Eq(box.Inset(-slop).Union(got)) || !got.Eq(got.Union(box.Inset(slop))) {
		t.Errorf("%s: box %v, want about %v", name, got, box)
	}
	if len(f.GetLandmarks()) != 5 {
		t.Errorf("%s: %d landmarks, want 5", name, len(f.GetLandmarks()))
	}
	for _, p := range f.GetLandmarks() {
		if !image.Pt(int(p.GetX()), int(p.GetY())).In(got) {
			t.Errorf("%s: landmark %v is outside the face %v", name, p, got)
		}
	}
	if !bytes.Equal(f.GetDescriptor_(), d.Bytes()) {
		t.Errorf("%s: another descriptor than %v", name, d[:3])
	}
	n := f.GetNeighbours()
	if len(n) != 2 || n[0].GetImageName() != nearest || n[0].GetDistance() != 0 {
		t.Errorf("%s: neighbours %v, want %s first, at distance 0, of two", name, n, nearest)
	}
}

func TestRecognizeRefusesBadRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	slack := func(v float32) *recognizerv1.RecognizeRequest {
		req := byContent(fakeengine.Portrait(red))
		req.Neighbours = &recognizerv1.NeighbourLimit{Slack: v}
		return req
	}
	for name, req := range map[string]*recognizerv1.RecognizeRequest{
		"nothing":        {},
		"empty path":     byPath(""),
		"negative slack": slack(-0.1),
		"slack is NaN":   slack(float32(math.NaN())),
	} {
		if _, err := f.client.Recognize(t.Context(), req); status.Code(err) != codes.InvalidArgument || reasonIn(err) != "" {
			t.Errorf("%s: error %v with reason %q, want InvalidArgument without a reason", name, err, reasonIn(err))
		}
	}
}

// The engine's decoder decodes JPEGs; Go's decoder decodes those that it
// refuses.
func TestEnginesDecoderIsAskedFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	two := fakeengine.JPEG(fakeengine.Draw(1600, 200, fakeengine.Face{Box: image.Rect(300, 20, 420, 140), Colour: red}, fakeengine.Face{Box: image.Rect(600, 20, 720, 140), Colour: blue}))
	one, err := jpeg.Decode(bytes.NewReader(fakeengine.JPEG(fakeengine.Draw(1600, 200, fakeengine.Face{Box: image.Rect(300, 20, 420, 140), Colour: red}))))
	if err != nil {
		t.Fatal(err)
	}
	var refuse atomic.Bool
	f.studio.Decode = func(_ []byte, width, height, eighths int) (*image.YCbCr, error) {
		if width != 1600 || height != 200 || eighths != 8 || refuse.Load() {
			return nil, errors.New("not this one")
		}
		return one.(*image.YCbCr), nil
	}
	f.start()
	for _, refused := range []bool{false, true} {
		want := 1
		if refused {
			want = 2
		}
		refuse.Store(refused)
		res, err := f.client.Recognize(t.Context(), byContent(two))
		if err != nil || len(res.GetFaces()) != want {
			t.Errorf("decoder refuses %t: %d faces, error %v; want %d", refused, len(res.GetFaces()), err, want)
		}
	}
}

func TestPictureThatTheEngineNeverReadsIsCorrupt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.studio.Recognize = func([]byte) ([]engine.PixelFace, error) { return nil, engine.ErrUnreadable }
	f.start()
	_, err := f.client.Recognize(t.Context(), byContent(fakeengine.Portrait(red)))
	if reasonIn(err) != faces.CorruptImage {
		t.Errorf("error %v with reason %q, want corrupt_image", err, reasonIn(err))
	}
}

func TestGreyPictureIsAnswered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	var grey bytes.Buffer
	if err := jpeg.Encode(&grey, image.NewGray(image.Rect(0, 0, 1600, 100)), nil); err != nil {
		t.Fatal(err)
	}
	res, err := f.client.Recognize(t.Context(), byContent(grey.Bytes()))
	if err != nil || len(res.GetFaces()) != 0 {
		t.Errorf("faces %v, error %v; want none of both", res.GetFaces(), err)
	}
}
