package recognizer

// This file owns the gRPC services: ours, the original's two, health and
// reflection.

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	"github.com/rollcall-faces/rollcall/proto"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

const (
	// defaultNeighbours are sent where the caller names no count.
	defaultNeighbours = 16
	// notFound is the original's answer where nobody matches.
	notFound = "not_found"
	// maxMessage lets a picture be sent instead of its path.
	maxMessage = picturefiles.MaxSize + 1<<20
	// connectionAge makes clients look for new replicas from time to time.
	connectionAge = time.Minute
	readyPoll     = 100 * time.Millisecond
)

// Liveness is the health service that turns to NOT_SERVING only for what a
// restart mends. The unnamed one is readiness.
const Liveness = "liveness"

// Server offers a Recognizer over gRPC.
type Server struct {
	recognizer *Recognizer
	grpc       *grpc.Server
	health     *health.Server
	log        *slog.Logger
	stopWatch  context.CancelFunc
	draining   atomic.Bool
}

// NewServer returns a Server; it says NOT_SERVING until the Recognizer is ready.
func NewServer(r *Recognizer, log *slog.Logger) *Server {
	s := &Server{recognizer: r, health: health.NewServer(), log: log}
	s.grpc = grpc.NewServer(
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: connectionAge, MaxConnectionAgeGrace: time.Minute}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(s.survive),
		grpc.StreamInterceptor(s.surviveStream),
	)
	recognizerv1.RegisterRecognizerServer(s.grpc, service{recognizer: r, log: log})
	facerecog.RegisterIdentifyServer(s.grpc, original{recognizer: r, log: log})
	facerecog.RegisterHealthCheckServer(s.grpc, original{recognizer: r, log: log})
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	s.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	s.health.SetServingStatus(Liveness, healthpb.HealthCheckResponse_SERVING)
	return s
}

// Part serves on a listener as a part of a program.
func (s *Server) Part(listen func() (net.Listener, error)) lifecycle.Part {
	return lifecycle.Part{Name: "gRPC server", Start: func(_ context.Context, fail func(error)) error {
		l, err := listen()
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		ctx, stop := context.WithCancel(context.Background())
		s.stopWatch = stop
		go s.watchReady(ctx)
		go func() {
			if err := s.grpc.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) { // stopped before it began
				fail(err)
			}
		}()
		s.log.Info("recognizer listens", "address", l.Addr().String())
		return nil
	}, Stop: s.stop}
}

// watchReady says SERVING while the Recognizer is ready. Whoever pings it must
// not be told that all is well while every engine hangs.
func (s *Server) watchReady(ctx context.Context) {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	said := map[string]healthpb.HealthCheckResponse_ServingStatus{}
	say := func(service string, problem error) {
		now := healthpb.HealthCheckResponse_SERVING
		if problem != nil {
			now = healthpb.HealthCheckResponse_NOT_SERVING
		}
		if now != said[service] && ctx.Err() == nil {
			s.health.SetServingStatus(service, now)
			said[service] = now
		}
	}
	for {
		say("", s.recognizer.Ready(ctx))
		say(Liveness, s.recognizer.Alive())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// stop says NOT_SERVING, lets calls end and cuts off those that do not.
func (s *Server) stop(ctx context.Context) error {
	s.stopWatch()
	s.draining.Store(true)
	s.health.Shutdown()
	done := make(chan struct{})
	go func() { s.grpc.GracefulStop(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		return ctx.Err()
	}
}

// survive turns a panic into an error of the one call.
func (s *Server) survive(ctx context.Context, req any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (res any, err error) {
	defer recovered(s.log, info.FullMethod, &err)
	return h(ctx, req)
}

func (s *Server) surviveStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) (err error) {
	defer recovered(s.log, info.FullMethod, &err)
	if info.FullMethod == healthpb.Health_Watch_FullMethodName {
		ctx, end := context.WithCancel(stream.Context())
		defer end()
		stream = watchStream{ServerStream: stream, ctx: ctx, end: end, draining: &s.draining}
	}
	return h(srv, stream)
}

// watchStream ends a watch of the health once it has been told that we are
// draining: a graceful stop waits for every call, and a watch has no end.
type watchStream struct {
	grpc.ServerStream
	ctx      context.Context
	end      context.CancelFunc
	draining *atomic.Bool
}

func (w watchStream) Context() context.Context { return w.ctx }

func (w watchStream) SendMsg(m any) error {
	err := w.ServerStream.SendMsg(m)
	if w.draining.Load() {
		w.end()
	}
	return err
}

func recovered(log *slog.Logger, method string, err *error) {
	if p := recover(); p != nil {
		log.Error("panic in a call", "method", method, "panic", p, "stack", string(debug.Stack()))
		*err = status.Error(codes.Internal, "internal error")
	}
}

// service is rollcall.recognizer.v1.
type service struct {
	recognizerv1.UnimplementedRecognizerServer
	recognizer *Recognizer
	log        *slog.Logger
}

// Recognize implements the RPC.
func (s service) Recognize(ctx context.Context, req *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
	if err := s.takes(req.GetMaxDescriptorSize()); err != nil {
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

// oldDescriptorSize is what a client of release 0.1.0 takes. It does not say so.
const oldDescriptorSize = 128

// takes refuses a client that cannot take descriptors of the model set's size.
// The code makes its breaker wait until it is updated; no image fails for good.
func (s service) takes(most uint32) error {
	client := "this client"
	if most == 0 {
		client, most = "this client is of release 0.1.0 and", oldDescriptorSize
	}
	if size := cmp.Or(s.recognizer.model.Size, oldDescriptorSize); size > int(most) {
		return status.Errorf(codes.Unavailable, "%s cannot take descriptors of %d numbers; update the processor", client, size)
	}
	return nil
}

// recognize asks a Recognizer that is ready, and counts and logs the answer.
// Its errors have a gRPC status.
func recognize(ctx context.Context, r *Recognizer, log *slog.Logger, src Source, l nearest.Limit) (faces.Recognition, Timings, error) {
	if err := ready(ctx, r); err != nil {
		return faces.Recognition{}, Timings{}, err
	}
	seen, t, err := r.Recognize(ctx, src, l)
	r.metrics.observe(result(err), len(seen.Sightings), t)
	switch {
	case err == nil:
		log.Debug("picture recognized", "path", src.Path, "faces", len(seen.Sightings),
			"wait", t.Wait, "read", t.Read, "decode", t.Decode, "detect", t.Detect, "describe", t.Describe, "match", t.Match)
		return seen, t, nil
	case result(err) == resultGivenUp:
		log.Debug("call given up", "path", src.Path, "wait", t.Wait)
	case faces.ReasonOf(err).Permanent():
		log.Info("picture refused", "path", src.Path, "why", err)
	default:
		log.Error("the recognizer failed on a picture", "path", src.Path, "why", err)
	}
	return seen, t, statusOf(err, seen.File)
}

// ready refuses to answer from a gallery that was never read: everybody would
// be a stranger.
func ready(ctx context.Context, r *Recognizer) error {
	if err := r.Ready(ctx); err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	return nil
}

// resultGivenUp counts calls whose caller did not wait for the answer.
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
			return Source{Path: p.Path, Known: knownFile(req.GetUnlessUnchanged())}, nil
		}
	case *recognizerv1.RecognizeRequest_Content:
		return Source{Content: p.Content}, nil
	}
	return Source{}, status.Error(codes.InvalidArgument, "the request has neither path nor content")
}

func knownFile(f *recognizerv1.File) faces.File {
	if f == nil {
		return faces.File{}
	}
	return faces.File{Size: f.GetSize(), Modified: f.GetModified(), SHA256: hex.EncodeToString(f.GetSha256())}
}

// fileMessage is nil where the picture was not a file.
func fileMessage(f faces.File) *recognizerv1.File {
	sum, err := hex.DecodeString(f.SHA256)
	if f.IsZero() || err != nil {
		return nil
	}
	return &recognizerv1.File{Size: f.Size, Modified: f.Modified, Sha256: sum}
}

func limitOf(n *recognizerv1.NeighbourLimit) (nearest.Limit, error) {
	slack := float64(n.GetSlack())
	if !(slack >= 0) { // which NaN is not, either
		return nearest.Limit{}, status.Error(codes.InvalidArgument, "slack must be a number that is not negative")
	}
	within := float64(n.GetSlackWithin())
	if !(within >= 0) {
		return nearest.Limit{}, status.Error(codes.InvalidArgument, "slack_within must be a number that is not negative")
	}
	l := nearest.Limit{Count: int(min(n.GetCount(), nearest.MaxNeighbours)), Slack: slack, Within: within}
	if l.Count == 0 {
		l.Count = defaultNeighbours
	}
	return l, nil
}

// RecognizeBatch implements the RPC: as many pictures at once as there are
// engines, answered as they are ready.
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
		defer recovered(s.log, recognizerv1.Recognizer_RecognizeBatch_FullMethodName, &err) // no interceptor sees this goroutine
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

// printable makes a text fit for a message: names of files may be any bytes.
func printable(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// original is the contract of the program that Rollcall re-imagines.
type original struct {
	facerecog.UnimplementedIdentifyServer
	facerecog.UnimplementedHealthCheckServer
	recognizer *Recognizer
	log        *slog.Logger
}

// Identify answers the known picture nearest to any face of the picture, where
// it is near enough and the face's quality passes the floors. It knows no
// people, so that the runner-up says nothing here.
func (o original) Identify(ctx context.Context, req *facerecog.IdentifyRequest) (*facerecog.IdentifyResponse, error) {
	if req.GetImagePath() == "" {
		return nil, status.Error(codes.InvalidArgument, "the request has no image_path")
	}
	seen, _, err := recognize(ctx, o.recognizer, o.log, Source{Path: req.GetImagePath()}, nearest.Limit{Count: 1})
	if err != nil {
		return nil, err
	}
	name, best := notFound, seen.Model.Threshold
	for _, s := range seen.Sightings {
		if _, failed := seen.Model.Floors.Shortfall(s.Quality); failed {
			continue
		}
		if len(s.Neighbours) > 0 && s.Neighbours[0].Distance <= best {
			name, best = s.Neighbours[0].Image, s.Neighbours[0].Distance
		}
	}
	return &facerecog.IdentifyResponse{ImageName: name}, nil
}

// HealthCheck implements the RPC.
func (o original) HealthCheck(ctx context.Context, _ *facerecog.Empty) (*facerecog.HealthCheckResponse, error) {
	return &facerecog.HealthCheckResponse{Ready: o.recognizer.Ready(ctx) == nil}, nil
}

// statusOf gives an error its gRPC code: a picture's fault carries its reason
// and the file that was read, any other is the service's.
func statusOf(err error, file faces.File) error {
	reason := faces.ReasonOf(err)
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
	if f := fileMessage(file); f != nil {
		details = append(details, protoadapt.MessageV1Of(f))
	}
	if detailed, err := st.WithDetails(details...); err == nil {
		st = detailed
	}
	return st.Err()
}

func response(seen faces.Recognition, t Timings) *recognizerv1.RecognizeResponse {
	res := &recognizerv1.RecognizeResponse{
		Width: uint32(seen.Width), Height: uint32(seen.Height), Omitted: uint32(seen.Omitted), Warning: printable(seen.Warning),
		Model: modelMessage(seen.Model), GalleryVersion: seen.Gallery,
		File: fileMessage(seen.File), Unchanged: seen.Unchanged,
		Timings: &recognizerv1.Timings{
			Wait: micros(t.Wait), Read: micros(t.Read), Prepare: micros(t.Decode),
			Recognize: micros(t.Detect + t.Describe), Match: micros(t.Match),
			Decode: micros(t.Decode), Detect: micros(t.Detect), Describe: micros(t.Describe),
		},
	}
	for _, s := range seen.Sightings {
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
		res.Faces = append(res.Faces, f)
	}
	return res
}

func qualityMessage(q faces.Quality) *recognizerv1.Quality {
	return &recognizerv1.Quality{
		Score: float32(q.Score), Size: uint32(q.Size), Sharpness: float32(q.Sharpness),
		Yaw: float32(q.Yaw), Roll: float32(q.Roll), Detection: float32(q.Detection), CutOff: float32(q.CutOff),
	}
}

func micros(d time.Duration) uint32 { return uint32(min(d.Microseconds(), math.MaxUint32)) }

// neighbourMessages takes one piece of memory for all messages of a list: a
// re-match makes millions.
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
		Size: uint32(m.Size), FarThreshold: m.FarThreshold, FarMargin: m.FarMargin, Networks: m.NetworkNames(),
		Floors: &recognizerv1.Floors{
			Size: uint32(fl.Size), Sharpness: fl.Sharpness, Yaw: fl.Yaw, CutOff: fl.CutOff, Detection: fl.Detection,
		},
	}
}
