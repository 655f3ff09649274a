// Package grouping is the job that keeps the groups of faces that nobody knows up to
// date in the database. Package groups is the algorithm: it knows faces and distances
// only. This one knows where they come from and where the result goes:
//
//	database: which faces take part ─▶ groups.Grouping ─▶ database: face_groups
//	                                        ▲
//	                            a recognizer: the faces near a face
//
// One program at a time works: the holder of the lease of re-matching. It keeps the
// Grouping in memory and follows the events of images; page after page it compares all
// faces, in case an event is missing. It writes what changed, with the token of its
// lease, so that a program that lost the lease writes nothing. A checkpoint saves it
// from comparing all faces again after a restart. Nothing depends on the checkpoint's
// age: what happened since is seen as any other change, and the first thing that a new
// holder does with the stored groups is to compare them with its own.
//
// The groups are exact only if the recognizer that is asked has all faces that are
// grouped. So one is asked, not any; see session.verify.
package grouping

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
)

// Store is the part of the database that a Runner uses. A method with a token is
// refused with history.ErrLeaseLost if it is not that of the lease of re-matching.
type Store interface {
	NewestFace(ctx context.Context) (int64, error)
	SettledFace(ctx context.Context, before time.Time) (int64, error)
	SummarizeFaces(ctx context.Context, m faces.Model, after, upTo int64, limit int) (sum faces.FaceSummary, end int64, err error)
	EventRange(ctx context.Context) (faces.EventRange, error)
	ChangedImages(ctx context.Context, after int64, limit int) (faces.ImageChanges, error)

	GroupableFaces(ctx context.Context, m faces.Model, after, upTo int64, limit int) (list []groups.Face, end int64, err error)
	GroupableIn(ctx context.Context, m faces.Model, images []int64) ([]groups.Face, error)
	DescriptorsOf(ctx context.Context, m faces.Model, ids []int64) ([]faces.Descriptor, error)
	FacesApart(ctx context.Context, model string) ([][2]int64, error)

	PlacedFaces(ctx context.Context, model string, after, upTo int64, limit int) (placed map[int64]int64, end int64, err error)
	PlaceFaces(ctx context.Context, token int64, model string, list []groups.Placement) error
	SaveGrouping(ctx context.Context, token int64, p groups.Progress) error
	GroupingWaits(ctx context.Context, token int64, model, detail string) error
	Checkpoint(ctx context.Context, model string) ([]byte, error)
	SaveCheckpoint(ctx context.Context, token int64, model string, data []byte) error
	ForgetGroupings(ctx context.Context, token int64, keep string) (more bool, err error)
}

// Recognizer is one of the recognizers.
type Recognizer interface {
	Address() string
	CheckFaces(ctx context.Context, model string, after, upTo, newest int64) (faces.FaceIndex, faces.FaceSummary, error)
	// NearFaces returns all stored faces within a distance of each face, and nil for
	// a face that it does not have.
	NearFaces(ctx context.Context, model string, ids []int64, within float64, upTo int64) ([][]faces.NearFace, error)
}

// List returns the recognizers that there are now.
type List[R Recognizer] func(ctx context.Context) ([]R, error)

// Runner keeps the groups up to date while this program holds the lease.
type Runner struct {
	store   Store
	list    func(ctx context.Context) ([]Recognizer, error)
	lease   func() int64
	opts    Options
	log     *slog.Logger
	metrics *metrics
	loop    *background.Loop

	// Used by the loop only.
	token     int64 // of the lease, as of the last round
	since     time.Time
	session   *session
	waits     groups.Progress // that is stored, if the groups wait
	forgotten bool            // groups are off, and all rows are deleted
	repeats   background.Repeats
}

// New returns a Runner, which does nothing before Start. lease returns the token of the
// lease of re-matching, or 0 while another program holds it.
func New[R Recognizer](st Store, list List[R], lease func() int64, opts Options, log *slog.Logger, reg prometheus.Registerer) *Runner {
	r := &Runner{store: st, lease: lease, opts: opts, log: log, metrics: newMetrics(reg)}
	r.list = func(ctx context.Context) ([]Recognizer, error) {
		found, err := list(ctx)
		all := make([]Recognizer, len(found))
		for i, one := range found {
			all[i] = one
		}
		return all, err
	}
	r.loop = background.New(background.Options{
		What: "grouping faces", Poll: opts.Poll, Round: r.runOnce, Log: log,
		Paused:   func(took time.Duration) time.Duration { return min(opts.Poll, background.Half(took)) },
		Panicked: func() { r.session = nil },
	})
	return r
}

// Start starts the work.
func (r *Runner) Start() { r.loop.Start() }

// Stop ends the work and stores a checkpoint. Call it before the lease is given up.
func (r *Runner) Stop(ctx context.Context) error {
	if err := r.loop.Stop(ctx); err != nil {
		return err
	}
	s := r.session
	if s == nil || s.changed == 0 || r.lease() != s.token {
		return nil
	}
	err := s.saveCheckpoint(ctx)
	if errors.Is(err, history.ErrLeaseLost) {
		return nil // whoever took it over has a checkpoint, if an older one
	}
	return err
}

// runOnce works once, if this program holds the lease, and reports whether there may be
// more to do.
func (r *Runner) runOnce(ctx context.Context) (more bool) {
	token := r.lease()
	if token != r.token {
		r.token, r.since, r.session, r.waits, r.forgotten = token, time.Now(), nil, groups.Progress{}, false
		r.metrics.reset()
	}
	if token == 0 || time.Since(r.since) < r.opts.Takeover {
		return false
	}
	more, err := r.round(ctx)
	switch {
	case err == nil:
		r.waits = groups.Progress{}
	case ctx.Err() != nil:
	case errors.Is(err, history.ErrLeaseLost):
		r.session = nil
		r.log.Info("another program has taken over grouping faces")
	default:
		r.report(ctx, err)
	}
	return more && err == nil
}

// round does the next step.
func (r *Runner) round(ctx context.Context) (more bool, err error) {
	if r.opts.Off {
		if !r.forgotten {
			more, err = r.store.ForgetGroupings(ctx, r.token, "")
			r.forgotten = err == nil && !more
		}
		return more, err
	}
	x, err := r.choose(ctx)
	if err != nil {
		return false, err
	}
	model := x.Model.WithRule(r.opts.Threshold, r.opts.Margin)
	if r.session == nil || r.session.model != model {
		if r.session, err = r.open(ctx, model); err != nil {
			return false, err
		}
	}
	return r.session.step(ctx, x)
}

// errWaits says why groups cannot be made now, in words for people.
type errWaits struct{ model, detail string }

func (e errWaits) Error() string { return e.detail }

// report logs a problem, the same one at most once a minute, and stores it where people
// see it.
func (r *Runner) report(ctx context.Context, problem error) {
	var waits errWaits
	detail := faces.ErrorMessage(problem)
	if errors.As(problem, &waits) {
		detail = waits.detail
	} else if detail == faces.ErrorMessage(errors.New("")) {
		detail = "an error of a service; the log of the processor has it"
	}
	if err := r.saveWaiting(ctx, waits.model, detail); err != nil && ctx.Err() == nil {
		problem = errors.Join(problem, err)
	}
	if !r.repeats.New(problem.Error()) {
		return
	}
	level := slog.LevelWarn
	if waits.detail != "" || errors.Is(problem, faces.ErrStarting) {
		level = slog.LevelInfo // whoever has to do something about it says so itself
	}
	r.log.Log(ctx, level, "cannot group faces now", "error", problem)
}

// saveWaiting stores why the groups wait, if it is known of which model set they are and
// it is not stored yet.
func (r *Runner) saveWaiting(ctx context.Context, model, detail string) error {
	p := groups.Progress{Model: model}
	if r.session != nil {
		p = r.session.saved
	}
	if p.Model == "" {
		return nil
	}
	p.State, p.Detail = groups.Waiting, detail
	if p == r.waits {
		return nil
	}
	r.metrics.show(p)
	if err := r.store.GroupingWaits(ctx, r.token, p.Model, detail); err != nil {
		return err
	}
	if r.waits = p; r.session != nil {
		r.session.saved = p
	}
	return nil
}
