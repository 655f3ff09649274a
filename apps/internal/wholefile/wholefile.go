// Package wholefile writes files that are there whole or not at all, also after the
// machine stops at any moment.
package wholefile

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// Files may be read by programs of the same group: the recognizer can have another user.
const (
	FolderMode = 0o750
	FileMode   = 0o640
)

// Write writes a file under another name first, and makes sure that it is on the disk
// before it gets its name. It makes the folder of the file, if needed.
func Write(root *os.Root, name string, content []byte) error {
	return WriteWith(root, name, FileMode, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// Temporary begins the name of a file that is being written, or was when its program
// was killed.
const Temporary = ".tmp-"

// WriteWith is Write for a file of any size, which write writes.
func WriteWith(root *os.Root, name string, mode fs.FileMode, write func(io.Writer) error) error {
	folder := path.Dir(name)
	if err := root.MkdirAll(folder, FolderMode); err != nil {
		return err
	}
	temporary := path.Join(folder, Temporary+rand.Text())
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	err = write(f)
	err = errors.Join(err, f.Sync(), f.Close()) // a network file system may tell at the end that it is full
	if err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temporary))
	}
	return SyncFolder(root, folder)
}

// SyncFolder makes sure that the names of a folder's files are on the disk. File
// systems that cannot do that are taken as they are.
func SyncFolder(root *os.Root, name string) error {
	folder, err := root.Open(name)
	if err != nil {
		return err
	}
	err = folder.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, folder.Close())
}
