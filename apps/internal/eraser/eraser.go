// Package eraser keeps the ledger of erasures, replays what a restored database does
// not know, and does what is left of an erasure after its transaction. The program that
// runs it has both volumes.
//
// The job of an erasure is a list of steps. Each can be repeated, and finds its work by
// the marks of the entry, so a job that was killed begins again with the first.
package eraser

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Store is the part of the database that an Eraser uses.
type Store interface {
	ReplayErasure(ctx context.Context, e erasure.Entry) (known bool, err error)
	KnownErasures(ctx context.Context, ids []string) (map[string]bool, error)
	ErasureEntries(ctx context.Context, after int64) (list []erasure.Entry, next int64, err error)
	ErasuresChanged(ctx context.Context) (string, error)
	ClaimErasure(ctx context.Context, lease time.Duration) (store.ErasureLease, bool, error)
	RenewErasure(ctx context.Context, l store.ErasureLease, lease time.Duration) (bool, error)
	EndErasure(ctx context.Context, l store.ErasureLease, counts map[string]int) error

	SweepErasedPlaces(ctx context.Context, after int64) (n int, next int64, err error)
	ForgetErasedMentions(ctx context.Context, e erasure.Entry) (int, error)
	ForgetErasedNotes(ctx context.Context, e erasure.Entry) (int, error)
	ForgetErasedAnswers(ctx context.Context, e erasure.Entry) (int, error)
	ForgetErasedTexts(ctx context.Context, e erasure.Entry) (int, error)
	SelectErasedImages(ctx context.Context, e erasure.Entry, limit int) ([]store.Selected, error)
	DeleteImages(ctx context.Context, list []store.Selected) (deleted []store.Selected, err error)
	Compact(ctx context.Context) error
}

// Files are the files that Rollcall wrote.
type Files interface {
	// EraseKnown deletes the known pictures of an entry.
	EraseKnown(ctx context.Context, e erasure.Entry) (int, error)
	// EraseUploads deletes the uploaded files of images that an entry deletes.
	EraseUploads(ctx context.Context, e erasure.Entry) (int, error)
	// ForgetRenderings empties the cache of renderings.
	ForgetRenderings()
}

// Options configures an Eraser.
type Options struct {
	KnownPeople string // the folder with the ledger
	// Poll is the time between two looks for work; 0 is two seconds.
	Poll time.Duration
	// Before is called before each step of a job, for tests. An error ends the job as if
	// the program had been killed there.
	Before func(step string) error
}

const (
	defaultPoll = 2 * time.Second
	// lease is how long an erasure is one program's without a sign of life.
	lease = 30 * time.Second
	// renewEvery is the time between two signs of life of a step.
	renewEvery = 10 * time.Second
	// replayEvery is the time between two looks for entries that the database does not
	// know.
	replayEvery  = time.Minute
	imagesAtOnce = 100
)

// Eraser is the part of a program that carries out erasures.
type Eraser struct {
	store  Store
	files  Files
	ledger Ledger
	opts   Options
	log    *slog.Logger

	wake    chan struct{}
	changed string // see Store.ErasuresChanged
	cancel  context.CancelFunc
	done    chan struct{}
}

// New returns an Eraser.
func New(st Store, files Files, opts Options, log *slog.Logger) *Eraser {
	if opts.Poll == 0 {
		opts.Poll = defaultPoll
	}
	return &Eraser{
		store: st, files: files, ledger: NewLedger(opts.KnownPeople), opts: opts, log: log,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// Ledger returns where entries are kept.
func (e *Eraser) Ledger() Ledger { return e.ledger }

// Wake lets the Eraser look for work now.
func (e *Eraser) Wake() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Part returns the part of a program that works until it stops. Entries that the
// database does not know are replayed before the next part starts.
func (e *Eraser) Part() lifecycle.Part {
	return lifecycle.Part{Name: "erasures", Start: func(ctx context.Context, _ func(error)) error {
		e.replay(ctx)
		ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
		go func() {
			defer close(e.done)
			e.run(ctx)
		}()
		return nil
	}, Stop: func(ctx context.Context) error {
		e.cancel()
		select {
		case <-e.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}

func (e *Eraser) run(ctx context.Context) {
	tick, replay := time.NewTicker(e.opts.Poll), time.NewTicker(replayEvery)
	defer tick.Stop()
	defer replay.Stop()
	for {
		if err := e.Work(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("an erasure is not complete yet; it goes on", "pause", lease, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-replay.C:
			e.replay(ctx)
		case <-tick.C:
		case <-e.wake:
		}
	}
}

func (e *Eraser) replay(ctx context.Context) {
	if e.ledger.folder == "" {
		return
	}
	n, err := e.Replay(ctx)
	if err != nil && ctx.Err() == nil {
		e.log.Warn("the ledger of erasures was not read to its end; people may be back after a restore", "pause", replayEvery, "error", err)
	}
	if n > 0 {
		e.log.Warn("the database did not know some erasures, as after a restore; they were carried out again", "erasures", n)
	}
}

// Replay carries out the entries of the ledger that the database does not know, and
// writes the entries that the ledger does not have. It returns how many it carried out.
// An entry that cannot be read does not keep the others from being replayed.
func (e *Eraser) Replay(ctx context.Context) (n int, err error) {
	ids, err := e.ledger.IDs()
	if err != nil {
		return 0, err
	}
	known, err := e.store.KnownErasures(ctx, ids)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, id := range ids {
		if known[id] {
			continue
		}
		entry, err := e.ledger.Read(id)
		if err == nil {
			_, err = e.store.ReplayErasure(ctx, entry)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		n++
	}
	return n, errors.Join(append(errs, e.keep(ctx, ids))...)
}

// keep writes the entries that are not in the ledger: its volume was restored or is new.
func (e *Eraser) keep(ctx context.Context, ids []string) error {
	have := map[string]bool{}
	for _, id := range ids {
		have[id] = true
	}
	for after := int64(0); ; {
		entries, next, err := e.store.ErasureEntries(ctx, after)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if have[entry.ID] {
				continue
			}
			if err := e.ledger.Write(entry); err != nil {
				return err
			}
		}
		if after = next; next == 0 {
			return nil
		}
	}
}

// Work empties the caches if an erasure began or ended since the last call, and does the
// job of each erasure that has one.
func (e *Eraser) Work(ctx context.Context) error {
	changed, err := e.store.ErasuresChanged(ctx)
	if err != nil {
		return err
	}
	if changed != e.changed {
		e.files.ForgetRenderings()
		e.changed = changed
	}
	for {
		l, ok, err := e.store.ClaimErasure(ctx, lease)
		if err != nil || !ok {
			return err
		}
		if err := e.job(ctx, l); err != nil {
			return fmt.Errorf("erasure %s: %w", l.Entry.ID, err)
		}
	}
}

// Steps returns the names of the steps of a job, in order.
func Steps() []string {
	return []string{"places", "mentions", "notes", "answers", "texts", "images", "uploads", "known_files", "renderings", "compact", "end"}
}

func (e *Eraser) job(ctx context.Context, l store.ErasureLease) error {
	counts := map[string]int{}
	for _, step := range Steps() {
		if e.opts.Before != nil {
			if err := e.opts.Before(step); err != nil {
				return err
			}
		}
		held, err := e.store.RenewErasure(ctx, l, lease)
		if err != nil || !held {
			return err // another program goes on
		}
		var done map[string]int
		err = e.hold(ctx, l, func(ctx context.Context) error {
			done, err = e.step(ctx, l, step, counts)
			return err
		})
		if errors.Is(err, errLost) {
			return nil // another program goes on
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
		maps.Copy(counts, done)
	}
	e.log.Info("a person is erased; the search comes next", "erasure", l.Entry.ID)
	return nil
}

// errLost means that another program has the erasure.
var errLost = errors.New("the lease of the erasure is lost")

// hold renews a lease while work runs. If the lease is lost, it ends the context of work
// and returns errLost. A database that does not answer is no loss: nobody else can take
// the lease then, and rewriting a large database file takes longer than a lease.
func (e *Eraser) hold(ctx context.Context, l store.ErasureLease, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var renewing sync.WaitGroup
	defer renewing.Wait()
	defer cancel(nil)
	renewing.Go(func() {
		background.Every(ctx, renewEvery, func(ctx context.Context) {
			if held, err := e.store.RenewErasure(ctx, l, lease); err == nil && !held {
				cancel(errLost)
			}
		})
	})
	err := work(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errLost) {
		return errLost
	}
	return err
}

func (e *Eraser) step(ctx context.Context, l store.ErasureLease, step string, counts map[string]int) (done map[string]int, err error) {
	var n int
	what := step
	switch step {
	case "places":
		what = "faces_again"
		n, err = e.sweepPlaces(ctx)
	case "mentions":
		n, err = e.store.ForgetErasedMentions(ctx, l.Entry)
	case "notes":
		n, err = e.store.ForgetErasedNotes(ctx, l.Entry)
	case "answers":
		n, err = e.store.ForgetErasedAnswers(ctx, l.Entry)
	case "texts":
		n, err = e.store.ForgetErasedTexts(ctx, l.Entry)
	case "images":
		n, err = e.deleteImages(ctx, l.Entry)
	case "uploads":
		n, err = e.files.EraseUploads(ctx, l.Entry)
	case "known_files":
		n, err = e.files.EraseKnown(ctx, l.Entry)
	case "renderings":
		e.files.ForgetRenderings()
		return nil, nil
	case "compact":
		return nil, e.store.Compact(ctx)
	case "end":
		return nil, e.store.EndErasure(ctx, l, counts)
	}
	return map[string]int{what: n}, err
}

func (e *Eraser) sweepPlaces(ctx context.Context) (total int, err error) {
	for after := int64(0); ; {
		n, next, err := e.store.SweepErasedPlaces(ctx, after)
		if err != nil {
			return total, err
		}
		total += n
		if after = next; next == 0 {
			return total, nil
		}
	}
}

func (e *Eraser) deleteImages(ctx context.Context, entry erasure.Entry) (total int, err error) {
	for {
		list, err := e.store.SelectErasedImages(ctx, entry, imagesAtOnce)
		if err != nil || len(list) == 0 {
			return total, err
		}
		deleted, err := e.store.DeleteImages(ctx, list)
		if err != nil {
			return total, err
		}
		total += len(deleted)
	}
}
