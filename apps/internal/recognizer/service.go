package recognizer

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

const (
	// defaultNeighbours is used if the caller does not set a count.
	defaultNeighbours = 16
)

// service implements rollcall.recognizer.v1.
type service struct {
	recognizerv1.UnimplementedRecognizerServer
	recognizer *Recognizer
	log        *slog.Logger
}

// Recognize implements the RPC.
func (s service) Recognize(ctx context.Context, req *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
	if err := s.checkDescriptorSize(ctx, req.GetMaxDescriptorSize()); err != nil {
		return nil, err
	}
	src, err := source(req)
	if err != nil {
		return nil, err
	}
	l, err := limitOf(req.GetNeighbours())
	if err != nil {
		return nil, err
	}
	seen, t, err := recognize(ctx, s.recognizer, s.log, src, l)
	if err != nil {
		return nil, err
	}
	return response(seen, t), nil
}

const (
	// oldDescriptorSize is what a client of release 0.1.0 can take. It does not
	// send the field.
	oldDescriptorSize = 128
	// defaultRefusal makes the five attempts of a picture last longer than a
	// rollout. It is shorter than a client's timeout (30 s) and than our shutdown.
	defaultRefusal = 10 * time.Second
)

// checkDescriptorSize returns an error if the client cannot take descriptors of the model
// set's size. The code opens the client's breaker until the client is
// updated, so that no image fails permanently. If other recognizers serve the
// client, its breaker stays closed. Then quick refusals would use up a
// picture's attempts within seconds, so a refusal takes a while.
func (s service) checkDescriptorSize(ctx context.Context, most uint32) error {
	client := "this client"
	if most == 0 {
		client, most = "this client is of release 0.1.0 and", oldDescriptorSize
	}
	if size := cmp.Or(s.recognizer.model.Size, oldDescriptorSize); size > int(most) {
		select {
		case <-time.After(cmp.Or(s.recognizer.opts.Refusal, defaultRefusal)):
		case <-ctx.Done():
		}
		return status.Errorf(codes.Unavailable, "%s cannot take descriptors of %d numbers; update the processor", client, size)
	}
	return nil
}

// recognize checks that r is ready, recognizes a picture, and counts and logs
// the result. Its errors are gRPC statuses.
func recognize(ctx context.Context, r *Recognizer, log *slog.Logger, src Source, l nearest.Limit) (faces.Recognition, Timings, error) {
	if err := ready(ctx, r); err != nil {
		return faces.Recognition{}, Timings{}, err
	}
	begin := time.Now()
	seen, t, err := r.Recognize(ctx, src, l)
	r.metrics.observe(result(err), len(seen.Sightings), t)
	traceSteps(ctx, begin, t, result(err), len(seen.Sightings))
	if err == nil {
		log.DebugContext(ctx, "picture recognized", "path", src.Path, "faces", len(seen.Sightings),
			"wait", t.Wait, "read", t.Read, "decode", t.Decode, "find", t.Detect, "describe", t.Describe, "match", t.Match)
		return seen, t, nil
	}
	logRefusal(ctx, log, src, err)
	return seen, t, statusOf(err, seen.File)
}

// traceSteps adds the steps of a picture to the span of the call. They are drawn one after
// the other: where a worker went back to a step, its times are added up.
func traceSteps(ctx context.Context, begin time.Time, t Timings, result string, found int) {
	span := tracing.Sent(ctx)
	if span == nil {
		return
	}
	span.SetAttributes(tracing.Result.String(result), tracing.Faces.Int(found))
	tracing.Steps(ctx, begin, tracing.Step{Name: "wait", Took: t.Wait}, tracing.Step{Name: "read", Took: t.Read},
		tracing.Step{Name: "decode", Took: t.Decode}, tracing.Step{Name: "find", Took: t.Detect},
		tracing.Step{Name: "describe", Took: t.Describe}, tracing.Step{Name: "match", Took: t.Match})
}

// ready returns an error before the gallery has been read: without known
// pictures everybody would be a stranger. It also returns one while a folder is
// away.
func ready(ctx context.Context, r *Recognizer) error {
	if err := r.Ready(ctx); err != nil {
		return notReady(err)
	}
	return nil
}

// resultGivenUp counts calls that the caller cancelled or that timed out.
const resultGivenUp = "given_up"

func result(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return resultGivenUp
	default:
		return string(faces.ReasonOf(err))
	}
}

func source(req *recognizerv1.RecognizeRequest) (Source, error) {
	switch p := req.GetPicture().(type) {
	case *recognizerv1.RecognizeRequest_Path:
		if p.Path != "" {
			return Source{Path: p.Path, Known: recognizerclient.FileFrom(req.GetUnlessUnchanged()), Urgent: req.GetUrgent()}, nil
		}
	case *recognizerv1.RecognizeRequest_Content:
		return Source{Content: p.Content, Urgent: req.GetUrgent()}, nil
	}
	return Source{}, status.Error(codes.InvalidArgument, "the request has neither path nor content")
}

// RecognizeBatch implements the RPC. It recognizes as many pictures at once
// as there are engines and sends answers as they are ready.
func (s service) RecognizeBatch(stream recognizerv1.Recognizer_RecognizeBatchServer) error {
	var mu sync.Mutex // a stream takes one Send at a time
	group, ctx := errgroup.WithContext(stream.Context())
	group.SetLimit(s.recognizer.opts.Engines)
	for ctx.Err() == nil {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		group.Go(func() error {
			answer := s.batchAnswer(ctx, req)
			mu.Lock()
			defer mu.Unlock()
			return stream.Send(answer)
		})
	}
	return group.Wait()
}

func (s service) batchAnswer(ctx context.Context, req *recognizerv1.RecognizeBatchRequest) *recognizerv1.RecognizeBatchResponse {
	res, err := func() (res *recognizerv1.RecognizeResponse, err error) {
		defer recoverPanic(s.log, recognizerv1.Recognizer_RecognizeBatch_FullMethodName, &err) // no interceptor sees this goroutine
		return s.Recognize(ctx, req.GetRequest())
	}()
	answer := &recognizerv1.RecognizeBatchResponse{Tag: req.GetTag()}
	if err != nil {
		answer.Result = &recognizerv1.RecognizeBatchResponse_Error{Error: batchError(err)}
	} else {
		answer.Result = &recognizerv1.RecognizeBatchResponse_Response{Response: res}
	}
	return answer
}

func batchError(err error) *recognizerv1.Error {
	st := status.Convert(err)
	e := &recognizerv1.Error{Code: int32(st.Code()), Message: st.Message()}
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			e.Reason = info.GetReason()
		}
	}
	return e
}

// GetInfo implements the RPC.
func (s service) GetInfo(context.Context, *recognizerv1.GetInfoRequest) (*recognizerv1.GetInfoResponse, error) {
	g := s.recognizer.known.Current()
	res := &recognizerv1.GetInfoResponse{
		Model: modelMessage(s.recognizer.model), GalleryVersion: g.Version(),
		KnownImages: uint32(g.Index().Pictures()), Engines: uint32(s.recognizer.opts.Engines),
	}
	for name, why := range g.Problems() {
		res.Problems = append(res.Problems, &recognizerv1.Problem{ImageName: printable(name), Message: printable(why)})
	}
	return res, nil
}
