package recognizer_test

import (
	"image"
	"image/color"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// describeFixture has a picture with a red face at (200, 100).
func describeFixture(t *testing.T) (f *fixture, path string) {
	t.Helper()
	f = newFixture(t)
	f.studio.Boxes = true
	f.known("Ada/1.png", fakeengine.Portrait(red))
	path = f.unknown("a.png", fakeengine.PNG(fakeengine.Draw(300, 200, fakeengine.Face{Box: image.Rect(200, 100, 240, 140), Colour: red})))
	return f, path
}

func describeRequest(path string, x, y, width, height uint32) *recognizerv1.DescribeFaceRequest {
	return &recognizerv1.DescribeFaceRequest{
		Picture: &recognizerv1.DescribeFaceRequest_Path{Path: path}, MaxDescriptorSize: faces.MaxDescriptorSize,
		Box: &recognizerv1.Box{X: x, Y: y, Width: width, Height: height},
	}
}

func TestDescribeFace(t *testing.T) {
	t.Parallel()
	f, path := describeFixture(t)
	f.start()
	file := fileAt(t, path)
	content, err := f.client.Recognize(t.Context(), byPath(path))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		req    *recognizerv1.DescribeFaceRequest
		colour color.RGBA
		found  bool
	}{
		"around the face": {describeRequest(path, 196, 95, 48, 50), red, true},
		"beside it":       {describeRequest(path, 10, 10, 50, 60), color.RGBA{A: 255}, false},
		"a relative path": {describeRequest("a.png", 196, 95, 48, 50), red, true},
	} {
		tt.req.File = file
		res, err := f.client.DescribeFace(t.Context(), tt.req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := fakeengine.Describe(tt.colour)
		if got := res.GetFace(); string(got.GetDescriptor_()) != string(want.Bytes()) || !proto.Equal(got.GetBox(), tt.req.GetBox()) ||
			(len(got.GetLandmarks()) > 0) != tt.found || got.GetQuality() == nil || len(got.GetNeighbours()) != 1 {
			t.Errorf("%s: %v", name, got)
		}
		if res.GetByLandmarks() != tt.found || res.GetChanged() || !proto.Equal(res.GetFile(), file) ||
			!proto.Equal(res.GetModel(), content.GetModel()) || res.GetGalleryVersion() != content.GetGalleryVersion() {
			t.Errorf("%s: %v", name, res)
		}
	}
}

// Another content than that in which the box was drawn is not described.
func TestDescribeFaceOfAChangedFile(t *testing.T) {
	t.Parallel()
	f, path := describeFixture(t)
	f.start()
	req := describeRequest(path, 196, 95, 48, 50)
	req.File = fileAt(t, path)
	f.unknown("a.png", fakeengine.Portrait(color.RGBA{B: 255, A: 255}))
	calls := f.studio.Calls()
	res, err := f.client.DescribeFace(t.Context(), req)
	if err != nil || !res.GetChanged() || res.GetFace() != nil || !proto.Equal(res.GetFile(), fileAt(t, path)) || f.studio.Calls() != calls {
		t.Errorf("got %v, %v", res, err)
	}
}

func TestDescribeFaceRefuses(t *testing.T) {
	t.Parallel()
	f, path := describeFixture(t)
	f.unknown("half.png", fakeengine.Portrait(red)[:100])
	f.start()
	small := describeRequest(path, 0, 0, 10, 10)
	small.MaxDescriptorSize = 3
	for name, tt := range map[string]struct {
		req    *recognizerv1.DescribeFaceRequest
		code   codes.Code
		reason faces.Reason
	}{
		"no picture":      {&recognizerv1.DescribeFaceRequest{MaxDescriptorSize: faces.MaxDescriptorSize}, codes.InvalidArgument, ""},
		"no box":          {describeRequest(path, 0, 0, 0, 0), codes.InvalidArgument, ""},
		"a box outside":   {describeRequest(path, 290, 0, 50, 50), codes.InvalidArgument, ""},
		"a box far away":  {describeRequest(path, 1<<31, 1<<31, 1<<31, 1<<31), codes.InvalidArgument, ""},
		"another folder":  {describeRequest("/etc/passwd", 0, 0, 10, 10), codes.PermissionDenied, faces.PathNotAllowed},
		"no such file":    {describeRequest("none.png", 0, 0, 10, 10), codes.NotFound, faces.NotFound},
		"half a picture":  {describeRequest("half.png", 0, 0, 10, 10), codes.InvalidArgument, faces.CorruptImage},
		"a small client":  {small, codes.Unavailable, ""},
		"a slack below 0": {withSlack(describeRequest(path, 0, 0, 10, 10)), codes.InvalidArgument, ""},
	} {
		_, err := f.client.DescribeFace(t.Context(), tt.req)
		if status.Code(err) != tt.code || reasonIn(err) != tt.reason {
			t.Errorf("%s: %v, want %s %q", name, err, tt.code, tt.reason)
		}
	}
}

func withSlack(req *recognizerv1.DescribeFaceRequest) *recognizerv1.DescribeFaceRequest {
	req.Neighbours = &recognizerv1.NeighbourLimit{Slack: -1}
	return req
}

// The engine of an old model set describes no boxes, which is as if the recognizer
// did not know the call.
func TestDescribeFaceIsNotOffered(t *testing.T) {
	t.Parallel()
	f, path := describeFixture(t)
	f.studio.Boxes = false
	f.start()
	if _, err := f.client.DescribeFace(t.Context(), describeRequest(path, 0, 0, 10, 10)); status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v", err)
	}
}
