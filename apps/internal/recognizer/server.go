package recognizer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
	"github.com/rollcall-faces/rollcall/proto"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

const (
	// connectionAge makes clients reconnect, so that they find new replicas.
	connectionAge = time.Minute
	// connectionIdle is how long a connection without calls stays open. A client
	// connects again by itself when it has one.
	connectionIdle = 30 * time.Second
	// handshake bounds the time from a connection to gRPC's first frames.
	handshake = 10 * time.Second
	// pingEvery and pingTimeout find clients that have gone without a word.
	pingEvery, pingTimeout = 20 * time.Second, 10 * time.Second
	// defaultConnections is several times the connections of all processors and
	// probes. Each can hold some tens of KiB.
	defaultConnections = 256
	readyPoll          = 100 * time.Millisecond
)

// Liveness is the name of a health service that is NOT_SERVING only if a
// restart is needed. The unnamed health service is the readiness.
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

// NewServer returns a Server, which demands the token if it is set. Its health is NOT_SERVING until the Recognizer
// is ready.
func NewServer(r *Recognizer, token *config.Token, log *slog.Logger) *Server {
	auth := authenticator{token: token, log: log}
	s := &Server{recognizer: r, health: health.NewServer(), log: log}
	c := newCalls(r.opts, r.metrics)
	s.grpc = grpc.NewServer(append(append(c.options(), tracing.ServerOptions(r.opts.Traces, auth.knows)...),
		grpc.ConnectionTimeout(handshake),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: connectionIdle, MaxConnectionAge: connectionAge, MaxConnectionAgeGrace: time.Minute,
			Time: pingEvery, Timeout: pingTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.ChainStreamInterceptor(r.metrics.stream, s.recoverStream, auth.stream), // of all methods, see calls.go
	)...)
	to := registrar{Server: s.grpc, calls: c}
	recognizerv1.RegisterRecognizerServer(to, service{recognizer: r, log: log})
	facerecog.RegisterIdentifyServer(to, legacyService{recognizer: r, log: log})
	facerecog.RegisterHealthCheckServer(to, legacyService{recognizer: r, log: log})
	healthpb.RegisterHealthServer(to, s.health)
	reflection.Register(to)
	r.metrics.expect(s.grpc.GetServiceInfo())
	s.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	s.health.SetServingStatus(Liveness, healthpb.HealthCheckResponse_SERVING)
	return s
}

// Part returns the Server as a part of a program. It serves on the listener
// that listen returns.
func (s *Server) Part(listen func() (net.Listener, error)) lifecycle.Part {
	return lifecycle.Part{Name: "gRPC server", Start: func(_ context.Context, fail func(error)) error {
		l, err := listen()
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		ctx, stop := context.WithCancel(context.Background())
		s.stopWatch = stop
		go s.watchReady(ctx)
		limited := lifecycle.LimitConnections(l, cmp.Or(s.recognizer.opts.MaxConnections, defaultConnections))
		go func() {
			if err := s.grpc.Serve(limited); err != nil && !errors.Is(err, grpc.ErrServerStopped) { // stopped before it was started
				fail(err)
			}
		}()
		s.log.Info("recognizer listens", "address", l.Addr().String())
		return nil
	}, Stop: s.stop}
}

// watchReady updates the health service. The breaker pings it, so it must be
// NOT_SERVING while all engines hang.
func (s *Server) watchReady(ctx context.Context) {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	reported := map[string]healthpb.HealthCheckResponse_ServingStatus{}
	report := func(service string, problem error) {
		now := healthpb.HealthCheckResponse_SERVING
		if problem != nil {
			now = healthpb.HealthCheckResponse_NOT_SERVING
		}
		if now != reported[service] && ctx.Err() == nil {
			s.health.SetServingStatus(service, now)
			reported[service] = now
		}
	}
	for {
		report("", s.recognizer.Ready(ctx))
		report(Liveness, s.recognizer.Alive())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// stop sets the health to NOT_SERVING, waits for running calls, and cancels
// them when ctx ends.
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

// recoverStream turns a panic into an error of that call.
func (s *Server) recoverStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) (err error) {
	defer recoverPanic(s.log, info.FullMethod, &err)
	if info.FullMethod == healthpb.Health_Watch_FullMethodName {
		ctx, end := context.WithCancel(stream.Context())
		defer end()
		stream = watchStream{ServerStream: stream, ctx: ctx, end: end, draining: &s.draining}
	}
	return h(srv, stream)
}

// watchStream ends a health watch after it has reported that the server is
// draining. A graceful stop waits for every call, and a watch would never
// end.
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

func recoverPanic(log *slog.Logger, method string, err *error) {
	if p := recover(); p != nil {
		log.Error("panic in a call", "method", method, "panic", p, "stack", string(debug.Stack()))
		*err = status.Error(codes.Internal, "internal error")
	}
}
