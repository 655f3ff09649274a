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
	cache   *cache
	// matching has a place for each core that may search at the same time.
	matching chan struct{}

	gallery atomic.Pointer[gallery]
	gone    map[contentID]outcome // only refresh uses it
	proof   proof                 // that the engines work

	stop    context.CancelFunc
	watcher sync.WaitGroup
}

// New opens the folders and the engines. open is called once for each engine;
// kernel searches for neighbours.
func New(opts Options, model faces.Model, open func() (engine.PixelEngine, error), kernel Kernel, log *slog.Logger, reg prometheus.Registerer) (*Recognizer, error) {
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
		// Another build or limit may read what this one cannot. A model set
		// describes the same face the same in every build.
		cache:    newCache(model.ID, fmt.Sprintf("%d pixels, build %s", opts.MaxPixels, version.String())),
		matching: make(chan struct{}, opts.Engines),
		proof:    proof{again: make(chan struct{}, 1), why: errNotProven},
	}
	r.gallery.Store(unreadGallery(kernel))
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
	r.cache.close()
	return errors.Join(r.pool.close(ctx), r.known.close(), r.unknown.close())
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
	if !r.gallery.Load().read {
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
	r.openCache()
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

// openCache finds a place for the cache and says where that is, unless it is
// the usual one.
func (r *Recognizer) openCache() {
	err := r.cache.openFolders(r.known.root.Load(), r.opts.Cache)
	if err == nil {
		return
	}
	if r.cache.writable() {
		r.log.Info("descriptors of known pictures are kept elsewhere than beside them", "in", r.opts.Cache, "why", err)
	} else {
		r.log.Warn("descriptors of known pictures are kept in memory only: the next start will describe them anew", "why", err)
	}
}

// refresh replaces the gallery where the folder has changed.
func (r *Recognizer) refresh(ctx context.Context) error {
	root := r.known.root.Load()
	if err := r.known.follow(); err != nil {
		return err
	}
	if r.known.root.Load() != root {
		r.openCache()
	}
	now, err := scan(ctx, r.known)
	if err != nil {
		return err
	}
	old := r.gallery.Load()
	if old.current(now) {
		return nil
	}
	begin := time.Now()
	damaged := r.readCache()
	defer r.cache.done()
	// Below the pool's size, so that changes of the gallery do not stop answers.
	workers := r.opts.Engines
	if old.read {
		workers = max(1, workers/2)
	}
	b := builder{
		modelID: r.model.ID, workers: workers, cache: r.cache, read: r.known.read, describe: r.describeKnown,
		progress: r.progress(), old: old, gone: r.gone, now: now,
	}
	g, err := b.build(ctx)
	r.save()
	if err != nil {
		return err
	}
	r.gallery.Store(g)
	r.gone = goneOf(old, g)
	if g.version != old.version || !old.read {
		r.tell(old, g, time.Since(begin))
	}
	if err := r.cache.tidy(!old.read || damaged > 0 || lost(old, g), judge(old, g, r.cache.scope)); err != nil {
		r.log.Warn("the gallery cache cannot be tidied", "why", err)
	}
	return nil
}

// readCache reads what is new in the cache and returns how many bytes of it are
// damaged.
func (r *Recognizer) readCache() (damaged int) {
	damaged, err := r.cache.refresh()
	if damaged > 0 {
		r.log.Warn("a part of the gallery cache is damaged; the pictures in it are described anew", "bytes", damaged)
	}
	if err != nil {
		r.log.Warn("a part of the gallery cache cannot be read; the pictures in it are described anew", "why", err)
	}
	return damaged
}

// save writes what is new. Somebody may have removed the folder.
func (r *Recognizer) save() {
	err := r.cache.save()
	if err != nil {
		r.openCache()
		err = r.cache.save()
	}
	if err != nil {
		r.log.Warn("the next start will have to describe the known pictures anew", "why", err)
	}
}

// progress returns a function that logs now and then, and at times saves what
// is done and reads what other recognizers have done: describing many pictures
// takes long, and should it end early, it goes on from there.
func (r *Recognizer) progress() func(done, total int) {
	const tellEvery, saveEvery = 5 * time.Second, 10 * time.Second
	told, saved := time.Now(), time.Now()
	return func(done, total int) {
		if time.Since(told) >= tellEvery {
			told = time.Now()
			r.log.Info("reading the pictures of known people", "done", done, "of", total)
		}
		if time.Since(saved) >= saveEvery {
			r.save()
			r.readCache()
			saved = time.Now()
		}
	}
}

func (r *Recognizer) tell(old, now *gallery, took time.Duration) {
	r.metrics.known.Set(float64(now.index.Pictures()))
	r.metrics.problems.Set(float64(len(now.problems)))
	r.log.Info("known people are ready", "pictures", now.index.Pictures(), "unusable", len(now.problems),
		"gallery", now.version, "took", took.Round(time.Millisecond))
	for _, name := range slices.Sorted(maps.Keys(now.problems)) {
		if text := now.problems[name].text; old.problems[name].text != text {
			r.log.Warn("a known picture cannot be used", "picture", name, "why", text)
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
func (r *Recognizer) match(ctx context.Context, found []engine.PixelFace, p picture.Prepared, l Limit) (faces.Recognition, error) {
	g := r.gallery.Load()
	seen := faces.Recognition{Width: p.Width, Height: p.Height, Model: r.model, Gallery: g.version}
	asked := make([]faces.Descriptor, len(found))
	for i, f := range found {
		asked[i] = f.Descriptor
	}
	near, err := g.index.Nearest(ctx, asked, l)
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
