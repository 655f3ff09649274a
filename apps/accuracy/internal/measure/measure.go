// Package measure finds out how well a model set recognizes a folder of
// photographs, the whole way that a picture takes in the product.
//
// This file owns what is looked at. people.go tells right names from wrong
// ones, detection.go counts faces, report.go writes it down.
package measure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
)

// Options say what to measure.
type Options struct {
	// Dir holds people/<name>/<file>, groups/<file> and bench/<file>. Folders
	// may be missing, but not all.
	Dir   string
	Model faces.Model
	// Open opens an engine of the model set.
	Open func() (engine.PixelEngine, error)
	// Reference opens what the product is compared with: the detector on whole
	// pictures.
	Reference func() (Reference, error)
	// Progress is told what is being looked at. It may be nil.
	Progress func(what string)
}

// Reference finds faces in a JPEG, by one run of the detector in colour.
type Reference interface {
	Recognize(jpeg []byte) ([]engine.PixelFace, error)
	Close()
}

// Report is all that was measured.
type Report struct {
	Model     faces.Model
	People    *People
	Detection []Detection
	Times     []Times
}

// Times are of one picture after another on one engine.
type Times struct {
	Folder   string
	Pictures int
	Prepare  Spread // decode and scale
	Look     Spread // detect and describe
}

// Spread is the middle and the upper end of many durations.
type Spread struct{ Median, P95 time.Duration }

// look is what was seen in one picture.
type look struct {
	name string // relative to Dir, with forward slashes
	seen faces.Recognition
	took recognizer.Timings
	err  error
}

// Run measures. It takes about as long as looking at every picture, and at
// those of groups/ and bench/ twice.
func Run(ctx context.Context, opts Options) (*Report, error) {
	if opts.Progress == nil {
		opts.Progress = func(string) {}
	}
	report := &Report{Model: opts.Model}
	people, err := lookAt(ctx, opts, "people")
	if err != nil {
		return nil, err
	}
	if len(people) > 0 {
		if report.People, err = judge(ctx, people, opts.Model); err != nil {
			return nil, err
		}
		report.Times = append(report.Times, timesOf("people", people))
	}
	for _, folder := range []string{"groups", "bench"} {
		looks, err := lookAt(ctx, opts, folder)
		if err != nil {
			return nil, err
		}
		if len(looks) == 0 {
			continue
		}
		report.Times = append(report.Times, timesOf(folder, looks))
		d, err := compare(ctx, opts, folder, looks)
		if err != nil {
			return nil, err
		}
		report.Detection = append(report.Detection, d)
	}
	if len(report.Times) == 0 {
		return nil, fmt.Errorf("%s holds no pictures in people/, groups/ or bench/", opts.Dir)
	}
	return report, nil
}

// lookAt looks at every picture of a folder with the product's recognizer. It
// knows nobody: descriptors are compared later.
func lookAt(ctx context.Context, opts Options, folder string) (looks []look, err error) {
	names, err := pictures(opts.Dir, folder)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	nobody, err := os.MkdirTemp("", "nobody-")
	if err != nil {
		return nil, fmt.Errorf("make an empty folder: %w", err)
	}
	defer os.Remove(nobody) //nolint:errcheck // empty, in the folder for such
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the folder of faces: %w", err)
	}
	r, err := recognizer.New(recognizer.Options{
		KnownPeople: nobody, UnknownPeople: dir, Engines: 1, MaxPixels: picture.Defaults().MaxPixels, Refresh: time.Hour,
	}, opts.Model, opts.Open, nil /* nobody is compared */, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return nil, fmt.Errorf("open the recognizer: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close(context.WithoutCancel(ctx))) }()
	for i, name := range names {
		opts.Progress(fmt.Sprintf("%s (%d of %d)", name, i+1, len(names)))
		seen, took, err := r.Recognize(ctx, recognizer.Source{Path: name}, nearest.Limit{})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		looks = append(looks, look{name: name, seen: seen, took: took, err: err})
	}
	return looks, nil
}

// pictures lists the files of a folder in dir, sorted. It may be missing.
func pictures(dir, folder string) ([]string, error) {
	var names []string
	err := fs.WalkDir(os.DirFS(dir), folder, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case name == folder && errors.Is(err, fs.ErrNotExist):
			return fs.SkipAll
		case err != nil:
			return err
		case strings.HasPrefix(path.Base(name), "."):
			if entry.IsDir() {
				return fs.SkipDir // a recognizer's cache lies in one
			}
		case entry.Type().IsRegular():
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list pictures: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

func timesOf(folder string, looks []look) Times {
	t := Times{Folder: folder, Pictures: len(looks)}
	var prepare, see []time.Duration
	for _, l := range looks {
		prepare, see = append(prepare, l.took.Prepare), append(see, l.took.Recognize)
	}
	t.Prepare, t.Look = spread(prepare), spread(see)
	return t
}

func spread(d []time.Duration) Spread {
	slices.Sort(d)
	return Spread{Median: d[len(d)/2], P95: d[min(len(d)-1, len(d)*95/100)]}
}
