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

// listing is the content of the folder, sorted by name.
type listing struct {
	files    []knownFile
	problems map[string]string // keyed by name: files that cannot be accessed
}

// scan lists the folder. It skips hidden files and folders: mounted volumes
// and editors leave some behind, and our own cache is one. It lists links to
// folders but does not follow them.
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
			return nil // deleted meanwhile
		case errors.Is(err, fs.ErrPermission):
			now.add(knownFile{name: name}, "the recognizer may not read this folder")
			return nil
		case err != nil:
			return err // with an incomplete list, people would be forgotten
		case entry.IsDir():
			return nil
		case !utf8.ValidString(name):
			now.add(knownFile{name: name}, "its name is not UTF-8") // gRPC cannot transmit it
			return nil
		}
		found, names = append(found, entry), append(names, name)
		return nil
	})
	if err == nil {
		err = now.statAll(ctx, f, names, found)
	}
	if err != nil {
		return listing{}, fmt.Errorf("list known pictures: %w", err)
	}
	slices.SortFunc(now.files, func(a, b knownFile) int { return strings.Compare(a.name, b.name) })
	return now, nil
}

// statConcurrency is how many files are examined concurrently. On a network file
// system each call waits for the server.
const statConcurrency = 32

// statAll adds the states of files.
func (l *listing) statAll(ctx context.Context, f *picturefiles.Folder, names []string, entries []fs.DirEntry) error {
	type result struct {
		file    knownFile
		problem string
		exists  bool
	}
	results := make([]result, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(statConcurrency)
	const perGoroutine = 64 // files per goroutine, so that starting goroutines is cheap compared with their work
	for first := 0; first < len(names); first += perGoroutine {
		group.Go(func() error {
			for i := first; i < min(first+perGoroutine, len(names)); i++ {
				results[i].file, results[i].problem, results[i].exists = state(f, names[i], entries[i])
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, at := range results {
		if at.exists {
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

// state returns the state of a file. exists is false if it was deleted
// meanwhile.
func state(f *picturefiles.Folder, name string, entry fs.DirEntry) (file knownFile, problem string, exists bool) {
	info, err := f.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && entry.Type()&fs.ModeSymlink == 0:
		return knownFile{}, "", false
	case err != nil:
		return knownFile{name: name}, ProblemText(err), true
	}
	return knownFile{name: name, size: info.Size(), modified: info.ModTime().UnixNano()}, "", true
}
