package gallery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
)

// listing is the content of the folder, sorted by name.
type listing struct {
	files    []knownFile
	problems map[string]problem // keyed by name: files that cannot be accessed
	passed   []string           // names that are no pictures of people: a system's files, hidden ones
}

// scan lists the folder. It fails if the list would be incomplete, for with
// such a list people would be forgotten.
func scan(ctx context.Context, f *picturefiles.Folder) (listing, error) {
	var found []picturefiles.Entry
	now := listing{problems: map[string]problem{}}
	err := f.Walk(ctx, func(e picturefiles.Entry) {
		if e.Problem != "" {
			now.add(knownFile{name: e.Name}, problem{text: e.Problem, kind: e.Kind})
			return
		}
		found = append(found, e)
	}, func(name string) { now.passed = append(now.passed, name) })
	if err == nil {
		err = now.statAll(ctx, f, found)
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
func (l *listing) statAll(ctx context.Context, f *picturefiles.Folder, entries []picturefiles.Entry) error {
	results := make([]fileState, len(entries))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(statConcurrency)
	const perGoroutine = 64 // files per goroutine, so that starting goroutines is cheap compared with their work
	for first := 0; first < len(entries); first += perGoroutine {
		group.Go(func() error {
			for i := first; i < min(first+perGoroutine, len(entries)); i++ {
				var err error
				if results[i], err = state(f, entries[i]); err != nil {
					return err
				}
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

func (l *listing) add(f knownFile, p problem) {
	l.files = append(l.files, f)
	if p.text != "" {
		l.problems[f.name] = p
	}
}

// fileState is the state of a listed file.
type fileState struct {
	file    knownFile
	problem problem
	exists  bool // false if it was deleted meanwhile
}

// state returns the state of a file. It fails if the volume does.
func state(f *picturefiles.Folder, e picturefiles.Entry) (fileState, error) {
	info, err := f.Stat(e.Name)
	gone := errors.Is(err, fs.ErrNotExist)
	switch {
	case gone && !e.Link:
		return fileState{}, nil
	case err != nil && faces.ReasonOf(err) == faces.RecognizerUnavailable:
		return fileState{}, err
	case err != nil && e.Link:
		text := ProblemText(err)
		if gone {
			text = "it is a link to a file that is not there"
		}
		return unusable(e, problem{text: text, kind: picturefiles.KindLink}), nil
	case err != nil:
		return unusable(e, problem{text: ProblemText(err), kind: string(faces.ReasonOf(err))}), nil
	case info.IsDir() && e.Link:
		return unusable(e, problem{kind: picturefiles.KindLink,
			text: "it is a link to a folder, and such links are not followed; move the folder here, or mount it here"}), nil
	}
	return fileState{file: knownFile{name: e.Name, size: info.Size(), modified: info.ModTime().UnixNano()}, exists: true}, nil
}

func unusable(e picturefiles.Entry, p problem) fileState {
	return fileState{file: knownFile{name: e.Name}, problem: p, exists: true}
}
