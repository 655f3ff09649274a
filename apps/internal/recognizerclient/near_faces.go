package recognizerclient

import (
	"context"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// MaxNearFaces bounds what NearFaces returns, over all faces that were asked about: 64
// MiB of memory. It is more than the faces of any person whom a program can group.
const MaxNearFaces = 4 << 20

// NearFaces returns for each face all stored faces within a distance, with ids up to
// upTo and in the order of ids, the face itself included. The list of a face that the
// recognizer's index does not have is nil. Errors are those of SearchFaces. More than
// MaxNearFaces are an error, too.
func (r *Replica) NearFaces(ctx context.Context, model string, ids []int64, within float64, upTo int64) ([][]faces.NearFace, error) {
	lists := make([][]faces.NearFace, 0, len(ids))
	q := nearQuery{replica: r, model: model, within: within, upTo: upTo}
	for len(lists) < len(ids) {
		some, err := q.ask(ctx, ids[len(lists):], 0)
		if err != nil {
			return nil, err
		}
		for _, list := range some {
			if !list.GetHeld() {
				lists = append(lists, nil)
				continue
			}
			near, err := q.rest(ctx, ids[len(lists)], list)
			if err != nil {
				return nil, err
			}
			lists = append(lists, near)
		}
	}
	return lists, nil
}

// nearQuery is what the calls about some faces have in common.
type nearQuery struct {
	replica *Replica
	model   string
	within  float64
	upTo    int64
	found   int
}

// ask asks for the lists of as many of the faces as one response has.
func (q *nearQuery) ask(ctx context.Context, ids []int64, after int64) ([]*recognizerv1.NearFaceList, error) {
	ctx, cancel := context.WithTimeout(ctx, q.replica.timeout)
	defer cancel()
	res, err := q.replica.recognizer.ListNearFaces(ctx, &recognizerv1.ListNearFacesRequest{
		ModelId: q.model, Ids: ids, Within: q.within, After: after, UpTo: q.upTo,
	})
	if err != nil {
		return nil, searchError(err)
	}
	lists := res.GetLists()
	if len(lists) < 1 || len(lists) > len(ids) {
		return nil, faces.Fault(faces.Internal, "the recognizer answered for %d of %d faces", len(lists), len(ids))
	}
	for _, list := range lists {
		if len(list.GetIds()) != len(list.GetDistances()) {
			return nil, faces.Fault(faces.Internal, "the recognizer sent %d distances for %d faces", len(list.GetDistances()), len(list.GetIds()))
		}
		if q.found += len(list.GetIds()); q.found > MaxNearFaces {
			return nil, faces.Errorf(faces.CodeUnavailable, "more than %d pairs of faces are within %v of each other, among %d faces and all others: "+
				"more faces look alike than can be put into groups", MaxNearFaces, q.within, len(ids))
		}
	}
	return lists, nil
}

// rest returns the whole list of a face. It asks for what one response could not have.
func (q *nearQuery) rest(ctx context.Context, id int64, list *recognizerv1.NearFaceList) ([]faces.NearFace, error) {
	near := appendNear(make([]faces.NearFace, 0, len(list.GetIds())), list)
	for list.GetMore() {
		if len(list.GetIds()) == 0 {
			return nil, faces.Fault(faces.Internal, "the recognizer sent an empty part of the faces near face %d", id)
		}
		more, err := q.ask(ctx, []int64{id}, near[len(near)-1].ID)
		if err != nil {
			return nil, err
		}
		list = more[0]
		near = appendNear(near, list)
	}
	return near, nil
}

func appendNear(near []faces.NearFace, list *recognizerv1.NearFaceList) []faces.NearFace {
	for i, id := range list.GetIds() {
		near = append(near, faces.NearFace{ID: id, Distance: list.GetDistances()[i]})
	}
	return near
}
