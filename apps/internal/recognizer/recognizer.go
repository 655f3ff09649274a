// Package recognizer finds faces in pictures, describes them and names the
// known pictures nearest to each. It knows pictures, not people.
//
// This file owns the life of a Recognizer: its engines, its gallery and what
// it does with one picture. server.go offers it over gRPC.
package recognizer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/gallery"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/version"
)

// Recognizer answers about pictures. It is safe for concurrent use.
type Recognizer struct {
	opts    Options
	model   faces.Model
	log     *slog.Logger
	metrics *metrics
	pool    *pool
	known   *gallery.Loader
	unknown *picturefiles.Folder
	// matching has a place for each core that may search at the same time.
	matching chan struct{}

	proof proof // that the engines work

	stop    context.CancelFunc
	watcher sync.WaitGroup
}

// New opens the folders and the engines. open is called once for each engine;
// kernel searches for neighbours.
func New(opts Options, model faces.Model, open func() (engine.PixelEngine, error), kernel nearest.Kernel, log *slog.Logger, reg prometheus.Registerer) (*Recognizer, error) {
	r := &Recognizer{
		opts: opts, model: model, log: log,
		matching: make(chan struct{}, opts.Engines),
		proof:    proof{again: make(chan struct{}, 1), why: errNotProven},
	}
	var err error
	r.known, err = gallery.NewLoader(gallery.Options{
		Folder: opts.KnownPeople, Cache: opts.Cache, Model: model, Workers: opts.Engines, Kernel: kernel, Log: log,
		// Another build or limit may read what this one cannot. A model set
		// describes the same face the same in every build.
		Scope:    fmt.Sprintf("%d pixels, build %s", opts.MaxPixels, version.String()),
		Describe: r.describeKnown,
		Changed: func(pictures, problems int) {
			r.metrics.known.Set(float64(pictures))
			r.metrics.problems.Set(float64(problems))
		},
	})
	if err != nil {
		return nil, fmt.Errorf("KNOWN_PEOPLE: %w", err)
	}
	if r.unknown, err = picturefiles.Open(opts.UnknownPeople); err != nil {
		return nil, errors.Join(fmt.Errorf("UNKNOWN_PEOPLE: %w", err), r.known.Close())
	}
	if r.pool, err = openPool(opts.Engines, open); err != nil {
		return nil, errors.Join(err, r.known.Close(), r.unknown.Close())
	}
	r.metrics = newMetrics(reg)
	return r, nil
}

// Start proves the engines, reads the known pictures and keeps looking for
// changes. It is ready once both has been done for the first time.
func (r *Recognizer) Start() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.watcher.Go(func() {
		// First of all: what an engine that does not work finds in the known
		// pictures would be remembered.
		r.prove(ctx, r.opts.Engines)
		r.watcher.Go(func() { r.keepProven(ctx) })
		r.watcher.Go(func() { r.keepSmall(ctx) })
		r.watch(ctx)
	})
}

// Close stops looking for changes and closes the engines once they are free.
func (r *Recognizer) Close(ctx context.Context) error {
	if r.stop != nil {
		r.stop()
	}
	r.watcher.Wait()
	return errors.Join(r.pool.close(ctx), r.known.Close(), r.unknown.Close())
}

// Ready returns an error until the engines have found the face in the built-in
// picture and the known pictures were read, and while every engine hangs.
func (r *Recognizer) Ready(context.Context) error {
	if err := r.Alive(); err != nil {
		return err
	}
	if err := r.proof.err(); err != nil {
		return err
	}
	if !r.known.Current().Loaded() {
		return errors.New("still reading the pictures of known people")
	}
	return nil
}

// Alive returns an error while every engine hangs, which only a restart ends.
// Reading the known pictures, however long it takes, is no reason for one.
func (r *Recognizer) Alive() error {
	if r.pool.stuck(cmp.Or(r.opts.Stuck, defaultStuck)) {
		r.proof.doubt(errStuck)
		return errStuck
	}
	return nil
}

// watch refreshes the gallery. Network file systems send no change events, so
// it looks.
func (r *Recognizer) watch(ctx context.Context) {
	r.known.OpenCache()
	ticker := time.NewTicker(r.opts.Refresh)
	defer ticker.Stop()
	for {
		if err := r.known.Refresh(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("cannot read the pictures of known people", "folder", r.opts.KnownPeople, "why", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := r.unknown.Follow(); err != nil {
			r.log.Error("cannot read the folder of unknown people", "folder", r.unknown.Path(), "why", err)
		}
	}
}

// describeKnown describes the one face of a known picture.
func (r *Recognizer) describeKnown(ctx context.Context, data []byte) ([]faces.Descriptor, error) {
	list, _, err := r.describeOne(ctx, data)
	return list, err
}

// describeOne describes the one face of a picture: as the detector's size shows
// it and, where that was enlarged, as the file shows it; and how well it can be
// seen. A picture that is asked about may be at either, and like is nearer to
// like. (Of the photographs at hand, the second one halves the known faces that
// are missed.)
func (r *Recognizer) describeOne(ctx context.Context, data []byte) ([]faces.Descriptor, faces.Quality, error) {
	eng, err := r.pool.acquire(ctx)
	if err != nil {
		return nil, faces.Quality{}, err
	}
	defer r.pool.release(eng)
	var t Timings
	found, prepared, err := r.look(eng, data, r.pictureOptions(), &t)
	switch {
	case err != nil:
		return nil, faces.Quality{}, err
	case len(found) == 0:
		return nil, faces.Quality{}, faces.Fault(faces.NoFace, "no face was found in it")
	case len(found) > 1:
		return nil, faces.Quality{}, faces.Fault(faces.Uncertain, "%d faces were found in it; it must show one person", len(found))
	}
	list, quality := []faces.Descriptor{found[0].Descriptor}, qualityOf(prepared.Box(found[0].Box), found[0])
	if prepared.PreparedWidth <= prepared.Width {
		return list, quality, nil
	}
	opts := r.pictureOptions()
	opts.EnlargeBelow = 0
	if found, _, err = r.look(eng, data, opts, &t); err == nil && len(found) == 1 {
		list = append(list, found[0].Descriptor)
	}
	return list, quality, nil // a face too small to be found as it is has one descriptor
}

// pictureOptions are how pictures are made ready here.
func (r *Recognizer) pictureOptions() picture.Options {
	opts := picture.Defaults()
	opts.MaxPixels = r.opts.MaxPixels
	return opts
}

// Timings say where the time of one picture went.
type Timings struct {
	Wait      time.Duration // for a free engine
	Read      time.Duration // the file
	Prepare   time.Duration // decode and scale
	Recognize time.Duration // detect and describe
	Match     time.Duration // against the known pictures

	Decode   time.Duration // of Prepare
	Detect   time.Duration // of Recognize
	Describe time.Duration // of Recognize: landmarks and descriptors
}

// Source is the picture that is asked about: a path or the bytes themselves.
type Source struct {
	Path    string
	Content []byte
}

// Recognize answers about one picture. Its errors are the picture's faults
// (see faces.ReasonOf) or the service's.
func (r *Recognizer) Recognize(ctx context.Context, src Source, l nearest.Limit) (faces.Recognition, Timings, error) {
	var t Timings
	begin := time.Now()
	eng, err := r.pool.acquire(ctx)
	t.Wait = time.Since(begin)
	if err != nil {
		return faces.Recognition{}, t, err
	}
	// The engine is held from here on: one core reads, decodes and recognizes
	// one picture, so that memory is bounded by the number of engines.
	defer r.pool.release(eng)
	begin = time.Now()
	data := src.Content
	if src.Path != "" {
		if data, err = r.unknown.Read(src.Path); err != nil {
			return faces.Recognition{}, t, err
		}
	}
	t.Read = time.Since(begin)
	found, prepared, err := r.look(eng, data, r.pictureOptions(), &t)
	if err != nil {
		return faces.Recognition{}, t, err
	}
	begin = time.Now()
	seen, err := r.match(ctx, found, prepared, l)
	t.Match = time.Since(begin)
	return seen, t, err
}

// look prepares a picture and lets the engine look at it. A panic becomes an
// error of this one picture: a decoder's or an engine's slip must not end the
// other calls, nor the reading of the gallery.
func (r *Recognizer) look(eng engine.PixelEngine, data []byte, opts picture.Options, t *Timings) (found []engine.PixelFace, prepared picture.Prepared, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("panic while looking at a picture", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic while looking at the picture: %v", p)
		}
	}()
	if d, ok := eng.(engine.JPEGDecoder); ok {
		opts.JPEG = d.DecodeJPEG
	}
	begin := time.Now()
	prepared, err = picture.Decode(data, opts)
	t.Prepare += time.Since(begin)
	t.Decode += prepared.Decode
	if err != nil {
		return nil, prepared, err
	}
	begin = time.Now()
	seen, err := eng.Look(prepared.Pixels)
	t.Recognize += time.Since(begin)
	t.Detect += seen.Detect
	t.Describe += seen.Describe
	prepared.Pixels = nil // large, and done with
	if prepared.Memory > hugePicture {
		debug.FreeOSMemory() // within a pod's limit, what one picture took is wanted back
	}
	if errors.Is(err, engine.ErrUnreadable) {
		err = faces.Fault(faces.CorruptImage, "the picture cannot be decoded").WithCause(err)
	}
	return seen.Faces, prepared, err
}

// hugePicture is from what memory of a picture on, in bytes, the collection of
// garbage that gives it back costs little beside its decoding.
const hugePicture = 32 << 20

// match maps faces back to the original's pixels and finds their neighbours.
func (r *Recognizer) match(ctx context.Context, found []engine.PixelFace, p picture.Prepared, l nearest.Limit) (faces.Recognition, error) {
	g := r.known.Current()
	seen := faces.Recognition{Width: p.Width, Height: p.Height, Model: r.model, Gallery: g.Version()}
	asked := make([]faces.Descriptor, len(found))
	for i, f := range found {
		asked[i] = f.Descriptor
	}
	near, err := g.Index().Nearest(ctx, asked, l)
	if err != nil {
		return faces.Recognition{}, fmt.Errorf("match the faces: %w", err)
	}
	for i, f := range found {
		s := faces.Sighting{Box: p.Box(f.Box), Descriptor: f.Descriptor, Neighbours: near[i]}
		for _, pt := range f.Landmarks {
			s.Landmarks = append(s.Landmarks, p.Point(pt))
		}
		s.Quality = qualityOf(s.Box, f)
		seen.Sightings = append(seen.Sightings, s)
	}
	return seen, nil
}
