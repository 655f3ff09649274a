package pipelinebench

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// seen is a recognizer that gives the same answer for every picture.
type seen struct{ faces.Recognition }

// Recognize implements processor.Recognizer.
func (s seen) Recognize(context.Context, string, faces.File) (faces.Recognition, error) {
	return s.Recognition, nil
}

// Ping implements processor.Recognizer.
func (seen) Ping(context.Context) error { return nil }

func nothing() seen {
	return seen{faces.Recognition{Width: 640, Height: 480, Model: faces.Model{ID: "bench", Threshold: 0.6, Margin: 0.05}}}
}

const somebody = "somebody/1.jpg"

func oneFace() seen {
	s := nothing()
	s.Sightings = []faces.Sighting{{
		Box:        faces.Box{X: 100, Y: 100, Width: 150, Height: 150},
		Landmarks:  make([]faces.Point, 5),
		Neighbours: []faces.Neighbour{{Image: somebody, Distance: 0.3}},
	}}
	return s
}

// measureOutcomes measures the cost of an image from the queue to its outcome,
// with a recognizer that costs nothing.
func measureOutcomes(ctx context.Context, r *rig, opts Options, t *table) error {
	batch := processor.Defaults().Batch
	cost, err := process(ctx, r, "outcomes_nothing", nothing(), opts.Images)
	if err != nil {
		return err
	}
	t.row(fmt.Sprintf("CPU for an image, queue to outcome, batches of %d, no-op recognizer, nsqd included", batch),
		cost.cpu.String(), "< "+targetPerItem.String(), cost.cpu < targetPerItem)
	t.fact("the same in images a second", fmt.Sprintf("%.0f", cost.rate))
	if cost, err = process(ctx, r, "outcomes_face", oneFace(), opts.Images); err != nil {
		return err
	}
	t.fact("CPU for an image with one face to store", cost.cpu.String())
	return nil
}

// cost is the cost of one image.
type cost struct {
	cpu  time.Duration // user and system time of this process
	rate float64       // images per second
}

// process queues images and measures until the last one has its outcome.
func process(ctx context.Context, r *rig, name string, rec processor.Recognizer, images int) (cost, error) {
	var u undo
	defer u.run()
	st, raw, err := r.database(ctx, &u, name)
	if err != nil {
		return cost{}, err
	}
	if err := addSomebody(ctx, raw); err != nil {
		return cost{}, err
	}
	servers, err := r.queue(&u)
	if err != nil {
		return cost{}, err
	}
	if err := queueImages(ctx, r, st, servers.NSQD(), images); err != nil {
		return cost{}, err
	}
	counting := &countingStore{Store: st, want: int64(images), all: make(chan struct{})}
	opts := processor.Defaults()
	reg := prometheus.NewRegistry()
	p := processor.New(counting, rec, "bench", opts, r.log, reg)
	consumer, err := imagequeue.NewConsumer(imagequeue.ConsumerOptions{
		Lookupd: []string{servers.Lookupd()}, MaxInFlight: opts.InFlight, Registry: reg, Log: r.log,
		Handle: func(d *imagequeue.Delivery) { p.Take(d.ImageID, d) },
	})
	if err != nil {
		return cost{}, err
	}
	begin, before := time.Now(), cpuTime()
	p.Start()
	if err := consumer.Start(); err != nil {
		return cost{}, err
	}
	select {
	case <-counting.all:
	case <-ctx.Done():
		return cost{}, ctx.Err()
	}
	used, took := cpuTime()-before, time.Since(begin)
	consumer.Pause()
	if err := p.Stop(ctx); err != nil {
		return cost{}, err
	}
	if err := consumer.Stop(ctx); err != nil {
		return cost{}, err
	}
	return cost{cpu: (used / time.Duration(images)).Round(time.Microsecond), rate: float64(images) / took.Seconds()}, nil
}

// addSomebody adds the person in oneFace.
func addSomebody(ctx context.Context, raw *sql.DB) error {
	for _, statement := range []string{
		"INSERT INTO person (id, name) VALUES (1, 'somebody')",
		"INSERT INTO person_images (image_name, person_id) VALUES ('" + somebody + "', 1)",
	} {
		if _, err := raw.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("add a person: %w", err)
		}
	}
	return nil
}

// queueImages stores n images and queues them, as the receiver does.
func queueImages(ctx context.Context, r *rig, st *store.Store, nsqd string, n int) error {
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprintf("%s/bench/%09d.jpg", root, i)
	}
	stored, err := st.AddImages(ctx, paths)
	if err != nil {
		return err
	}
	ids := make([]int64, n)
	for i, img := range stored {
		ids[i] = img.ID
	}
	producer, err := imagequeue.NewProducer(nsqd, r.log)
	if err != nil {
		return err
	}
	defer producer.Close()
	if err := producer.Publish(ctx, ids); err != nil {
		return err
	}
	return st.MarkPublished(ctx, ids, time.Now())
}

// countingStore reports when the last outcome was written.
type countingStore struct {
	*store.Store
	want int64 // number of outcomes
	done atomic.Int64
	all  chan struct{} // closed with the last outcome
}

// Finish implements processor.Store.
func (s *countingStore) Finish(ctx context.Context, results []store.Result) ([]int64, error) {
	stale, err := s.Store.Finish(ctx, results)
	if err == nil && s.done.Add(int64(len(results)-len(stale))) == s.want {
		close(s.all)
	}
	return stale, err
}

// cpuTime returns the CPU time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
