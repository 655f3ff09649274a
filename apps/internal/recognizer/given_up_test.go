package recognizer_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// endless is an engine that looks at one picture until the call ends, as a worker
// does (see TestCancel of package worker).
type endless struct {
	engine.Engine
	picture []byte
	working chan struct{}
	ended   chan error
}

// Look implements engine.Engine.
func (e endless) Look(ctx context.Context, file []byte, purpose engine.Purpose) (engine.Seen, error) {
	if !bytes.Equal(file, e.picture) {
		return e.Engine.Look(ctx, file, purpose)
	}
	e.working <- struct{}{}
	<-ctx.Done()
	e.ended <- ctx.Err()
	return engine.Seen{}, ctx.Err()
}

// A call that its client cancels, or whose deadline passes, ends in the engine,
// too: the only engine is free for the next picture.
func TestCallGivenUpFreesItsEngine(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.Engines = 1
	e := endless{picture: fakeengine.Portrait(blue), working: make(chan struct{}, 1), ended: make(chan error, 1)}
	client := serveEngine(t, f, func() (engine.Engine, error) {
		inner, err := f.studio.Open()
		e.Engine = inner
		return e, err
	})
	for name, give := range map[string]struct {
		up   func() (context.Context, context.CancelFunc)
		code codes.Code
	}{
		"cancelled": {func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) }, codes.Canceled},
		"too late": {func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 300*time.Millisecond)
		}, codes.DeadlineExceeded},
	} {
		ctx, cancel := give.up()
		answer := make(chan error, 1)
		go func() {
			_, err := client.Recognize(ctx, byContent(e.picture))
			answer <- err
		}()
		within(t, name+": the engine is at work", e.working)
		if give.code == codes.Canceled {
			cancel()
		}
		if err := within(t, name+": the call", answer); status.Code(err) != give.code {
			t.Errorf("%s: %v", name, err)
		}
		within(t, name+": the engine's work ends", e.ended)
		if _, err := client.Recognize(t.Context(), byContent(fakeengine.Portrait(red))); err != nil {
			t.Errorf("%s: the next call: %v", name, err)
		}
		cancel()
	}
}

// serveEngine serves a recognizer with engines of the test's own.
func serveEngine(t *testing.T, f *fixture, open func() (engine.Engine, error)) recognizerv1.RecognizerClient {
	t.Helper()
	log := slog.New(slog.NewTextHandler(f.log, nil))
	r, err := recognizer.New(f.opts, f.model, open, fakeengine.Kernel{}, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	part := recognizer.NewServer(r, f.token, log).Part(func() (net.Listener, error) { return listener, nil })
	if err := part.Start(t.Context(), func(err error) { t.Errorf("the server failed: %v", err) }); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		if err := part.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stop the server: %v", err)
		}
		if err := r.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close the recognizer: %v", err)
		}
	})
	r.Start()
	f.eventually("the recognizer is ready", func() bool { return r.Ready(t.Context()) == nil })
	return recognizerv1.NewRecognizerClient(conn)
}
