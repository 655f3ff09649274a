package recognizer_test

// This file owns the tests of the recognizer as a program.

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/config"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/fake"
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
		ended <- recognizer.Serve(ctx, f.config(), f.model, f.studio.Open, "a fast one", func() (net.Listener, error) { return l, nil }, log)
	}()
	client, err := recognizerclient.Dial(recognizerclient.Options{Address: l.Addr().String(), Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	f.eventually("it is serving", func() bool { return client.Ping(ctx) == nil })
	if !f.logged("LITE MODELS IN USE") || !f.logged(`blas="a fast one"`) {
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

// Where the address is taken, everything that was started ends again.
func TestServeCannotListen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	taken := errors.New("address already in use")
	err := recognizer.Serve(t.Context(), f.config(), fake.Model(), f.studio.Open, "",
		func() (net.Listener, error) { return nil, taken }, slog.New(slog.DiscardHandler))
	if !errors.Is(err, taken) {
		t.Errorf("error %v, want %v", err, taken)
	}
	if f.studio.Closed() != f.opts.Engines {
		t.Errorf("%d engines closed, want %d", f.studio.Closed(), f.opts.Engines)
	}
}
