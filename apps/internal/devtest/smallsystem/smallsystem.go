// Package smallsystem is a whole Rollcall in one process, for examples and tests of
// clients: a real receiver, queue, processor and recognizer, with a SQLite database and
// with engines that take coloured squares for faces. It needs no C and starts in a second.
package smallsystem

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/embeddedqueue"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// The colours of the people. Ada and Bruno are known.
var (
	Ada   = color.RGBA{R: 240, G: 30, B: 30, A: 255}
	Bruno = color.RGBA{R: 15, G: 30, B: 240, A: 255}
	Grace = color.RGBA{R: 30, G: 210, B: 30, A: 255}
)

// Portrait returns a PNG with one face, which is large enough for a known picture.
func Portrait(c color.RGBA) []byte { return fakeengine.PNG(fakeengine.Draw(128, 128, faceAt(0, c))) }

func faceAt(x int, c color.RGBA) fakeengine.Face {
	return fakeengine.Face{Box: image.Rect(x+24, 24, x+104, 104), Colour: c}
}

const patience = time.Minute

// System is a system that runs.
type System struct {
	URL     string // of the REST API
	Unknown string // the folder of pictures
	Store   *store.Store

	recognizers *recognizerclient.Client

	log        *slog.Logger
	traces     *tracing.Tracing
	sampling   config.Sampling
	groups     bool
	recognizer string // its address
	undo       []func(context.Context) error
}

// Start starts a system. dir is an empty folder for its pictures and its data. The
// system has two known people, and these pictures: ada.png, stranger.png, and
// group.png, which shows Ada and a stranger. Without options, nothing happens in the
// background: see WithGroups.
func Start(ctx context.Context, dir string, options ...Option) (*System, error) {
	s := &System{Unknown: filepath.Join(dir, "unknown"), log: slog.New(slog.DiscardHandler)}
	for _, change := range options {
		change(s)
	}
	if err := s.start(ctx, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("start a small system: %w", err), s.Close())
	}
	return s, nil
}

func (s *System) start(ctx context.Context, dir string) error {
	known := filepath.Join(dir, "known")
	for name, content := range map[string][]byte{
		"known/Ada/1.png":      Portrait(Ada),
		"known/Bruno/1.png":    Portrait(Bruno),
		"unknown/ada.png":      Portrait(Ada),
		"unknown/stranger.png": Portrait(Grace),
		"unknown/group.png":    fakeengine.PNG(fakeengine.Draw(240, 128, faceAt(0, Ada), faceAt(112, Grace))),
	} {
		if err := write(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	db, err := store.OpenSQLite(filepath.Join(dir, "rollcall.db"))
	if err != nil {
		return err
	}
	s.Store = db
	s.atEnd(func(context.Context) error { return db.Close() })
	if _, err := db.Migrate(ctx, s.Unknown); err != nil {
		return err
	}
	people := map[string]string{"Ada/1.png": "Ada", "Bruno/1.png": "Bruno"}
	if _, err := db.SyncKnownImages(ctx, people, func(string) bool { return true }); err != nil {
		return err
	}
	recognizers, err := s.startRecognizer(ctx, known)
	if err != nil {
		return err
	}
	queue, err := embeddedqueue.Start(embeddedqueue.Options{Dir: filepath.Join(dir, "nsqd"), Topic: imagequeue.Topic, Channel: imagequeue.Channel})
	if err != nil {
		return err
	}
	s.atEnd(func(context.Context) error { return queue.Close() })
	if err := s.startReceiver(ctx, db, queue, recognizers, known); err != nil {
		return err
	}
	if s.groups {
		if err := s.startGroups(db); err != nil {
			return err
		}
	}
	return s.startProcessor(db, queue, recognizers)
}

// startRecognizer starts a recognizer and returns a client of it.
func (s *System) startRecognizer(ctx context.Context, known string) (*recognizerclient.Client, error) {
	studio := &fakeengine.Studio{}
	opts := recognizer.Options{KnownPeople: known, UnknownPeople: s.Unknown, Engines: 1, MaxPixels: 1_000_000, Refresh: 100 * time.Millisecond, Traces: s.traces.Follow()}
	model := fakeengine.Model()
	if s.groups {
		opts.FaceIndexMemory, model.GroupDistance = 1<<20, groupDistance
	}
	r, err := recognizer.New(opts, model, studio.Open, fakeengine.Kernel{}, s.log, prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	part := recognizer.NewServer(r, nil, s.log).Part(func() (net.Listener, error) { return listener, nil })
	if err := part.Start(ctx, func(error) {}); err != nil {
		return nil, err
	}
	r.Start()
	s.atEnd(r.Close)
	s.atEnd(part.Stop)
	s.recognizer = listener.Addr().String()
	c, err := recognizerclient.Dial(recognizerclient.Options{Address: s.recognizer, Timeout: patience, Traces: s.traces.Follow()})
	if err != nil {
		return nil, err
	}
	s.atEnd(func(context.Context) error { return c.Close() })
	s.recognizers = c
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for c.Ping(ctx) != nil { // it describes the known people first
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the recognizer: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return c, nil
}

func (s *System) startReceiver(ctx context.Context, db *store.Store, queue *embeddedqueue.Servers, recognizers *recognizerclient.Client, known string) error {
	producer, err := imagequeue.NewProducer(queue.NSQD(), s.log)
	if err != nil {
		return err
	}
	s.atEnd(func(context.Context) error { producer.Close(); return nil })
	reg := prometheus.NewRegistry()
	publisher := receiver.NewPublisher(db, producer, s.log, reg)
	publisher.Start()
	s.atEnd(func(ctx context.Context) error { publisher.Stop(ctx); return nil })
	opts := receiver.Options{
		Address: "127.0.0.1:0", UnknownPeople: s.Unknown, KnownPeople: known,
		MaxBody: 1 << 20, MaxPaths: 100, MaxIdentify: 1 << 20, RenderCache: 1 << 20,
		Upload: receiver.UploadOptions{MaxFile: 1 << 20, MaxFiles: 100, AtOnce: 4}, Traces: s.traces.Entry(s.sampling),
	}
	server := receiver.New(db, publisher, recognizers, opts, s.log, reg)
	feed := server.Events()
	if err := feed.Start(ctx, func(error) {}); err != nil {
		return err
	}
	s.atEnd(feed.Stop)
	erasures := server.Erasures().Part()
	if err := erasures.Start(ctx, func(error) {}); err != nil {
		return err
	}
	s.atEnd(erasures.Stop)
	web := httptest.NewServer(server.Handler(reg, func(context.Context) error { return nil }))
	s.atEnd(func(context.Context) error { web.Close(); server.Close(); return nil })
	s.URL = web.URL
	return nil
}

func (s *System) startProcessor(db *store.Store, queue *embeddedqueue.Servers, recognizers *recognizerclient.Client) error {
	opts, reg := processor.Defaults(), prometheus.NewRegistry()
	opts.Traces = s.traces.Follow()
	p := processor.New(db, recognizers, "small", opts, s.log, reg)
	consumer, err := imagequeue.NewConsumer(imagequeue.ConsumerOptions{
		Lookupd: []string{queue.Lookupd()}, MaxInFlight: opts.InFlight, Registry: reg, Log: s.log,
		Handle: func(d *imagequeue.Delivery) { p.Take(d.ImageID, d) },
	})
	if err != nil {
		return err
	}
	p.Start()
	s.atEnd(consumer.Stop)
	s.atEnd(func(ctx context.Context) error {
		consumer.Pause()
		return p.Stop(ctx)
	})
	return consumer.Start()
}

func (s *System) atEnd(f func(context.Context) error) { s.undo = append(s.undo, f) }

// Close stops everything, in the reverse order. A second call does nothing.
func (s *System) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var all error
	for _, f := range slices.Backward(s.undo) {
		all = errors.Join(all, f(ctx))
	}
	s.undo = nil
	return all
}

func write(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, content, 0o644)
}
