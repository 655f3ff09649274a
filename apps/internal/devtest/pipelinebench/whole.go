package pipelinebench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Whole is the whole pipeline: a receiver, a queue, a database and a processor,
// with a recognizer that the caller provides.
type Whole struct {
	undo      undo
	receiver  *testReceiver
	counting  *outcomeStore
	processor *processor.Processor
	consumer  *imagequeue.Consumer
}

// Recognizer is what the processor and the receiver of a pipeline ask.
type Recognizer interface {
	processor.Recognizer
	receiver.Recognizer
}

// OpenWhole starts a pipeline. Image paths are below folder. dir is an existing
// folder for the database and the queue.
func OpenWhole(ctx context.Context, dir, folder string, rec Recognizer) (w *Whole, err error) {
	r, err := newRig(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("set up the pipeline: %w", err)
	}
	r.root = folder
	w = &Whole{}
	w.undo.add(r.close)
	defer func() {
		if err != nil {
			w.undo.run()
		}
	}()
	if w.receiver, err = newReceiver(ctx, r, &w.undo, "whole", rec); err != nil {
		return nil, fmt.Errorf("set up the pipeline: %w", err)
	}
	w.counting = &outcomeStore{Store: w.receiver.store, all: make(chan struct{}, 1)}
	opts := processor.Defaults()
	reg := prometheus.NewRegistry()
	w.processor = processor.New(w.counting, rec, "bench", opts, r.log, reg)
	w.consumer, err = imagequeue.NewConsumer(imagequeue.ConsumerOptions{
		Lookupd: []string{w.receiver.queue.Lookupd()}, MaxInFlight: opts.InFlight, Registry: reg, Log: r.log,
		Handle: func(d *imagequeue.Delivery) { w.processor.Take(d.ImageID, d) },
	})
	if err != nil {
		return nil, fmt.Errorf("set up the pipeline: %w", err)
	}
	w.processor.Start()
	if err := w.consumer.Start(); err != nil {
		return nil, fmt.Errorf("set up the pipeline: %w", err)
	}
	return w, nil
}

// Run posts new paths in one request. It returns the time until the last image
// had its outcome, and the number of faces stored.
func (w *Whole) Run(ctx context.Context, names []string) (took time.Duration, faces int, err error) {
	begin := time.Now()
	if err := w.Queue(ctx, names); err != nil {
		return 0, 0, err
	}
	select {
	case <-w.counting.all:
		return time.Since(begin), int(w.counting.faces.Load()), nil
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
}

// Queue posts new paths in one request, and does not wait for their outcomes.
func (w *Whole) Queue(ctx context.Context, names []string) error {
	paths := make([]path, len(names))
	for i, name := range names {
		paths[i].Path = name
	}
	w.counting.want(len(names))
	_, err := w.receiver.postPaths(ctx, paths)
	return err
}

// Left returns how many of the posted images have no outcome yet.
func (w *Whole) Left() int { return int(w.counting.left.Load()) }

// Identify has a picture answered at once.
func (w *Whole) Identify(ctx context.Context, file []byte) error {
	_, err := client.New(w.receiver.url, client.WithHTTPClient(w.receiver.http)).Identify(ctx, file)
	return err
}

// Close stops the pipeline. Errors are ignored: everything is measured by then.
func (w *Whole) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	w.consumer.Pause()
	_ = w.processor.Stop(ctx)
	_ = w.consumer.Stop(ctx)
	w.undo.run()
}

// outcomeStore reports when the last awaited outcome was written, and counts
// faces.
type outcomeStore struct {
	*store.Store
	left  atomic.Int64 // outcomes to wait for
	faces atomic.Int64
	all   chan struct{}
}

func (s *outcomeStore) want(n int) {
	s.faces.Store(0)
	s.left.Store(int64(n))
}

// Finish implements processor.Store.
func (s *outcomeStore) Finish(ctx context.Context, results []store.Result) ([]int64, error) {
	stale, err := s.Store.Finish(ctx, results)
	if err != nil {
		return stale, err
	}
	for _, r := range results {
		s.faces.Add(int64(len(r.Faces)))
	}
	if s.left.Add(-int64(len(results)-len(stale))) == 0 {
		s.all <- struct{}{}
	}
	return stale, nil
}
