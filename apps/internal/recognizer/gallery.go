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
	"os"
	"path"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// knownFile identifies one state of a known picture.
type knownFile struct {
	name     string // relative to the folder, with forward slashes
	size     int64
	modified time.Time
}

// knownFace is what became of a known picture: a descriptor, or a problem.
type knownFace struct {
	file       knownFile
	descriptor faces.Descriptor
	problem    string
}

// gallery is one state of the known people. It is immutable.
type gallery struct {
	version  string
	index    *index
	files    map[string]knownFace // by name
	problems map[string]string    // name → why it cannot be matched
}

// emptyGallery is what a recognizer has before it has read the folder.
func emptyGallery() *gallery {
	return &gallery{version: "none", index: newIndex(nil), files: map[string]knownFace{}, problems: map[string]string{}}
}

// scan lists the picture files under root. Hidden files and folders are
// passed over: mounted volumes and editors leave such behind.
func scan(root *os.Root) ([]knownFile, error) {
	var files []knownFile
	err := fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && name == ".":
			return err
		case err != nil:
			return nil // vanished while we looked; the next scan sees
		case name != "." && strings.HasPrefix(path.Base(name), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		}
		info, err := root.Stat(name) // follows links that stay inside
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		files = append(files, knownFile{name: name, size: info.Size(), modified: info.ModTime()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list known pictures: %w", err)
	}
	sort.Slice(files, func(i, j int) bool { return files[i].name < files[j].name })
	return files, nil
}

// version names a state of the folder under one model set.
func version(modelID string, files []knownFile) string {
	h := sha256.New()
	fmt.Fprintln(h, modelID)
	for _, f := range files {
		fmt.Fprintln(h, f.name, f.size, f.modified.UnixNano())
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// describeFunc describes the one face of a known picture.
type describeFunc func(ctx context.Context, name string) (faces.Descriptor, error)

// nextGallery returns the gallery for files: what is in old is reused, the rest
// is described, workers pictures at a time. progress is told of each.
func nextGallery(ctx context.Context, old *gallery, modelID string, files []knownFile, workers int,
	describe describeFunc, progress func(done, total int)) (*gallery, error) {
	g := &gallery{version: version(modelID, files), files: make(map[string]knownFace, len(files)), problems: map[string]string{}}
	var todo []knownFile
	for _, f := range files {
		if k, ok := old.files[f.name]; ok && k.file == f {
			g.files[f.name] = k
		} else {
			todo = append(todo, f)
		}
	}
	if err := describeAll(ctx, g, todo, workers, describe, progress); err != nil {
		return nil, err
	}
	var entries []entry
	for _, f := range files {
		switch k := g.files[f.name]; {
		case k.problem != "":
			g.problems[f.name] = k.problem
		default:
			entries = append(entries, entry{name: f.name, descriptor: k.descriptor})
		}
	}
	g.index = newIndex(entries)
	return g, nil
}

func describeAll(ctx context.Context, g *gallery, todo []knownFile, workers int,
	describe describeFunc, progress func(done, total int)) error {
	var mu sync.Mutex // guards g.files and done
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for _, f := range todo {
		group.Go(func() error {
			k := knownFace{file: f}
			var err error
			k.descriptor, err = describe(ctx, f.name)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				k.problem = problem(err)
			}
			mu.Lock()
			defer mu.Unlock()
			g.files[f.name] = k
			done++
			progress(done, len(todo))
			return nil
		})
	}
	return group.Wait()
}

// problem says why a known picture cannot be matched.
func problem(err error) string {
	var fault *faces.Error
	if errors.As(err, &fault) {
		return fault.Message
	}
	return err.Error()
}
