package recognizer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// errNoBoxes is the error of an engine that describes no boxes.
var errNoBoxes = errors.New("the model set's engine describes no boxes")

// DescribeFace describes and matches the face in a box. The answer has this one
// sighting, or none if src.Known is set and the file is another one now. Errors are
// those of Recognize, and one with the code faces.CodeInvalid if the box is not inside
// the picture.
func (r *Recognizer) DescribeFace(ctx context.Context, src Source, box faces.Box, l nearest.Limit) (faces.Recognition, Timings, error) {
	var t Timings
	begin := time.Now()
	eng, err := r.pool.acquire(ctx, src.urgency())
	t.Wait = time.Since(begin)
	if err != nil {
		return faces.Recognition{}, t, err
	}
	defer r.pool.release(eng)
	begin = time.Now()
	data, file, done, err := r.read(ctx, src)
	if err != nil {
		return faces.Recognition{}, t, err
	}
	defer done()
	t.Read = time.Since(begin)
	if !src.Known.IsZero() && file.SHA256 != src.Known.SHA256 {
		return faces.Recognition{Model: r.model, File: file}, t, nil
	}
	seen, err := r.describeBox(ctx, eng, data, box)
	t.Decode, t.Detect, t.Describe = seen.Decode, seen.Detect, seen.Describe
	if err != nil {
		return faces.Recognition{File: file}, t, err
	}
	answer, err := r.answer(ctx, eng, seen, l, &t)
	answer.File = file
	return answer, t, err
}

// describeBox has an engine describe a box. A panic becomes an error of this picture.
func (r *Recognizer) describeBox(ctx context.Context, eng engine.Engine, data []byte, box faces.Box) (seen engine.Seen, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("panic while describing a box", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic while describing a box: %v", p)
		}
	}()
	describer, ok := eng.(engine.BoxDescriber)
	if !ok {
		return engine.Seen{}, errNoBoxes
	}
	return describer.DescribeBox(ctx, data, box)
}

// DescribeFace implements the RPC.
func (s service) DescribeFace(ctx context.Context, req *recognizerv1.DescribeFaceRequest) (*recognizerv1.DescribeFaceResponse, error) {
	if err := s.checkDescriptorSize(ctx, req.GetMaxDescriptorSize()); err != nil {
		return nil, err
	}
	src := Source{Path: req.GetPath(), Content: req.GetContent(), Known: recognizerclient.FileFrom(req.GetFile())}
	if src.Path == "" && len(src.Content) == 0 {
		return nil, status.Error(codes.InvalidArgument, "the request has neither path nor content")
	}
	l, err := limitOf(req.GetNeighbours())
	if err != nil {
		return nil, err
	}
	if err := ready(ctx, s.recognizer); err != nil {
		return nil, err
	}
	b := req.GetBox()
	box := faces.Box{X: int(b.GetX()), Y: int(b.GetY()), Width: int(b.GetWidth()), Height: int(b.GetHeight())}
	seen, t, err := s.recognizer.DescribeFace(ctx, src, box, l)
	s.recognizer.metrics.observe(result(err), len(seen.Sightings), t)
	if err != nil {
		logRefusal(ctx, s.log, src, err)
		switch {
		case errors.Is(err, errNoBoxes):
			return nil, status.Error(codes.Unimplemented, err.Error())
		case faces.ErrorCode(err) == faces.CodeInvalid:
			return nil, status.Error(codes.InvalidArgument, faces.ErrorMessage(err))
		default:
			return nil, statusOf(err, seen.File)
		}
	}
	res := &recognizerv1.DescribeFaceResponse{
		Model: modelMessage(seen.Model), GalleryVersion: seen.Gallery, File: recognizerclient.FileMessage(seen.File),
		Changed: len(seen.Sightings) == 0, Warning: printable(seen.Warning),
	}
	if len(seen.Sightings) > 0 {
		f := seen.Sightings[0]
		res.Face, res.ByLandmarks = faceMessage(f), len(f.Landmarks) > 0
	}
	return res, nil
}
