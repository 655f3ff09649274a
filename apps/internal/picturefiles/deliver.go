package picturefiles

import (
	"errors"
	"io"
	"os"
	"path"
	"syscall"
)

const (
	// probeSize is how much of another file proves that its volume works, in bytes.
	probeSize = 1 << 20
	// probeFiles and probeEntries bound the search for other files to try.
	probeFiles   = 8
	probeEntries = 64
)

// delivers returns nil if the volume of the file rel works: if that file can be
// read, or if a volume that returns errors for it delivers other files. It returns
// the error of rel otherwise.
func (f *Folder) delivers(rel string) error {
	_, err := f.probe(rel, MaxSize)
	switch {
	case !isVolumeFault(err):
		return nil
	case errors.Is(err, syscall.EIO) && f.deliversBeside(rel):
		return nil // a damaged place of the disk: other pictures need not wait
	}
	return err
}

// deliversBeside reports whether another file on the volume of rel can be read. It
// looks in the folder of rel first, then in those above.
func (f *Folder) deliversBeside(rel string) bool {
	root := f.root.Load()
	own, err := root.Stat(path.Dir(rel))
	if err != nil {
		return false
	}
	tried := 0
	for folder := path.Dir(rel); ; folder = path.Dir(folder) {
		info, err := root.Stat(folder)
		if err != nil || deviceOf(info) != deviceOf(own) {
			return false
		}
		for _, name := range f.someFiles(folder) {
			if name == rel {
				continue
			}
			if n, err := f.probe(name, probeSize); err == nil && n > 0 {
				return true
			}
			if tried++; tried == probeFiles {
				return false
			}
		}
		if folder == "." {
			return false
		}
	}
}

// someFiles returns names of regular files in a folder, and none if it cannot be
// listed.
func (f *Folder) someFiles(folder string) (names []string) {
	dir, err := f.root.Load().Open(folder)
	if err != nil {
		return nil
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(probeEntries) // what could be listed is enough
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, path.Join(folder, e.Name()))
		}
	}
	return names
}

// probe reads at most limit bytes of a file, from the disk and not from memory where
// the system can do that, and returns how many there were.
func (f *Folder) probe(rel string, limit int64) (int64, error) {
	file, err := f.root.Load().OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	forgetCached(file)
	return io.Copy(io.Discard, io.LimitReader(file, limit))
}
