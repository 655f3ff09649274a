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
	"sync"
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

	following sync.Mutex   // held by the one that looks at the folder
	looking   atomic.Int64 // since when, in nanoseconds since 1970; 0 if nobody does
	mu        sync.Mutex   // guards health
	health    health
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
	_ = f.Follow() // Available tells
	return f, nil
}

// Path returns the cleaned path that the folder was opened by.
func (f *Folder) Path() string { return f.path }

// Root returns the open folder. It changes when Follow finds a new folder.
func (f *Folder) Root() *os.Root { return f.root.Load() }

// Close closes the folder.
func (f *Folder) Close() error { return f.root.Load().Close() }

// Read returns the bytes of a file. name is absolute or relative to the
// folder. Errors have a faces.Reason if the file is at fault, and none if the
// file system fails.
func (f *Folder) Read(name string) ([]byte, error) {
	data, _, err := f.read(name)
	return data, err
}

// read also returns the file's state from before its bytes were read.
func (f *Folder) read(name string) (data []byte, info fs.FileInfo, err error) {
	err = f.find(name, func(rel string) error {
		data, info, err = f.readLocal(rel)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return data, info, nil
}

// Stat returns the state of a file. It follows links within the folder and
// returns the errors that Read returns, except that it does not look whether the
// whole folder is away: callers ask for thousands of files.
func (f *Folder) Stat(name string) (info fs.FileInfo, err error) {
	rel, err := f.relative(name)
	if err != nil {
		return nil, err
	}
	err = f.useEither(rel, func(rel string) error {
		info, err = f.root.Load().Stat(rel)
		return err
	})
	if err != nil {
		return nil, f.fault(rel, err)
	}
	return info, nil
}

// find calls use with a path relative to the folder. If that fails it looks for
// the file by another way, and then whether the whole folder is away.
func (f *Folder) find(name string, use func(rel string) error) error {
	rel, err := f.relative(name)
	if err != nil {
		return err
	}
	err = f.useEither(rel, use)
	var known *faces.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, f.errEscape) || isSymlinkLoop(err) || isBadName(err) {
		return f.fault(rel, err)
	}
	undelivered := ""
	if isVolumeFault(err) {
		undelivered = rel
	}
	reopened, away := f.follow(true, undelivered)
	switch {
	case away != nil:
		return away
	case reopened, undelivered != "": // the failure was of the folder of before, or has passed
		err = f.useEither(rel, use)
	}
	return f.fault(rel, err)
}

// useEither calls use with rel, then with the target of its links, then with
// the name that its file has on disk.
func (f *Folder) useEither(rel string, use func(rel string) error) error {
	err := use(rel)
	switch {
	case err != nil && errors.Is(err, f.errEscape):
		// os.Root treats every absolute link as one that leaves the folder.
		// Its target may be inside: read that by its own name, with the same
		// checks.
		if target, ok := f.resolve(rel); ok {
			return use(target)
		}
	case errors.Is(err, fs.ErrNotExist):
		if other := f.otherForm(rel); other != rel {
			return use(other)
		}
	}
	return err
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

// fault adds the reason to an error of the file system, in a folder that is in
// order. rel is relative to the folder.
func (f *Folder) fault(rel string, err error) error {
	var known *faces.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, f.errEscape):
		return faces.Fault(faces.PathNotAllowed, "a link leads out of the folder").WithCause(err)
	case isSymlinkLoop(err):
		return faces.Fault(faces.PathNotAllowed, "its symbolic links form a loop").WithCause(err)
	case errors.Is(err, fs.ErrNotExist), isNotDirectory(err):
		return faces.Fault(faces.NotFound, "there is no such file").WithCause(err)
	case errors.Is(err, fs.ErrPermission):
		return f.forbidden(rel).WithCause(err)
	case isBadName(err):
		return faces.Fault(faces.NotFound, "this is not a valid file name").WithCause(err)
	default: // a damaged place of a disk, for example: never the picture's fault
		return faces.Fault(faces.RecognizerUnavailable, "the volume did not deliver this file; check the volume").WithCause(err)
	}
}

// forbidden says which permission is missing, and for whom.
func (f *Folder) forbidden(rel string) *faces.Error {
	if _, err := f.root.Load().Stat(rel); errors.Is(err, fs.ErrPermission) {
		return faces.Fault(faces.NotFound, "user %d may not enter a folder on the way to this file; chmod or chown that folder, then post the picture again", os.Geteuid())
	}
	return faces.Fault(faces.NotFound, "user %d may not read this file; chmod or chown it, then post it again", os.Geteuid())
}
