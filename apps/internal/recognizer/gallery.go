package recognizer

// This file owns the gallery: the pictures of known people, described and
// ready to be matched. A gallery never changes; a change of the folder makes a
// new one, which reuses what is unchanged. build.go makes it.

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
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// contentID is the SHA-256 of a picture's bytes. All zero stands for a picture
// that could not be read.
type contentID [sha256.Size]byte

// String returns the first half, which is enough to tell contents apart.
func (c contentID) String() string { return hex.EncodeToString(c[:sha256.Size/2]) }

// knownFile identifies one state of a known picture, as far as can be seen
// without reading it.
type knownFile struct {
	name     string // relative to the folder, with forward slashes
	size     int64
	modified int64 // nanoseconds since 1970
}

// knownPicture is a known picture that was read. Its descriptors are in the
// gallery's index.
type knownPicture struct {
	file    knownFile
	content contentID
}

// problem is why a known picture cannot be matched.
type problem struct {
	text string
	// passing says that the problem is not the picture's content, so that it may
	// go away while the file stays the same.
	passing bool
}

// gallery is one state of the known people. It is immutable.
type gallery struct {
	version  string
	index    *Index
	read     bool               // false until the folder was read once
	pictures []knownPicture     // by name
	problems map[string]problem // by the names of pictures that cannot be matched
}

// unreadGallery is what a recognizer has before it has read the folder.
func unreadGallery(kernel Kernel) *gallery {
	return &gallery{version: "none", index: &Index{kernel: kernel}, problems: map[string]problem{}}
}

// current reports whether nothing can have changed since the gallery was made.
func (g *gallery) current(now listing) bool {
	if !g.read || len(g.pictures) != len(now.files) {
		return false
	}
	for i, f := range now.files {
		if g.pictures[i].file != f {
			return false
		}
	}
	for name, text := range now.problems {
		if g.problems[name].text != text {
			return false
		}
	}
	for _, p := range g.problems {
		if p.passing {
			return false
		}
	}
	return true
}

// find returns the place of a picture among the pictures, or of the first
// after it.
func (g *gallery) find(name string) (int, bool) {
	return slices.BinarySearchFunc(g.pictures, name, func(p knownPicture, name string) int {
		return strings.Compare(p.file.name, name)
	})
}

// has reports whether a file is known in this very state, so that it need not
// be looked at again.
func (g *gallery) has(f knownFile) (knownPicture, bool) {
	at, ok := g.find(f.name)
	if !ok || g.pictures[at].file != f || g.problems[f.name].passing {
		return knownPicture{}, false
	}
	return g.pictures[at], true
}

// page returns up to n pictures that can be matched, after a name.
func (g *gallery) page(after string, n int) []knownPicture {
	at, found := g.find(after)
	if found {
		at++
	}
	var page []knownPicture
	for ; at < len(g.pictures) && len(page) < n; at++ {
		if g.problems[g.pictures[at].file.name].text == "" {
			page = append(page, g.pictures[at])
		}
	}
	return page
}

// versionFor names what can be matched under one model set: the same pictures
// under the same names have the same version, whatever folder they lie in.
func (g *gallery) versionFor(modelID string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", modelID)
	for _, p := range g.pictures {
		if g.problems[p.file.name].text == "" {
			fmt.Fprintf(h, "%q %x\n", p.file.name, p.content)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// listing is what is in the folder, by name.
type listing struct {
	files    []knownFile
	problems map[string]string // of files that cannot even be looked at
}

// scan lists what is in the folder. Hidden files and folders are passed over:
// mounted volumes and editors leave such behind, and our own cache is there.
// Links to folders are listed, not followed.
func scan(ctx context.Context, f *folder) (listing, error) {
	var found []fs.DirEntry
	var names []string
	now := listing{problems: map[string]string{}}
	err := fs.WalkDir(f.root.Load().FS(), ".", func(name string, entry fs.DirEntry, err error) error {
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
			now.add(knownFile{name: name}, "the recognizer may not read this folder")
			return nil
		case err != nil:
			return err // half a list would make us forget people
		case entry.IsDir():
			return nil
		case !utf8.ValidString(name):
			now.add(knownFile{name: name}, "its name is not UTF-8") // no answer could carry it
			return nil
		}
		found, names = append(found, entry), append(names, name)
		return nil
	})
	if err == nil {
		err = now.look(ctx, f, names, found)
	}
	if err != nil {
		return listing{}, fmt.Errorf("list known pictures: %w", err)
	}
	slices.SortFunc(now.files, func(a, b knownFile) int { return strings.Compare(a.name, b.name) })
	return now, nil
}

// looksAtOnce is how many files are looked at at a time: on a network file
// system each look waits for the server, not for us.
const looksAtOnce = 32

// look adds the states of files.
func (l *listing) look(ctx context.Context, f *folder, names []string, entries []fs.DirEntry) error {
	type look struct {
		file    knownFile
		problem string
		there   bool
	}
	looks := make([]look, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(looksAtOnce)
	const share = 64 // files, so that starting goroutines does not take longer than the looks
	for first := 0; first < len(names); first += share {
		group.Go(func() error {
			for i := first; i < min(first+share, len(names)); i++ {
				looks[i].file, looks[i].problem, looks[i].there = f.state(names[i], entries[i])
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, at := range looks {
		if at.there {
			l.add(at.file, at.problem)
		}
	}
	return nil
}

func (l *listing) add(f knownFile, problem string) {
	l.files = append(l.files, f)
	if problem != "" {
		l.problems[f.name] = problem
	}
}

// state tells one state of a file from another; it is false where it has
// vanished.
func (f *folder) state(name string, entry fs.DirEntry) (file knownFile, problem string, there bool) {
	info, err := f.root.Load().Stat(name)
	if err != nil && errors.Is(err, f.escapes) {
		if target, ok := f.resolve(name); ok {
			info, err = f.root.Load().Stat(target)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && entry.Type()&fs.ModeSymlink == 0:
		return knownFile{}, "", false
	case err != nil:
		return knownFile{name: name}, problemText(f.fault(err)), true
	}
	return knownFile{name: name, size: info.Size(), modified: info.ModTime().UnixNano()}, "", true
}

// problemOf says why a known picture cannot be matched.
func problemOf(err error) problem {
	switch faces.Reason(faces.ErrorCode(err)) {
	case faces.NoFace, faces.Uncertain, faces.CorruptImage, faces.UnsupportedFormat, faces.ImageTooLarge:
		return problem{text: problemText(err)}
	default: // looking again at the same bytes may end better
		return problem{text: problemText(err), passing: true}
	}
}

func problemText(err error) string {
	var fault *faces.Error
	if errors.As(err, &fault) {
		return fault.Message
	}
	return err.Error()
}
