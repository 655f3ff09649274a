package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/child"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
)

// readyPoll is how often the recognizer is polled until it is ready.
const readyPoll = 100 * time.Millisecond

// localRecognizer is the recognizer inside this process. It listens on a free
// port of the loopback interface.
type localRecognizer struct {
	opts   recognizer.Options
	model  faces.Model
	open   func() (engine.Engine, error)
	listen *net.TCPListener
	log    *slog.Logger
	reg    prometheus.Registerer

	recognizer *recognizer.Recognizer // set by the first part's Start
	server     lifecycle.Part         // set by the second part's Start
}

// newRecognizer chooses the model set and opens the port. The engine is opened
// by the first part.
func newRecognizer(ctx context.Context, s settings, log *slog.Logger, reg prometheus.Registerer) (*localRecognizer, error) {
	opts := s.recognizer
	opts.Cache = cmp.Or(opts.Cache, filepath.Join(s.data, "gallery"))
	set, open, err := child.Opener(ctx, child.Options{
		Models: s.models, MaxPixels: opts.MaxPixels, Worker: s.worker, Log: log, Registry: reg,
	})
	if err != nil {
		return nil, err
	}
	opts.Networks = recognizer.NetworksOf(set)
	listen, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("listen for the recognizer: %w", err)
	}
	return &localRecognizer{opts: opts, model: set.Model(), open: open, listen: listen, log: log, reg: reg}, nil
}

// Address returns the host:port that the recognizer answers on.
func (l *localRecognizer) Address() string { return l.listen.Addr().String() }

// Parts returns the recognizer's parts in the order they start. The last one
// has started once the recognizer is ready.
func (l *localRecognizer) Parts(client *recognizerclient.Client) []lifecycle.Part {
	return []lifecycle.Part{
		{Name: "recognizer", Start: l.start, Stop: func(ctx context.Context) error { return l.recognizer.Close(ctx) }},
		{Name: "recognizer's server", Start: l.serve, Stop: func(ctx context.Context) error { return l.server.Stop(ctx) }},
		{Name: "known people", Start: func(ctx context.Context, _ func(error)) error { return waitReady(ctx, client) }},
	}
}

func (l *localRecognizer) start(context.Context, func(error)) error {
	recognizer.LogModel(l.log, l.model, dlib.BLAS())
	r, err := recognizer.New(l.opts, l.model, l.open, kernel.New(), l.log, l.reg)
	if err != nil {
		return err
	}
	l.recognizer = r
	r.Start()
	return nil
}

func (l *localRecognizer) serve(ctx context.Context, fail func(error)) error {
	l.server = recognizer.NewServer(l.recognizer, nil, l.log).Part(func() (net.Listener, error) { return l.listen, nil })
	return l.server.Start(ctx, fail)
}

// Close closes the port if the recognizer never served on it.
func (l *localRecognizer) Close() error {
	if err := l.listen.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// waitReady waits until the recognizer is ready. With many known pictures this
// takes long; the recognizer logs its progress.
func waitReady(ctx context.Context, client *recognizerclient.Client) error {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		ping, cancel := context.WithTimeout(ctx, time.Second)
		err := client.Ping(ping)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the recognizer: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}
