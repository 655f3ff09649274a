package recognizer

import (
	"context"
	"errors"
	"math"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// The calls about stored faces need no engine and no known pictures, so they are
// answered while those are being read.

// CheckFaces implements the RPC.
func (s service) CheckFaces(_ context.Context, req *recognizerv1.CheckFacesRequest) (*recognizerv1.CheckFacesResponse, error) {
	x := s.recognizer.stored
	same := req.GetModelId() == s.recognizer.model.ID
	if req.GetAfter() == req.GetUpTo() {
		if same {
			x.note(req.GetNewest())
		}
		return &recognizerv1.CheckFacesResponse{Index: s.faceIndexMessage()}, nil
	}
	if err := s.checkRange(req.GetModelId(), req.GetAfter(), req.GetUpTo()); err != nil {
		return nil, err
	}
	x.note(req.GetNewest())
	summary := x.state.Load().index.Summary(req.GetAfter(), req.GetUpTo())
	return &recognizerv1.CheckFacesResponse{Index: s.faceIndexMessage(), Count: summary.Count, Digest: summary.Digest}, nil
}

// PutFaces implements the RPC.
func (s service) PutFaces(_ context.Context, req *recognizerv1.PutFacesRequest) (*recognizerv1.PutFacesResponse, error) {
	if err := s.checkRange(req.GetModelId(), req.GetAfter(), req.GetUpTo()); err != nil {
		return nil, err
	}
	x := s.recognizer.stored
	list := make([]nearest.StoredFace, 0, len(req.GetFaces()))
	last := req.GetAfter()
	for _, f := range req.GetFaces() {
		if f.GetId() <= last || f.GetId() > req.GetUpTo() {
			return nil, status.Errorf(codes.InvalidArgument, "face %d is not in order, or not in the range", f.GetId())
		}
		last = f.GetId()
		d, err := nearest.DescriptorFromBytes(f.GetDescriptor_(), x.state.Load().index.Size())
		if err != nil { // the others can be searched nonetheless
			s.log.Warn("the descriptor of a stored face is damaged; it cannot be found by a search", "face", f.GetId(), "error", err)
			continue
		}
		list = append(list, nearest.StoredFace{ID: f.GetId(), Descriptor: d})
	}
	before := x.state.Load()
	if err := x.put(req.GetAfter(), req.GetUpTo(), req.GetNewest(), list); err != nil {
		if gap := (errGap{}); errors.As(err, &gap) {
			return nil, status.Error(codes.FailedPrecondition, gap.Error())
		}
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	s.logFaceIndex(before, x.state.Load())
	return &recognizerv1.PutFacesResponse{Index: s.faceIndexMessage()}, nil
}

// logFaceIndex logs when the index becomes complete or full.
func (s service) logFaceIndex(before, now *faceState) {
	if now.complete && !before.complete {
		s.log.Info("the index of stored faces is complete", "faces", now.index.Len(), "MiB", now.index.Bytes()>>20)
	}
	if now.full && !before.full {
		_, why := s.recognizer.stored.problem(now)
		s.log.Warn("searches for faces are refused: " + why)
	}
}

// checkRange returns an error for a range that is none, or of another model set.
func (s service) checkRange(model string, after, upTo int64) error {
	switch {
	case model != s.recognizer.model.ID:
		return status.Errorf(codes.FailedPrecondition, "the faces are of model set %q, but model set %q is in use", model, s.recognizer.model.ID)
	case after < 0 || upTo <= after:
		return status.Errorf(codes.InvalidArgument, "the range of ids after %d up to %d is none", after, upTo)
	}
	return nil
}

// SearchFaces implements the RPC.
func (s service) SearchFaces(ctx context.Context, req *recognizerv1.SearchFacesRequest) (*recognizerv1.SearchFacesResponse, error) {
	if req.GetModelId() != s.recognizer.model.ID {
		return nil, status.Errorf(codes.FailedPrecondition,
			"the descriptors are of model set %q, but model set %q is in use; they cannot be compared", req.GetModelId(), s.recognizer.model.ID)
	}
	limit := int(req.GetLimit())
	switch within := req.GetWithin(); {
	case limit < 1 || limit > faces.MaxNearFaces:
		return nil, status.Errorf(codes.InvalidArgument, "limit is %d; it must be from 1 to %d", limit, faces.MaxNearFaces)
	case !(within >= 0) || math.IsInf(within, 0): // also true for NaN
		return nil, status.Errorf(codes.InvalidArgument, "within is %v; it must be a number that is not negative", within)
	}
	asked, err := descriptorsFrom(req.GetDescriptors(), s.recognizer.stored.state.Load().index.Size())
	if err != nil {
		return nil, err
	}
	return s.searchFaces(ctx, asked, req.GetWithin(), limit)
}

func (s service) searchFaces(ctx context.Context, asked []faces.Descriptor, within float64, limit int) (*recognizerv1.SearchFacesResponse, error) {
	x := s.recognizer.stored
	now := x.state.Load()
	if reason, message := x.problem(now); reason != "" {
		return nil, indexProblem(reason, message)
	}
	res := &recognizerv1.SearchFacesResponse{Index: s.faceIndexMessage()}
	for len(asked) > 0 { // a part at a time, so that other searches take turns
		n := min(len(asked), nearest.BatchSize)
		near, err := x.search(ctx, now.index, asked[:n], within, limit)
		if err != nil {
			return nil, statusOf(err, faces.File{})
		}
		asked = asked[n:]
		for _, list := range near {
			if err := chargeAnswer(ctx, nearFaceMemory*int64(1+len(list))); err != nil {
				return nil, err
			}
			res.Near = append(res.Near, nearFacesMessage(list))
		}
	}
	return res, nil
}

// nearFaceMemory is about what a near face takes in an answer, in bytes.
const nearFaceMemory = 96

func nearFacesMessage(list []faces.NearFace) *recognizerv1.NearFaces {
	all, messages := make([]recognizerv1.NearFace, len(list)), make([]*recognizerv1.NearFace, len(list))
	for i, n := range list {
		all[i].Id, all[i].Distance = n.ID, n.Distance
		messages[i] = &all[i]
	}
	return &recognizerv1.NearFaces{Faces: messages}
}

// indexProblem is the status of a search that the index cannot answer now.
func indexProblem(reason, message string) error {
	code := codes.Unavailable
	if reason != faces.IndexIncomplete {
		code = codes.ResourceExhausted
	}
	st := status.New(code, message)
	if detailed, err := st.WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: recognizerclient.ErrorDomain}); err == nil {
		st = detailed
	}
	return st.Err()
}

func (s service) faceIndexMessage() *recognizerv1.FaceIndex {
	x := s.recognizer.stored
	now := x.state.Load()
	return &recognizerv1.FaceIndex{
		Model: modelMessage(s.recognizer.model), Faces: int64(now.index.Len()), Capacity: x.capacity,
		Mark: now.mark, Complete: now.complete, Full: now.full,
	}
}
