package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

const (
	// goalFace is the goal in milliseconds per face of a picture with ten
	// faces.
	goalFace = 12.0
	// goalUpright is the goal in milliseconds to find the faces in 24
	// megapixels on one core. goalTurned is added if the picture has to be
	// turned.
	goalUpright, goalTurned = 150.0, 80.0
	// manyFaces is the number of faces in the composed picture.
	manyFaces = 10
	// looksInRound is how often each picture is processed per round.
	looksInRound = 3
)

// look is a composed picture and its measurements.
type look struct {
	name  string
	goal  string
	file  []byte
	faces int
	// Milliseconds of each run.
	whole, decode, detect, describe []float64
}

// benchLooks measures one engine, in one worker, on composed pictures.
func benchLooks(ctx context.Context, o options, b *bench, out io.Writer) error {
	looks, err := composeLooks(ctx, b)
	if err != nil {
		return fmt.Errorf("compose pictures: %w", err)
	}
	for range o.rounds * looksInRound {
		for _, l := range looks {
			begin := time.Now()
			seen, err := b.engines[0].Look(ctx, l.file, engine.Ask)
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			l.faces = len(seen.Faces)
			l.whole = append(l.whole, inMilliseconds(time.Since(begin)))
			l.decode = append(l.decode, inMilliseconds(seen.Decode))
			l.detect = append(l.detect, inMilliseconds(seen.Detect))
			l.describe = append(l.describe, inMilliseconds(seen.Describe))
		}
	}
	fmt.Fprintf(out, "\nOne worker on composed pictures, milliseconds: median (minimum) of %d alternating runs:\n\n", o.rounds*looksInRound)
	fmt.Fprintln(out, "| picture | faces | whole | decode | detect | describe | goal |\n| --- | ---: | ---: | ---: | ---: | ---: | --- |")
	for _, l := range looks {
		fmt.Fprintf(out, "| %s | %d | %s | %s | %s | %s | %s |\n", l.name, l.faces,
			spread(l.whole), spread(l.decode), spread(l.detect), spread(l.describe), l.goal)
	}
	many := looks[0]
	fmt.Fprintf(out, "\nA picture of %d faces: %.1f ms per face (minimum %.1f; goal: at most %.0f), of which %.1f to decode, %.1f to detect, %.1f to describe.\n",
		many.faces, perFace(median(many.whole), many), perFace(least(many.whole), many), goalFace,
		perFace(median(many.decode), many), perFace(median(many.detect), many), perFace(median(many.describe), many))
	return nil
}

func spread(values []float64) string {
	return fmt.Sprintf("%.1f (%.1f)", median(values), least(values))
}

func perFace(ms float64, l *look) float64 { return ms / float64(max(1, l.faces)) }

func inMilliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// composeLooks composes the pictures. The first has ten faces.
func composeLooks(ctx context.Context, b *bench) ([]*look, error) {
	many, err := b.severalFaces(ctx, manyFaces)
	if err != nil {
		return nil, err
	}
	large, err := mosaic(b.photos, 0)
	if err != nil {
		return nil, err
	}
	looks := []*look{
		{name: fmt.Sprintf("%d faces, %d x %d", manyFaces, many.Width, many.Height), goal: fmt.Sprintf("≤ %.0f ms per face", goalFace)},
		{name: "24 megapixels, upright", goal: fmt.Sprintf("detect ≤ %.0f", goalUpright)},
		{name: "24 megapixels, turned by a quarter", goal: fmt.Sprintf("detect ≤ %.0f", goalUpright+goalTurned)},
		{name: "24 megapixels, no face", goal: fmt.Sprintf("detect ≤ %.0f", goalUpright+goalTurned)},
	}
	for i, m := range []*picture.RGB{many, large, quarterTurn(large), clouds(large.Width, large.Height)} {
		if looks[i].file, err = encode(m); err != nil {
			return nil, err
		}
	}
	return looks, nil
}

// severalFaces returns a picture of n faces in two rows. It uses known pictures
// with one face each.
func (b *bench) severalFaces(ctx context.Context, n int) (*picture.RGB, error) {
	var single []*picture.RGB
	err := filepath.WalkDir(b.known, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || len(single) == n {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen, err := b.engines[0].Look(ctx, data, engine.Ask)
		if err != nil || len(seen.Faces) != 1 {
			return ctx.Err() // not usable here
		}
		m, err := decode(data)
		single = append(single, m)
		return err
	})
	if err == nil && len(single) < n {
		err = fmt.Errorf("only %d known pictures show one face; %d are needed", len(single), n)
	}
	if err != nil {
		return nil, err
	}
	const side = 400
	return tiled(single, (n+1)/2, 2, side, side), nil
}
