package main

// This file owns the soak: thousands of pictures of all sizes, and what the
// recognizer's memory is after the first few hundred and after the last.

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/image/draw"

	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// The memory after the first of these pictures is what that after the last is
// compared with.
const soakWarm = 500

// soakSizes are the long sides that each picture is scaled to, in pixels. The
// largest of pictures of 3 to 2 has 24 megapixels.
var soakSizes = []int{200, 640, 1000, 1600, 2400, 4000, 6000}

func soak(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "rollcall-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	known, unknown, err := o.folders(dir)
	if err != nil {
		return err
	}
	desk := filepath.Join(dir, "desk")
	shots, err := readShots(unknown, known, desk)
	if err != nil {
		return err
	}
	paths, err := soakPictures(shots, desk)
	if err != nil {
		return err
	}
	proc, client, err := startRecognizer(ctx, o, known, desk)
	if err != nil {
		return err
	}
	defer proc.stop()
	fmt.Fprintf(out, "\nSoak: %d pictures, %d different ones of up to 24 megapixels, %d at a time:\n\n", o.soak, len(paths), runtime.NumCPU())
	fmt.Fprintln(out, "| pictures | resident, MiB | of that after 500 | peak, MiB |\n| ---: | ---: | ---: | ---: |")
	warm := 0
	for done := 0; done < o.soak; {
		n := min(soakWarm, o.soak-done)
		if err := soakSome(ctx, client, paths, done, n); err != nil {
			return err
		}
		done += n
		now, peak := proc.settled(ctx)
		if warm == 0 {
			warm = now
		}
		fmt.Fprintf(out, "| %d | %d | %.2f | %d |\n", done, now, float64(now)/float64(warm), peak)
	}
	return nil
}

// settled returns the memory a while after the last picture, when a recognizer
// that is asked nothing has given back what it does not need.
func (p *process) settled(ctx context.Context) (now, peak int) {
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
	}
	return p.memory()
}

// soakPictures writes each picture at one of the sizes, every third large one as
// a PNG, which takes the most memory, and the pictures as they are.
func soakPictures(shots []shot, desk string) ([]string, error) {
	var paths []string
	for i, s := range shots {
		paths = append(paths, s.path)
		m, _, err := image.Decode(bytes.NewReader(s.data))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
		for _, long := range []int{soakSizes[i%len(soakSizes)], soakSizes[(i+3)%len(soakSizes)]} {
			path := fmt.Sprintf("%s-soak-%d", s.path, long)
			if err := writeScaled(path, m, long, long >= 4000 && i%3 == 0); err != nil {
				return nil, err
			}
			paths = append(paths, path)
		}
	}
	return paths, nil
}

func writeScaled(path string, m image.Image, long int, asPNG bool) error {
	size := m.Bounds().Size()
	ratio := float64(long) / float64(max(size.X, size.Y))
	ratio = min(ratio, 4900/float64(min(size.X, size.Y))) // 24 megapixels where it is square
	scaled := image.NewRGBA(image.Rect(0, 0, max(1, int(float64(size.X)*ratio)), max(1, int(float64(size.Y)*ratio))))
	draw.ApproxBiLinear.Scale(scaled, scaled.Bounds(), m, m.Bounds(), draw.Src, nil)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if asPNG {
		encoder := png.Encoder{CompressionLevel: png.BestSpeed}
		return encoder.Encode(f, scaled)
	}
	return jpeg.Encode(f, scaled, &jpeg.Options{Quality: 90})
}

// soakSome asks about n pictures, as many at once as there are cores.
func soakSome(ctx context.Context, client recognizerv1.RecognizerClient, paths []string, from, n int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				// Another order each time round: 7919 is prime to any number of pictures here.
				path := paths[(from+i)*7919%len(paths)]
				if _, err := ask(ctx, client, path); err != nil {
					cancel(fmt.Errorf("%s: %w", path, err))
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}
