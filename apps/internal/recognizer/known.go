package recognizer

// This file owns the look at the folder of known people without a server: what
// a gallery would hold, and more about each picture than it needs.

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
	Sum  [sha256.Size]byte // of its bytes; zero where they could not be read
	// Problem says why it cannot be matched, and Reason of what kind that is:
	// NoFace, Uncertain for several faces, or a failure's. Where there is none,
	// the rest is filled.
	Problem     string
	Reason      faces.Reason
	Descriptors []faces.Descriptor // the first is also how it would be asked about
	Quality     faces.Quality
}

// KnownLook says how Known looks.
type KnownLook struct {
	// Remembered takes descriptors from the gallery's cache where a recognizer
	// has left them there. Quality is not remembered.
	Remembered bool
	// Progress is told after each picture, from several goroutines. It may be nil.
	Progress func(done, total int)
}

// Known looks at every known picture as a recognizer with these options does.
// What is wrong with a picture is in its Problem; the error is the folder's,
// the engines' or the context's.
func Known(ctx context.Context, opts Options, model faces.Model, open func() (engine.Engine, error),
	look KnownLook) (list []KnownPicture, err error) {
	opts.UnknownPeople = opts.KnownPeople // nothing is asked
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

// lookAtKnown looks at one picture, unless its content is remembered.
func (r *Recognizer) lookAtKnown(ctx context.Context, f gallery.File) KnownPicture {
	p := KnownPicture{Name: f.Name}
	if f.Problem != "" {
		p.Problem, p.Reason = f.Problem, faces.Internal // it is there, and cannot be looked at
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

// failed returns the picture with what is wrong with it.
func (p KnownPicture) failed(err error) KnownPicture {
	p.Problem, p.Reason = gallery.ProblemText(err), faces.ReasonOf(err)
	if code := faces.Reason(faces.ErrorCode(err)); code == faces.NoFace || code == faces.Uncertain {
		p.Reason = code
	}
	return p
}
