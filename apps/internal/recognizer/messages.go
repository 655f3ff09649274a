package recognizer

import (
	"errors"
	"math"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

func limitOf(n *recognizerv1.NeighbourLimit) (nearest.Limit, error) {
	slack := float64(n.GetSlack())
	if !(slack >= 0) { // also true for NaN
		return nearest.Limit{}, status.Error(codes.InvalidArgument, "slack must be a number that is not negative")
	}
	within := float64(n.GetSlackWithin())
	if !(within >= 0) {
		return nearest.Limit{}, status.Error(codes.InvalidArgument, "slack_within must be a number that is not negative")
	}
	l := nearest.Limit{Count: int(min(n.GetCount(), faces.MaxNeighbours)), Slack: slack, Within: within}
	if l.Count == 0 {
		l.Count = defaultNeighbours
	}
	return l, nil
}

// statusOf converts an error to a gRPC status. If the picture is at fault,
// the status carries the reason and the file that was read. Any other error
// is the service's.
func statusOf(err error, file faces.File) error {
	reason := faces.ReasonOf(err)
	if errors.Is(err, picturefiles.ErrAway) {
		return notReady(err)
	}
	if reason == faces.RecognizerUnavailable {
		return status.Error(codes.Unavailable, faces.ErrorMessage(err))
	}
	if !reason.Permanent() {
		if st := status.FromContextError(err); st.Code() != codes.Unknown {
			return st.Err()
		}
		return status.Error(codes.Internal, "the recognizer failed on this picture")
	}
	code := codes.InvalidArgument
	switch reason {
	case faces.NotFound:
		code = codes.NotFound
	case faces.PathNotAllowed:
		code = codes.PermissionDenied
	case faces.ImageTooLarge:
		code = codes.OutOfRange
	}
	st := status.New(code, faces.ErrorMessage(err))
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: string(reason), Domain: recognizerclient.ErrorDomain}}
	if f := recognizerclient.FileMessage(file); f != nil {
		details = append(details, protoadapt.MessageV1Of(f))
	}
	if detailed, err := st.WithDetails(details...); err == nil {
		st = detailed
	}
	return st.Err()
}

// notReady is the status of a call that was refused before any picture was
// looked at. Its detail tells the caller that this was no attempt.
func notReady(err error) error {
	st := status.New(codes.Unavailable, err.Error())
	if detailed, err := st.WithDetails(&errdetails.ErrorInfo{Reason: recognizerclient.ReasonNotAsked, Domain: recognizerclient.ErrorDomain}); err == nil {
		st = detailed
	}
	return st.Err()
}

func response(seen faces.Recognition, t Timings) *recognizerv1.RecognizeResponse {
	res := &recognizerv1.RecognizeResponse{
		Width: uint32(seen.Width), Height: uint32(seen.Height), Omitted: uint32(seen.Omitted), Warning: printable(seen.Warning),
		Model: modelMessage(seen.Model), GalleryVersion: seen.Gallery,
		File: recognizerclient.FileMessage(seen.File), Unchanged: seen.Unchanged,
		Timings: &recognizerv1.Timings{
			Wait: micros(t.Wait), Read: micros(t.Read), Prepare: micros(t.Decode),
			Recognize: micros(t.Detect + t.Describe), Match: micros(t.Match),
			Decode: micros(t.Decode), Detect: micros(t.Detect), Describe: micros(t.Describe),
		},
	}
	for _, s := range seen.Sightings {
		res.Faces = append(res.Faces, faceMessage(s))
	}
	return res
}

func faceMessage(s faces.Sighting) *recognizerv1.Face {
	f := &recognizerv1.Face{
		Box: &recognizerv1.Box{
			X: uint32(s.Box.X), Y: uint32(s.Box.Y), Width: uint32(s.Box.Width), Height: uint32(s.Box.Height),
		},
		Descriptor_: s.Descriptor.Bytes(), Neighbours: neighbourMessages(s.Neighbours),
		Quality: qualityMessage(s.Quality),
	}
	for _, p := range s.Landmarks {
		f.Landmarks = append(f.Landmarks, &recognizerv1.Point{X: int32(p.X), Y: int32(p.Y)})
	}
	return f
}

func qualityMessage(q faces.Quality) *recognizerv1.Quality {
	return &recognizerv1.Quality{
		Score: float32(q.Score), Size: uint32(q.Size), Sharpness: float32(q.Sharpness),
		Yaw: float32(q.Yaw), Roll: float32(q.Roll), Detection: float32(q.Detection), CutOff: float32(q.CutOff),
	}
}

func micros(d time.Duration) uint32 { return uint32(min(d.Microseconds(), math.MaxUint32)) }

// neighbourMessages allocates all messages of a list at once, because a
// re-match creates millions of them.
func neighbourMessages(list []faces.Neighbour) []*recognizerv1.Neighbour {
	all, messages := make([]recognizerv1.Neighbour, len(list)), make([]*recognizerv1.Neighbour, len(list))
	for i, n := range list {
		all[i].ImageName, all[i].Distance, all[i].Parts = n.Image, float32(n.Distance), n.Parts.List()
		messages[i] = &all[i]
	}
	return messages
}

func modelMessage(m faces.Model) *recognizerv1.Model {
	fl := m.Floors
	return &recognizerv1.Model{
		Id: m.ID, Threshold: m.Threshold, Margin: m.Margin, Official: true,
		Size: uint32(m.Size), FarThreshold: m.FarThreshold, FarMargin: m.FarMargin, Networks: m.NetworkNames(), GroupDistance: m.GroupDistance,
		Floors: &recognizerv1.Floors{
			Size: uint32(fl.Size), Sharpness: fl.Sharpness, Yaw: fl.Yaw, CutOff: fl.CutOff, Detection: fl.Detection,
		},
	}
}

// printable makes a text valid UTF-8, as gRPC requires. File names can be any
// bytes.
func printable(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
