package main

// This file owns the measures of a recognizer that knows many pictures: its
// start, and a re-match of many stored faces.

import (
	"context"
	"fmt"
	"image"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/fake"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/models"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// galleryPictures is how many pictures of known people there are.
const galleryPictures = 10_000

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
	set, err := models.Choose(o.official, o.lite)
	if err != nil {
		return err
	}
	if err := describeGallery(ctx, known, unknown, set.Model()); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nA recognizer with %d known pictures in as many files, models %s:\n\n", galleryPictures, set.ID)
	fmt.Fprintln(out, "| what | seconds |\n| --- | ---: |")
	var starts []float64
	for i := range o.rounds {
		begin := time.Now()
		proc, client, err := startRecognizer(ctx, o, known, unknown)
		if err != nil {
			return err
		}
		starts = append(starts, time.Since(begin).Seconds())
		if i == o.rounds-1 {
			fmt.Fprintf(out, "| start, from exec to SERVING: models, proof, gallery | %.2f |\n", median(starts))
			err = benchStored(ctx, o, client, set.ID, out)
		}
		proc.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

// drawGallery writes small pictures, no two the same, as 1,000 people's.
func drawGallery(known, unknown string) error {
	// As long as a picture that is not enlarged, and as small as can be.
	draw := fake.JPEG(fake.Draw(picture.Defaults().EnlargeBelow, 16, fake.Face{Box: image.Rect(0, 0, 12, 12)}))
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

// describeGallery fills the cache: descriptors are drawn at random, for it does
// not matter here what they are, only that they are there.
func describeGallery(ctx context.Context, known, unknown string, model faces.Model) error {
	var n atomic.Uint64
	studio := &fake.Studio{Recognize: func([]byte) ([]engine.PixelFace, error) {
		return []engine.PixelFace{{Descriptor: likeAModels(rand.New(rand.NewPCG(7, n.Add(1))))}}, nil
	}}
	opts := recognizer.Options{
		KnownPeople: known, UnknownPeople: unknown, Engines: runtime.NumCPU(), MaxPixels: picture.Defaults().MaxPixels, Refresh: time.Hour,
	}
	r, err := recognizer.New(opts, model, studio.Open, kernel.New(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	r.Start()
	for r.Ready(ctx) != nil && ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond)
	}
	return r.Close(context.WithoutCancel(ctx))
}

// benchStored matches stored faces, of which some are of known people, as a
// re-match does: thousands in a call, two calls a core under way.
func benchStored(ctx context.Context, o options, client recognizerv1.RecognizerClient, modelID string, out io.Writer) error {
	const each = 4096
	rng := rand.New(rand.NewPCG(3, 3))
	stored := make([][]byte, each)
	for i := range stored {
		d := likeAModels(rng)
		stored[i] = d.Bytes()
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
					ModelId: modelID, Descriptors: stored, ImageNames: against.names,
					Neighbours: &recognizerv1.NeighbourLimit{Count: 2, Slack: 0.02, SlackWithin: 0.62},
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

// personsPictures names the pictures of one person.
func personsPictures() (names []string) {
	for i := range 10 {
		names = append(names, fmt.Sprintf("Person 0007/%d.jpg", i))
	}
	return names
}
