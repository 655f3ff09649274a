package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// galleryPictures is the number of known pictures.
const galleryPictures = 10_000

// describeTimeout limits how long the gallery's cache may take to fill. It takes
// some seconds, because the descriptors are random.
const describeTimeout = 5 * time.Minute

func benchGallery(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	known, unknown := filepath.Join(dir, "known"), filepath.Join(dir, "unknown")
	if err := drawGallery(known, unknown); err != nil {
		return err
	}
	set, err := o.models.Load()
	if err != nil {
		return err
	}
	model := set.Model()
	if err := describeGallery(ctx, known, unknown, model); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nA recognizer with %d known pictures in as many files, model set %s:\n\n", galleryPictures, model.ID)
	fmt.Fprintln(out, "| what | seconds |\n| --- | ---: |")
	var starts []float64
	for i := range o.rounds {
		proc, err := startRecognizer(ctx, o, known, unknown, 0)
		if err != nil {
			return err
		}
		starts = append(starts, proc.started.Seconds())
		if i == o.rounds-1 {
			fmt.Fprintf(out, "| start, from exec to SERVING: models, proof, gallery | %.2f |\n", median(starts))
			err = benchStored(ctx, o, proc.client, model, out)
		}
		proc.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

// drawGallery writes small, different pictures of 1,000 people.
func drawGallery(known, unknown string) error {
	draw := fakeengine.JPEG(fakeengine.Draw(64, 64, fakeengine.Face{Box: image.Rect(0, 0, 12, 12)}))
	if err := os.MkdirAll(unknown, 0o755); err != nil {
		return err
	}
	for i := range galleryPictures {
		folder := filepath.Join(known, fmt.Sprintf("Person %04d", i/10))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		raw := fmt.Appendf(draw[:len(draw):len(draw)], "picture %d", i)
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.jpg", i%10)), raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// randomEngine finds one face in every picture and describes it at random.
type randomEngine struct {
	size int // numbers in a descriptor
	next *atomic.Uint64
	last faces.Descriptor // of the last picture
}

// Look implements engine.Engine.
func (e *randomEngine) Look(context.Context, []byte, engine.Purpose) (engine.Seen, error) {
	e.last = randomDescriptor(rand.New(rand.NewPCG(7, e.next.Add(1))), e.size)
	return engine.Seen{Width: 64, Height: 64, Faces: []engine.Face{{Box: faces.Box{Width: 12, Height: 12}, Descriptor: e.last}}}, nil
}

// Reexamine implements engine.Engine. It confirms the last picture's descriptor, so
// that the recognizer's self-test passes.
func (e *randomEngine) Reexamine(_ context.Context, numbers []int) ([]faces.Descriptor, error) {
	return slices.Repeat([]faces.Descriptor{e.last}, len(numbers)), nil
}

// Close implements engine.Engine.
func (*randomEngine) Close() {}

// randomDescriptor returns a descriptor at a distance of about 1.3 from any
// other, as for two people.
func randomDescriptor(rng *rand.Rand, size int) faces.Descriptor {
	const length = 0.92
	d := make(faces.Descriptor, size)
	for i := range d {
		d[i] = float32(rng.NormFloat64() * length / math.Sqrt(float64(size)))
	}
	return d
}

// describeGallery fills the cache that the measured recognizer will read. The
// descriptors are random.
func describeGallery(ctx context.Context, known, unknown string, model faces.Model) error {
	var n atomic.Uint64
	open := func() (engine.Engine, error) { return &randomEngine{size: model.Size, next: &n}, nil }
	opts := recognizer.Options{
		KnownPeople: known, UnknownPeople: unknown, Engines: runtime.NumCPU(), MaxPixels: picture.Defaults().MaxPixels, Refresh: time.Hour,
	}
	r, err := recognizer.New(opts, model, open, kernel.New(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	r.Start()
	return errors.Join(waitReady(ctx, r), r.Close(context.WithoutCancel(ctx)))
}

// waitReady waits until the recognizer is ready, for at most describeTimeout.
func waitReady(ctx context.Context, r *recognizer.Recognizer) error {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	for {
		err := r.Ready(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("fill the gallery's cache: the recognizer is not ready after %s: %w", describeTimeout, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// benchStored matches stored faces of unknown people, as a re-match does:
// many per call, two calls per core at a time.
func benchStored(ctx context.Context, o options, client recognizerv1.RecognizerClient, model faces.Model, out io.Writer) error {
	const each = 1024 // so that the answers of all calls fit beside a message that is being read
	rng := rand.New(rand.NewPCG(3, 3))
	stored := make([][]byte, each)
	for i := range stored {
		stored[i] = randomDescriptor(rng, model.Size).Bytes()
	}
	for _, against := range []struct {
		what  string
		names []string
	}{{"all", nil}, {"one person's 10", personsPictures()}} {
		begin := time.Now()
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(2 * runtime.NumCPU())
		for range (o.matchStored + each - 1) / each {
			group.Go(func() error {
				_, err := client.Match(ctx, &recognizerv1.MatchRequest{
					ModelId: model.ID, Descriptors: stored, ImageNames: against.names, MaxDescriptorSize: faces.MaxDescriptorSize,
					Neighbours: &recognizerv1.NeighbourLimit{Count: 2, Slack: float32(model.Margin), SlackWithin: float32(model.Threshold)},
				})
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		fmt.Fprintf(out, "| match %d stored faces with %s of them, over gRPC | %.1f |\n", o.matchStored, against.what, time.Since(begin).Seconds())
	}
	return nil
}

// personsPictures returns the names of the pictures of one person.
func personsPictures() (names []string) {
	for i := range 10 {
		names = append(names, fmt.Sprintf("Person 0007/%d.jpg", i))
	}
	return names
}
