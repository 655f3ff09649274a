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
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
	"github.com/rollcall-faces/rollcall/apps/internal/version"
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
	cache   cache

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
		return nil, errors.Join(fmt.Errorf("UNKNOWN_PEOPLE: %w", err), known.close())
	}
	engines, err := openPool(opts.Engines, open)
	if err != nil {
		return nil, errors.Join(err, known.close(), unknown.close())
	}
	r := &Recognizer{
		opts: opts, model: model, log: log, metrics: newMetrics(reg), pool: engines, known: known, unknown: unknown,
		cache: cache{folder: opts.Cache, scope: cacheScope{ModelID: model.ID, MaxPixels: opts.MaxPixels, Build: version.String()}},
	}
	r.gallery.Store(unreadGallery(nil))
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
	return errors.Join(r.pool.close(ctx), r.known.close(), r.unknown.close())
}

// Ready returns an error until the known pictures were read once, and while
// every engine hangs.
func (r *Recognizer) Ready(context.Context) error {
	if !r.ready.Load() {
		return errors.New("still reading the pictures of known people")
	}
	if r.pool.stuck(cmp.Or(r.opts.Stuck, defaultStuck)) {
		return errors.New("every engine hangs over its picture")
	}
	return nil
}

// defaultStuck is far longer than the largest picture takes.
const defaultStuck = time.Minute

// watch refreshes the gallery. Network file systems send no change events, so
// it looks.
func (r *Recognizer) watch(ctx context.Context) {
	r.remember()
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
		if err := r.unknown.follow(); err != nil {
			r.log.Error("cannot read the folder of unknown people", "folder", r.unknown.path, "why", err)
		}
	}
}

// remember takes over what an earlier run has described.
func (r *Recognizer) remember() {
	files, err := r.cache.load()
	if err != nil {
		r.log.Warn("the gallery cache is of no use; describing the known pictures anew", "why", err)
	}
	r.gallery.Store(unreadGallery(files))
}

// refresh replaces the gallery where the folder has changed.
func (r *Recognizer) refresh(ctx context.Context) error {
	if err := r.known.follow(); err != nil {
		return err
	}
	files, err := scan(r.known)
	if err != nil {
		return err
	}
	old := r.gallery.Load()
	if old.current(files) {
		return nil
	}
	begin := time.Now()
	// Below the pool's size, so that changes of the gallery do not stop answers.
	workers := r.opts.Engines
	if r.ready.Load() {
		workers = max(1, workers/2)
	}
	b := builder{modelID: r.model.ID, workers: workers, describe: r.describeKnown, progress: r.progress()}
	g, err := b.next(ctx, old, files)
	if !maps.Equal(old.files, g.files) {
		r.save(g.files)
	}
	if err != nil {
		return err
	}
	r.gallery.Store(g)
	r.ready.Store(true)
	if g.version != old.version {
		r.tell(old, g, time.Since(begin))
	}
	return nil
}

func (r *Recognizer) save(files map[string]knownFace) {
	if err := r.cache.save(files); err != nil {
		r.log.Warn("the next start will have to describe the known pictures anew", "why", err)
	}
}

// progress returns a function that logs now and then, and saves at times:
// reading a large folder takes long, and should it end early, it goes on from
// there.
func (r *Recognizer) progress() func(done, total int, described map[string]knownFace) {
	const tellEvery, saveEvery = 5 * time.Second, 30 * time.Second
	told, saved := time.Now(), time.Now()
	return func(done, total int, described map[string]knownFace) {
		if time.Since(told) >= tellEvery {
			told = time.Now()
			r.log.Info("reading the pictures of known people", "done", done, "of", total)
		}
		if time.Since(saved) >= saveEvery {
			saved = time.Now()
			r.save(described)
		}
	}
}

func (r *Recognizer) tell(old, now *gallery, took time.Duration) {
	r.metrics.known.Set(float64(now.index.pictures()))
	r.metrics.problems.Set(float64(len(now.problems)))
	r.log.Info("known people are ready", "pictures", now.index.pictures(), "unusable", len(now.problems),
		"gallery", now.version, "took", took.Round(time.Millisecond))
	for _, name := range slices.Sorted(maps.Keys(now.problems)) {
		if old.problems[name] != now.problems[name] {
			r.log.Warn("a known picture cannot be used", "picture", name, "why", now.problems[name])
		}
	}
}

// describeKnown describes the one face of a known picture.
func (r *Recognizer) describeKnown(ctx context.Context, name string) (descriptors, error) {
	data, err := r.known.read(name)
	if err != nil {
		return descriptors{}, err
	}
	d, _, err := r.describeOne(ctx, data)
	return d, err
}

// describeOne describes the one face of a picture, and how well it can be seen.
func (r *Recognizer) describeOne(ctx context.Context, data []byte) (descriptors, faces.Quality, error) {
	eng, err := r.pool.acquire(ctx)
	if err != nil {
		return descriptors{}, faces.Quality{}, err
	}
	defer r.pool.release(eng)
	var t Timings
	found, prepared, err := r.look(eng, data, r.pictureOptions(), &t)
	switch {
	case err != nil:
		return descriptors{}, faces.Quality{}, err
	case len(found) == 0:
		return descriptors{}, faces.Quality{}, faces.Fault(faces.NoFace, "no face was found in it")
	case len(found) > 1:
		return descriptors{}, faces.Quality{}, faces.Fault(faces.Uncertain, "%d faces were found in it; it must show one person", len(found))
	}
	d, quality := descriptors{prepared: found[0].Descriptor}, qualityOf(prepared.Box(found[0].Box), found[0])
	if prepared.PreparedWidth <= prepared.Width {
		return d, quality, nil
	}
	opts := r.pictureOptions()
	opts.EnlargeBelow = 0
	if found, _, err = r.look(eng, data, opts, &t); err == nil && len(found) == 1 {
		d.asIs, d.both = found[0].Descriptor, true
	}
	return d, quality, nil // a face too small to be found as it is has one descriptor
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
func (r *Recognizer) Recognize(ctx context.Context, src Source, l Limit) (faces.Recognition, Timings, error) {
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
		if data, err = r.unknown.read(src.Path); err != nil {
			return faces.Recognition{}, t, err
		}
	}
	t.Read = time.Since(begin)
	found, prepared, err := r.look(eng, data, r.pictureOptions(), &t)
	if err != nil {
		return faces.Recognition{}, t, err
	}
	begin = time.Now()
	seen := r.match(found, prepared, l)
	t.Match = time.Since(begin)
	return seen, t, nil
}

// look prepares a picture and lets the engine look at it. A panic becomes an
// error of this one picture: a decoder's or an engine's slip must not end the
// other calls, nor the reading of the gallery.
func (r *Recognizer) look(eng engine.Engine, data []byte, opts picture.Options, t *Timings) (found []engine.Found, prepared picture.Prepared, err error) {
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
func (r *Recognizer) match(found []engine.Found, p picture.Prepared, l Limit) faces.Recognition {
	g := r.gallery.Load()
	seen := faces.Recognition{Width: p.Width, Height: p.Height, Model: r.model, Gallery: g.version}
	for _, f := range found {
		s := faces.Sighting{Box: p.Box(f.Box), Descriptor: f.Descriptor, Neighbours: g.index.nearest(&f.Descriptor, l)}
		for _, pt := range f.Landmarks {
			s.Landmarks = append(s.Landmarks, p.Point(pt))
		}
		s.Quality = qualityOf(s.Box, f)
		seen.Sightings = append(seen.Sightings, s)
	}
	return seen
}
