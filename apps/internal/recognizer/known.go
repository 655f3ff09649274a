package recognizer

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/gallery"
)

// KnownPicture is a file in the folder of known people.
type KnownPicture struct {
	Name string            // relative to the folder, with forward slashes
	Sum  [sha256.Size]byte // of the file; zero if it could not be read
	// Problem says why the picture cannot be matched, and Reason classifies
	// it: NoFace, Uncertain for several faces, or the reason of a failure.
	// Both are empty if it can be matched. Only then are the fields below
	// set.
	Problem     string
	Reason      faces.Reason
	Descriptors []faces.Descriptor // the first is also the one it is asked about with
	Quality     faces.Quality
}

// KnownLook configures Known.
type KnownLook struct {
	// Remembered uses descriptors from the gallery's cache where they exist.
	// The cache has no Quality.
	Remembered bool
	// Progress is called after each picture, from several goroutines. It may
	// be nil.
	Progress func(done, total int)
}

// Known describes every known picture as a recognizer with these options
// would, without running a server. The problem of a picture is in its
// Problem. Known fails if the folder cannot be read, an engine cannot be
// opened, or ctx ends.
func Known(ctx context.Context, opts Options, model faces.Model, open func() (engine.Engine, error),
	look KnownLook) (list []KnownPicture, err error) {
	opts.UnknownPeople = opts.KnownPeople // not used
	r, err := New(opts, model, open, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close(context.WithoutCancel(ctx))) }()
	files, err := r.known.Files(ctx)
	if err != nil {
		return nil, err
	}
	if look.Remembered {
		defer r.known.LoadCache()()
	}
	list = make([]KnownPicture, len(files))
	var done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(opts.Engines)
	for i, f := range files {
		group.Go(func() error {
			list[i] = r.lookAtKnown(ctx, f)
			if look.Progress != nil && ctx.Err() == nil {
				look.Progress(int(done.Add(1)), len(files))
			}
			return ctx.Err()
		})
	}
	return list, group.Wait()
}

// lookAtKnown describes one picture, unless the cache has its content.
func (r *Recognizer) lookAtKnown(ctx context.Context, f gallery.File) KnownPicture {
	p := KnownPicture{Name: f.Name}
	if f.Problem != "" {
		p.Problem, p.Reason = f.Problem, faces.Internal // the file exists but cannot be accessed
		return p
	}
	data, err := r.known.Read(f.Name)
	if err != nil {
		return p.failed(err)
	}
	p.Sum = sha256.Sum256(data)
	if list, ok := r.known.Cached(p.Sum); ok {
		p.Descriptors = list
		return p
	}
	if p.Descriptors, p.Quality, err = r.describeOne(ctx, data); err != nil {
		return p.failed(err)
	}
	return p
}

// failed returns the picture with err as its problem.
func (p KnownPicture) failed(err error) KnownPicture {
	p.Problem, p.Reason = gallery.ProblemText(err), faces.ReasonOf(err)
	if code := faces.Reason(faces.ErrorCode(err)); code == faces.NoFace || code == faces.Uncertain {
		p.Reason = code
	}
	return p
}
