package recognizer

// This file owns reading picture files from a folder that no path may leave.

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// maxFileSize bounds what is read of one picture. A 50-megapixel PNG of noise
// is about this large.
const maxFileSize = 200 << 20

// folder reads files below one folder. Links that leave it are refused by the
// kernel-backed os.Root, also while somebody changes them.
type folder struct {
	path string
	root *os.Root
}

func openFolder(name string) (*folder, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("open the folder: %w", err)
	}
	return &folder{path: filepath.Clean(name), root: root}, nil
}

// read returns the bytes of a file, given by its absolute path or relative to
// the folder. Its errors are the picture's faults, except where the file
// system itself fails.
func (f *folder) read(name string) ([]byte, error) {
	rel, err := f.relative(name)
	if err != nil {
		return nil, err
	}
	// Looking before opening: opening a named pipe would wait for a writer.
	info, err := f.root.Stat(rel)
	if err != nil {
		return nil, f.fault(rel, err)
	}
	switch {
	case info.IsDir():
		return nil, faces.Fault(faces.UnsupportedFormat, "this is a folder, not a picture")
	case !info.Mode().IsRegular():
		return nil, faces.Fault(faces.UnsupportedFormat, "this is not a file")
	case info.Size() > maxFileSize:
		return nil, tooLarge()
	}
	file, err := f.root.Open(rel)
	if err != nil {
		return nil, f.fault(rel, err)
	}
	defer file.Close()
	data, err := readAll(file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("read the picture: %w", err)
	}
	if len(data) > maxFileSize {
		return nil, tooLarge()
	}
	return data, nil
}

// readAll reads a file whose size is about to be size; it may have grown.
func readAll(file *os.File, size int64) ([]byte, error) {
	data := make([]byte, size)
	n, err := io.ReadFull(file, data)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return data[:n], nil // it has shrunk
	case err != nil:
		return nil, err
	}
	rest, err := io.ReadAll(io.LimitReader(file, maxFileSize+1-size))
	return append(data, rest...), err
}

func tooLarge() error {
	return faces.Fault(faces.ImageTooLarge, "the file is larger than %d MiB", maxFileSize>>20)
}

// relative returns name relative to the folder, or path_not_allowed where it
// leaves it lexically.
func (f *folder) relative(name string) (string, error) {
	if strings.ContainsRune(name, 0) {
		return "", faces.Fault(faces.PathNotAllowed, "a path cannot contain a zero byte")
	}
	if filepath.IsAbs(name) {
		rel, err := filepath.Rel(f.path, name)
		if err != nil {
			return "", outside()
		}
		name = rel
	}
	name = filepath.Clean(name)
	if !filepath.IsLocal(name) {
		return "", outside()
	}
	return name, nil
}

func outside() error {
	return faces.Fault(faces.PathNotAllowed, "the path leads out of the folder of unknown people")
}

// fault gives an error of the file system the reason that it means.
func (f *folder) fault(rel string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), isNotDirectory(err):
		return faces.Fault(faces.NotFound, "there is no such file").WithCause(err)
	case errors.Is(err, fs.ErrPermission):
		return faces.Fault(faces.NotFound, "the recognizer may not read this file").WithCause(err)
	case isBadName(err):
		return faces.Fault(faces.NotFound, "there cannot be a file of this name").WithCause(err)
	case f.leaves(rel):
		return faces.Fault(faces.PathNotAllowed, "a link leads out of the folder of unknown people").WithCause(err)
	default:
		return fmt.Errorf("open the picture: %w", err)
	}
}

// leaves explains a refusal of os.Root, which has no error of its own to ask
// for: it reports whether a link on the way leads out of the folder, or in a
// circle. It only words the message; the refusal stands.
func (f *folder) leaves(rel string) bool {
	real, err := filepath.EvalSymlinks(filepath.Join(f.path, rel))
	if err != nil {
		return strings.Contains(err.Error(), "too many links")
	}
	top, err := filepath.EvalSymlinks(f.path)
	if err != nil {
		return false
	}
	inside, err := filepath.Rel(top, real)
	return err != nil || !filepath.IsLocal(inside)
}
