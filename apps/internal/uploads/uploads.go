// Package uploads stores uploaded pictures below uploads/ in the folder of unknown
// people, under the SHA-256 of their content. A file is there whole or not at all, and
// the same content is stored once.
//
// A Batch is the files of one request. They are written to a work folder of this
// process, uploads/.tmp-HOST-…, and get their names together, when all have arrived:
//
//	batch, err := folder.Begin()
//	defer batch.Close()
//	…
//	path, err := batch.Add(part) // for each file
//	err = batch.Publish()        // the files are there
//	…                            // write the rows
//	missing, err := batch.Confirm(ctx)
//
// Several processes on several machines share the folder without locks. Confirm finds
// a file that somebody has deleted between Publish and the rows; Remove puts a file
// back whose path has got a row meanwhile. So a row always has its file.
package uploads

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/wholefile"
)

const (
	// dir is the folder below that of unknown people.
	dir                  = "uploads"
	folderMode, fileMode = wholefile.FolderMode, wholefile.FileMode
	// lookFor is how long a volume may take to answer.
	lookFor = 2 * time.Second
	// lookEvery limits how often the volume is asked.
	lookEvery = time.Second
)

// InUse reports whether a row has the path of a file.
type InUse func(ctx context.Context, path string) (bool, error)

// Options configures a Folder.
type Options struct {
	UnknownPeople string // the folder of unknown people
	MaxFile       int64  // bytes of a file
	MinFree       Room   // what must stay free on the volume
	InUse         InUse
	// IsNew reports whether no picture has been answered yet. nil means that it is not
	// known.
	IsNew func(ctx context.Context) (bool, error)
	Log   *slog.Logger
}

// Room is an amount of space on a volume: bytes, or a share of the volume.
type Room struct {
	Bytes uint64
	Share float64 // 0 to 1
}

// of returns the room in bytes on a volume of a size.
func (r Room) of(size uint64) uint64 { return max(r.Bytes, uint64(r.Share*float64(size))) }

// Folder is where uploaded files are stored. It is safe for concurrent use.
type Folder struct {
	opts Options

	looks sync.Mutex // guards the fields below
	look  *look

	opening sync.Mutex // guards files
	files   *picturefiles.Folder

	working sync.Mutex // guards work
	work    *work
	batches atomic.Uint64 // so far; tells their files apart

	cancel context.CancelFunc // ends the loop
	loop   sync.WaitGroup
}

// New returns a Folder. It touches no file: the volume may not be there yet.
func New(opts Options) *Folder { return &Folder{opts: opts} }

// look is one look at the volume. The results are set before done is closed.
type look struct {
	done    chan struct{}
	at      time.Time
	volume  picturefiles.Volume
	problem error
}

// Problem returns why files cannot be uploaded now, or nil. Its message is for
// clients. A volume that does not answer is a problem, too.
func (f *Folder) Problem() error {
	_, err := f.examined()
	return err
}

// Volume returns the room of the volume. ok is false if the volume is away.
func (f *Folder) Volume() (v picturefiles.Volume, ok bool) {
	v, err := f.examined()
	return v, err == nil || faces.ErrorCode(err) == faces.CodeNoRoom
}

// examined looks at the volume, if nobody has done so within a second, and waits for
// the result, but not for a volume that hangs.
func (f *Folder) examined() (picturefiles.Volume, error) {
	f.looks.Lock()
	now := f.look
	if now == nil || isClosed(now.done) && time.Since(now.at) >= lookEvery {
		now = &look{done: make(chan struct{}), at: time.Now()}
		f.look = now
		go func() {
			defer close(now.done)
			now.volume, now.problem = f.examine()
		}()
	}
	f.looks.Unlock()
	timeout := time.NewTimer(lookFor)
	defer timeout.Stop()
	select {
	case <-now.done:
		return now.volume, now.problem
	case <-timeout.C:
		return picturefiles.Volume{}, refused("their volume does not answer; check its file server")
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// refused says that uploads are not possible, and what else is.
func refused(why string) *faces.Error {
	return faces.Errorf(faces.CodeUnavailable, "uploads are not possible now: %s; paths can still be posted", why)
}

func (f *Folder) examine() (v picturefiles.Volume, err error) {
	if _, err := f.open(); err != nil {
		return v, err
	}
	v, err = picturefiles.VolumeOf(f.opts.UnknownPeople)
	switch {
	case errors.Is(err, errors.ErrUnsupported): // then a write that fails tells
	case err != nil:
		return v, refused("the volume of UNKNOWN_PEOPLE cannot be examined").WithCause(err)
	case v.ReadOnly:
		return v, refused("the volume of UNKNOWN_PEOPLE is read-only; mount it with write access")
	}
	if err := f.writable(); err != nil {
		return v, err
	}
	return v, f.room(v)
}

// writable asks whether this user may write, without writing.
func (f *Folder) writable() error {
	at := path.Join(f.opts.UnknownPeople, dir)
	err := unix.Access(at, unix.W_OK|unix.X_OK)
	if errors.Is(err, fs.ErrNotExist) {
		err = unix.Access(f.opts.UnknownPeople, unix.W_OK|unix.X_OK)
	}
	if err != nil {
		return refused(fmt.Sprintf("user %d may not write to %s; chmod or chown it", os.Geteuid(), at)).WithCause(err)
	}
	return nil
}

// room returns an error if too little of a volume is free.
func (f *Folder) room(v picturefiles.Volume) error {
	if need := f.opts.MinFree.of(v.Size); v.Size > 0 && v.Free < need {
		return faces.Errorf(faces.CodeNoRoom, "uploads are not possible now: the volume of the pictures has %d MiB free, and %d MiB must stay free (ROLLCALL_MIN_FREE); "+
			"delete pictures or enlarge it; paths can still be posted", v.Free>>20, need>>20)
	}
	return nil
}

// checkRoom measures the volume and returns an error if too little of it is free.
func (f *Folder) checkRoom() error {
	v, err := picturefiles.VolumeOf(f.opts.UnknownPeople)
	if err != nil {
		return nil //nolint:nilerr // a write that fails tells
	}
	return f.room(v)
}

// open returns the folder of unknown people. It follows a volume that was mounted
// again, and refuses an empty mount point whose volume has gone.
func (f *Folder) open() (*os.Root, error) {
	f.opening.Lock()
	defer f.opening.Unlock()
	if f.files == nil {
		files, err := picturefiles.Open(f.opts.UnknownPeople, "unknown people")
		if err != nil {
			return nil, refused("the folder UNKNOWN_PEOPLE cannot be opened; mount its volume").WithCause(err)
		}
		f.files = files
	}
	if err := f.files.Follow(); err != nil {
		return nil, refused("the volume of UNKNOWN_PEOPLE is not mounted any more, or cannot be read").WithCause(err)
	}
	return f.files.Root(), nil
}

// Reachable returns an error if the files cannot be reached now, be it only to delete
// one. A full volume is no reason.
func (f *Folder) Reachable() error {
	err := f.Problem()
	if faces.ErrorCode(err) == faces.CodeNoRoom {
		return nil
	}
	return err
}

// fault turns an error of the file system into one for the client.
func fault(err error) error {
	switch {
	case err == nil, errors.As(err, new(*faces.Error)):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return faces.Errorf(faces.CodeNoRoom, "the volume of the pictures is full; delete pictures or enlarge it, then send the file again").WithCause(err)
	case errors.Is(err, syscall.EROFS):
		return refused("the volume of UNKNOWN_PEOPLE is read-only; mount it with write access").WithCause(err)
	default:
		return faces.Errorf(faces.CodeUnavailable, "the volume of the pictures did not take the file; check the volume, then send the file again").WithCause(err)
	}
}

// own returns the path of an uploaded file relative to the folder of unknown people.
// ok is false for any other file, also below uploads/.
func (f *Folder) own(name string) (rel string, ok bool) {
	rel, ok = strings.CutPrefix(name, strings.TrimSuffix(f.opts.UnknownPeople, "/")+"/")
	if !ok {
		return "", false
	}
	sub, base, ok := strings.Cut(strings.TrimPrefix(rel, dir+"/"), "/")
	hash, ext, dotted := strings.Cut(base, ".")
	ok = ok && dotted && strings.HasPrefix(rel, dir+"/") && len(hash) == 64 && sub == hash[:2] && ext != "" &&
		strings.Trim(hash, "0123456789abcdef") == "" && !strings.Contains(ext, "/")
	return rel, ok
}

// Owns reports whether a path is that of an uploaded file.
func (f *Folder) Owns(name string) bool {
	_, ok := f.own(name)
	return ok
}
