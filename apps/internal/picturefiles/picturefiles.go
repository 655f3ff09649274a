// Package picturefiles reads files below one folder that no path may leave:
// neither lexically, nor through links, nor while somebody changes them.
package picturefiles

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// MaxSize bounds what is read of one picture. A 50-megapixel PNG of noise
// is about this large.
const MaxSize = 200 << 20

// Folder reads files below one folder. Links that leave it are refused by the
// kernel-backed os.Root, also while somebody changes them.
type Folder struct {
	path    string
	root    atomic.Pointer[os.Root]
	escapes error // what os.Root says of a path that leads out
}

// Open opens a folder.
func Open(name string) (*Folder, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("open the folder: %w", err)
	}
	f := &Folder{path: filepath.Clean(name)}
	f.root.Store(root)
	// os.Root keeps its error to itself; asking for something forbidden shows it.
	if _, err := root.Lstat(".."); err != nil {
		f.escapes = errors.Unwrap(err)
	}
	return f, nil
}

// Path returns the cleaned path that the folder was opened by.
func (f *Folder) Path() string { return f.path }

// Root returns the open folder. It changes when Follow finds another one.
func (f *Folder) Root() *os.Root { return f.root.Load() }

// Close closes the folder.
func (f *Folder) Close() error { return f.root.Load().Close() }

// Follow opens the folder again where another one has taken its place: it was
// deleted and made anew, renamed away, or mounted over.
func (f *Folder) Follow() error {
	now, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("look at the folder: %w", err)
	}
	old := f.root.Load()
	held, err := old.Stat(".")
	if err == nil && os.SameFile(now, held) {
		return nil
	}
	root, err := os.OpenRoot(f.path)
	if err != nil {
		return fmt.Errorf("open the folder again: %w", err)
	}
	f.root.Store(root) // the old one closes itself when nobody uses it any more
	return nil
}

// Read returns the bytes of a file, given by its absolute path or relative to
// the folder. Its errors are the picture's faults, except where the file
// system itself fails.
func (f *Folder) Read(name string) ([]byte, error) {
	rel, err := f.relative(name)
	if err != nil {
		return nil, err
	}
	data, err := f.readLocal(rel)
	if err != nil && errors.Is(err, f.escapes) {
		// os.Root takes every link to an absolute path for one that leaves. What
		// this one points to may be in the folder: ask for that, under guard.
		if target, ok := f.resolve(rel); ok {
			data, err = f.readLocal(target)
		}
	}
	if err != nil {
		return nil, f.fault(err)
	}
	return data, nil
}

// Stat returns the state of a file, given relative to the folder. It follows
// links that stay inside. Its errors are those of Read.
func (f *Folder) Stat(name string) (fs.FileInfo, error) {
	info, err := f.root.Load().Stat(name)
	if err != nil && errors.Is(err, f.escapes) {
		if target, ok := f.resolve(name); ok {
			info, err = f.root.Load().Stat(target)
		}
	}
	if err != nil {
		return nil, f.fault(err)
	}
	return info, nil
}

// readLocal reads a regular file; rel is relative to the folder.
func (f *Folder) readLocal(rel string) ([]byte, error) {
	root := f.root.Load()
	// Looking before opening: to open a device can be to set it going.
	info, err := root.Stat(rel)
	if err != nil {
		return nil, err
	}
	if err := checkFile(info); err != nil {
		return nil, err
	}
	// And again after: it may be another one by now. Without O_NONBLOCK, opening
	// a named pipe would wait for a writer.
	file, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	if err := checkFile(info); err != nil {
		return nil, err
	}
	data, err := readAll(file, info.Size())
	if err == nil && len(data) > MaxSize {
		err = tooLarge()
	}
	return data, err
}

// checkFile refuses what is not a regular file of bearable size.
func checkFile(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return faces.Fault(faces.UnsupportedFormat, "this is a folder, not a picture")
	case !info.Mode().IsRegular():
		return faces.Fault(faces.UnsupportedFormat, "this is not a file")
	case info.Size() > MaxSize:
		return tooLarge()
	}
	return nil
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
	rest, err := io.ReadAll(io.LimitReader(file, MaxSize+1-size))
	return append(data, rest...), err
}

func tooLarge() error {
	return faces.Fault(faces.ImageTooLarge, "the file is larger than %d MiB", MaxSize>>20)
}

// relative returns name relative to the folder, or path_not_allowed where it
// leaves it lexically.
func (f *Folder) relative(name string) (string, error) {
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

// resolve follows every link of a path and returns where it ends, relative to
// the folder; false where that is outside or nothing is there. It only finds a
// name: reading it is guarded like any other.
func (f *Folder) resolve(rel string) (string, bool) {
	top, err := filepath.EvalSymlinks(f.path)
	if err != nil {
		return "", false
	}
	target, err := filepath.EvalSymlinks(filepath.Join(f.path, rel))
	if err != nil {
		return "", false
	}
	inside, err := filepath.Rel(top, target)
	return inside, err == nil && filepath.IsLocal(inside)
}

// fault gives an error of the file system the reason that it means.
func (f *Folder) fault(err error) error {
	var known *faces.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, f.escapes):
		return faces.Fault(faces.PathNotAllowed, "a link leads out of the folder").WithCause(err)
	case isCircle(err):
		return faces.Fault(faces.PathNotAllowed, "its links lead in a circle").WithCause(err)
	case errors.Is(err, fs.ErrNotExist), isNotDirectory(err):
		return faces.Fault(faces.NotFound, "there is no such file").WithCause(err)
	case errors.Is(err, fs.ErrPermission):
		return faces.Fault(faces.NotFound, "the recognizer may not read this file").WithCause(err)
	case isBadName(err):
		return faces.Fault(faces.NotFound, "there cannot be a file of this name").WithCause(err)
	default:
		return fmt.Errorf("read the picture: %w", err)
	}
}
