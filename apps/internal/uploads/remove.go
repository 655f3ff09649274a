package uploads

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
)

const (
	// deletedPrefix marks a file that is being deleted.
	deletedPrefix = ".del-"
	// tidyEvery is the pause between two looks for what interrupted work has left.
	tidyEvery = 10 * time.Minute
)

// Remove deletes an uploaded file that no row has any more. Another file is left
// alone, because it is not Rollcall's.
//
// Somebody may upload the same content at this moment. So the file first gets another
// name, and its own again if a row has its path by now. An upload looks for the file
// after it has written its row, so one of the two notices the other.
func (f *Folder) Remove(ctx context.Context, name string) error {
	rel, ok := f.own(name)
	if !ok {
		return nil
	}
	root, err := f.open()
	if err != nil {
		return err
	}
	aside, err := putAside(root, rel)
	if err != nil || aside == "" {
		return err
	}
	return f.settle(ctx, root, aside)
}

// putAside gives a file another name, and returns "" if there is no file.
func putAside(root *os.Root, rel string) (aside string, err error) {
	aside = path.Join(dir, deletedPrefix+rand.Text()+"-"+path.Base(rel))
	switch err := root.Rename(rel, aside); {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("delete the uploaded file: %w", err)
	}
	return aside, nil
}

// doubt gives a file a second name, by which Tidy finds out later whether a row has it.
// Until then the file stays where its row would have it.
func doubt(root *os.Root, rel string) error {
	err := root.Link(rel, path.Join(dir, deletedPrefix+rand.Text()+"-"+path.Base(rel)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mark an uploaded file: %w", err)
	}
	return nil
}

// RemoveUnused is Remove, if no row has the path: a file that is used keeps its name at
// every moment. It returns whether the file went.
func (f *Folder) RemoveUnused(ctx context.Context, name string) (bool, error) {
	used, err := f.opts.InUse(ctx, name)
	if err != nil || used {
		return false, err
	}
	return true, f.Remove(ctx, name)
}

// settle deletes a file that was put aside, or puts it back if a row has its path. A
// file in doubt has both names.
func (f *Folder) settle(ctx context.Context, root *os.Root, aside string) error {
	_, base, _ := strings.Cut(strings.TrimPrefix(path.Base(aside), deletedPrefix), "-")
	rel := path.Join(dir, base[:min(2, len(base))], base)
	full := path.Join(f.opts.UnknownPeople, rel)
	if !f.Owns(full) {
		return nil // not ours
	}
	used, err := f.opts.InUse(ctx, full)
	if err != nil {
		return fmt.Errorf("look who uses an uploaded file: %w", err)
	}
	if !used {
		if err := removeSame(root, rel, aside); err != nil {
			return err
		}
	}
	if _, err := root.Lstat(rel); used && errors.Is(err, fs.ErrNotExist) {
		if err := root.Rename(aside, rel); err != nil && !errors.Is(err, fs.ErrNotExist) { // another receiver may tidy, too
			return err
		}
	}
	// After a renaming, too: between two names of one file, it does nothing.
	if err := root.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeSame deletes a file if it is the same one as another.
func removeSame(root *os.Root, rel, other string) error {
	a, errA := root.Lstat(rel)
	b, errB := root.Lstat(other)
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		return nil
	}
	if err := root.Remove(rel); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Withdraw deletes the files that a batch has published without getting a row. The
// database may be the cause, and the rows may exist although it did not say so. Then
// it is asked once only, the files stay, because a row must have its file, and Tidy
// finds out.
func (f *Folder) Withdraw(ctx context.Context, b *Batch) error {
	var failed error
	for _, file := range b.files {
		if !file.made {
			continue
		}
		if failed == nil {
			_, failed = f.opts.InUse(ctx, path.Join(f.opts.UnknownPeople, file.name))
		}
		if failed != nil {
			failed = cmp.Or(failed, doubt(b.root, file.name))
			continue
		}
		aside, err := putAside(b.root, file.name)
		if err == nil && aside != "" {
			err = f.settle(ctx, b.root, aside)
		}
		failed = err
	}
	return failed
}

// Tidy deletes what interrupted uploads have left, and ends interrupted deletions.
func (f *Folder) Tidy(ctx context.Context) error {
	root, err := f.open()
	if err != nil {
		return err
	}
	entries, err := fs.ReadDir(root.FS(), dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("list the uploads: %w", err)
	}
	var works []string
	var errs []error
	for _, e := range entries {
		switch name := e.Name(); {
		case e.IsDir() && strings.HasPrefix(name, workPrefix):
			works = append(works, name)
		case strings.HasPrefix(name, deletedPrefix):
			errs = append(errs, f.settle(ctx, root, path.Join(dir, name)))
		}
	}
	return errors.Join(append(errs, f.removeStale(root, works))...)
}

// Part returns the part of a program that tidies, at the start and from time to time.
func (f *Folder) Part() lifecycle.Part {
	return lifecycle.Part{
		Name: "uploads",
		Start: func(context.Context, func(error)) error {
			ctx, cancel := context.WithCancel(context.Background())
			f.cancel = cancel
			f.loop.Go(func() { f.keepTidy(ctx) })
			f.loop.Go(func() { f.markNew(ctx) })
			return nil
		},
		Stop: func(ctx context.Context) error {
			f.cancel()
			done := make(chan error, 1)
			go func() {
				f.loop.Wait()
				done <- f.leaveWork()
			}()
			select {
			case err := <-done:
				return err
			case <-ctx.Done(): // the volume does not answer
				return ctx.Err()
			}
		},
	}
}

func (f *Folder) keepTidy(ctx context.Context) {
	tidy := func(ctx context.Context) {
		if err := f.Tidy(ctx); err != nil && ctx.Err() == nil {
			f.opts.Log.Warn("cannot look for what interrupted uploads have left; trying again later", "pause", tidyEvery, "error", err)
		}
	}
	tidy(ctx)
	background.Every(ctx, tidyEvery, tidy)
}
