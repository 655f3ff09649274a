package recognizer_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

func TestRender(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	file := fakeengine.PNG(fakeengine.Draw(300, 200, fakeengine.Face{Box: image.Rect(200, 100, 240, 140), Colour: red}))
	path := f.unknown("a.png", file)
	f.start()
	for name, req := range map[string]*recognizerv1.RenderRequest{
		"path":          {Picture: &recognizerv1.RenderRequest_Path{Path: path}, Size: 150},
		"relative path": {Picture: &recognizerv1.RenderRequest_Path{Path: "a.png"}, Size: 150},
		"content":       {Picture: &recognizerv1.RenderRequest_Content{Content: file}, Size: 150},
	} {
		res, err := f.client.Render(f.t.Context(), req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m, err := jpeg.Decode(bytes.NewReader(res.GetJpeg()))
		if err != nil || m.Bounds() != image.Rect(0, 0, 150, 100) || res.GetWidth() != 150 || res.GetHeight() != 100 {
			t.Errorf("%s: %d x %d, %v", name, res.GetWidth(), res.GetHeight(), err)
		}
		if want := fileAt(t, path); (name == "content") != (res.GetFile() == nil) || name != "content" && !proto.Equal(res.GetFile(), want) {
			t.Errorf("%s: file %v, want %v", name, res.GetFile(), want)
		}
	}
	face := &recognizerv1.RenderRequest{
		Picture: &recognizerv1.RenderRequest_Path{Path: path}, Size: 64, Margin: 0.1, Crop: &recognizerv1.Box{X: 200, Y: 100, Width: 40, Height: 40},
	}
	res, err := f.client.Render(t.Context(), face)
	if err != nil {
		t.Fatal(err)
	}
	m, err := jpeg.Decode(bytes.NewReader(res.GetJpeg()))
	if err != nil || m.Bounds() != image.Rect(0, 0, 64, 64) {
		t.Fatalf("the face: %v, %v", m.Bounds(), err)
	}
	if got := color.RGBAModel.Convert(m.At(32, 32)).(color.RGBA); got.R < 200 || got.G > 80 {
		t.Errorf("the face has the colour %v", got)
	}
	if got := f.studio.Calls(); got != 0 {
		t.Errorf("%d pictures were looked at, none had to be", got)
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.unknown("half.png", fakeengine.Portrait(red)[:100])
	f.unknown("text.jpg", []byte("no picture"))
	good := f.unknown("good.png", fakeengine.Portrait(red))
	f.start()
	path := func(p string) *recognizerv1.RenderRequest {
		return &recognizerv1.RenderRequest{Picture: &recognizerv1.RenderRequest_Path{Path: p}, Size: 64}
	}
	with := func(change func(*recognizerv1.RenderRequest)) *recognizerv1.RenderRequest {
		req := path(good)
		change(req)
		return req
	}
	for name, c := range map[string]struct {
		req    *recognizerv1.RenderRequest
		code   codes.Code
		reason faces.Reason
	}{
		"nothing":                  {&recognizerv1.RenderRequest{Size: 64}, codes.InvalidArgument, ""},
		"no size":                  {with(func(r *recognizerv1.RenderRequest) { r.Size = 0 }), codes.InvalidArgument, ""},
		"too large":                {with(func(r *recognizerv1.RenderRequest) { r.Size = 4096 }), codes.InvalidArgument, ""},
		"an empty part":            {with(func(r *recognizerv1.RenderRequest) { r.Crop = &recognizerv1.Box{X: 1} }), codes.InvalidArgument, ""},
		"outside of the picture":   {with(func(r *recognizerv1.RenderRequest) { r.Crop = &recognizerv1.Box{X: 999, Width: 5, Height: 5} }), codes.InvalidArgument, ""},
		"a file that is not there": {path("none.png"), codes.NotFound, faces.NotFound},
		"outside of the folder":    {path("/etc/passwd"), codes.PermissionDenied, faces.PathNotAllowed},
		"half a picture":           {path("half.png"), codes.InvalidArgument, faces.CorruptImage},
		"no picture":               {path("text.jpg"), codes.InvalidArgument, faces.UnsupportedFormat},
	} {
		_, err := f.client.Render(t.Context(), c.req)
		if status.Code(err) != c.code || reasonIn(err) != c.reason {
			t.Errorf("%s: %v with the reason %q, want %s, %q", name, err, reasonIn(err), c.code, c.reason)
		}
	}
}

// While the volume of pictures is away, rendering is refused as recognizing is.
func TestRenderWithoutTheVolume(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.unknown("a.png", fakeengine.Portrait(red))
	f.start()
	if err := os.RemoveAll(f.opts.UnknownPeople); err != nil {
		t.Fatal(err)
	}
	f.eventually("the volume is known to be away", func() bool {
		_, err := f.client.Render(t.Context(), &recognizerv1.RenderRequest{Picture: &recognizerv1.RenderRequest_Path{Path: "a.png"}, Size: 64})
		return status.Code(err) == codes.Unavailable
	})
}

// An urgent picture gets the next free engine, however many others wait. Many
// urgent ones leave every fourth turn to the others.
func TestUrgentPicturesGoFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.Engines = 1
	f.start()
	g := gated(f.studio)
	order := make(chan string, 100)
	f.studio.Recognize = func(jpeg []byte) ([]engine.PixelFace, error) {
		found, err := fakeengine.Find(jpeg)
		if err == nil && len(found) == 1 {
			order <- map[float32]string{1: "urgent", 0: "queued"}[found[0].Descriptor[0]]
		}
		g.arrived <- struct{}{}
		<-g.open
		return found, err
	}
	waiting := 0
	var calls sync.WaitGroup
	ask := func(n int, urgent bool) {
		colour := color.RGBA{G: 255}
		if urgent {
			colour.R = 255
		}
		req := byContent(fakeengine.Portrait(colour))
		req.Urgent = urgent
		for range n {
			calls.Go(func() {
				if _, err := f.client.Recognize(t.Context(), req); err != nil {
					t.Error(err)
				}
			})
		}
		waiting += n
		f.eventually("all wait for the engine", func() bool { return f.recognizer.Waiting() == waiting })
	}
	running := f.ask(t.Context())
	within(t, "the running picture", g.arrived)
	ask(20, false)
	ask(5, true)
	close(g.open)
	if err := within(t, "the running picture", running); err != nil {
		t.Error(err)
	}
	calls.Wait()
	close(order)
	var got []string
	for name := range order {
		if name != "" {
			got = append(got, name)
		}
	}
	want := []string{"urgent", "urgent", "urgent", "queued", "urgent", "urgent", "queued"}
	if diff := cmp.Diff(want, got[:min(len(got), len(want))]); diff != "" || len(got) != 25 {
		t.Errorf("the order of %d pictures (-want +got):\n%s", len(got), diff)
	}
}

// A caller that gives up at the moment when it gets an engine loses none.
func TestGivingUpLosesNoEngine(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.Engines = 2
	f.start()
	done := make(chan struct{}, 200)
	for i := range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%20)*100*time.Microsecond)
		req := byContent(fakeengine.Portrait(blue))
		req.Urgent = i%2 == 0
		go func() {
			defer cancel()
			_, _ = f.client.Recognize(ctx, req) // most are too late
			done <- struct{}{}
		}()
	}
	for range 200 {
		within(t, "a call", done)
	}
	g := gated(f.studio)
	first, second := f.ask(t.Context()), f.ask(t.Context())
	within(t, "one engine works", g.arrived)
	within(t, "the other engine works, too", g.arrived)
	close(g.open)
	for _, call := range []<-chan error{first, second} {
		if err := within(t, "a call", call); err != nil {
			t.Error(err)
		}
	}
}

// Our client asks for pictures, and its errors have reasons.
func TestRenderWithOurClient(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	path := f.unknown("a.png", fakeengine.Portrait(red))
	f.start()
	c, err := recognizerclient.Dial(recognizerclient.Options{Address: f.conn.Target(), Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Render(t.Context(), path, faces.Rendering{Crop: faces.Box{X: 12, Y: 12, Width: 24, Height: 24}, Margin: 0.4, Size: 64})
	if err != nil || got.Width != 64 || got.Height != 64 || !bytes.HasPrefix(got.JPEG, []byte("\xff\xd8\xff")) || got.File.SHA256 == "" {
		t.Errorf("got %d x %d of %+v: %v", got.Width, got.Height, got.File, err)
	}
	for name, c := range map[string]struct {
		got  func() error
		want faces.Code
	}{
		"no file": {func() error { _, err := c.Render(t.Context(), "none.png", faces.Rendering{Size: 64}); return err }, faces.CodeOf(faces.NotFound)},
		"no size": {func() error { _, err := c.Render(t.Context(), path, faces.Rendering{}); return err }, faces.CodeInvalid},
		"beside the picture": {func() error {
			_, err := c.Render(t.Context(), path, faces.Rendering{Size: 64, Crop: faces.Box{X: 99, Width: 9, Height: 9}})
			return err
		}, faces.CodeInvalid},
	} {
		if err := c.got(); faces.ErrorCode(err) != c.want {
			t.Errorf("%s: %v, want the code %s", name, err, c.want)
		}
	}
}
