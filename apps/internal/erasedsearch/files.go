package erasedsearch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	// ledgerFolder is in KNOWN_PEOPLE. It is named here again, so that a mistake in the
	// package that writes it is found.
	ledgerFolder = ".rollcall-erased"
	uploadFolder = "uploads"
	// deletedPrefix begins the second names of uploaded files. It is named here again, too.
	deletedPrefix = ".del-"
	// recordMark begins a record of the cache; recordHead bytes later its content begins.
	recordMark = "\xf0RCG"
	recordHead = 9
	// maxRead bounds in bytes what is read of a file of the gallery's cache.
	maxRead = 64 << 20
)

// readKnown searches the volume of known people.
func (s *search) readKnown(ctx context.Context) error {
	return eachFile(ctx, s.opts.KnownPeople, func(root *os.Root, name string) error {
		switch top, _, _ := strings.Cut(name, "/"); {
		case top == ledgerFolder:
			return nil
		case top == faces.WrittenFolder:
			return s.writtenFile(root, name)
		case strings.HasPrefix(top, "."): // recognizers keep descriptors in .rollcall or .gallery-cache
			return s.cacheFile(ctx, root, name)
		}
		s.left(unique(append(s.ofFile(name), s.named(name)...)), "KNOWN_PEOPLE, files of others")
		return nil
	})
}

// writtenFile searches a known picture that Rollcall wrote. The content of an interrupted
// write is read, because its name does not tell it.
func (s *search) writtenFile(root *os.Root, name string) error {
	hits := s.ofFile(name)
	sum, _, _ := strings.Cut(path.Base(name), ".")
	if len(sum) == 2*sha256.Size {
		hits = append(hits, s.ofHex(sum)...)
	} else {
		content, err := read(root, name)
		if err != nil {
			return err
		}
		digest := sha256.Sum256(content)
		hits = append(hits, s.ofContent(digest[:])...)
	}
	s.found(unique(hits), "KNOWN_PEOPLE/"+faces.WrittenFolder+", known picture")
	return nil
}

// cacheFile searches a file of a recognizer's cache for contents of known pictures. Those
// of files that others wrote stay in it as long as the file does.
func (s *search) cacheFile(ctx context.Context, root *os.Root, name string) error {
	content, err := read(root, name)
	if err != nil {
		return err
	}
	var hits []int
	marked := bytes.Contains(content, []byte(recordMark))
	for at := 0; at+erasure.HalfContent <= len(content); at++ {
		// A record begins with its mark, and its content comes some bytes later. Looking at
		// every byte of a large cache would take hours; a file without marks is of a format
		// that this program does not know.
		if marked {
			next := bytes.Index(content[at:], []byte(recordMark))
			if next < 0 {
				break
			}
			if at += next + len(recordMark) + recordHead; at+erasure.HalfContent > len(content) {
				break
			}
		}
		hits = append(hits, s.ofContent(content[at:at+erasure.HalfContent])...)
	}
	for _, run := range bytes.FieldsFunc(content, func(r rune) bool { return r < ' ' || r == 0xFFFD }) {
		hits = append(hits, s.ofFile(string(run))...)
	}
	for _, i := range unique(hits) {
		report := s.found
		if s.hasFilesOfOthers(ctx, i) {
			report = s.left
		}
		report([]int{i}, "KNOWN_PEOPLE, cache of descriptors")
	}
	return nil
}

// hasFilesOfOthers reports whether files of others were among the known pictures: their
// descriptors are kept as long as the files are there.
func (s *search) hasFilesOfOthers(ctx context.Context, entry int) bool {
	return s.tallies[entry].left["KNOWN_PEOPLE, files of others"] > 0 || len(s.entries[entry].Files) > 0 && s.othersIn(ctx, entry)
}

func (s *search) othersIn(ctx context.Context, entry int) bool {
	e := s.entries[entry]
	found := false
	_ = eachFile(ctx, s.opts.KnownPeople, func(_ *os.Root, name string) error {
		if strings.HasPrefix(name, faces.WrittenFolder+"/") || strings.HasPrefix(name, ".") {
			return nil
		}
		for _, m := range e.Files {
			found = found || m == e.Salt.OfFile(name)
		}
		return nil
	})
	return found
}

// readUnknown searches the volume of the images: what was uploaded and should be gone.
func (s *search) readUnknown(ctx context.Context) error {
	ids := make([]map[erasure.Mark][]int64, len(s.entries)) // of the images of a path
	for i, e := range s.entries {
		if e.Images != erasure.Delete {
			continue
		}
		ids[i] = map[erasure.Mark][]int64{}
		for _, p := range e.Pictures {
			if p.Shows {
				ids[i][p.Path] = append(ids[i][p.Path], p.ImageID)
			}
		}
	}
	return eachFile(ctx, s.opts.UnknownPeople, func(_ *os.Root, name string) error {
		uploaded := strings.HasPrefix(name, uploadFolder+"/")
		full := path.Join(s.opts.UnknownPeople, firstName(name))
		for i, e := range s.entries {
			gone := ids[i][e.Salt.OfPath(full)]
			again := func(id int64) bool { return !slices.Contains(gone, id) }
			if len(gone) == 0 {
				continue
			}
			if slices.ContainsFunc(s.uses[full], again) { // somebody posted the picture again, as another image
				continue
			}
			if uploaded {
				s.found([]int{i}, "UNKNOWN_PEOPLE/"+uploadFolder+", picture that shows the person")
			} else {
				s.left([]int{i}, "UNKNOWN_PEOPLE, files of others")
			}
		}
		if !uploaded {
			s.left(s.named(name), "UNKNOWN_PEOPLE, files of others with the name")
		}
		return nil
	})
}

// firstName returns the name that an uploaded file had before it got the second one,
// uploads/.del-RANDOM-BASE, by which it is being deleted.
func firstName(name string) string {
	marked, ok := strings.CutPrefix(name, uploadFolder+"/"+deletedPrefix)
	if !ok {
		return name
	}
	_, base, ok := strings.Cut(marked, "-")
	if !ok || len(base) < 2 {
		return name
	}
	return path.Join(uploadFolder, base[:2], base)
}

// eachFile calls f for each regular file below a folder, by its path in it. Nothing
// outside of the folder is read, whatever links lead there.
func eachFile(ctx context.Context, folder string, f func(root *os.Root, name string) error) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("open a volume: %w", err)
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // it went meanwhile
			return nil
		case err != nil:
			return fmt.Errorf("a folder of %s cannot be read: %w", folder, cause(err))
		case !d.Type().IsRegular():
			return ctx.Err()
		}
		if err := f(root, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("a file of %s cannot be read: %w", folder, cause(err))
		}
		return ctx.Err()
	})
}

// cause returns an error without the path of the file, which may be a person's name.
func cause(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

func read(root *os.Root, name string) ([]byte, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxRead))
}
