package gallery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
)

// Options configure a Loader.
type Options struct {
	Folder string // folder of the known pictures
	// Cache is the folder for descriptors if Folder is read-only. Empty means
	// none.
	Cache string
	Model faces.Model
	// Scope identifies what a failure depends on in addition to the picture,
	// such as the size limit. Failures are only remembered within their
	// scope.
	Scope   string
	Workers int // pictures described concurrently by the first Refresh; later ones use half as many
	Kernel  nearest.Kernel
	// Describe returns the descriptors of the one face in a known picture.
	Describe func(ctx context.Context, content []byte) ([]faces.Descriptor, error)
	// Changed is called after each change, with the time that reading it took. It may be
	// nil.
	Changed func(g *Gallery, took time.Duration)
	Log     *slog.Logger
}

// Loader reads the folder of known people and keeps the current Gallery.
// Current, Read, Unsaved and Cached may be called at any time; everything else by
// one goroutine at a time.
type Loader struct {
	opts    Options
	log     *slog.Logger
	folder  *picturefiles.Folder
	cache   *cache
	current atomic.Pointer[Gallery]
	removed map[ContentID]outcome // outcomes of pictures removed by the last change

	filled    *os.Root                 // the folder that last had entries
	cacheOf   *os.Root                 // the folder whose cache is open
	cacheMade bool                     // that cache could be created
	erased    map[string]erasure.Entry // of the ledger, by file
	told      bool                     // what is passed over has been logged
	unsaved   atomic.Pointer[error]    // of the last time that the cache was written
}

// NewLoader opens the folder. The first Refresh reads it.
func NewLoader(opts Options) (*Loader, error) {
	folder, err := picturefiles.Open(opts.Folder, "known people")
	if err != nil {
		return nil, err
	}
	l := &Loader{opts: opts, log: opts.Log, folder: folder, cache: newCache(opts.Model, opts.Scope)}
	l.current.Store(emptyGallery(opts.Kernel, opts.Model.Size))
	return l, nil
}

// Close closes the folder and the cache.
func (l *Loader) Close() error {
	l.cache.close()
	return l.folder.Close()
}

// Current returns the current gallery. It is empty and not Loaded until the
// first Refresh succeeds.
func (l *Loader) Current() *Gallery { return l.current.Load() }

// Read returns the bytes of a known picture. name is relative to the folder.
// Its errors are those of picturefiles.Folder.Read.
func (l *Loader) Read(name string) ([]byte, error) { return l.folder.Read(name) }

// openCache opens the cache's folders. If descriptors cannot be stored beside
// the pictures, it logs where they are kept.
func (l *Loader) openCache(create bool) {
	l.cacheOf, l.cacheMade = l.folder.Root(), create
	err := l.cache.openFolders(l.cacheOf, l.opts.Cache, create)
	if err == nil {
		return
	}
	if errors.Is(err, syscall.ENOSPC) {
		l.unsaved.Store(&err)
	}
	if l.cache.writable() {
		l.log.Info("cannot store descriptors beside the known pictures; storing them in ROLLCALL_GALLERY_CACHE", "in", l.opts.Cache, "error", err)
	} else {
		l.log.Warn("descriptors of known pictures are kept in memory only; the next start will describe the pictures again; make KNOWN_PEOPLE writable or set ROLLCALL_GALLERY_CACHE", "error", err)
	}
}

// list returns what is in the folder. It fails while the folder is away: the
// people in it are not forgotten.
func (l *Loader) list(ctx context.Context) (listing, error) {
	if err := l.folder.Follow(); err != nil {
		return listing{}, err
	}
	now, err := scan(ctx, l.folder)
	if err != nil {
		return listing{}, err
	}
	if err := l.folder.Follow(); err != nil { // it went while it was listed
		return listing{}, err
	}
	now = l.withoutErased(now)
	root := l.folder.Root()
	switch empty, err := l.folder.Empty(); {
	case err != nil:
		return listing{}, fmt.Errorf("list known pictures: %w", err)
	case !empty:
		l.filled = root
	case l.filled != nil && l.filled != root:
		return listing{}, errors.New("KNOWN_PEOPLE has come back empty: its volume is not mounted, or is another one; " +
			"the people known before stay known; mount it, or restart this program if nobody is to be known")
	}
	return now, nil
}

// Refresh builds a new gallery if the folder has changed. It fails if the
// folder cannot be listed or ctx ends; the current gallery then stays.
func (l *Loader) Refresh(ctx context.Context) error {
	now, err := l.list(ctx)
	if err != nil {
		return err
	}
	// An empty folder may be the mount point of a volume that is not there yet.
	if hasPictures := len(now.files) > 0; l.cacheOf != l.folder.Root() || hasPictures && !l.cacheMade {
		l.openCache(hasPictures)
	}
	l.tellPassed(now)
	old := l.current.Load()
	if old.current(now) {
		return nil
	}
	begin := time.Now()
	damaged := l.readCache()
	defer l.cache.unload()
	// Fewer workers than engines, so that recognizing continues.
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
	// A picture that cannot be used does not change the version.
	if g.version != old.version || !old.read || !maps.Equal(g.problems, old.problems) {
		l.report(old, g, time.Since(begin))
	}
	if err := l.cache.tidy(!old.read || damaged > 0 || removedAny(old, g), l.disposeErased(g, dispose(old, g, l.cache.scope))); err != nil {
		l.log.Warn("cannot clean up the gallery cache; it will be tried again", "error", err)
	}
	return nil
}

// Unsaved returns why the descriptors of known pictures could not be written to
// the cache, or nil. Recognizing goes on nonetheless. It may be called at any
// time.
func (l *Loader) Unsaved() error {
	if err := l.unsaved.Load(); err != nil {
		return *err
	}
	return nil
}

// readCache reads the cache's new segments. It returns how many of their
// bytes are damaged.
func (l *Loader) readCache() (damaged int) {
	damaged, err := l.cache.refresh()
	if damaged > 0 {
		l.log.Warn("a part of the gallery cache is damaged; its pictures will be described again", "bytes", damaged)
	}
	if err != nil {
		l.log.Warn("cannot read a part of the gallery cache; its pictures will be described again", "error", err)
	}
	return damaged
}

// save writes new records. If that fails it reopens the folder, which may
// have been removed, and tries once more.
func (l *Loader) save() {
	err := l.cache.save()
	if err != nil {
		l.openCache(true)
		err = l.cache.save()
	}
	if err != nil || l.cache.writable() {
		l.unsaved.Store(&err)
	}
	if err != nil {
		l.log.Warn("cannot write the gallery cache; the next start will describe the known pictures again", "error", err)
	}
}

// tellPassed logs once what is not taken for people.
func (l *Loader) tellPassed(now listing) {
	names := slices.DeleteFunc(now.passed, func(name string) bool { return name == cacheRoot })
	if l.told || len(names) == 0 {
		return
	}
	l.told = true
	const shown = 10
	l.log.Info("passed over: hidden, or a system's and not a person's", "names", names[:min(shown, len(names))], "of", len(names))
}

// progress returns a function that periodically logs the progress, saves new
// records and reads those of other recognizers. Describing many pictures
// takes long; if it is interrupted, the next start continues from what was
// saved.
func (l *Loader) progress() func(done, total int) {
	const logEvery, saveEvery = 5 * time.Second, 10 * time.Second
	logged, saved := time.Now(), time.Now()
	return func(done, total int) {
		if time.Since(logged) >= logEvery {
			logged = time.Now()
			l.log.Info("describing the pictures of known people", "done", done, "of", total)
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
		l.opts.Changed(now, took)
	}
	l.log.Info("known people are ready", "pictures", now.index.Pictures(), "unusable", len(now.problems),
		"gallery", now.version, "took", took.Round(time.Millisecond))
	for _, name := range slices.Sorted(maps.Keys(now.problems)) {
		if text := now.problems[name].text; old.problems[name].text != text {
			l.log.Warn("a known picture cannot be used", "picture", name, "error", text)
		}
	}
}

// File is a file in the folder of known people.
type File struct {
	Name    string // relative to the folder, with forward slashes
	Problem string // why the file cannot be accessed; normally empty
}

// Files lists the folder, sorted by name.
func (l *Loader) Files(ctx context.Context) ([]File, error) {
	now, err := scan(ctx, l.folder)
	if err != nil {
		return nil, err
	}
	list := make([]File, len(now.files))
	for i, f := range now.files {
		list[i] = File{Name: f.name, Problem: now.problems[f.name].text}
	}
	return list, nil
}

// LoadCache loads the cache for Cached. The caller must call unload when
// done.
func (l *Loader) LoadCache() (unload func()) {
	l.openCache(false)
	l.readCache() // pictures in damaged parts are described again
	return l.cache.unload
}

// Cached returns the descriptors of a content from the cache, if a
// recognizer has stored them. It is safe for concurrent use.
func (l *Loader) Cached(content ContentID) ([]faces.Descriptor, bool) {
	out, ok := l.cache.outcome(content)
	return out.descriptors, ok && out.problem.text == ""
}
