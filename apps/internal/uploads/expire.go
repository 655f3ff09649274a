package uploads

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
)

// Expire calls remove, which deletes the rows of some files, and then deletes those of
// the uploaded files that no row has any more. Other files are left alone. If the
// program is killed in between, Tidy ends the work: each file has a second name from
// before its row goes.
func (f *Folder) Expire(ctx context.Context, names []string, remove func() error) error {
	root, err := f.open()
	if err != nil {
		return err
	}
	var marks []string
	for _, name := range names {
		rel, ok := f.own(name)
		if !ok {
			continue
		}
		mark := path.Join(dir, deletedPrefix+rand.Text()+"-"+path.Base(rel))
		if root.Link(rel, mark) == nil { // else there is no file, or the volume has no second names
			marks = append(marks, mark)
		}
	}
	failed := remove()
	ctx = context.WithoutCancel(ctx) // the rows are gone
	var errs []error
	for _, mark := range marks {
		errs = append(errs, f.settle(ctx, root, mark))
	}
	for _, name := range names {
		if !f.Owns(name) {
			continue
		}
		// Tidy of another program may have ended the mark before the row was gone.
		_, err := f.RemoveUnused(ctx, name)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return errors.Join(failed, fmt.Errorf("delete uploaded files: %w", err))
	}
	return failed
}
