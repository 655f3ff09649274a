package recognizer_test

import (
	"math"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// storedFace is a face at a place: places apart by 0.1 are at a distance of 0.1.
func storedFace(id int64, x float32) *recognizerv1.StoredFace {
	d := make(faces.Descriptor, fakeengine.Size)
	d[0] = x
	return &recognizerv1.StoredFace{Id: id, Descriptor_: d.Bytes()}
}

// put is a request of some faces from 1 on, which are a tenth apart.
func put(after, upTo int64) *recognizerv1.PutFacesRequest {
	req := &recognizerv1.PutFacesRequest{ModelId: fakeengine.Model().ID, After: after, UpTo: upTo, Newest: upTo}
	for id := after + 1; id <= upTo; id++ {
		req.Faces = append(req.Faces, storedFace(id, float32(id)/10))
	}
	return req
}

func searchFor(x float32) *recognizerv1.SearchFacesRequest {
	return &recognizerv1.SearchFacesRequest{ModelId: fakeengine.Model().ID, Descriptors: [][]byte{storedFace(0, x).GetDescriptor_()}, Within: 0.25, Limit: 2}
}

// The calls about stored faces are answered before the known pictures are read, and
// refuse what would make the index wrong.
func TestStoredFaces(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.open() // it reads no known pictures
	ctx := t.Context()
	if _, err := f.client.SearchFaces(ctx, searchFor(0.3)); status.Code(err) != codes.Unavailable || string(reasonIn(err)) != faces.IndexIncomplete {
		t.Errorf("an empty index: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*recognizerv1.PutFacesRequest)
		code   codes.Code
	}{
		"another model set":      {func(r *recognizerv1.PutFacesRequest) { r.ModelId = "other" }, codes.FailedPrecondition},
		"a gap":                  {func(r *recognizerv1.PutFacesRequest) { r.After, r.Faces = 1, r.Faces[1:] }, codes.FailedPrecondition},
		"no range":               {func(r *recognizerv1.PutFacesRequest) { r.UpTo = 0 }, codes.InvalidArgument},
		"a negative range":       {func(r *recognizerv1.PutFacesRequest) { r.After = -5 }, codes.InvalidArgument},
		"a face twice":           {func(r *recognizerv1.PutFacesRequest) { r.Faces[1] = r.Faces[0] }, codes.InvalidArgument},
		"a face out of range":    {func(r *recognizerv1.PutFacesRequest) { r.UpTo = 2 }, codes.InvalidArgument},
		"the largest of all":     {func(r *recognizerv1.PutFacesRequest) { r.After, r.UpTo, r.Faces = math.MaxInt64-1, math.MaxInt64, nil }, codes.FailedPrecondition},
		"of the smallest of all": {func(r *recognizerv1.PutFacesRequest) { r.After, r.UpTo = math.MinInt64, math.MaxInt64 }, codes.InvalidArgument},
	} {
		req := put(0, 3)
		c.change(req)
		if _, err := f.client.PutFaces(ctx, req); status.Code(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	damaged := put(0, 3)
	damaged.Faces[1].Descriptor_ = damaged.Faces[1].GetDescriptor_()[:9]
	res, err := f.client.PutFaces(ctx, damaged)
	if err != nil || res.GetIndex().GetFaces() != 2 || !res.GetIndex().GetComplete() {
		t.Errorf("a damaged descriptor among others: %v, %v", res, err)
	}
	if _, err := f.client.PutFaces(ctx, put(0, 5)); err != nil {
		t.Fatal(err)
	}
	found, err := f.client.SearchFaces(ctx, searchFor(0.31))
	if err != nil || len(found.GetNear()) != 1 || len(found.GetNear()[0].GetFaces()) != 2 || found.GetNear()[0].GetFaces()[0].GetId() != 3 || found.GetNear()[0].GetFaces()[1].GetId() != 4 {
		t.Errorf("found %v, %v", found, err)
	}
	for name, change := range map[string]func(*recognizerv1.SearchFacesRequest){
		"no limit":             func(r *recognizerv1.SearchFacesRequest) { r.Limit = 0 },
		"a limit that is high": func(r *recognizerv1.SearchFacesRequest) { r.Limit = faces.MaxNearFaces + 1 },
		"a negative distance":  func(r *recognizerv1.SearchFacesRequest) { r.Within = -1 },
		"no distance":          func(r *recognizerv1.SearchFacesRequest) { r.Within = math.NaN() },
		"an infinite distance": func(r *recognizerv1.SearchFacesRequest) { r.Within = math.Inf(1) },
		"half a descriptor":    func(r *recognizerv1.SearchFacesRequest) { r.Descriptors[0] = r.Descriptors[0][:64] },
	} {
		req := searchFor(0.3)
		change(req)
		if _, err := f.client.SearchFaces(ctx, req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v, want InvalidArgument", name, err)
		}
	}
}

// A full index costs nothing else anything.
func TestFullIndex(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.FaceIndexMemory = 4 * nearest.FaceBytes(fakeengine.Size)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	path := f.unknown("a.png", fakeengine.Portrait(red))
	f.start()
	if _, err := f.client.PutFaces(t.Context(), put(0, 4)); err != nil {
		t.Fatal(err)
	}
	res, err := f.client.PutFaces(t.Context(), put(4, 5))
	if x := res.GetIndex(); err != nil || !x.GetFull() || x.GetFaces() != 4 || x.GetMark() != 4 || x.GetCapacity() != 4 {
		t.Errorf("got %v, %v", res, err)
	}
	if _, err := f.client.SearchFaces(t.Context(), searchFor(0.3)); status.Code(err) != codes.ResourceExhausted || string(reasonIn(err)) != faces.IndexFull {
		t.Errorf("a full index: %v", err)
	}
	if got := f.nearest(path); got != "Ann/1.png" {
		t.Errorf("the picture shows %q", got)
	}
	for name, want := range map[string]float64{"rollcall_face_index_full": 1, "rollcall_face_index_complete": 0, "rollcall_face_index_faces": 4} {
		if got := f.metric(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}
