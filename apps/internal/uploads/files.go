package uploads

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// Files returns the paths of all uploaded files.
func (f *Folder) Files(ctx context.Context) (files []string, err error) {
	root, err := f.open()
	if err != nil {
		return nil, err
	}
	err = fs.WalkDir(root.FS(), dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if full := path.Join(f.opts.UnknownPeople, name); !d.IsDir() && f.Owns(full) {
			files = append(files, full)
		}
		return ctx.Err()
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing was ever uploaded
	}
	if err != nil {
		return nil, fmt.Errorf("list the uploads: %w", err)
	}
	return files, nil
}
