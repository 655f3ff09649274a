package recognizer

import (
	"cmp"
	"context"
	"math"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

const (
	// maxNearAsked is the largest number of faces that one call asks about.
	maxNearAsked = 1000
	// maxNearListed is the largest number of near faces in one response: a message of
	// about 1.3 MB.
	maxNearListed = 100_000
	// fewNear is how many near faces of each face are searched for at first. The few
	// faces with more are searched for again, one at a time: the memory of a search
	// is that of one crowd, and not of all faces of a call.
	fewNear = 8192
	// nearListMemory is about what a near face takes in a list, in bytes.
	nearListMemory = 48
)

// ListNearFaces implements the RPC.
func (s service) ListNearFaces(ctx context.Context, req *recognizerv1.ListNearFacesRequest) (*recognizerv1.ListNearFacesResponse, error) {
	if err := s.checkRange(req.GetModelId(), req.GetAfter(), req.GetUpTo()); err != nil {
		return nil, err
	}
	switch within, n := req.GetWithin(), len(req.GetIds()); {
	case n < 1 || n > maxNearAsked:
		return nil, status.Errorf(codes.InvalidArgument, "%d faces are asked about; it must be 1 to %d", n, maxNearAsked)
	case !(within >= 0) || math.IsInf(within, 0): // also true for NaN
		return nil, status.Errorf(codes.InvalidArgument, "within is %v; it must be a number that is not negative", within)
	}
	x := s.recognizer.stored
	now := x.state.Load()
	if reason, message := x.problem(now); reason != "" {
		return nil, indexProblem(reason, message)
	}
	list := nearLister{stored: x, index: now.index.UpTo(req.GetUpTo()), req: req, most: cmp.Or(s.recognizer.opts.NearListed, maxNearListed)}
	res := &recognizerv1.ListNearFacesResponse{}
	for ids := range slices.Chunk(req.GetIds(), nearest.BatchSize) { // a part at a time, so that other searches take turns
		full, err := list.add(ctx, res, ids, now.index.Descriptors(ids))
		if err != nil {
			return nil, err
		}
		if full {
			break
		}
	}
	return res, nil
}

// nearLister makes the lists of a response.
type nearLister struct {
	stored *faceIndex
	index  *nearest.FaceIndex // of the faces to list
	req    *recognizerv1.ListNearFacesRequest
	most   int // near faces in the response
	listed int
}

// add adds the lists of some faces, nil for those that the index does not have. full
// reports that the response can take no more.
func (l *nearLister) add(ctx context.Context, res *recognizerv1.ListNearFacesResponse, ids []int64, asked []faces.Descriptor) (full bool, err error) {
	held := slices.DeleteFunc(slices.Clone(asked), func(d faces.Descriptor) bool { return d == nil })
	found, err := l.stored.search(ctx, l.index, held, l.req.GetWithin(), fewNear)
	if err != nil {
		return false, statusOf(err, faces.File{})
	}
	for i := range ids {
		if asked[i] == nil {
			res.Lists = append(res.Lists, &recognizerv1.NearFaceList{})
			continue
		}
		near := found[0]
		found = found[1:]
		if len(near) >= fewNear { // there may be more
			all, err := l.stored.search(ctx, l.index, asked[i:i+1], l.req.GetWithin(), l.index.Len())
			if err != nil {
				return false, statusOf(err, faces.File{})
			}
			near = all[0]
		}
		one := l.message(near)
		if len(res.Lists) > 0 && l.listed+len(one.GetIds()) > l.most {
			return true, nil
		}
		l.listed += len(one.GetIds())
		if err := chargeAnswer(ctx, nearListMemory*int64(1+len(one.GetIds()))); err != nil {
			return false, err
		}
		if res.Lists = append(res.Lists, one); one.GetMore() {
			return true, nil
		}
	}
	return false, nil
}

// message returns the list of a face, in the order of ids and without those that are
// not wanted.
func (l *nearLister) message(near []faces.NearFace) *recognizerv1.NearFaceList {
	near = slices.DeleteFunc(near, func(n faces.NearFace) bool { return n.ID <= l.req.GetAfter() || n.ID > l.req.GetUpTo() })
	slices.SortFunc(near, func(a, b faces.NearFace) int { return cmp.Compare(a.ID, b.ID) })
	list := &recognizerv1.NearFaceList{Held: true, More: len(near) > l.most}
	near = near[:min(len(near), l.most)]
	list.Ids, list.Distances = make([]int64, len(near)), make([]float64, len(near))
	for i, n := range near {
		list.Ids[i], list.Distances[i] = n.ID, n.Distance
	}
	return list
}
