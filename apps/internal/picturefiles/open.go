package picturefiles

import (
	"io/fs"
	"os"
	"syscall"
)

// OpenFile opens a file to read it in parts. It makes the checks and returns the errors
// of Read. The caller closes the file.
func (f *Folder) OpenFile(name string) (file *os.File, info fs.FileInfo, err error) {
	err = f.find(name, func(rel string) error {
		root := f.root.Load()
		info, err := root.Stat(rel) // before opening, as readLocal does
		if err != nil {
			return err
		}
		if err := checkFile(info); err != nil {
			return err
		}
		file, err = root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if info, err = file.Stat(); err == nil {
		err = checkFile(info)
	}
	if err != nil {
		_ = file.Close() // nothing was written
		return nil, nil, err
	}
	return file, info, nil
}
