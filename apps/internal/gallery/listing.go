package gallery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
)

// listing is what is in the folder, by name.
type listing struct {
	files    []knownFile
	problems map[string]string // of files that cannot even be looked at
}

// scan lists what is in the folder. Hidden files and folders are passed over:
// mounted volumes and editors leave such behind, and our own cache is there.
// Links to folders are listed, not followed.
func scan(ctx context.Context, f *picturefiles.Folder) (listing, error) {
	var found []fs.DirEntry
	var names []string
	now := listing{problems: map[string]string{}}
	err := fs.WalkDir(f.Root().FS(), ".", func(name string, entry fs.DirEntry, err error) error {
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
func (l *listing) look(ctx context.Context, f *picturefiles.Folder, names []string, entries []fs.DirEntry) error {
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
				looks[i].file, looks[i].problem, looks[i].there = state(f, names[i], entries[i])
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
func state(f *picturefiles.Folder, name string, entry fs.DirEntry) (file knownFile, problem string, there bool) {
	info, err := f.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && entry.Type()&fs.ModeSymlink == 0:
		return knownFile{}, "", false
	case err != nil:
		return knownFile{name: name}, ProblemText(err), true
	}
	return knownFile{name: name, size: info.Size(), modified: info.ModTime().UnixNano()}, "", true
}
