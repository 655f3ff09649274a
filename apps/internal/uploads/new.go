package uploads

import (
	"context"
	"errors"
	"io/fs"
	"time"
)

// askAgain is the pause while it cannot be found out whether the folder is new.
const askAgain = time.Second

// markNew makes the folder of uploads in an empty folder of unknown people before the
// first picture has an outcome. An empty folder could be a volume that has come back
// empty, so pictures in it wait and no recognizer is ready. With this mark, a new one is
// known from it: later it is empty only if its volume is away.
func (f *Folder) markNew(ctx context.Context) {
	if f.opts.IsNew == nil {
		return
	}
	for {
		done, err := f.tryMark(ctx)
		if done || ctx.Err() != nil {
			return
		}
		f.opts.Log.Debug("it is not known yet whether the folder of unknown people is new", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(askAgain):
		}
	}
}

// tryMark reports whether nothing is left to do.
func (f *Folder) tryMark(ctx context.Context) (done bool, err error) {
	isNew, err := f.opts.IsNew(ctx)
	if err != nil || !isNew {
		return err == nil, err
	}
	root, err := f.open()
	if err != nil {
		return false, err
	}
	isEmpty, err := f.files.Empty()
	if err != nil || !isEmpty {
		return err == nil, err
	}
	err = root.Mkdir(dir, folderMode)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err == nil {
		f.opts.Log.Info("the folder of unknown people is new; it has the folder of uploads now", "folder", dir)
	}
	return err == nil, err
}
