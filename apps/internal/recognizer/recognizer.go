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
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
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
func New(opts Options, model faces.Model, open func() (engine.Engine, error), kernel nearest.Kernel, log *slog.Logger, reg prometheus.Registerer) (*Recognizer, error) {
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

// describeOne describes the one face of a known picture, and says how well it
// can be seen.
func (r *Recognizer) describeOne(ctx context.Context, data []byte) ([]faces.Descriptor, faces.Quality, error) {
	eng, err := r.pool.acquire(ctx)
	if err != nil {
		return nil, faces.Quality{}, err
	}
	defer r.pool.release(eng)
	seen, err := r.look(ctx, eng, data, engine.Enrol)
	switch {
	case err != nil:
		return nil, faces.Quality{}, err
	case len(seen.Faces) == 0:
		return nil, faces.Quality{}, faces.Fault(faces.NoFace, "no face was found in it")
	case len(seen.Faces) > 1:
		return nil, faces.Quality{}, faces.Fault(faces.Uncertain, "%d faces were found in it; it must show one person", len(seen.Faces))
	}
	face := seen.Faces[0]
	if face.Descriptor == nil {
		return nil, faces.Quality{}, faces.Fault(faces.NoFace,
			"the face in it is turned away, blurred or cut off too much to know somebody by it")
	}
	return append([]faces.Descriptor{face.Descriptor}, face.Variants...), face.Quality, nil
}

// Timings say where the time of one picture went.
type Timings struct {
	Wait     time.Duration // for a free engine
	Read     time.Duration // the file
	Decode   time.Duration // the picture's pixels
	Detect   time.Duration // finding faces
	Describe time.Duration // aligning and describing them, by the reference, too
	Match    time.Duration // against the known pictures
}

// Source is the picture that is asked about: a path or the bytes themselves.
type Source struct {
	Path    string
	Content []byte
	// Known is the file that the caller knows at the path: while it is that one,
	// the picture is not looked at again. Zero: it is looked at.
	Known faces.File
}

// Recognize answers about one picture. Its errors are the picture's faults
// (see faces.ReasonOf) or the service's; the file that was read comes beside
// them.
func (r *Recognizer) Recognize(ctx context.Context, src Source, l nearest.Limit) (faces.Recognition, Timings, error) {
	var t Timings
	if src.Path != "" && r.unknown.LooksLike(src.Path, src.Known) {
		return r.unchanged(src.Known), t, nil
	}
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
	data, file := src.Content, faces.File{}
	if src.Path != "" {
		if data, file, err = r.unknown.ReadFile(src.Path); err != nil {
			return faces.Recognition{}, t, err
		}
	}
	t.Read = time.Since(begin)
	if file.SHA256 != "" && file.SHA256 == src.Known.SHA256 {
		return r.unchanged(file), t, nil
	}
	seen, err := r.look(ctx, eng, data, engine.Ask)
	t.Decode, t.Detect, t.Describe = seen.Decode, seen.Detect, seen.Describe
	if err != nil {
		return faces.Recognition{File: file}, t, err
	}
	answer, err := r.answer(ctx, eng, seen, l, &t)
	answer.File = file
	return answer, t, err
}

// unchanged answers about a file that the caller knows.
func (r *Recognizer) unchanged(file faces.File) faces.Recognition {
	return faces.Recognition{Model: r.model, File: file, Unchanged: true}
}

// look lets an engine look at a picture. A panic becomes an error of this one
// picture: a slip of an engine must not end the other calls, nor the reading of
// the gallery.
func (r *Recognizer) look(ctx context.Context, eng engine.Engine, data []byte, purpose engine.Purpose) (seen engine.Seen, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("panic while looking at a picture", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic while looking at the picture: %v", p)
		}
	}()
	return eng.Look(ctx, data, purpose)
}
