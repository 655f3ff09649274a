package picturefiles

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// ErrAway marks an error of the whole folder: its volume is not mounted, has
// come back empty, or does not answer. No picture is at fault.
var ErrAway = errors.New("the folder is away")

// hung is how long a look at the folder may take before the folder counts as
// away. A network file system whose server is gone blocks every call.
const hung = 10 * time.Second

// health is what a Folder knows about its volume.
type health struct {
	mounts int   // the most mount points that were seen on its path
	asked  bool  // a file was asked for while the folder had no entries
	away   error // why the folder cannot be used; nil if it can
	// undelivered is a file that the volume failed to deliver, relative to the
	// folder. The folder is away until the volume delivers again.
	undelivered string
}

// Available returns an error that wraps ErrAway while the folder cannot be used.
// It does not look at the folder: Follow does, and every failed Read.
func (f *Folder) Available() error {
	if since := f.looking.Load(); since > 0 && time.Since(time.Unix(0, since)) > hung {
		return f.errAway(nil, "does not answer; check its file server; pictures wait until it answers")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.health.away
}

// Follow looks whether the folder can be used, and reopens it if another one is
// now at its path: it was deleted and created again, renamed, or mounted. An
// empty mount point whose volume was unmounted is not taken for the folder.
func (f *Folder) Follow() error {
	_, err := f.follow(false, "")
	return err
}

// follow also reports whether the folder was reopened. asked says that somebody
// wants a file of it; undelivered is one that its volume has just failed to deliver,
// or empty.
func (f *Folder) follow(asked bool, undelivered string) (reopened bool, err error) {
	f.following.Lock()
	defer f.following.Unlock()
	f.looking.Store(time.Now().UnixNano())
	defer f.looking.Store(0)

	f.mu.Lock()
	h := f.health
	f.mu.Unlock()
	if undelivered != "" {
		h.undelivered = undelivered
	}
	reopened, err = f.examine(&h, asked)
	h.away = err
	f.mu.Lock()
	f.health = h
	f.mu.Unlock()
	return reopened, err
}

func (f *Folder) examine(h *health, asked bool) (reopened bool, err error) {
	now, err := os.Stat(f.path)
	if err != nil {
		return false, f.errAway(err, "cannot be found; mount its volume; pictures wait until then")
	}
	mounts, err := mountsOn(f.path)
	switch {
	case err != nil:
		return false, f.errAway(err, "cannot be examined; check its volume; pictures wait until then")
	case mounts < h.mounts:
		return false, f.errAway(nil, "is not mounted any more; mount it again (or restart this program, if the folder without a volume is meant); pictures wait until then")
	}
	h.mounts = mounts
	if held, err := f.root.Load().Stat("."); err != nil || !os.SameFile(now, held) {
		root, err := os.OpenRoot(f.path)
		if err != nil {
			return false, f.errAway(err, "cannot be opened; check its volume and its permissions; pictures wait until then")
		}
		f.root.Store(root) // a finalizer closes the old one when nobody uses it any more
		reopened = true
	}
	empty, err := isEmpty(f.root.Load())
	if err != nil {
		return reopened, f.errAway(err, "cannot be listed; check its volume and its permissions; pictures wait until then")
	}
	h.asked = empty && (h.asked || asked)
	if h.asked {
		return reopened, f.errAway(nil, "has no entries, but a picture in it was asked for: the volume is not mounted or has come back empty; mount it, or put any file there; pictures wait until then")
	}
	if h.undelivered != "" {
		if err := f.delivers(h.undelivered); err != nil {
			return reopened, f.errAway(err, "cannot be read")
		}
		h.undelivered = ""
	}
	return reopened, nil
}

// Empty reports whether the folder has no entries at all.
func (f *Folder) Empty() (bool, error) { return isEmpty(f.root.Load()) }

func isEmpty(root *os.Root) (bool, error) {
	folder, err := root.Open(".")
	if err != nil {
		return false, err
	}
	defer folder.Close()
	_, err = folder.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

// errAway says what is wrong with the folder, without its path.
func (f *Folder) errAway(cause error, what string) error {
	wrapped := ErrAway
	if isVolumeFault(cause) {
		what = "is on a volume that does not deliver its files; check its disk or its file server; pictures wait until it does"
	}
	if cause != nil {
		wrapped = fmt.Errorf("%w: %w", ErrAway, withoutPath(cause))
	}
	return faces.Fault(faces.RecognizerUnavailable, "the folder of %s %s", f.of, what).WithCause(wrapped)
}

// withoutPath drops the path of an error of the file system: the folder's place
// is no business of clients.
func withoutPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
