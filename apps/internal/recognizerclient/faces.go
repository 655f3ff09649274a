package recognizerclient

import (
	"context"
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// searchTries is how many recognizers are asked to search, one after the other. One
// that has just started has no index yet, while the others have.
const searchTries = 4

// SearchFaces returns the stored faces nearest to each descriptor, nearest first. Errors
// are those of Match. If no recognizer has an index that is complete, the error has
// faces.CodeUnavailable and a message for people; if all recognizers are of an older
// release, it wraps faces.ErrNotOffered.
func (c *Client) SearchFaces(ctx context.Context, q faces.FaceQuery) (near [][]faces.NearFace, err error) {
	req := &recognizerv1.SearchFacesRequest{ModelId: q.Model, Within: q.Within, Limit: uint32(min(q.Limit, faces.MaxNearFaces))}
	for _, d := range q.Descriptors {
		req.Descriptors = append(req.Descriptors, d.Bytes())
	}
	for range searchTries {
		var again bool
		if near, again, err = c.searchFaces(ctx, req); err == nil || !again {
			return near, err
		}
	}
	return nil, err
}

// searchFaces asks one recognizer. again says that another one may have an answer.
func (c *Client) searchFaces(ctx context.Context, req *recognizerv1.SearchFacesRequest) (near [][]faces.NearFace, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	res, err := c.recognizer.SearchFaces(ctx, req)
	if err != nil {
		return nil, isOfOneRecognizer(err), searchError(err)
	}
	if len(res.GetNear()) != len(req.GetDescriptors()) {
		return nil, false, faces.Fault(faces.Internal, "the recognizer answered for %d of %d faces", len(res.GetNear()), len(req.GetDescriptors()))
	}
	near = make([][]faces.NearFace, len(res.GetNear()))
	for i, list := range res.GetNear() {
		near[i] = make([]faces.NearFace, len(list.GetFaces()))
		for n, f := range list.GetFaces() {
			near[i][n] = faces.NearFace{ID: f.GetId(), Distance: f.GetDistance()}
		}
	}
	return near, false, nil
}

// isOfOneRecognizer reports whether another recognizer may answer what one did not.
func isOfOneRecognizer(err error) bool {
	code := status.Code(err)
	return indexReason(err) != "" || code == codes.Unimplemented || code == codes.FailedPrecondition
}

// indexReason returns the reason why an index cannot be searched, or "".
func indexReason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == ErrorDomain {
			switch r := info.GetReason(); r {
			case faces.IndexIncomplete, faces.IndexFull, faces.IndexOff:
				return r
			}
		}
	}
	return ""
}

func searchError(err error) error {
	switch reason := indexReason(err); {
	case reason == faces.IndexIncomplete:
		return fmt.Errorf("%w: %w", faces.ErrStarting, faces.Errorf(faces.CodeUnavailable, "%s", status.Convert(err).Message()))
	case reason != "":
		return faces.Errorf(faces.CodeUnavailable, "%s", status.Convert(err).Message())
	case status.Code(err) == codes.Unimplemented:
		return fmt.Errorf("%w: %w", faces.ErrNotOffered,
			faces.Fault(faces.RecognizerUnavailable, "the recognizer is of an older release, which does not search for faces; update it").WithCause(err))
	default:
		return matchError(err)
	}
}
