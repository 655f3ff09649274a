package recognizer_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

func matchRequest(f *fixture, descriptor []byte) *recognizerv1.MatchRequest {
	return &recognizerv1.MatchRequest{ModelId: f.model.ID, Descriptors: [][]byte{descriptor}}
}

func (f *fixture) config() recognizer.Config {
	return recognizer.Config{
		Server:  config.Server{Admin: "127.0.0.1:0", ShutdownTimeout: patience},
		Options: f.opts,
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	log := slog.New(slog.NewTextHandler(f.log, nil))
	go func() {
		ended <- recognizer.Serve(ctx, f.config(), f.model, f.studio.Open, fakeengine.Kernel{}, "a fast one", func() (net.Listener, error) { return l, nil }, log, prometheus.NewRegistry())
	}()
	client, err := recognizerclient.Dial(recognizerclient.Options{Address: l.Addr().String(), Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	f.eventually("it is serving", func() bool { return client.Ping(ctx) == nil })
	if !f.logged("model=fake-1") || !f.logged(`blas="a fast one"`) {
		t.Errorf("the log does not tell the models and the linear algebra library:\n%s", f.log)
	}
	stop()
	if err := within(t, "the end", ended); err != nil {
		t.Errorf("ended with %v", err)
	}
	if f.studio.Closed() != f.opts.Engines {
		t.Errorf("%d engines closed, want %d", f.studio.Closed(), f.opts.Engines)
	}
}

// If the address is in use, everything that was started is stopped again.
func TestServeCannotListen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	taken := errors.New("address already in use")
	err := recognizer.Serve(t.Context(), f.config(), fakeengine.Model(), f.studio.Open, fakeengine.Kernel{}, "",
		func() (net.Listener, error) { return nil, taken }, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if !errors.Is(err, taken) {
		t.Errorf("error %v, want %v", err, taken)
	}
	if f.studio.Closed() != f.opts.Engines {
		t.Errorf("%d engines closed, want %d", f.studio.Closed(), f.opts.Engines)
	}
}

// While all engines hang, the health check fails. Otherwise a circuit breaker
// would keep closing, and pictures would use up their attempts.
func TestHangingEnginesAreNotServing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.Engines, f.opts.Stuck = 1, 2*time.Second // longer than the self-test takes
	path := f.unknown("red.png", fakeengine.Portrait(red))
	open := make(chan struct{})
	f.studio.Recognize = func(jpeg []byte) ([]engine.PixelFace, error) {
		<-open
		return fakeengine.Find(jpeg)
	}
	f.start()
	health := healthpb.NewHealthClient(f.conn)
	says := func(want healthpb.HealthCheckResponse_ServingStatus) func() bool {
		return func() bool {
			for _, service := range []string{"", recognizer.Liveness} {
				res, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
				if err != nil || res.GetStatus() != want {
					return false
				}
			}
			return true
		}
	}
	f.eventually("it serves", says(healthpb.HealthCheckResponse_SERVING))
	done := make(chan error, 1)
	go func() { _, err := f.recognize(path); done <- err }()
	f.eventually("it says that its engines hang", says(healthpb.HealthCheckResponse_NOT_SERVING))
	close(open)
	if err := <-done; err != nil {
		t.Errorf("the picture it hung over: %v", err)
	}
	f.eventually("it serves again", says(healthpb.HealthCheckResponse_SERVING))
}

// A recognizer whose engines do not find the face in the built-in picture
// must not answer. Its error names the model set. It is ready once they find
// it.
func TestEnginesThatFindNothingAreNotReady(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.studio.Blind.Store(true)
	f.open()
	f.recognizer.Start()
	f.eventually("it is told", func() bool { return f.logged("the engines failed the self-test") })
	err := f.recognizer.Ready(t.Context())
	for _, want := range []string{"engine ", " of 2", f.model.ID, "found 0 faces"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	if _, err := f.client.Recognize(t.Context(), byContent(fakeengine.Portrait(red))); status.Code(err) != codes.Unavailable {
		t.Errorf("error %v, want unavailable", err)
	}
	if got := f.studio.Calls(); got != 0 {
		t.Errorf("%d looks at known pictures; what such engines find must not be remembered", got)
	}
	f.studio.Blind.Store(false)
	f.eventually("it is ready", func() bool { return f.recognizer.Ready(t.Context()) == nil })
	if got := f.info().GetKnownImages(); got != 1 {
		t.Errorf("%d known pictures, want 1", got)
	}
}
