package recognizer

// This file owns the gallery: the pictures of known people, described and
// ready to be matched. A gallery never changes; a change of the folder makes a
// new one, which reuses what is unchanged.

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// knownFile identifies one state of a known picture.
type knownFile struct {
	name     string // relative to the folder, with forward slashes
	size     int64
	modified int64  // nanoseconds since 1970
	problem  string // why it cannot even be looked at; empty for most
}

// knownFace is what became of a known picture: descriptors, or a problem.
type knownFace struct {
	file        knownFile
	descriptors descriptors
	problem     string
	// passing says that the problem is not the picture's content, so that it
	// may go away while the file stays the same.
	passing bool
}

// descriptors are a known picture's face as the detector's size shows it and,
// where that was enlarged, as the file shows it: a picture that is asked about
// may be at either, and like is nearer to like. (Of the photographs at hand,
// the second one halves the known faces that are missed.)
type descriptors struct {
	prepared faces.Descriptor
	asIs     faces.Descriptor
	both     bool
}

// entries returns one entry for each descriptor.
func (d descriptors) entries(name string) []entry {
	list := []entry{{name: name, descriptor: d.prepared}}
	if d.both {
		list = append(list, entry{name: name, descriptor: d.asIs})
	}
	return list
}

// gallery is one state of the known people. It is immutable.
type gallery struct {
	version  string
	index    *index
	listing  []knownFile
	files    map[string]knownFace // by name
	problems map[string]string    // name → why it cannot be matched
}

// unreadGallery is what a recognizer has before it has read the folder; files
// are what it remembers of an earlier run.
func unreadGallery(files map[string]knownFace) *gallery {
	return &gallery{version: "none", index: newIndex(nil), files: files, problems: map[string]string{}}
}

// current reports whether nothing can have changed since the gallery was made.
func (g *gallery) current(files []knownFile) bool {
	if g.listing == nil || !slices.Equal(g.listing, files) {
		return false
	}
	for _, k := range g.files {
		if k.passing {
			return false
		}
	}
	return true
}

// scan lists what is in the folder, sorted by name. Hidden files and folders
// are passed over: mounted volumes and editors leave such behind. Links to
// folders are listed, not followed.
func scan(f *folder) ([]knownFile, error) {
	root := f.root.Load()
	files := []knownFile{}
	err := fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case name == ".":
			return err
		case strings.HasPrefix(path.Base(name), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case errors.Is(err, fs.ErrNotExist):
			return nil // vanished while we looked
		case errors.Is(err, fs.ErrPermission):
			files = append(files, knownFile{name: name, problem: "the recognizer may not read this folder"})
			return nil
		case err != nil:
			return err // half a list would make us forget people
		case entry.IsDir():
			return nil
		case !utf8.ValidString(name):
			files = append(files, knownFile{name: name, problem: "its name is not UTF-8"}) // no answer could carry it
			return nil
		}
		if file, ok := f.state(name, entry); ok {
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list known pictures: %w", err)
	}
	slices.SortFunc(files, func(a, b knownFile) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// state tells one state of a file from another; it is false where it has vanished.
func (f *folder) state(name string, entry fs.DirEntry) (knownFile, bool) {
	info, err := f.root.Load().Stat(name)
	if err != nil && errors.Is(err, f.escapes) {
		if target, ok := f.resolve(name); ok {
			info, err = f.root.Load().Stat(target)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && entry.Type()&fs.ModeSymlink == 0:
		return knownFile{}, false
	case err != nil:
		return knownFile{name: name, problem: problem(f.fault(err))}, true
	}
	return knownFile{name: name, size: info.Size(), modified: info.ModTime().UnixNano()}, true
}

// describeFunc describes the one face of a known picture.
type describeFunc func(ctx context.Context, name string) (descriptors, error)

// builder makes the next gallery.
type builder struct {
	modelID  string
	workers  int // pictures described at a time
	describe describeFunc
	// progress is told after each picture, one call at a time. described is the
	// builder's own map, which must not be kept.
	progress func(done, total int, described map[string]knownFace)
}

// next returns the gallery for files: what is in old is reused, the rest is
// described. Where ctx ends it, what has been described is in the returned
// gallery, which is not to be used for answers.
func (b builder) next(ctx context.Context, old *gallery, files []knownFile) (*gallery, error) {
	g := &gallery{listing: files, files: make(map[string]knownFace, len(files)), problems: map[string]string{}}
	var todo []knownFile
	for _, f := range files {
		k, ok := old.files[f.name]
		switch {
		case f.problem != "":
			g.files[f.name] = knownFace{file: f, problem: f.problem}
		case ok && k.file == f && !k.passing:
			g.files[f.name] = k
		default:
			todo = append(todo, f)
		}
	}
	if err := b.describeAll(ctx, g.files, todo); err != nil {
		return g, err
	}
	var entries []entry
	for _, f := range files {
		switch k := g.files[f.name]; {
		case k.problem != "":
			g.problems[f.name] = k.problem
		default:
			entries = append(entries, k.descriptors.entries(f.name)...)
		}
	}
	g.index = newIndex(entries)
	g.version = g.versionFor(b.modelID)
	return g, nil
}

func (b builder) describeAll(ctx context.Context, described map[string]knownFace, todo []knownFile) error {
	var mu sync.Mutex // guards described and done
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(b.workers)
	for _, f := range todo {
		group.Go(func() error {
			d, err := b.describe(ctx, f.name)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			k := knownFace{file: f, descriptors: d}
			if err != nil {
				k = knownFace{file: f, problem: problem(err), passing: isPassing(err)}
			}
			mu.Lock()
			defer mu.Unlock()
			described[f.name] = k
			done++
			b.progress(done, len(todo), described)
			return nil
		})
	}
	return group.Wait()
}

// versionFor names a state of the known pictures under one model set.
func (g *gallery) versionFor(modelID string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", modelID)
	for _, f := range g.listing {
		fmt.Fprintf(h, "%q %d %d %q\n", f.name, f.size, f.modified, g.files[f.name].problem)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// problem says why a known picture cannot be matched.
func problem(err error) string {
	var fault *faces.Error
	if errors.As(err, &fault) {
		return fault.Message
	}
	return err.Error()
}

// isPassing reports whether looking again at the same bytes may end better.
func isPassing(err error) bool {
	switch faces.Reason(faces.ErrorCode(err)) {
	case faces.NoFace, faces.Uncertain, faces.CorruptImage, faces.UnsupportedFormat, faces.ImageTooLarge:
		return false
	default:
		return true
	}
}
