// Package recognizer finds faces in pictures, describes them and names the
// known pictures nearest to each. It knows pictures, not people.
//
// This file owns the life of a Recognizer: its engines, its gallery and what
// it does with one picture. server.go offers it over gRPC.
package recognizer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// Recognizer answers about pictures. It is safe for concurrent use.
type Recognizer struct {
	opts    Options
	model   faces.Model
	log     *slog.Logger
	metrics *metrics
	pool    *pool
	known   *folder
	unknown *folder

	gallery atomic.Pointer[gallery]
	ready   atomic.Bool

	stop    context.CancelFunc
	watcher sync.WaitGroup
}

// New opens the folders and the engines. open is called once for each engine.
func New(opts Options, model faces.Model, open func() (engine.Engine, error), log *slog.Logger, reg prometheus.Registerer) (*Recognizer, error) {
	known, err := openFolder(opts.KnownPeople)
	if err != nil {
		return nil, fmt.Errorf("KNOWN_PEOPLE: %w", err)
	}
	unknown, err := openFolder(opts.UnknownPeople)
	if err != nil {
		return nil, fmt.Errorf("UNKNOWN_PEOPLE: %w", err)
	}
	engines, err := openPool(opts.Engines, open)
	if err != nil {
		return nil, err
	}
	r := &Recognizer{opts: opts, model: model, log: log, metrics: newMetrics(reg), pool: engines, known: known, unknown: unknown}
	r.gallery.Store(emptyGallery())
	return r, nil
}

// Start reads the known pictures and keeps looking for changes. It is ready
// once it has read them for the first time.
func (r *Recognizer) Start() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.watcher.Go(func() { r.watch(ctx) })
}

// Close stops looking for changes and closes the engines once they are free.
func (r *Recognizer) Close(ctx context.Context) error {
	if r.stop != nil {
		r.stop()
	}
	r.watcher.Wait()
	return errors.Join(r.pool.close(ctx), r.known.root.Close(), r.unknown.root.Close())
}

// Ready returns an error until the known pictures were read once.
func (r *Recognizer) Ready(context.Context) error {
	if !r.ready.Load() {
		return errors.New("still reading the pictures of known people")
	}
	return nil
}

// watch refreshes the gallery. Network file systems send no change events, so
// it looks.
func (r *Recognizer) watch(ctx context.Context) {
	ticker := time.NewTicker(r.opts.Refresh)
	defer ticker.Stop()
	for {
		if err := r.refresh(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("cannot read the pictures of known people", "folder", r.known.path, "why", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// refresh replaces the gallery where the folder has changed.
func (r *Recognizer) refresh(ctx context.Context) error {
	files, err := scan(r.known.root)
	if err != nil {
		return err
	}
	old := r.gallery.Load()
	if version(r.model.ID, files) == old.version {
		return nil
	}
	begin := time.Now()
	// Below the pool's size, so that changes of the gallery do not stop answers.
	workers := r.opts.Engines
	if r.ready.Load() {
		workers = max(1, workers/2)
	}
	g, err := nextGallery(ctx, old, r.model.ID, files, workers, r.describeKnown, r.progress())
	if err != nil {
		return err
	}
	r.gallery.Store(g)
	r.ready.Store(true)
	r.tell(old, g, time.Since(begin))
	return nil
}

// progress returns a function that logs now and then.
func (r *Recognizer) progress() func(done, total int) {
	const every = 5 * time.Second
	last := time.Now()
	return func(done, total int) {
		if time.Since(last) >= every {
			last = time.Now()
			r.log.Info("reading the pictures of known people", "done", done, "of", total)
		}
	}
}

func (r *Recognizer) tell(old, now *gallery, took time.Duration) {
	r.metrics.known.Set(float64(len(now.index.entries)))
	r.metrics.problems.Set(float64(len(now.problems)))
	r.log.Info("known people are ready", "pictures", len(now.index.entries), "unusable", len(now.problems),
		"gallery", now.version, "took", took.Round(time.Millisecond))
	for _, name := range slices.Sorted(maps.Keys(now.problems)) {
		if old.problems[name] != now.problems[name] {
			r.log.Warn("a known picture cannot be used", "picture", name, "why", now.problems[name])
		}
	}
}

// describeKnown describes the one face of a known picture.
func (r *Recognizer) describeKnown(ctx context.Context, name string) (faces.Descriptor, error) {
	eng, err := r.pool.acquire(ctx)
	if err != nil {
		return faces.Descriptor{}, err
	}
	defer r.pool.release(eng)
	data, err := r.known.read(name)
	if err != nil {
		return faces.Descriptor{}, err
	}
	var t timings
	found, _, err := r.look(eng, data, &t)
	switch {
	case err != nil:
		return faces.Descriptor{}, err
	case len(found) == 0:
		return faces.Descriptor{}, faces.Fault(faces.NoFace, "no face was found in it")
	case len(found) > 1:
		return faces.Descriptor{}, faces.Fault(faces.Uncertain, "%d faces were found in it; it must show one person", len(found))
	}
	return found[0].Descriptor, nil
}

// timings say where the time of one picture went.
type timings struct{ wait, read, prepare, recognize, match time.Duration }

// Source is the picture that is asked about: a path or the bytes themselves.
type Source struct {
	Path    string
	Content []byte
}

// Recognize answers about one picture. Its errors are the picture's faults
// (see faces.ReasonOf) or the service's.
func (r *Recognizer) Recognize(ctx context.Context, src Source, l limit) (faces.Recognition, timings, error) {
	var t timings
	begin := time.Now()
	eng, err := r.pool.acquire(ctx)
	t.wait = time.Since(begin)
	if err != nil {
		return faces.Recognition{}, t, err
	}
	// The engine is held from here on: one core reads, decodes and recognizes
	// one picture, so that memory is bounded by the number of engines.
	defer r.pool.release(eng)
	begin = time.Now()
	data := src.Content
	if src.Path != "" {
		if data, err = r.unknown.read(src.Path); err != nil {
			return faces.Recognition{}, t, err
		}
	}
	t.read = time.Since(begin)
	found, prepared, err := r.look(eng, data, &t)
	if err != nil {
		return faces.Recognition{}, t, err
	}
	begin = time.Now()
	seen := r.match(found, prepared, l)
	t.match = time.Since(begin)
	return seen, t, nil
}

// look prepares a picture and lets the engine look at it.
func (r *Recognizer) look(eng engine.Engine, data []byte, t *timings) ([]engine.Found, picture.Prepared, error) {
	opts := picture.Defaults()
	opts.MaxPixels = r.opts.MaxPixels
	found, prepared, err := r.lookWith(eng, data, opts, t)
	if errors.Is(err, engine.ErrUnreadable) && prepared.Direct {
		// libjpeg gives up at a warning; Go's decoder does not.
		opts.NoDirect = true
		found, prepared, err = r.lookWith(eng, data, opts, t)
	}
	if errors.Is(err, engine.ErrUnreadable) {
		err = faces.Fault(faces.CorruptImage, "the picture cannot be decoded").WithCause(err)
	}
	return found, prepared, err
}

func (r *Recognizer) lookWith(eng engine.Engine, data []byte, opts picture.Options, t *timings) ([]engine.Found, picture.Prepared, error) {
	begin := time.Now()
	prepared, err := picture.Prepare(data, opts)
	t.prepare += time.Since(begin)
	if err != nil {
		return nil, prepared, err
	}
	begin = time.Now()
	found, err := eng.Recognize(prepared.JPEG)
	t.recognize += time.Since(begin)
	return found, prepared, err
}

// match maps faces back to the original's pixels and finds their neighbours.
func (r *Recognizer) match(found []engine.Found, p picture.Prepared, l limit) faces.Recognition {
	g := r.gallery.Load()
	seen := faces.Recognition{Width: p.Width, Height: p.Height, Model: r.model, Gallery: g.version}
	for _, f := range found {
		s := faces.Sighting{Box: p.Box(f.Box), Descriptor: f.Descriptor, Neighbours: g.index.nearest(&f.Descriptor, l)}
		for _, pt := range f.Landmarks {
			s.Landmarks = append(s.Landmarks, p.Point(pt))
		}
		seen.Sightings = append(seen.Sightings, s)
	}
	return seen
}
