package recognizerclient_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// matcher answers each descriptor with the number in its first bytes.
type matcher struct {
	server
	mu     sync.Mutex // guards the fields below
	asked  []int      // descriptors of each call
	most   int        // of one call; 0 for any
	fault  error
	answer func(*recognizerv1.MatchResponse)
	pages  [][]string
}

func (m *matcher) Match(_ context.Context, req *recognizerv1.MatchRequest) (*recognizerv1.MatchResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(req.GetDescriptors())
	m.asked = append(m.asked, n)
	if m.fault != nil {
		return nil, m.fault
	}
	if m.most > 0 && n > m.most {
		return nil, status.Error(codes.ResourceExhausted, "too large")
	}
	l := req.GetNeighbours()
	res := &recognizerv1.MatchResponse{GalleryVersion: "g1"}
	for _, d := range req.GetDescriptors() {
		name := fmt.Sprintf("%d of %s, %d %v %v %v", binary.LittleEndian.Uint32(d), req.GetModelId(), l.GetCount(), l.GetSlack(), l.GetSlackWithin(), req.GetImageNames())
		res.Matches = append(res.Matches, &recognizerv1.Matches{Neighbours: []*recognizerv1.Neighbour{{ImageName: name, Distance: 0.5}}})
	}
	if m.answer != nil {
		m.answer(res)
	}
	return res, nil
}

func (m *matcher) ListKnownImages(_ context.Context, req *recognizerv1.ListKnownImagesRequest) (*recognizerv1.ListKnownImagesResponse, error) {
	if m.fault != nil {
		return nil, m.fault
	}
	res := &recognizerv1.ListKnownImagesResponse{GalleryVersion: "g1", Model: &recognizerv1.Model{Id: "lite", Threshold: 0.5}}
	if req.GetAfter() != "" && req.GetGalleryVersion() != "g1" {
		return nil, status.Error(codes.FailedPrecondition, "another version")
	}
	for i, page := range m.pages {
		if i == 0 && req.GetAfter() == "" || i > 0 && req.GetAfter() == m.pages[i-1][len(m.pages[i-1])-1] {
			for _, name := range page {
				res.Images = append(res.Images, &recognizerv1.KnownImage{ImageName: name, ContentId: "content of " + name})
			}
		}
	}
	return res, nil
}

func startMatcher(t *testing.T, m *matcher) *matcher {
	t.Helper()
	startOn(t, &m.server, m, "")
	return m
}

func numbered(n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = binary.LittleEndian.AppendUint32(nil, uint32(i))
		list[i] = append(list[i], make([]byte, 508)...)
	}
	return list
}

func TestMatchInParts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ descriptors, most, calls int }{{0, 0, 0}, {1, 0, 1}, {2000, 0, 1}, {4001, 0, 3}, {2000, 600, 7}} {
		m := startMatcher(t, &matcher{most: c.most})
		got, err := dial(t, m.address).Match(t.Context(), faces.MatchQuery{
			Model: "lite", Gallery: "g1", Descriptors: numbered(c.descriptors), Images: []string{"a", "b"}, Limit: faces.NeighbourLimit{Count: 2, Slack: 0.25, Within: 0.5},
		})
		if err != nil || len(got) != c.descriptors || len(m.asked) != c.calls {
			t.Errorf("%+v: %d answers of calls with %v, %v", c, len(got), m.asked, err)
		}
		for i, near := range got {
			want := []faces.Neighbour{{Image: fmt.Sprintf("%d of lite, 2 0.25 0.5 [a b]", i), Distance: 0.5}}
			if diff := cmp.Diff(want, near); diff != "" {
				t.Fatalf("%+v: descriptor %d (-want +got):\n%s", c, i, diff)
			}
		}
	}
}

func TestMatchFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		m    *matcher
		want faces.Code
	}{
		"another version":           {&matcher{fault: status.Error(codes.FailedPrecondition, "another")}, faces.CodeConflict},
		"away":                      {&matcher{fault: status.Error(codes.Unavailable, "away")}, faces.CodeOf(faces.RecognizerUnavailable)},
		"one face is too many":      {&matcher{fault: status.Error(codes.ResourceExhausted, "full")}, faces.CodeOf(faces.RecognizerUnavailable)},
		"a bad descriptor":          {&matcher{fault: status.Error(codes.InvalidArgument, "NaN")}, faces.CodeOf(faces.Internal)},
		"one that is older than us": {&matcher{answer: func(r *recognizerv1.MatchResponse) { r.GalleryVersion = "" }}, faces.CodeConflict},
		"too few answers":           {&matcher{answer: func(r *recognizerv1.MatchResponse) { r.Matches = r.Matches[1:] }}, faces.CodeOf(faces.Internal)},
	} {
		m := startMatcher(t, c.m)
		_, err := dial(t, m.address).Match(t.Context(), faces.MatchQuery{Model: "lite", Gallery: "g1", Descriptors: numbered(2)})
		if got := faces.ErrorCode(err); got != c.want {
			t.Errorf("%s: %s, want %s (%v)", name, got, c.want, err)
		}
	}
}

func TestKnownPictures(t *testing.T) {
	t.Parallel()
	for _, pages := range [][][]string{nil, {{"a"}}, {{"a", "b"}, {"c"}, {"d", "e"}}} {
		m := startMatcher(t, &matcher{pages: pages})
		got, err := dial(t, m.address).KnownPictures(t.Context())
		want := faces.KnownSet{Gallery: "g1", Model: faces.Model{ID: "lite", Threshold: 0.5}}
		for _, page := range pages {
			for _, name := range page {
				want.Pictures = append(want.Pictures, faces.KnownPicture{Image: name, Content: "content of " + name})
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v, %v (-want +got):\n%s", pages, err, diff)
		}
	}
	m := startMatcher(t, &matcher{fault: status.Error(codes.FailedPrecondition, "changed")})
	if _, err := dial(t, m.address).KnownPictures(t.Context()); faces.ErrorCode(err) != faces.CodeConflict {
		t.Errorf("changed meanwhile: %v", err)
	}
}
