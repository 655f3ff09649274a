// Package recognizer finds faces in pictures, describes them and returns the
// known pictures nearest to each. It knows pictures, not people. New makes a
// Recognizer, NewServer offers it over gRPC, and Serve runs both as a
// program.
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
	"golang.org/x/sync/semaphore"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/gallery"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
)

// Recognizer recognizes pictures. It is safe for concurrent use.
type Recognizer struct {
	opts    Options
	model   faces.Model
	log     *slog.Logger
	metrics *metrics
	pool    *pool
	known   *gallery.Loader
	stored  *faceIndex
	unknown *picturefiles.Folder
	// matching limits how many goroutines search at the same time, one for
	// each engine.
	matching chan struct{}
	files    *semaphore.Weighted // bytes of files that are being recognized

	selfTest selfTest // whether the engines work

	stop    context.CancelFunc
	watcher sync.WaitGroup
}

// New opens the folders and the engines. It calls open once for each engine.
// kernel searches for neighbours.
func New(opts Options, model faces.Model, open func() (engine.Engine, error), kernel nearest.Kernel, log *slog.Logger, reg prometheus.Registerer) (*Recognizer, error) {
	r := &Recognizer{
		opts: opts, model: model, log: log,
		matching: make(chan struct{}, opts.Engines),
		files:    semaphore.NewWeighted(max(opts.FileMemory, picturefiles.MaxSize)),
		selfTest: selfTest{again: make(chan struct{}, 1), why: errNotTested},
	}
	var err error
	r.known, err = gallery.NewLoader(gallery.Options{
		Folder: opts.KnownPeople, Cache: opts.Cache, Model: model, Workers: opts.Engines, Kernel: kernel, Log: log,
		// Another build or limit may succeed where this one fails.
		// Descriptors do not depend on the build, only on the model set.
		Scope:    fmt.Sprintf("%d pixels, build %s", opts.MaxPixels, version.String()),
		Describe: r.describeKnown,
		Changed:  func(g *gallery.Gallery, took time.Duration) { r.metrics.gallery(g, took) },
	})
	if err != nil {
		return nil, fmt.Errorf("KNOWN_PEOPLE: %w", err)
	}
	if r.unknown, err = picturefiles.Open(opts.UnknownPeople, "unknown people"); err != nil {
		return nil, errors.Join(fmt.Errorf("UNKNOWN_PEOPLE: %w", err), r.known.Close())
	}
	if r.pool, err = openPool(opts.Engines, open); err != nil {
		return nil, errors.Join(err, r.known.Close(), r.unknown.Close())
	}
	r.metrics = newMetrics(reg, model)
	r.stored = newFaceIndex(model, opts.FaceIndexMemory, kernel, opts.Engines, newFaceIndexMetrics(reg))
	return r, nil
}

// Start checks the engines, reads the known pictures and then polls for
// changes. The Recognizer is ready when the first two are done.
func (r *Recognizer) Start() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.watcher.Go(func() {
		// Check the engines first: what a broken engine finds in the known
		// pictures would be cached.
		r.testEngines(ctx, r.opts.Engines)
		r.watcher.Go(func() { r.runSelfTests(ctx) })
		r.watcher.Go(func() { r.releaseWhenIdle(ctx) })
		r.watcher.Go(func() { r.watchUnknown(ctx) })
		r.watchKnown(ctx)
	})
}

// Close stops polling and closes the engines once they are free.
func (r *Recognizer) Close(ctx context.Context) error {
	if r.stop != nil {
		r.stop()
	}
	r.watcher.Wait()
	return errors.Join(r.pool.close(ctx), r.known.Close(), r.unknown.Close())
}

// Ready returns an error until the engines have passed the self-test and the
// known pictures have been read, while all engines hang, and while the volume of
// unknown people is away.
func (r *Recognizer) Ready(context.Context) error {
	if err := r.Alive(); err != nil {
		return err
	}
	if err := r.selfTest.err(); err != nil {
		return err
	}
	if !r.known.Current().Loaded() {
		return errors.New("still reading the pictures of known people")
	}
	if err := r.unknown.Available(); err != nil {
		return fmt.Errorf("UNKNOWN_PEOPLE: %w", err)
	}
	return nil
}

// ProblemKinds counts the known pictures that cannot be matched by the kind of
// their problem.
func (r *Recognizer) ProblemKinds() map[string]int { return r.known.Current().ProblemKinds() }

// Alive returns an error while all engines hang, which only a restart can
// fix. It returns nil while known pictures are being read, however long that
// takes.
func (r *Recognizer) Alive() error {
	if r.pool.stuck(cmp.Or(r.opts.Stuck, defaultStuck)) {
		r.selfTest.request(errStuck)
		return errStuck
	}
	return nil
}

// describeKnown returns the descriptors of the one face in a known picture.
func (r *Recognizer) describeKnown(ctx context.Context, data []byte) ([]faces.Descriptor, error) {
	list, _, err := r.describeOne(ctx, data)
	return list, err
}

// describeOne returns the descriptors and the quality of the one face in a
// known picture.
func (r *Recognizer) describeOne(ctx context.Context, data []byte) ([]faces.Descriptor, faces.Quality, error) {
	eng, err := r.pool.acquire(ctx, patient)
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
			"its face is turned away, blurred or cut off too much to recognize anybody by it")
	}
	return append([]faces.Descriptor{face.Descriptor}, face.Variants...), face.Quality, nil
}

// Timings are the durations of one picture's steps.
type Timings struct {
	Wait     time.Duration // waiting for a free engine
	Read     time.Duration // reading the file
	Decode   time.Duration // decoding the picture
	Detect   time.Duration // finding faces
	Describe time.Duration // aligning and describing them, including by the reference
	Match    time.Duration // searching the known pictures
}

// Source is the picture to recognize: a path, or the file's bytes.
type Source struct {
	Path    string
	Content []byte
	// Known is the file that the caller has seen at the path. If it has not
	// changed, the picture is not decoded. The zero value always decodes it.
	Known faces.File
	// Urgent is set if somebody waits for the answer: the picture gets the next
	// free engine.
	Urgent bool
}

func (s Source) urgency() urgency {
	if s.Urgent {
		return urgent
	}
	return patient
}

// Recognize recognizes one picture. Its errors have a reason (see
// faces.ReasonOf) if the picture is at fault; otherwise the service is. An
// error comes with the file that was read.
func (r *Recognizer) Recognize(ctx context.Context, src Source, l nearest.Limit) (faces.Recognition, Timings, error) {
	var t Timings
	if src.Path != "" && r.unknown.LooksLike(src.Path, src.Known) {
		return r.unchanged(src.Known), t, nil
	}
	begin := time.Now()
	eng, err := r.pool.acquire(ctx, src.urgency())
	t.Wait = time.Since(begin)
	if err != nil {
		return faces.Recognition{}, t, err
	}
	// Hold the engine from here on. One core then reads, decodes and
	// recognizes one picture, and the number of engines bounds the memory.
	defer r.pool.release(eng)
	begin = time.Now()
	data, file, done, err := r.read(ctx, src)
	if err != nil {
		return faces.Recognition{}, t, err
	}
	defer done()
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

// read returns the bytes of a picture's file, and the file if it has a path. The
// caller must call done when it does not need the bytes any more.
func (r *Recognizer) read(ctx context.Context, src Source) (data []byte, file faces.File, done func(), err error) {
	if src.Path == "" {
		return src.Content, faces.File{}, func() {}, nil
	}
	done, err = r.makeRoom(ctx, src.Path)
	if err != nil {
		return nil, faces.File{}, nil, err
	}
	data, file, err = r.unknown.ReadFile(src.Path)
	if err != nil {
		done()
		return nil, faces.File{}, nil, err
	}
	return data, file, done, nil
}

// makeRoom waits until there is memory for a file. The caller must call done.
func (r *Recognizer) makeRoom(ctx context.Context, path string) (done func(), err error) {
	info, err := r.unknown.Stat(path)
	if err != nil || info.Size() > picturefiles.MaxSize {
		return func() {}, nil // reading it fails, and says why
	}
	if err := r.files.Acquire(ctx, info.Size()); err != nil {
		return nil, fmt.Errorf("wait for memory for the file: %w", err)
	}
	return func() { r.files.Release(info.Size()) }, nil
}

// unchanged is the answer about a file that the caller has seen before.
func (r *Recognizer) unchanged(file faces.File) faces.Recognition {
	return faces.Recognition{Model: r.model, File: file, Unchanged: true}
}

// look has an engine analyse a picture. A panic becomes an error of this
// picture, so that it does not end other calls or the reading of the gallery.
func (r *Recognizer) look(ctx context.Context, eng engine.Engine, data []byte, purpose engine.Purpose) (seen engine.Seen, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("panic while recognizing a picture", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic while recognizing the picture: %v", p)
		}
	}()
	return eng.Look(ctx, data, purpose)
}
