package gallery

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
)

// Options say what a Loader reads, and how.
type Options struct {
	Folder string // of the known pictures
	// Cache is the folder for descriptors where Folder cannot be written; empty
	// for none.
	Cache string
	Model faces.Model
	// Scope is what a failure depends on besides the picture, such as the largest
	// picture accepted. A failure is remembered for its scope only.
	Scope   string
	Workers int // pictures described at a time by the first Refresh; later ones use half of it
	Kernel  nearest.Kernel
	// Describe returns the descriptors of the one face of a known picture.
	Describe func(ctx context.Context, content []byte) ([]faces.Descriptor, error)
	// Changed is called after each change, with the number of pictures that can be
	// matched and of those that cannot. It may be nil.
	Changed func(pictures, problems int)
	Log     *slog.Logger
}

// Loader reads the folder of known people and keeps a Gallery of it. Current
// may be called at any time; everything else by one goroutine at a time.
type Loader struct {
	opts    Options
	log     *slog.Logger
	folder  *picturefiles.Folder
	cache   *cache
	current atomic.Pointer[Gallery]
	removed map[ContentID]outcome // contents that the last change removed
}

// NewLoader opens the folder. Nothing is read before the first Refresh.
func NewLoader(opts Options) (*Loader, error) {
	folder, err := picturefiles.Open(opts.Folder)
	if err != nil {
		return nil, err
	}
	l := &Loader{opts: opts, log: opts.Log, folder: folder, cache: newCache(opts.Model, opts.Scope)}
	l.current.Store(unreadGallery(opts.Kernel, opts.Model.Size))
	return l, nil
}

// Close closes the folder and the cache.
func (l *Loader) Close() error {
	l.cache.close()
	return l.folder.Close()
}

// Current returns the gallery in use. It is empty and not Loaded until the
// first Refresh has succeeded.
func (l *Loader) Current() *Gallery { return l.current.Load() }

// Read returns the bytes of a known picture.
func (l *Loader) Read(name string) ([]byte, error) { return l.folder.Read(name) }

// OpenCache opens the cache's folders. It logs where descriptors are kept, unless
// that is beside the pictures.
func (l *Loader) OpenCache() {
	err := l.cache.openFolders(l.folder.Root(), l.opts.Cache)
	if err == nil {
		return
	}
	if l.cache.writable() {
		l.log.Info("descriptors of known pictures are kept elsewhere than beside them", "in", l.opts.Cache, "why", err)
	} else {
		l.log.Warn("descriptors of known pictures are kept in memory only: the next start will describe them anew", "why", err)
	}
}

// Refresh replaces the gallery where the folder has changed.
func (l *Loader) Refresh(ctx context.Context) error {
	root := l.folder.Root()
	if err := l.folder.Follow(); err != nil {
		return err
	}
	if l.folder.Root() != root {
		l.OpenCache()
	}
	now, err := scan(ctx, l.folder)
	if err != nil {
		return err
	}
	old := l.current.Load()
	if old.current(now) {
		return nil
	}
	begin := time.Now()
	damaged := l.readCache()
	defer l.cache.unload()
	// Fewer than there are engines, so that recognizing goes on.
	workers := l.opts.Workers
	if old.read {
		workers = max(1, workers/2)
	}
	b := builder{
		model: l.opts.Model, workers: workers, cache: l.cache, read: l.folder.Read, describe: l.opts.Describe,
		progress: l.progress(), old: old, removed: l.removed, now: now,
	}
	g, err := b.build(ctx)
	l.save()
	if err != nil {
		return err
	}
	l.current.Store(g)
	l.removed = removedFrom(old, g)
	if g.version != old.version || !old.read {
		l.report(old, g, time.Since(begin))
	}
	if err := l.cache.tidy(!old.read || damaged > 0 || lost(old, g), judge(old, g, l.cache.scope)); err != nil {
		l.log.Warn("the gallery cache cannot be tidied", "why", err)
	}
	return nil
}

// readCache reads new segments of the cache and returns how many of their bytes
// are damaged.
func (l *Loader) readCache() (damaged int) {
	damaged, err := l.cache.refresh()
	if damaged > 0 {
		l.log.Warn("a part of the gallery cache is damaged; the pictures in it are described anew", "bytes", damaged)
	}
	if err != nil {
		l.log.Warn("a part of the gallery cache cannot be read; the pictures in it are described anew", "why", err)
	}
	return damaged
}

// save writes new records. It opens the folder again in case it was removed.
func (l *Loader) save() {
	err := l.cache.save()
	if err != nil {
		l.OpenCache()
		err = l.cache.save()
	}
	if err != nil {
		l.log.Warn("the next start will have to describe the known pictures anew", "why", err)
	}
}

// progress returns a function that logs and saves from time to time, and reads
// what other recognizers have saved. Describing many pictures takes long; after an
// early end the next start goes on from there.
func (l *Loader) progress() func(done, total int) {
	const logEvery, saveEvery = 5 * time.Second, 10 * time.Second
	logged, saved := time.Now(), time.Now()
	return func(done, total int) {
		if time.Since(logged) >= logEvery {
			logged = time.Now()
			l.log.Info("reading the pictures of known people", "done", done, "of", total)
		}
		if time.Since(saved) >= saveEvery {
			l.save()
			l.readCache()
			saved = time.Now()
		}
	}
}

// report logs a change and calls Options.Changed.
func (l *Loader) report(old, now *Gallery, took time.Duration) {
	if l.opts.Changed != nil {
		l.opts.Changed(now.index.Pictures(), len(now.problems))
	}
	l.log.Info("known people are ready", "pictures", now.index.Pictures(), "unusable", len(now.problems),
		"gallery", now.version, "took", took.Round(time.Millisecond))
	for _, name := range slices.Sorted(maps.Keys(now.problems)) {
		if text := now.problems[name].text; old.problems[name].text != text {
			l.log.Warn("a known picture cannot be used", "picture", name, "why", text)
		}
	}
}

// File is a file in the folder of known people.
type File struct {
	Name    string // relative to the folder, with forward slashes
	Problem string // why it cannot even be looked at; empty for nearly all
}

// Files lists the folder, by name.
func (l *Loader) Files(ctx context.Context) ([]File, error) {
	now, err := scan(ctx, l.folder)
	if err != nil {
		return nil, err
	}
	list := make([]File, len(now.files))
	for i, f := range now.files {
		list[i] = File{Name: f.name, Problem: now.problems[f.name]}
	}
	return list, nil
}

// Remember opens the cache for Remembered, until forget is called.
func (l *Loader) Remember() (forget func()) {
	l.OpenCache()
	l.readCache() // damage costs time only: the pictures themselves are there
	return l.cache.unload
}

// Remembered returns the descriptors of a content that a recognizer has left in
// the cache. It is safe for concurrent use.
func (l *Loader) Remembered(content ContentID) ([]faces.Descriptor, bool) {
	out, ok := l.cache.outcome(content)
	return out.descriptors, ok && out.problem.text == ""
}
