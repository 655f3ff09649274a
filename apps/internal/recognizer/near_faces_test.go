package recognizer_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

func nearTo(ids ...int64) *recognizerv1.ListNearFacesRequest {
	return &recognizerv1.ListNearFacesRequest{ModelId: fakeengine.Model().ID, Ids: ids, Within: 0.25, UpTo: math.MaxInt64}
}

// lists returns an answer as text: the ids of each list, - for a face that is not held,
// and + for a list that is not complete.
func lists(res *recognizerv1.ListNearFacesResponse) string {
	var all []string
	for _, l := range res.GetLists() {
		text := fmt.Sprint(l.GetIds())
		if !l.GetHeld() {
			text = "-"
		}
		if l.GetMore() {
			text += "+"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

// All stored faces within a distance are listed, in the order of ids and in parts that are
// bounded.
func TestListNearFaces(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.NearListed = 6
	f.open()
	ctx := t.Context()
	if _, err := f.client.ListNearFaces(ctx, nearTo(1)); status.Code(err) != codes.Unavailable || string(reasonIn(err)) != faces.IndexIncomplete {
		t.Errorf("an empty index: %v", err)
	}
	if _, err := f.client.PutFaces(ctx, put(0, 9)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		req  *recognizerv1.ListNearFacesRequest
		want string
	}{
		"one":                      {nearTo(1), "[1 2 3]"},
		"one that is not there":    {nearTo(77), "-"},
		"as many as fit":           {nearTo(1, 77, 9, 5, 2), "[1 2 3] - [7 8 9]"},
		"exactly the distance":     {func() *recognizerv1.ListNearFacesRequest { r := nearTo(1); r.Within = 0; return r }(), "[1]"},
		"up to an id":              {func() *recognizerv1.ListNearFacesRequest { r := nearTo(5); r.UpTo = 4; return r }(), "[3 4]"},
		"after an id":              {func() *recognizerv1.ListNearFacesRequest { r := nearTo(5); r.After = 4; return r }(), "[5 6 7]"},
		"none in the range":        {func() *recognizerv1.ListNearFacesRequest { r := nearTo(5); r.After, r.UpTo = 8, 9; return r }(), "[]"},
		"more than one answer has": {func() *recognizerv1.ListNearFacesRequest { r := nearTo(5, 1); r.Within = 10; return r }(), "[1 2 3 4 5 6]+"},
		"one that others precede":  {func() *recognizerv1.ListNearFacesRequest { r := nearTo(77, 5); r.Within = 10; return r }(), "- [1 2 3 4 5 6]+"},
		"the rest of it":           {func() *recognizerv1.ListNearFacesRequest { r := nearTo(5); r.Within, r.After = 10, 6; return r }(), "[7 8 9]"},
	} {
		res, err := f.client.ListNearFaces(ctx, c.req)
		if got := lists(res); err != nil || got != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
	res, err := f.client.ListNearFaces(ctx, nearTo(2))
	if want := (storedDescriptor(t, 2)).Distance(storedDescriptor(t, 3)); err != nil || res.GetLists()[0].GetDistances()[2] != want || res.GetLists()[0].GetDistances()[1] != 0 {
		t.Errorf("the distances are %v, %v, want %v for face 3", res, err, want)
	}
	for name, change := range map[string]func(*recognizerv1.ListNearFacesRequest){
		"nobody":               func(r *recognizerv1.ListNearFacesRequest) { r.Ids = nil },
		"too many":             func(r *recognizerv1.ListNearFacesRequest) { r.Ids = make([]int64, 1001) },
		"a negative distance":  func(r *recognizerv1.ListNearFacesRequest) { r.Within = -1 },
		"no distance":          func(r *recognizerv1.ListNearFacesRequest) { r.Within = math.NaN() },
		"an infinite distance": func(r *recognizerv1.ListNearFacesRequest) { r.Within = math.Inf(1) },
		"no range":             func(r *recognizerv1.ListNearFacesRequest) { r.UpTo = 0 },
		"a negative range":     func(r *recognizerv1.ListNearFacesRequest) { r.After = -3 },
	} {
		req := nearTo(1)
		change(req)
		if _, err := f.client.ListNearFaces(ctx, req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v, want InvalidArgument", name, err)
		}
	}
	other := nearTo(1)
	other.ModelId = "other"
	if _, err := f.client.ListNearFaces(ctx, other); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("another model set: %v", err)
	}
}

func storedDescriptor(t *testing.T, id int64) faces.Descriptor {
	t.Helper()
	d, err := faces.DescriptorFromBytes(put(id-1, id).GetFaces()[0].GetDescriptor_())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A crowd of more faces than any other search lists is listed whole, over all parts.
func TestListNearFacesOfACrowd(t *testing.T) {
	t.Parallel()
	const crowd = 9000
	f := newFixture(t)
	f.opts.NearListed = 1000
	f.open()
	req := &recognizerv1.PutFacesRequest{ModelId: fakeengine.Model().ID, UpTo: crowd, Newest: crowd}
	for id := int64(1); id <= crowd; id++ {
		req.Faces = append(req.Faces, storedFace(id, float32(id%7)/1000))
	}
	if _, err := f.client.PutFaces(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	replicas := recognizerclient.NewReplicas(recognizerclient.Options{Address: f.conn.Target(), Timeout: time.Minute})
	t.Cleanup(func() { replicas.Close() })
	all, err := replicas.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := all[0].NearFaces(t.Context(), fakeengine.Model().ID, []int64{3, crowd + 1, 4500}, 0.25, math.MaxInt64)
	if err != nil || len(found) != 3 {
		t.Fatalf("got %d lists, %v", len(found), err)
	}
	for i, want := range []int{crowd, 0, crowd} {
		if len(found[i]) != want {
			t.Errorf("list %d has %d faces, want %d", i, len(found[i]), want)
		}
		for n, near := range found[i] {
			if near.ID != int64(n+1) {
				t.Fatalf("face %d of list %d is %d", n, i, near.ID)
			}
		}
	}
}
