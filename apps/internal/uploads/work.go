package uploads

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	workPrefix = ".tmp-"
	lockName   = "lock"
	// youngest is the age from which a work folder without a lock counts: its process
	// may be about to take the lock.
	youngest = time.Minute
	// stale is the age from which a work folder of another machine counts as left
	// over. A request writes to its files all the time, see httpapi.Stream.
	stale = time.Hour
)

// work is the work folder of this process. Its lock says that the process lives, to
// other processes of the same machine.
type work struct {
	root *os.Root // of unknown people
	name string   // relative to root
	lock *os.File
}

// hostPart is this machine's part of the names of work folders.
func hostPart() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	return workPrefix + strings.Map(func(r rune) rune {
		if r == '/' || r == '-' {
			return '_'
		}
		return r
	}, host) + "-"
}

// workFolder returns the work folder, which it makes at first, and again if somebody
// has deleted it or the volume is another one.
func (f *Folder) workFolder(root *os.Root) (*work, error) {
	f.working.Lock()
	defer f.working.Unlock()
	if f.work != nil && f.work.root == root && f.work.isThere() {
		return f.work, nil
	}
	if f.work != nil {
		f.work.lock.Close()
		f.work = nil
	}
	w := &work{root: root, name: path.Join(dir, hostPart()+rand.Text()[:12])}
	if err := root.MkdirAll(w.name, folderMode); err != nil {
		return nil, fmt.Errorf("make the work folder: %w", err)
	}
	var err error
	if w.lock, err = root.OpenFile(path.Join(w.name, lockName), os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode); err != nil {
		return nil, fmt.Errorf("make the lock of the work folder: %w", err)
	}
	// It fails on file systems without locks. There, age alone counts.
	_ = unix.Flock(int(w.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	f.work = w
	return w, nil
}

func (w *work) isThere() bool {
	now, err := w.root.Stat(path.Join(w.name, lockName))
	if err != nil {
		return false
	}
	held, err := w.lock.Stat()
	return err == nil && os.SameFile(now, held)
}

// leaveWork deletes the work folder.
func (f *Folder) leaveWork() error {
	f.working.Lock()
	defer f.working.Unlock()
	if f.work == nil {
		return nil
	}
	err := f.work.root.RemoveAll(f.work.name)
	f.work.lock.Close()
	f.work = nil
	return err
}

// removeStale deletes the work folders of processes that have died.
func (f *Folder) removeStale(root *os.Root, names []string) error {
	f.working.Lock()
	own := ""
	if f.work != nil {
		own = path.Base(f.work.name)
	}
	f.working.Unlock()
	var errs []error
	for _, name := range names {
		at := path.Join(dir, name)
		if name == own || !isLeftOver(root, at, strings.HasPrefix(name, hostPart())) {
			continue
		}
		f.opts.Log.Info("delete what an interrupted upload has left", "folder", at)
		errs = append(errs, root.RemoveAll(at))
	}
	return errors.Join(errs...)
}

// isLeftOver reports whether the process of a work folder has died. here says that it
// was one of this machine.
func isLeftOver(root *os.Root, at string, here bool) bool {
	age, err := ageOf(root, at)
	if err != nil {
		return false
	}
	if !here {
		return age >= stale
	}
	lock, err := root.OpenFile(path.Join(at, lockName), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return age >= youngest
	}
	if err != nil {
		return false
	}
	defer lock.Close()
	switch err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case err == nil:
		return true
	case errors.Is(err, unix.EWOULDBLOCK):
		return false
	default: // a file system without locks
		return age >= stale
	}
}

// ageOf returns the time since the last change of a folder and its files.
func ageOf(root *os.Root, at string) (time.Duration, error) {
	info, err := root.Stat(at)
	if err != nil {
		return 0, err
	}
	last := info.ModTime()
	entries, err := fs.ReadDir(root.FS(), at)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return time.Since(last), nil
}
