// Package picturefiles reads files below one folder. No path can leave the
// folder: not by "..", not through symbolic links, and not while somebody
// changes the files.
package picturefiles

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// MaxSize bounds the size of a picture file, in bytes. A 50-megapixel PNG of
// noise is about this large.
const MaxSize = 200 << 20

// Folder reads files below one folder. It is built on os.Root, which refuses
// links out of the folder even while somebody changes them. It is safe for
// concurrent use.
type Folder struct {
	path      string
	of        string // whose pictures are in it, for messages
	root      atomic.Pointer[os.Root]
	errEscape error // the error of os.Root for a path that leaves the folder
}

// Open opens a folder. of says whose pictures are in it. Messages of refused
// paths say this instead of the folder's path, which is no business of clients.
func Open(name, of string) (*Folder, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("open the picture folder: %w", err)
	}
	f := &Folder{path: filepath.Clean(name), of: of}
	f.root.Store(root)
	// os.Root does not export this error. A forbidden access reveals it.
	if _, err := root.Lstat(".."); err != nil {
		f.errEscape = errors.Unwrap(err)
	}
	return f, nil
}

// Path returns the cleaned path that the folder was opened by.
func (f *Folder) Path() string { return f.path }

// Root returns the open folder. It changes when Follow finds a new folder.
func (f *Folder) Root() *os.Root { return f.root.Load() }

// Close closes the folder.
func (f *Folder) Close() error { return f.root.Load().Close() }

// Follow reopens the folder if another one is now at its path: it was deleted
// and created again, renamed, or mounted over.
func (f *Folder) Follow() error {
	now, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("stat the picture folder: %w", err)
	}
	old := f.root.Load()
	held, err := old.Stat(".")
	if err == nil && os.SameFile(now, held) {
		return nil
	}
	root, err := os.OpenRoot(f.path)
	if err != nil {
		return fmt.Errorf("reopen the picture folder: %w", err)
	}
	f.root.Store(root) // a finalizer closes the old one when nobody uses it any more
	return nil
}

// Read returns the bytes of a file. name is absolute or relative to the
// folder. Errors have a faces.Reason if the file is at fault, and none if the
// file system fails.
func (f *Folder) Read(name string) ([]byte, error) {
	data, _, err := f.read(name)
	return data, err
}

// read also returns the file's state from before its bytes were read.
func (f *Folder) read(name string) ([]byte, fs.FileInfo, error) {
	rel, err := f.relative(name)
	if err != nil {
		return nil, nil, err
	}
	data, info, err := f.readLocal(rel)
	if err != nil && errors.Is(err, f.errEscape) {
		// os.Root treats every absolute link as one that leaves the folder.
		// Its target may be inside: read that by its own name, with the same
		// checks.
		if target, ok := f.resolve(rel); ok {
			data, info, err = f.readLocal(target)
		}
	}
	if err != nil {
		return nil, nil, f.fault(err)
	}
	return data, info, nil
}

// Stat returns the state of a file. name is relative to the folder. It
// follows links within the folder and returns the errors that Read returns.
func (f *Folder) Stat(name string) (fs.FileInfo, error) {
	info, err := f.root.Load().Stat(name)
	if err != nil && errors.Is(err, f.errEscape) {
		if target, ok := f.resolve(name); ok {
			info, err = f.root.Load().Stat(target)
		}
	}
	if err != nil {
		return nil, f.fault(err)
	}
	return info, nil
}

// readLocal reads a regular file. rel is relative to the folder.
func (f *Folder) readLocal(rel string) ([]byte, fs.FileInfo, error) {
	root := f.root.Load()
	// Check before opening: opening a device can have side effects.
	info, err := root.Stat(rel)
	if err != nil {
		return nil, nil, err
	}
	if err := checkFile(info); err != nil {
		return nil, nil, err
	}
	// Check again afterwards: it may be another file by now. Without
	// O_NONBLOCK, opening a named pipe would wait for a writer.
	file, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, nil, err
	}
	if err := checkFile(info); err != nil {
		return nil, nil, err
	}
	data, err := readAll(file, info.Size())
	if err == nil && len(data) > MaxSize {
		err = errTooLarge()
	}
	return data, info, err
}

// checkFile returns an error unless the file is regular and small enough.
func checkFile(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return faces.Fault(faces.UnsupportedFormat, "this is a folder, not a picture")
	case !info.Mode().IsRegular():
		return faces.Fault(faces.UnsupportedFormat, "this is not a file")
	case info.Size() > MaxSize:
		return errTooLarge()
	}
	return nil
}

// readAll reads a file of the given size in bytes. The file may have grown or
// shrunk meanwhile.
func readAll(file *os.File, size int64) ([]byte, error) {
	data := make([]byte, size)
	n, err := io.ReadFull(file, data)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return data[:n], nil // it shrank
	case err != nil:
		return nil, err
	}
	rest, err := io.ReadAll(io.LimitReader(file, MaxSize+1-size))
	return append(data, rest...), err
}

func errTooLarge() error {
	return faces.Fault(faces.ImageTooLarge, "the file is larger than %d MiB", MaxSize>>20)
}

// relative returns name relative to the folder. It returns path_not_allowed
// if name leaves the folder lexically.
func (f *Folder) relative(name string) (string, error) {
	if err := faces.CheckFilePath(name); err != nil {
		return "", err
	}
	if filepath.IsAbs(name) {
		rel, err := filepath.Rel(f.path, name)
		if err != nil {
			return "", f.errOutside()
		}
		name = rel
	}
	name = filepath.Clean(name)
	if !filepath.IsLocal(name) {
		return "", f.errOutside()
	}
	return name, nil
}

func (f *Folder) errOutside() error {
	return faces.Fault(faces.PathNotAllowed, "the path leads out of the folder of %s", f.of)
}

// resolve follows all links of a path and returns the target relative to the
// folder. It returns false if the target is missing or outside. It only finds
// a name; reading it is checked like any other.
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

// fault adds the reason to a file system error.
func (f *Folder) fault(err error) error {
	var known *faces.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, f.errEscape):
		return faces.Fault(faces.PathNotAllowed, "a link leads out of the folder").WithCause(err)
	case isSymlinkLoop(err):
		return faces.Fault(faces.PathNotAllowed, "its symbolic links form a loop").WithCause(err)
	case errors.Is(err, fs.ErrNotExist), isNotDirectory(err):
		return faces.Fault(faces.NotFound, "there is no such file").WithCause(err)
	case errors.Is(err, fs.ErrPermission):
		return faces.Fault(faces.NotFound, "the recognizer has no permission to read this file").WithCause(err)
	case isBadName(err):
		return faces.Fault(faces.NotFound, "this is not a valid file name").WithCause(err)
	default:
		return fmt.Errorf("read the picture: %w", err)
	}
}
